"""Faults: what can go wrong, with which machine, and how it grows over plant time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SWAPPED = "sensor-swapped"
SHARP = 4.0
"""How exponential the growth of `exponential` is: at half the time it has reached 12 %."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One thing that can go wrong. A sensor fault befalls one tag, the others the machine."""

    name: str
    description: str
    growth: str = "linear"
    sensor: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        FaultKind("bearing-outer", "spalling of the bearing's outer race", "exponential"),
        FaultKind("bearing-inner", "spalling of the bearing's inner race", "exponential"),
        FaultKind("bearing-ball", "spalling of a ball", "exponential"),
        FaultKind("bearing-cage", "the bearing's cage breaks: its balls run unevenly and rub", "exponential"),
        FaultKind("imbalance", "the rotor loses its balance"),
        FaultKind("misalignment", "the coupling gets out of line"),
        FaultKind("looseness", "the foot's bolts come loose: harmonics and half harmonics of the speed"),
        FaultKind("gear-tooth", "a tooth of the pinion cracks: a blow a turn, side bands of the mesh", "exponential"),
        FaultKind("lubrication", "the bearing runs dry: 20 dB more noise at high frequencies, and heat"),
        FaultKind("rotor-bar", "bars of the rotor break: more slip, swinging currents, side bands of the speed"),
        FaultKind("phase-imbalance", "the supply's phases differ by up to 4 %: uneven currents, heat, twice the mains"),
        FaultKind("fan", "the cooling fan clogs, until a sixth of the air is left"),
        FaultKind("belt-slip", "the belt slips: the spindle lags 6 % behind its setpoint, and gets warm"),
        FaultKind("tool-wear", "the tool is worn beyond its life: force, power and vibration rise"),
        FaultKind("friction", "the guideways run dry: the axes need more current for the same work"),
        FaultKind("coolant-filter", "the coolant's filter clogs: the flow halves, the pressure before it rises"),
        FaultKind("pump-wear", "the coolant pump cavitates and wears: flow and pressure fall and flutter"),
        FaultKind("heater", "a heating element fails: the seal no longer reaches its setpoint"),
        FaultKind("leak", "compressed air leaks: the pressure falls, the power rises"),
        FaultKind("more-rejects", "bad material: more rejects, though every process value is right"),
        FaultKind("sensor-stuck", "a sensor shows the same value for ever", sensor=True),
        FaultKind("sensor-spikes", "a loose contact: a sensor jumps, more and more often", sensor=True),
        FaultKind("sensor-drift", "a sensor reads higher and higher, up to a fifth", sensor=True),
        FaultKind(
            "sensor-clipped", "a converter saturates: a sensor shows no more than a part of its range", sensor=True
        ),
        FaultKind("sensor-swapped", "two sensors were put back the wrong way round: one shows the other", sensor=True),
    )
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault. Times are plant time, ns UTC; `tag` is that of a sensor fault."""

    kind: FaultKind
    begin: int
    over: int
    growth: str
    tag: str = ""

    def severity(self, now: int) -> float:
        """Return how far it has grown at `now`, 0 to 1."""
        if now < self.begin:
            return 0.0
        part = min(1.0, (now - self.begin) / self.over) if self.over else 1.0
        if self.growth == "exponential":
            return math.expm1(SHARP * part) / math.expm1(SHARP)
        return part


class Faults:
    """The faults of one machine. `supported` are the kinds that it can have, sensor faults apart.

    `twins` are the sensors that can be swapped, each with the other.
    """

    def __init__(
        self, supported: tuple[str, ...], sensors: Iterable[str], twins: Mapping[str, str] | None = None
    ) -> None:
        of_sensors = [kind.name for kind in KINDS.values() if kind.sensor and (twins or kind.name != SWAPPED)]
        self.supported = (*supported, *of_sensors)
        self._sensors = tuple(sensors)
        self._twins = tuple(twins or ())
        self._active: dict[tuple[str, str], Fault] = {}

    def inject(self, name: str, now: int, over: int = 0, growth: str = "", tag: str = "") -> Fault:
        """Let a fault begin at `now`, full after `over` ns; the same one again begins anew.

        Raises:
            ConfigError: this machine has no such fault or no such tag.
        """
        kind = self._kind(name)
        if growth not in {"", "linear", "exponential"}:
            raise ConfigError(f"growth {growth!r} is not known", "linear or exponential", code="plant")
        if tag and not kind.sensor:
            raise ConfigError(f"{name} befalls the machine, not a tag", "Leave the tag out", code="plant")
        if kind.sensor:
            able = self._twins if name == SWAPPED else self._sensors
            tag = tag or able[0]
            if tag not in able:
                raise ConfigError(f"there is no sensor {tag!r}", f"One of: {', '.join(able)}", code="plant")
        fault = Fault(kind, now, over, growth or kind.growth, tag)
        self._active[name, tag] = fault
        return fault

    def clear(self, name: str = "") -> int:
        """Repair one fault, or all; return how many."""
        gone = [key for key in self._active if name in {"", key[0]}]
        if name:
            self._kind(name)
        for key in gone:
            del self._active[key]
        return len(gone)

    def active(self) -> tuple[Fault, ...]:
        """Return all injected faults."""
        return tuple(self._active.values())

    def severity(self, name: str, now: int) -> float:
        """Return how far a fault of the machine has grown, 0 to 1; 0 where it has none."""
        fault = self._active.get((name, "")) if self._active else None
        return fault.severity(now) if fault else 0.0

    def of_sensors(self) -> tuple[Fault, ...]:
        """Return the sensor faults."""
        return tuple(fault for fault in self._active.values() if fault.kind.sensor) if self._active else ()

    def _kind(self, name: str) -> FaultKind:
        if name not in self.supported:
            raise ConfigError(
                f"this machine has no fault {name!r}", f"One of: {', '.join(self.supported)}", code="plant"
            )
        return KINDS[name]

"""Faults: what can go wrong, with which machine, and how it grows over plant time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shoptwin.sdk import ConfigError

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
        FaultKind("imbalance", "the rotor loses its balance"),
        FaultKind("misalignment", "the coupling gets out of line"),
        FaultKind("fan", "the cooling fan clogs, until a sixth of the air is left"),
        FaultKind("heater", "a heating element fails: the seal no longer reaches its setpoint"),
        FaultKind("leak", "compressed air leaks: the pressure falls, the power rises"),
        FaultKind("more-rejects", "bad material: more rejects, though every process value is right"),
        FaultKind("sensor-stuck", "a sensor shows the same value for ever", sensor=True),
        FaultKind("sensor-spikes", "a loose contact: a sensor jumps, more and more often", sensor=True),
        FaultKind("sensor-drift", "a sensor reads higher and higher, up to a fifth", sensor=True),
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
    """The faults of one machine. `supported` are the kinds that it can have, sensor faults apart."""

    def __init__(self, supported: tuple[str, ...], sensors: tuple[str, ...]) -> None:
        self.supported = (*supported, *(kind.name for kind in KINDS.values() if kind.sensor))
        self._sensors = sensors
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
            tag = tag or self._sensors[0]
            if tag not in self._sensors:
                raise ConfigError(f"there is no sensor {tag!r}", f"One of: {', '.join(self._sensors)}", code="plant")
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

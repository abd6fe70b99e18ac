"""What diagnosis reads off a burst, beyond the bands by which it is judged: batched over all bursts of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from shoptwin.assess import envelopes, spectra
from shoptwin.assess.waveforms import problem
from shoptwin.domain.kinematics import turns
from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.domain.batch import Waveform
    from shoptwin.domain.kinematics import Bearing, Gear
    from shoptwin.domain.machine import Machine

    Array: TypeAlias = NDArray[np.floating]

LONGEST = 16_384
"""Samples of a burst that are looked at, the latest: the memory of a batch stays bounded."""
ALWAYS = (
    "acceleration_m_s2", "velocity_mm_s", "impulses", "resonance_hz", "line", "line_hz", "rahmonic", "rahmonic_hz",
)  # fmt: skip
"""What needs no speed. The first two are ln, NaN without a unit of acceleration; see docs/reference/diagnosis.md."""
TURNING = (*spectra.ORDERS, "each_turn")
"""What needs the speed and nothing else."""
_ACCELERATION = {"g": 9.80665, "m/s2": 1.0, "m/s^2": 1.0, "m/s²": 1.0, "mm/s2": 1e-3, "mm/s²": 1e-3}
"""m/s2 in one of a unit, by its name in small letters."""


@dataclass(frozen=True, slots=True)
class Kinematics:
    """What turns in one machine, and which tag tells how fast."""

    speed: str = ""
    """Name of the speed tag; empty where there is none whose unit is one of turning."""
    hertz: float = 1.0
    """Turns a second in one of its unit."""
    bearings: tuple[Bearing, ...] = ()
    gears: tuple[Gear, ...] = ()

    @classmethod
    def of(cls, machine: Machine) -> Kinematics:
        """Return what is known of a machine: without its speed, bearings and gears tell nothing."""
        for tag in machine.tags:
            if tag.role is Role.SPEED and (hertz := turns(tag.unit)) is not None:
                return cls(tag.name, hertz, machine.bearings, machine.gears)
        return STILL

    @property
    def names(self) -> tuple[str, ...]:
        """Symptoms of one waveform of this machine, in order."""
        if not self.speed:
            return ALWAYS
        bearings = (f"{defect}/{bearing.name}" for bearing in self.bearings for defect in envelopes.DEFECTS)
        gears = (f"{what}/{gear.name}" for gear in self.gears for what in spectra.GEARS)
        return (*ALWAYS, *TURNING, *bearings, *gears)


STILL = Kinematics()
"""Of a machine whose speed nobody knows."""


class Look(NamedTuple):
    """One burst to look at."""

    wave: Waveform
    unit: str
    kinematics: Kinematics
    shaft: float
    """Turns a second, NaN where unknown."""


def compute(looks: Sequence[Look]) -> list[Array]:
    """Return the symptoms of each burst, float32 [names of its kinematics]; NaN for what cannot be told."""
    out = [np.full(len(look.kinematics.names), np.nan, np.float32) for look in looks]
    alike: dict[int, list[int]] = {}
    for i, look in enumerate(looks):
        if not problem(look.wave):
            alike.setdefault(min(len(look.wave.samples), LONGEST), []).append(i)
    for n, which in alike.items():
        x = np.stack([np.asarray(looks[i].wave.physical()[-n:], np.float32) for i in which])
        _fill(out, which, [looks[i] for i in which], x)
    return out


def _fill(out: list[Array], which: list[int], looks: list[Look], x: Array) -> None:
    """Write the symptoms of bursts of one length [B, n] into `out` at `which`."""
    n = x.shape[1]
    x = x - x.mean(1, keepdims=True)
    rate = np.array([look.wave.rate for look in looks])
    shaft = np.array([look.shaft if look.shaft > 0 else np.nan for look in looks])
    power = spectra.power(x)
    hertz = (rate / n).astype(np.float32)[:, None] * np.arange(power.shape[1], dtype=np.float32)
    velocity = spectra.velocity(power, hertz)
    modulated = envelopes.envelope(x, rate)
    unit = np.array([_ACCELERATION.get(look.unit.strip().lower(), np.nan) for look in looks])
    severity = np.maximum(spectra.severity(velocity, hertz), 1e-12)
    always = np.column_stack([
        np.log(np.maximum(x.std(1), 1e-12) * unit), np.log(severity * unit * 1e3),
        modulated.kurtosis, modulated.hertz, envelopes.strongest(modulated), spectra.rahmonic(power, rate),
    ])  # fmt: skip
    turning = np.column_stack([spectra.orders(velocity, shaft * n / rate), envelopes.each_turn(modulated, shaft)])
    for row, i in enumerate(which):
        out[i][: len(ALWAYS)] = always[row]
        if looks[row].kinematics.speed:
            out[i][len(ALWAYS) : len(ALWAYS) + len(TURNING)] = turning[row]
    for kinematics in {look.kinematics for look in looks if look.kinematics.speed}:
        mine = np.array([row for row, look in enumerate(looks) if look.kinematics == kinematics])
        parts = _parts(kinematics, power[mine], (shaft * n / rate)[mine], _rows(modulated, mine), shaft[mine])
        for row, values in zip(mine, parts, strict=True):
            out[which[row]][len(ALWAYS) + len(TURNING) :] = values


def _parts(kinematics: Kinematics, power: Array, turned: Array, found: envelopes.Envelope, shaft: Array) -> Array:
    """Return what is told of bearings and gears, [B, their names]."""
    columns = [envelopes.bearing(found, shaft, bearing.orders) for bearing in kinematics.bearings]
    columns += [spectra.meshing(power, turned, gear.mesh, gear.ratio) for gear in kinematics.gears]
    return np.concatenate(columns, axis=1) if columns else np.empty((len(power), 0))


def _rows(found: envelopes.Envelope, which: NDArray[np.intp]) -> envelopes.Envelope:
    return envelopes.Envelope(*(each[which] for each in found))

"""Vibration of a machine on a rolling bearing: defect impulses, resonances and noise, and what turns with the shaft.

The defect model follows Randall and Antoni, "Rolling element bearing diagnostics - a tutorial", Mechanical Systems and
Signal Processing 25 (2011): impulses at the geometry's frequencies whose spacing slips at random, modulated by the load
zone (Stribeck), ringing down in the modes of the structure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from shoptwin_plant.physics.shaft import GRAVITY, NOMINAL, vibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 25_600.0
"""Hz."""
SAMPLES = 8192
SLIP = 0.01
"""Standard deviation of the spacing between two impulses, as a share of it."""
_LEAD = 1024
"""Samples computed before the burst, so that it begins in the middle of things."""
_MODES = ((480.0, 0.05, 0.25), (3200.0, 0.03, 1.0), (5400.0, 0.04, 0.5))
"""Modes of the structure: frequency in Hz, damping ratio, share of an impulse of 1 g."""
_FULL_IMPULSE = 11.0
"""Height in g of an impulse at full severity, nominal speed and full load."""
_CRACKED_TOOTH = 6.0
"""Height in g of the blow of a tooth about to break, at nominal speed and full load."""
_UNEVEN = 0.12
"""Standard deviation of the spacing of what an ill cage guides, as a share of it."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """A ball bearing, in millimetres and radians. The default is a 6309."""

    balls: int = 8
    ball: float = 17.462
    pitch: float = 72.5
    contact: float = 0.0

    @property
    def _ratio(self) -> float:
        return self.ball / self.pitch * math.cos(self.contact)

    @property
    def bpfo(self) -> float:
        """Balls that pass a point of the outer race per turn of the shaft."""
        return self.balls / 2 * (1 - self._ratio)

    @property
    def bpfi(self) -> float:
        """Balls that pass a point of the inner race per turn."""
        return self.balls / 2 * (1 + self._ratio)

    @property
    def bsf(self) -> float:
        """Turns of a ball about itself per turn; a defect on it strikes twice in one."""
        return self.pitch / (2 * self.ball) * (1 - self._ratio**2)

    @property
    def ftf(self) -> float:
        """Turns of the cage per turn."""
        return (1 - self._ratio) / 2


@dataclass(frozen=True, slots=True)
class Condition:
    """How the machine runs and how ill it is; severities go from 0 to 1."""

    speed: float
    """Hz; 0 where it stands."""
    load: float
    """0 to 1."""
    outer: float = 0.0
    inner: float = 0.0
    ball: float = 0.0
    imbalance: float = 0.0
    misalignment: float = 0.0
    cage: float = 0.0
    looseness: float = 0.0
    tooth: float = 0.0
    dry: float = 0.0
    """How badly it is lubricated."""
    phases: float = 0.0
    """How uneven the supply's phases are."""
    bars: float = 0.0
    """How many of the rotor's bars are broken."""
    balance: float = 1.0
    """How much of its usual unbalance a healthy rotor has."""
    cold: float = 0.0
    """How stiff the grease is."""


def waveform(
    condition: Condition, rng: np.random.Generator, geometry: Geometry | None = None, samples: int = SAMPLES
) -> NDArray[np.float32]:
    """Return one burst of acceleration in g, float32 [samples] at `RATE`."""
    geometry = geometry or Geometry()
    n = samples + _LEAD
    ring, high, floor = _responses(n)
    white = np.fft.rfft(rng.standard_normal(n))
    if condition.speed <= 0:
        still = np.fft.irfft(white * floor * 0.003, n)[_LEAD:]
        return still.astype(np.float32)
    worn = max(condition.outer, condition.inner, condition.ball)
    hits = _defects(condition, rng, geometry, n)
    rough = 0.05 * (0.6 + 0.8 * condition.load) * (1 + 2.0 * worn**2 + 4.0 * condition.cage**2)
    rough *= 1 - 0.3 * condition.cold
    spectrum = white * (floor * 0.12 + ring * rough)
    if condition.dry:
        # Metal on metal rings the high modes: 8 dB more is a lack of grease, 20 dB the end (ultrasonic greasing).
        spectrum += white * high * rough * (10.0**condition.dry - 1)
    if hits.any():
        spectrum += np.fft.rfft(hits) * ring
    total = np.fft.irfft(spectrum, n)[_LEAD:] + vibration(condition, rng, samples, RATE)
    return total.astype(np.float32)


def _defects(condition: Condition, rng: np.random.Generator, geometry: Geometry, n: int) -> NDArray[np.float64]:
    """Return the impulses of all defects, in g, float64 [n]."""
    hits = np.zeros(n)
    kinds = (
        (condition.outer, geometry.bpfo, 0.0, False, SLIP, _FULL_IMPULSE),
        (condition.inner, geometry.bpfi, 1.0, True, SLIP, _FULL_IMPULSE),
        (condition.ball, 2 * geometry.bsf, geometry.ftf, True, SLIP, _FULL_IMPULSE),
        (condition.cage, geometry.bpfo, geometry.ftf, True, _UNEVEN, _FULL_IMPULSE / 2),
        (condition.tooth, 1.0, 0.0, False, 0.0, _CRACKED_TOOTH),
    )
    for severity, order, turns, moves, slip, full in kinds:
        if severity <= 0:
            continue
        times = impulse_times(order * condition.speed, n / RATE, rng, slip)
        strength = full * (0.5 + 0.5 * condition.load) * (condition.speed / NOMINAL) ** 2
        height = strength * severity**1.3 * rng.lognormal(0.0, 0.15, len(times))
        if moves:  # through the load zone: with the shaft for the inner race, with the cage for a ball
            angle = 2 * np.pi * (turns * condition.speed * times + rng.random())
            height = height * load_zone(angle)
        place(hits, times * RATE, height)
    return hits


def impulse_times(
    frequency: float, seconds: float, rng: np.random.Generator, slip: float = SLIP
) -> NDArray[np.float64]:
    """Return when a defect strikes, in seconds: `frequency` Hz on average, each spacing off by the share `slip`."""
    count = int(frequency * seconds * 1.1) + 4
    spacing = (1 + slip * rng.standard_normal(count)) / frequency
    times = np.cumsum(spacing) - spacing[0] * rng.random()
    inside: NDArray[np.float64] = times[(times >= 0) & (times < seconds)]
    return inside


def load_zone(angle: NDArray[np.float64], extent: float = 0.4) -> NDArray[np.float64]:
    """Return the load on a rolling element at `angle` (radians from the load's direction), as a share of the largest.

    Stribeck's distribution; `extent` below 0.5 is a bearing with clearance.
    """
    inside = 1 - (1 - np.cos(angle)) / (2 * extent)
    load: NDArray[np.float64] = np.where(inside > 0, np.abs(inside) ** 1.5, 0.0)
    return load


def place(target: NDArray[np.float64], at: NDArray[np.float64], height: NDArray[np.float64]) -> None:
    """Add impulses at fractional samples, shared between the two samples beside each."""
    whole = np.floor(at).astype(np.int64)
    part = at - whole
    np.add.at(target, whole, height * (1 - part))
    inside = whole + 1 < len(target)
    np.add.at(target, whole[inside] + 1, (height * part)[inside])


@lru_cache(maxsize=4)
def _responses(n: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.float64]]:
    """Return, for a transform of n samples, how the structure rings, its high modes alone, and the sensor's noise."""
    time = np.arange(n) / RATE
    frequency, damping, share = (column[:, None] for column in np.array(_MODES).T)
    omega = 2 * np.pi * frequency
    ring = share * np.exp(-damping * omega * time) * np.sin(omega * np.sqrt(1 - damping**2) * time)
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    return np.fft.rfft(ring.sum(0)), np.fft.rfft(ring[1:].sum(0)), frequencies / np.hypot(frequencies, 300.0)


def velocity_rms(samples: NDArray[np.float32], rate: float, low: float = 10.0, high: float = 1000.0) -> float:
    """Return the vibration severity of ISO 20816-1 in mm/s: rms velocity from `low` to `high` Hz, of samples in g."""
    window, band, weight = _velocity(len(samples), rate, low, high)
    spectrum = np.fft.rfft((samples - samples.mean()) * window)
    return float(np.linalg.norm(np.abs(spectrum[band]) * weight))


@lru_cache(maxsize=4)
def _velocity(n: int, rate: float, low: float, high: float) -> tuple[NDArray[np.float64], slice, NDArray[np.float64]]:
    """Return a window [n], the band of its transform, and what makes an rms velocity in mm/s of each line there."""
    window = np.hanning(n)
    frequencies = np.fft.rfftfreq(n, 1 / rate)
    first, last = np.searchsorted(frequencies, (low, high * (1 + 1e-12)))
    band = slice(int(first), int(last))
    scale = GRAVITY * 1000 * math.sqrt(2 / (n * float(np.sum(window**2))))
    return window, band, np.asarray(scale / (2 * np.pi * frequencies[band]), np.float64)


def acceleration_rms(samples: NDArray[np.float32]) -> float:
    """Return the rms of the samples about their mean, in their unit."""
    return float(np.std(samples, dtype=np.float64))

"""What turns with the shaft, the field and the gear: lines of the spectrum, in peak velocities.

Amplitudes and orders follow the charts of ISO 13373-3 and of Bruel & Kjaer's "Machine-Health Monitoring": unbalance
at 1x; misalignment at 2x; looseness at many harmonics and at halves; uneven phases at twice the mains; broken rotor
bars as side bands of 1x at the pole passing frequency; a gear at the mesh, and with side bands a turn apart when a
tooth is ill.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from shoptwin_plant.physics.bearing import Condition

GRAVITY = 9.80665
"""m/s2 in one g."""
NOMINAL = 24.7
"""Speed in Hz that the amplitudes are for; forces of unbalance and impact grow with its square."""
TEETH = 21
"""Of the pinion on the motor's shaft."""
_TWICE_MAINS = 100.0
_SYNCHRONOUS = 25.0
_POLES = 4
_FINE = 64


def vibration(condition: Condition, rng: np.random.Generator, samples: int, rate: float) -> NDArray[np.float64]:
    """Return the acceleration of the lines, in g, float64 [samples] at `rate` Hz."""
    frequency, velocity = np.array(list(lines(condition))).T
    acceleration = velocity / 1000 * 2 * np.pi * frequency / GRAVITY
    phase = 2 * np.pi * rng.random() * np.arange(1, len(frequency) + 1)
    # The cosines as products: exp(i w (coarse + fine)), which takes two exponentials for each _FINE samples.
    step = 2j * np.pi * frequency / rate
    coarse = np.exp(np.arange(0, samples, _FINE)[:, None] * step + 1j * phase) * acceleration
    fine = np.exp(step[:, None] * np.arange(_FINE))
    return np.asarray((coarse @ fine).real.ravel()[:samples])


def lines(condition: Condition) -> Iterator[tuple[float, float]]:
    """Yield the frequency in Hz and the peak velocity in mm/s of each line."""
    c, speed = condition, condition.speed
    forced = (speed / NOMINAL) ** 2
    unbalance = 1.2 * c.balance + 9.0 * c.imbalance + 1.5 * c.misalignment + 1.0 * c.looseness
    yield speed, unbalance * forced
    yield 2 * speed, (0.4 + 6.0 * c.misalignment + 3.5 * c.looseness) * forced
    yield 3 * speed, (0.2 + 1.5 * c.misalignment + 2.5 * c.looseness) * forced
    yield _TWICE_MAINS, 0.15 + 0.2 * c.load + 1.6 * c.phases
    if c.looseness:
        yield from _loose(c, forced)
    if c.bars:  # a slip of 1 is standstill: the poles pass the bars at the slip frequency times the poles
        passing = (_SYNCHRONOUS - speed) * _POLES
        for side in (-1, 1):
            yield speed + side * passing, 2.2 * c.bars * (0.3 + c.load)
    yield from _gear(c, forced)


def _loose(c: Condition, forced: float) -> Iterator[tuple[float, float]]:
    """Yield the halves, and the harmonics that a support makes which lifts off and strikes once or twice a turn."""
    for order in (0.5, 1.5, 2.5):
        yield order * c.speed, 1.4 * c.looseness * forced
    for order in range(4, 11):
        yield order * c.speed, 6.0 / order * c.looseness * forced


def _gear(c: Condition, forced: float) -> Iterator[tuple[float, float]]:
    """Yield the mesh and its harmonics, as strong as the load on the teeth; an ill tooth modulates them each turn."""
    for harmonic, share in ((1, 0.25), (2, 0.1), (3, 0.05)):
        mesh, velocity = harmonic * TEETH * c.speed, share * (0.4 + c.load) * math.sqrt(forced)
        yield mesh, velocity * (1 + 1.5 * c.tooth)
        if c.tooth:
            for side in (-2, -1, 1, 2):
                yield mesh + side * c.speed, velocity * 1.5 * c.tooth / abs(side)

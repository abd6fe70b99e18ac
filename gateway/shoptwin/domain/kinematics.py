"""What turns in a machine: bearings and gears as orders of its speed, so that their faults can be told by frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

TURNS = {
    "rpm": 1 / 60, "1/min": 1 / 60, "/min": 1 / 60, "min-1": 1 / 60, "r/min": 1 / 60, "u/min": 1 / 60,
    "rev/min": 1 / 60,
    "hz": 1.0, "1/s": 1.0, "s-1": 1.0, "r/s": 1.0, "rps": 1.0, "rev/s": 1.0,
}  # fmt: skip
"""Turns a second in one of a unit of speed, by its name in small letters."""


def turns(unit: str) -> float | None:
    """Return how many turns a second one of `unit` is; None where the unit is not one of turning."""
    return TURNS.get("".join(unit.lower().split()))


class Defects(NamedTuple):
    """What a damaged bearing strikes at, as orders of the speed that the tag measures (ISO 15243, ISO 13373-3)."""

    outer: float
    inner: float
    ball: float
    """Twice the ball's own turning: a spot on it strikes both races in a turn."""
    cage: float


@dataclass(frozen=True, slots=True)
class Bearing:
    """One rolling bearing."""

    name: str
    orders: Defects


@dataclass(frozen=True, slots=True)
class Gear:
    """One pair of wheels, told by one of them."""

    name: str
    mesh: float
    """Teeth that mesh in a turn of the shaft that the speed is of."""
    ratio: float
    """Turns of this wheel's shaft for one of the shaft that the speed is of."""


def defects(balls: int, ball: float, pitch: float, angle: float = 0.0, ratio: float = 1.0) -> Defects:
    """Return the orders of a bearing with `balls` of diameter `ball` on a circle of diameter `pitch`, in one unit.

    `angle` is the contact angle in degrees; the outer race stands still and the inner one makes `ratio` turns for one
    of the measured speed. Source: Randall and Antoni, Mechanical Systems and Signal Processing 25 (2011), section 2.
    """
    part = ball / pitch * math.cos(math.radians(angle))
    return Defects(
        ratio * balls / 2 * (1 - part), ratio * balls / 2 * (1 + part), ratio * pitch / ball * (1 - part**2),
        ratio / 2 * (1 - part),
    )  # fmt: skip

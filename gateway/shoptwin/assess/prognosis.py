"""From a severity to a health index, and from its trend to remaining life (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.degradation import MODELS
from shoptwin.domain.assessment import Remaining

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.assess.degradation import Trend

    Array = NDArray[np.float64]

CONFIDENCE = 0.8
"""Of the interval that is told."""
SURE = 0.95
"""Chance of a trend from which on remaining life is told: one in twenty, as trend tests have it."""
AS_LEARNED = 0.5
"""Severity up to which a machine is as it was learned: half the alarm threshold."""
_DRAWS = 2000
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class FailureLevel:
    """Severity at which machines are repaired, log-logistic: nobody knows it of one machine (docs/decisions/0015)."""

    median: float
    """In multiples of the alarm threshold."""
    spread: float
    """Of its logarithm: scale of the logistic distribution, pi / sqrt(3) of which is a standard deviation."""

    def beyond(self, logarithm: Array, chance: Array) -> Array:
        """Return ln of the level that is exceeded with `chance` (0 to 1) once it is known to be above `logarithm`."""
        survival = chance / (1 + np.exp(np.clip((logarithm - math.log(self.median)) / self.spread, -500, 500)))
        beyond: Array = math.log(self.median) + self.spread * (np.log1p(-survival) - np.log(survival))
        return beyond


FAILURE = FailureLevel(4.0, 0.33)
"""Made by models/training/prognosis_table.py from machines that were run to failure."""


def index(severity: float) -> float:
    """Return the health index: 100 as learned, 0 at the usual failure level; each doubling costs the same."""
    lost = math.log(max(severity, AS_LEARNED) / AS_LEARNED) / math.log(FAILURE.median / AS_LEARNED)
    return 100.0 * (1.0 - min(lost, 1.0))


def remaining(trend: Trend, seconds: float, failure: FailureLevel = FAILURE) -> Remaining | None:
    """Return the time until failure, where a point takes `seconds`; None where no trend is sure enough."""
    if trend.chance < SURE:
        return None
    tail = (1 - CONFIDENCE) / 2
    draws = np.sort(passage(trend, failure)) * seconds
    low, middle, high = (draws[int(share * (len(draws) - 1))] for share in (tail, 0.5, 1 - tail))
    if not math.isfinite(middle):
        return None
    model = MODELS[int(np.argmax(np.bincount(trend.model, trend.weight, len(MODELS))))]
    return Remaining(float(low), float(middle), float(high), CONFIDENCE, model)


def passage(trend: Trend, failure: FailureLevel) -> Array:
    """Return draws of the points until failure, inf where it is never reached: the same ones for the same trend.

    The first passage of a Wiener process with drift v and variance s2 over a distance d is inverse Gaussian with mean
    d / v and shape d2 / s2; with v below 0 it is reached with chance exp(2 v d / s2), and then as with -v (Chhikara and
    Folks, The Inverse Gaussian Distribution, 1989). What is not known (which model, scatter, drift, where the severity
    stands, where failure is) is drawn as well, so that its width enters.
    """
    rng = np.random.default_rng(0)
    which = np.minimum(
        np.searchsorted(np.cumsum(trend.weight), (np.arange(_DRAWS) + 0.5) / _DRAWS), len(trend.weight) - 1
    )
    scatter = trend.squares[which] / rng.chisquare(trend.freedom, _DRAWS)
    off = np.sqrt(scatter / trend.information[which]) * rng.standard_normal(_DRAWS)
    drift = trend.drift[which] + off
    stands = trend.level[which] + trend.lead[which] * off
    stands += np.sqrt(scatter * trend.doubt[which]) * rng.standard_normal(_DRAWS)
    logged = trend.model[which] == MODELS.index("exponential")
    logarithm = np.where(logged, stands, np.log(np.maximum(stands, _TINY)))
    end = failure.beyond(logarithm, rng.uniform(_TINY, 1, _DRAWS))
    distance = np.maximum(np.where(logged, end, np.exp(end)) - stands, _TINY)
    variance = np.maximum(scatter * trend.wandering[which], _TINY**2)
    speed = np.maximum(np.abs(drift), _TINY * distance)
    never = (drift <= 0) & (rng.uniform(size=_DRAWS) > np.exp(-2 * speed * distance / variance))
    mean = distance / speed
    return np.where(never, np.inf, rng.wald(mean, np.minimum(distance**2 / variance, mean / _TINY)))

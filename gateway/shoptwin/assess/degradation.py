"""Degradation models of a severity that is looked at evenly: does it grow, since when, how fast, how surely (pure).

The severity wanders as a Wiener process with drift and is measured with noise. Two scales are taken: the severity
itself, and its logarithm, in which exponential growth is a straight line (Gebraeel, Lawley, Li and Ryan, IIE
Transactions 37, 2005: both of their kinds of error, of each measurement and Brownian, are the ends of one range here).
The drift begins at a change point. How much of the scatter is wandering and when the drift began are not chosen: each
combination is fitted in closed form, by generalised least squares, and weighs by its likelihood (BIC) against the same
without drift.

The two scales fit what was seen about as well, and part where nobody has been yet: between them the likelihood of the
past does not decide, so that each keeps an equal say (docs/decisions/0015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MODELS = ("wiener", "exponential")
"""By scale: the severity itself, its logarithm."""
FEWEST = 16
"""Points below which nothing is said: a drift, its beginning and two kinds of scatter are told from them."""
SHORTEST = 6
"""Points for which a drift must have lasted, as many as raise an alarm."""
FLOOR = 0.05
"""Severity below which nothing differs, a twentieth of the alarm threshold: the logarithm has to stop somewhere."""
_WANDERING = np.r_[0.0, np.logspace(-3, 2, 6)]
"""Variance of a step of the wandering as a multiple of the noise's: from a line with noise to nearly pure Wiener."""
_BEGINNINGS = 24
"""Change points that are tried, the closer the later."""
_SMOOTH = 5
"""Points averaged to tell how large the noise is where the logarithm is taken."""
_COUNTS = 1e-4
"""A combination that weighs less than this share of the best is left out."""
_NOTHING = 1e-12
"""Least mean square of what is left: exact lines occur in tests and in sensors that are stuck."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What is known of a drift: a mixture of M fitted models. Time is in points, severity in the scale of each."""

    chance: float
    """That there is a drift, and upwards, 0 to 1."""
    weight: Array
    """[M] of those with a drift upwards; sums to 1"""
    model: NDArray[np.intp]
    """[M] index of MODELS"""
    drift: Array
    """[M] a point"""
    information: Array
    """[M] the variance of the drift is scatter / information"""
    squares: Array
    """[M] sum of squares that scatter is told from, with `freedom` degrees of freedom"""
    freedom: int
    wandering: Array
    """[M] variance of the wandering a point, as a share of scatter"""
    level: Array
    """[M] where the severity stands now, without what of the last point is noise: at the drift given above …"""
    lead: Array
    """[M] … what it changes by with the drift …"""
    doubt: Array
    """[M] … and its variance as a share of scatter"""


def fit(severity: Array, models: Sequence[str] = MODELS) -> Trend | None:
    """Fit models to `severity` [n], evenly spaced, finite, 1.0 at the alarm threshold; None below FEWEST points."""
    n = len(severity)
    if n < FEWEST:
        return None
    y = np.maximum(severity, FLOOR)
    lengths = np.array(sorted(set(np.round(np.geomspace(SHORTEST, n - 1, _BEGINNINGS)).astype(int).tolist())))
    scales = np.array([MODELS.index(model) for model in models], np.intp)
    points, noise = np.stack([y, np.log(y)])[scales], _noise(y)[scales]
    root = _root(noise)
    size, last, z, x = _whitened(root, points, lengths)

    power = np.maximum((z**2).sum(-1), _NOTHING * n)  # [scale, wandering]
    information = (x**2).sum(-2)  # [scale, wandering, beginning]
    drift = (x * z[..., None]).sum(-2) / information
    left = np.maximum(power[..., None] - drift**2 * information, _NOTHING * n)
    base = -np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(-1) - np.log(size)
    still = base - (n - 1) / 2 * np.log(power)
    moving = base[..., None] - (n - 1) / 2 * np.log(left) - np.log(n) / 2 - np.log(len(lengths))
    upwards = moving + _log_upwards(drift / np.sqrt(left / (n - 2) / information))

    # Each scale by itself: the chance of a drift upwards, and how what has one shares its say.
    top = np.maximum(still.max(-1), moving.max((-2, -1)))
    up = np.exp(upwards - top[:, None, None])
    up /= (np.exp(still - top[:, None]).sum(-1) + np.exp(moving - top[:, None, None]).sum((-2, -1)))[:, None, None]
    kept = np.nonzero(up > _COUNTS * up.max())
    s, q, c = kept
    chance, weight = float(up.sum() / len(scales)), up[kept] / up[kept].sum()
    error = noise[s, -1] / (1 + _WANDERING[q])
    slope = drift[kept]
    along = np.einsum("mn,mnc->mc", last[s, q], x[s, q])[np.arange(len(c)), c] * error
    stands = points[s, -1] - (last * z).sum(-1)[s, q] * error + along * slope
    doubt = error - error**2 * (last**2).sum(-1)[s, q]
    return Trend(
        chance, weight, scales[s], slope, information[kept], left[kept], n - 2,
        (_WANDERING / (1 + _WANDERING))[q], stands, along, np.maximum(doubt, 0.0),
    )  # fmt: skip


def _noise(y: Array) -> Array:
    """Return the relative variance of each point's noise [scale, n], 1 in the mean of logarithms.

    It is the same throughout in severity, and so falls with severity squared in its logarithm.
    """
    around = np.concatenate([np.repeat(y[:1], _SMOOTH // 2), y, np.repeat(y[-1:], _SMOOTH // 2)])
    smooth = np.lib.stride_tricks.sliding_window_view(around, _SMOOTH).mean(-1)
    logged = -2 * np.log(smooth)
    return np.stack([np.ones(len(y)), np.exp(logged - logged.mean())])


def _root(noise: Array) -> Array:
    """Return the Cholesky roots of the covariances [scale, wandering, n, n]; wandering and noise add up to 1."""
    n = noise.shape[-1]
    at = np.arange(float(n))
    share = (_WANDERING / (1 + _WANDERING))[:, None, None]
    return np.linalg.cholesky(share * np.minimum(at[:, None], at) + (1 - share) * (noise[:, None, :, None] * np.eye(n)))


def _whitened(root: Array, points: Array, lengths: NDArray[np.int_]) -> tuple[Array, Array, Array, Array]:
    """Return the size of a whitened constant, and free of it: the last point's unit, the points, a ramp a beginning."""
    n = points.shape[-1]
    ramps = np.maximum(np.arange(n)[:, None] - (n - 1 - lengths), 0.0)
    shared = np.concatenate([np.ones((n, 1)), np.eye(n)[:, -1:]], -1)
    sides = np.stack([np.concatenate([shared, row[:, None], ramps], -1) for row in points])
    white = np.linalg.solve(root, sides[:, None])  # [scale, wandering, n, columns]
    size = np.sqrt((white[..., :1] ** 2).sum(-2, keepdims=True))
    constant, rest = white[..., :1] / size, white[..., 1:]
    rest = rest - constant * (constant * rest).sum(-2, keepdims=True)
    return size[..., 0, 0], rest[..., 0], rest[..., 1], rest[..., 2:]


def _log_upwards(t: Array) -> Array:
    """Return ln of the chance that a drift so many deviations above 0 is above 0: normal, by a logistic within 2e-4."""
    return -np.logaddexp(0, -(1.5976 * t + 0.070565 * t**3))

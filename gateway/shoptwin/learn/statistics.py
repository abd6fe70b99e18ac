"""The statistics that thresholds stand on, in numpy alone."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def t_quantile(tail: float, nu: float) -> float:
    """Return t with P(T > t) = `tail` for Student's t with `nu` > 0 degrees of freedom (need not be whole).

    By integrating the tail in w = arctan(sqrt(nu) / T), where the density is sin(w)^(nu - 1), on a grid that is even in
    ln w: so it holds for the heavy tails that little evidence means.
    """
    if nu > 1e4:  # noqa: PLR2004 - by then it is the normal distribution to four digits
        return NormalDist().inv_cdf(1 - tail)
    w = np.geomspace(1e-14, np.pi / 2, 8001)
    middle = np.sqrt(w[1:] * w[:-1])
    mass = np.exp((nu - 1) * np.log(np.sin(middle)) + np.log(np.diff(w)))
    upper = w[0] ** nu / nu + np.concatenate([[0.0], np.cumsum(mass)])
    log = np.log(np.maximum(upper / upper[-1] / 2, 1e-300))
    return math.sqrt(nu) / math.tan(math.exp(float(np.interp(math.log(tail), log, np.log(w)))))


def ledoit_wolf(z: Array) -> Array:
    """Return the covariance of centred rows `z` [n, k], shrunk towards a multiple of the identity.

    Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004).
    """
    n, k = z.shape
    sample = z.T @ z / n
    scale = float(np.trace(sample)) / k
    distance = float(((sample - scale * np.eye(k)) ** 2).sum()) / k
    square = z**2
    noise = float(((square.T @ square) / n - sample**2).sum()) / n / k
    weight = min(noise, distance) / distance if distance > 0 else 1.0
    shrunk: Array = (1 - weight) * sample + weight * scale * np.eye(k)
    return shrunk


def inverse_root(covariance: Array) -> Array:
    """Return the symmetric W with W cov W = I; directions without variance are held at a millionth of the largest."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 1e-6 * max(float(values[-1]), 1e-300))
    root: Array = vectors / np.sqrt(values) @ vectors.T
    return root


def folds(n: int, count: int = 5) -> NDArray[np.int64]:
    """Return the fold of each of `n` rows, contiguous in time, int64 [n]."""
    return np.minimum(np.arange(n) * count // max(n, 1), count - 1)


def between_share(x: Array, fold: NDArray[np.int64]) -> Array:
    """Return per column the share of variance that lies between the folds (eta squared), [k] in 0 to 1.

    Near 0 the rows are as good as independent; near 1 the column wanders, and each fold is hardly more than one look.
    """
    total = ((x - x.mean(0)) ** 2).sum(0)
    between = sum(
        (fold == f).sum() * (x[fold == f].mean(0) - x.mean(0)) ** 2 for f in np.unique(fold)
    )  # fmt: skip
    return np.asarray(np.where(total > 0, between / np.maximum(total, 1e-300), 0.0))


def unseen(held: Array, part: NDArray[Any], tail: float) -> float:
    """Return what a value of a part that nobody has seen yet exceeds with probability `tail`.

    `held` [n] were measured while their own part (fold, visit) was left out; `part` [n] says which that is. Rows of one
    part are alike in more than their scatter, so both count: the variance within the parts, by as many looks as their
    rows do not remember one another, and what the parts' means differ by beyond that, by as many as there are parts.
    Together they are as sure as Satterthwaite says ("An approximate distribution of estimates of variance components",
    1946), and a new part's mean is one more.

    An approximation: with five parts that differ as much as they scatter, 1e-3 becomes 1.6e-3 and 1e-5 becomes 6e-5;
    with parts alike it holds.
    """
    parts, which = np.unique(part, return_inverse=True)
    n, p = len(held), len(parts)
    mean = np.bincount(which, held) / np.bincount(which)
    left = held - mean[which]
    looks = n / (2 * float(decorrelation(left[:, None])[0]) - 1)
    within = float((left**2).sum()) / max(n - p, 1)
    beyond = float(mean.var(ddof=1)) - within / max(looks / p, 1.0) if p > 1 else 0.0
    between = max(beyond, 0.0) * (1 + 1 / p)
    spread = (within**2 / max(looks - p, 1.0) + between**2 / max(p - 1, 1)) or 1.0
    freedom = max((within + between) ** 2 / spread, 1.0)
    deviation = math.sqrt((within + between) * (1 + 1 / looks))
    return float(held.mean()) + t_quantile(tail, freedom) * deviation


def settled_ewma(x: Array, scales: Array) -> Array:
    """Return what `ewma` does, run over as many rows before the first one, told backwards.

    So the slow means do not begin with the scatter of a single row. Within a scale of the first row they scatter up to
    a third more than later, as those rows are told twice: a limit from them is the wider.
    """
    before = x[min(int(3 * scales.max()), len(x) - 1) : 0 : -1]
    return ewma(np.concatenate([before, x]), scales)[len(before) :]


def ewma(x: Array, scales: Array) -> Array:
    """Return the exponential means of rows `x` [n, k] over `scales` rows, started at the first row: [n, S, k]."""
    gain = 1 / scales[:, None]
    out = np.empty((len(x), len(scales), x.shape[1]))
    state = np.repeat(x[:1], len(scales), axis=0)
    for i, row in enumerate(x):
        state = state + gain * (row - state)
        out[i] = state
    return out


def decorrelation(x: Array) -> Array:
    """Return per column the lag, in rows, at which the autocorrelation first falls below 1/e: [k], at least 1."""
    n = len(x)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(x - x.mean(0), size, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, size, axis=0)[: max(n // 2, 1)]
    below = correlation < correlation[0] / math.e
    return np.asarray(np.maximum(np.where(below.any(0), below.argmax(0), n // 2), 1), np.float64)


def _line(x: Array) -> Array:
    """Return the least-squares straight line of each column: [n, k]."""
    t = np.linspace(-1, 1, len(x))[:, None]
    return np.asarray(x.mean(0) + t * (t * x).sum(0) / (t**2).sum())


def random_walk(x: Array, blocks: int = 10) -> Array:
    """Return per column the variance a row that a random walk adds, 0 where an F-test at 0.1 % finds none: [k].

    The walk shows in the differences of block means, beyond what the scatter within the blocks explains.
    """
    size = len(x) // (4 * blocks)
    if size < 1:
        return np.zeros(x.shape[1])
    parts = x[: size * 4 * blocks].reshape(blocks, 4, size, -1).mean(2)
    within = parts.var(1, ddof=1).mean(0) / 4 * 2
    between = (np.diff(parts.mean(1), axis=0) ** 2).mean(0)
    # 4.4 is the 99.9 % point of F(9, 30); it holds where the parts are longer than the column remembers.
    found = (between > 4.4 * within) & (size >= 2 * decorrelation(x - _line(x)))
    return np.asarray(np.where(found, 1.5 * (between - within) / (4 * size), 0.0))

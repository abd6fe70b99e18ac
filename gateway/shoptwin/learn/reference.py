"""What diagnosis holds a row against: level and spread of each figure, what explains it, how it behaves row by row.

It stands in the manifest beside the baseline, from the same rows, and judges nothing: verdicts are the baseline's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.assess.names import CLIPPED, CONTEXTS, RATE, STATE, VALUE, Name
from shoptwin.domain.tag import Role
from shoptwin.learn import statistics as st
from shoptwin.learn.context import Context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.learn.statistics import Array

LEAST_ROWS = 8
_ABOUT = (RATE, CLIPPED)
_DRIVERS = frozenset({Role.LOAD, Role.SPEED})
_EXPLAINED = 0.5
"""Share of a tag's variance, on rows held out, that its neighbours must explain before it is held against them."""
_ROWS_A_NEIGHBOUR = 5
_LEAST_SPREAD = 0.05
"""Of a waveform's figures, which are logarithms or of the size of 1: nobody would call 5 % a move."""


def reference(indicator: str, names: Sequence[str], x: Array) -> dict[str, Any]:
    """Return the table for rows `x` [n, names] of one indicator, as JSON can hold it: NaN is null.

    `levels` [1 + knots of all drivers, k] are linear between the knots of each driver; `spread` is of single rows. Of
    process tags also `jump`: how far one row ever stood out from the rows beside it; `neighbours`: what the other
    tags explain of it.
    """
    parsed = {i: Name.parse(name) for i, name in enumerate(names) if name != STATE}
    drivers = [i for i, n in parsed.items() if n.role in _DRIVERS and n.feature == VALUE]
    drivers = [i for i in drivers if np.isfinite(x[:, i]).mean() > 0.75 and np.nanstd(x[:, i]) > 0]  # noqa: PLR2004 - as the baseline's contexts
    x = x[np.isfinite(x[:, drivers]).all(1)]
    if indicator == "vibration":
        told = [
            i
            for i, n in parsed.items()
            if n.role is Role.WAVEFORM and not n.feature.endswith("_hz") and n.feature not in _ABOUT
        ]
    else:
        told = [i for i, n in parsed.items() if n.feature == VALUE and n.role not in CONTEXTS]
        drivers = []
    context = Context.of(x, drivers, 0.0, 0.0)
    levels, spread = _levels(x, told, context)
    if indicator == "vibration":
        spread = np.maximum(spread, _LEAST_SPREAD)
    out: dict[str, Any] = {
        "rows": len(x), "names": [names[i] for i in told],
        "drivers": [names[i] for i in drivers], "knots": [_plain(k) for k in context.knots],
        "levels": [_plain(row) for row in levels], "spread": _plain(spread),
    }  # fmt: skip
    if indicator == "process":
        values = x[:, told]
        out |= {
            "jump": _plain(stands_out(values)),
            "neighbours": _neighbours(values),
        }  # fmt: skip
    return out


def _levels(x: Array, told: list[int], context: Context) -> tuple[Array, Array]:
    """Return levels [context.width, k] and spread [k] of the columns `told`; NaN where there is too little."""
    levels, spread = np.full((context.width, len(told)), np.nan), np.full(len(told), np.nan)
    design = context.design(x)
    for j, column in enumerate(told):
        rows = np.isfinite(x[:, column])
        free = int(rows.sum()) - max(context.width - len(context.knots), 1)
        if free < LEAST_ROWS - 1:
            continue
        y = x[rows, column]
        levels[:, j] = np.linalg.lstsq(design[rows], y, rcond=None)[0]
        spread[j] = np.sqrt(((y - design[rows] @ levels[:, j]) ** 2).sum() / free)
    return levels, spread


def stands_out(values: Array) -> Array:
    """Return how far any row [n, k] ever stood out from both rows beside it: the distance to the median of three."""
    if len(values) < 3:  # noqa: PLR2004
        return np.full(values.shape[1], np.nan)
    three = np.stack([values[:-2], values[1:-1], values[2:]])
    apart = np.abs(three[1] - np.median(three, axis=0))
    return np.asarray(np.where(np.isnan(apart), 0.0, apart).max(0))


def _neighbours(values: Array) -> list[dict[str, Any] | None]:
    """Return for each column what the others explain of it: `coefficients` [k], `offset` and `spread`, or None."""
    known = values[np.isfinite(values).all(1)]
    n, k = known.shape
    if k < 2 or n < max(_ROWS_A_NEIGHBOUR * k, 2 * LEAST_ROWS):  # noqa: PLR2004 - a tag and a neighbour
        return [None] * k
    fold = st.folds(n)
    return [_explained(known, j, fold) for j in range(k)]


def _explained(x: Array, j: int, fold: NDArray[np.int64]) -> dict[str, Any] | None:
    others = [i for i in range(x.shape[1]) if i != j]
    left, mean = np.empty(len(x)), np.empty(len(x))
    for f in np.unique(fold):
        train, test = fold != f, fold == f
        coefficients, offset = _ridge(x[train][:, others], x[train, j])
        left[test] = x[test, j] - x[test][:, others] @ coefficients - offset
        mean[test] = x[test, j] - x[train, j].mean()
    if not (left**2).sum() < (1 - _EXPLAINED) * (mean**2).sum():
        return None
    coefficients, offset = _ridge(x[:, others], x[:, j])
    return {
        "coefficients": _plain(np.insert(coefficients, j, 0.0)), "offset": float(offset), "spread": float(left.std()),
    }  # fmt: skip


def _ridge(a: Array, y: Array) -> tuple[Array, float]:
    scale = a.std(0) + 1e-12 * np.abs(a).max(0) + 1e-300
    z = (a - a.mean(0)) / scale
    coefficients = np.linalg.solve(z.T @ z + np.eye(a.shape[1]), z.T @ (y - y.mean())) / scale
    return coefficients, float(y.mean() - a.mean(0) @ coefficients)


def _plain(values: Array) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in np.atleast_1d(values)]

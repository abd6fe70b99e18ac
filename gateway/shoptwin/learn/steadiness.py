"""Whether a column of rows is steady: a drift in one direction, a change of level that stays. In numpy alone.

Rows that remember one another count for as many as are independent: else any slow wandering would pass for a drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shoptwin.learn import statistics as st

if TYPE_CHECKING:
    from shoptwin.learn.statistics import Array

WARM_UP = 4
"""One part in so many at the beginning is left out: a start-up is no drift (and fitting trims as much at most)."""
SURE = 3.9
"""Standard deviations of the rank statistic, and …"""
SURE_STEP = 6.0
"""… of a step: it is looked for at each row, and in each tag."""
RISE = 2.0
"""Standard deviations about the line that a drift must make in all to matter to a threshold."""
STEP, CREEP = 3.0, 5.0
"""Those within the parts that a change of level must make, at once or within a while."""
_LATER_HALF = 0.35
"""Share of the rise that lies in the later half: a straight line has a half there, what levels off much less."""
_ABRUPT = 0.6
"""Share of a step that is made within a twentieth of the rows: what wanders comes slowly."""
_STEP_BETTER = 0.8
"""Squares that a step leaves, of those that a line leaves: above that it is no step."""
_PARTS = 32
_LEAST = 10
"""Independent parts below which even a perfect order is no proof."""
_ALIKE = 1.645
"""Standard errors of the correlation of neighbouring parts from which they are not independent: one in twenty."""
_EDGE = 0.2
"""A part at either end in which a change of level would be a start-up, or the fault that learning should have ended
before."""


def left_by(y: Array, drivers: Array) -> Array:
    """Return what of `y` [n] the drivers [n, d] do not explain, without rows that lack a value: [m]."""
    known = ~np.isnan(y) & ~np.isnan(drivers).any(1)
    y, d = y[known], drivers[known]
    columns = [np.ones(len(y))]
    for column in d.T:
        levels = np.unique(column)
        if 1 < len(levels) <= 8:  # noqa: PLR2004 - as many as a context has levels of its own for
            columns += [(column == level).astype(float) for level in levels[1:]]
        elif len(levels) > 1:
            columns.append((column - column.mean()) / column.std())
    design = np.stack(columns, axis=1)
    return np.asarray(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) if len(y) else y


def drifts(r: Array) -> int:
    """Return 1 where `r` [n] rises all the way and does not level off, -1 where it falls, 0 where neither is proven.

    By the rank test of Mann ("Nonparametric tests against trend", 1945) on means of parts that are long enough to be
    independent.
    """
    r = r[len(r) // WARM_UP :]
    n = len(r)
    if n < _LEAST or np.ptp(r) == 0:
        return 0
    t = np.linspace(-1, 1, n)
    curve = np.polynomial.Polynomial.fit(t, r, 2)(t)
    means = _independent(r, r - curve)
    count = len(means)
    if count < _LEAST:
        return 0
    score = float(np.sign(np.subtract.outer(means, means))[np.tril_indices(count, -1)].sum())
    deviation = np.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    if (abs(score) - 1) / deviation < SURE:
        return 0
    line = np.polynomial.Polynomial.fit(t, r, 1)(t)
    rise = float(line[-1] - line[0])
    later = float(curve[-1] - curve[n // 2]) / float(curve[-1] - curve[0] or 1.0)
    if abs(rise) < RISE * float((r - line).std()) or later < _LATER_HALF:
        return 0
    return 1 if score > 0 else -1


def _independent(r: Array, off: Array) -> Array:
    """Return means of parts of `r` [n] that do not remember one another, by what is `off` its course; [count]."""
    count = int(min(len(r) / (2 * float(st.decorrelation(off[:, None])[0])), _PARTS))
    while count >= _LEAST:
        left = np.array([part.mean() for part in np.array_split(off, count)])
        if left[1:] @ left[:-1] < _ALIKE / np.sqrt(count) * (left @ left):
            break
        count //= 2  # a slow walk beneath much scatter shows in the means alone
    return np.array([part.mean() for part in np.array_split(r, max(count, 1))])


def changed(r: Array) -> float | None:
    """Return where `r` [n] changes its level and stays there, as a share of its length; None where it does not."""
    skipped = len(r) // WARM_UP
    r = r[skipped:]
    n = len(r)
    first, last = int(_EDGE * n), int((1 - _EDGE) * n)
    if last - first < _LEAST or np.ptp(r) == 0:
        return None
    at = np.arange(first, last)
    below = np.cumsum(r)[at - 1] / at
    above = (r.sum() - np.cumsum(r)[at - 1]) / (n - at)
    best = int(at[np.argmax((above - below) ** 2 * at * (n - at))])
    level = np.where(np.arange(n) < best, r[:best].mean(), r[best:].mean())
    off = r - level
    step, deviation = abs(float(level[-1] - level[0])), float(off.std()) or 1e-12
    memory = 2 * float(st.decorrelation(off[:, None])[0]) - 1
    error = deviation * np.sqrt(memory / best + memory / (n - best))
    t = np.linspace(-1, 1, n)
    line = r - np.polynomial.Polynomial.fit(t, r, 1)(t)
    better = float((off**2).sum()) < _STEP_BETTER * float((line**2).sum())
    near = max(n // 20, 5)
    abrupt = abs(float(r[best : best + near].mean() - r[max(best - near, 0) : best].mean())) > _ABRUPT * step
    share = (skipped + best) / (skipped + n)
    return share if step > (STEP if abrupt else CREEP) * deviation and step > SURE_STEP * error and better else None

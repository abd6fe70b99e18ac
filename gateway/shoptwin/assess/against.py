"""A row held against what was learned of it: growth, strength, and since when it is out of its usual range."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

RECENT = 5
"""Rows whose median is held against what was learned, as the baseline of vibration does: two bad ones are nothing."""
CLEAR = 6.0
"""Usual spreads at which a move is beyond doubt; the limit of the baselines of vibration too."""
DOUBLED = float(np.log(2))
OUT, BACK = 4.0, 2.0
"""Spreads beyond which a figure is out of its usual range, and within which it is back."""


class Moved(NamedTuple):
    """One figure now."""

    value: float
    level: float
    """What was learned, at this load and speed."""
    growth: float
    """value - level: of amplitudes a logarithm."""
    spreads: float
    """growth in usual spreads"""

    @property
    def strength(self) -> float:
        """How clearly it has grown, 0 to 1: doubled, and by six of its usual spreads."""
        if not np.isfinite(self.growth):
            return 0.0
        return float(min(max(min(self.spreads / CLEAR, self.growth / DOUBLED), 0.0), 1.0))


class Against:
    """The reference of one baseline and the latest rows; belongs to one track, and is made anew with its baseline."""

    def __init__(self, reference: Mapping[str, Any], names: Sequence[str]) -> None:
        """`names` are those of the rows that will come."""
        self.names: tuple[str, ...] = tuple(name for name in reference["names"] if name in names)
        place = {name: i for i, name in enumerate(reference["names"])}
        mine = [place[name] for name in self.names]
        self.at = np.array([names.index(name) for name in self.names], np.intp)
        drivers = reference["drivers"]
        self._drivers = [(names.index(n), np.array(k)) for n, k in zip(drivers, reference["knots"], strict=True)]
        self._table = np.array([numbers(row) for row in reference["levels"]])[:, mine]
        self.spread = numbers(reference["spread"])[mine]
        self.rows: deque[Array] = deque(maxlen=RECENT)
        self._levels: deque[Array] = deque(maxlen=RECENT)
        self._since = np.zeros(len(self.names), np.int64)
        self.now = np.full(len(self.names), np.nan)
        """The median of the latest rows [names]."""
        self.usual = np.full(len(self.names), np.nan)
        """What was learned of them at the loads and speeds of these rows."""

    def take(self, now: int, x: Array) -> None:
        """Take in a row `x` [its names] observed at `now`, ns UTC."""
        weights = [np.ones(1), *(_hats(float(x[i]), knots) for i, knots in self._drivers)]
        self.rows.append(x[self.at])
        self._levels.append(np.concatenate(weights) @ self._table)
        self.now, self.usual = _median(self.rows), _median(self._levels)
        far = np.abs(self.now - self.usual) / self._width()
        out, back = far > OUT, ~(far > BACK)
        self._since = np.where(back, 0, np.where(out & (self._since == 0), now, self._since))

    def moved(self) -> dict[str, Moved]:
        """Return each figure by its name, as of the latest rows."""
        growth = self.now - self.usual
        columns = (self.now, self.usual, growth, growth / self._width())
        return {name: Moved(*(float(c[i]) for c in columns)) for i, name in enumerate(self.names)}

    def since(self, names: Sequence[str]) -> int:
        """Return when the first of these figures that are out of their usual range left it, ns UTC; 0: none has."""
        times = [int(t) for name, t in zip(self.names, self._since, strict=True) if t and name in names]
        return min(times, default=0)

    def _width(self) -> Array:
        width: Array = np.maximum(self.spread, 1e-9 * np.abs(self.usual) + 1e-12)
        return width


def numbers(column: Sequence[float | None]) -> Array:
    """Return what stands in a manifest as an array; null is NaN."""
    return np.array([np.nan if v is None else v for v in column], np.float64)


def _hats(value: float, knots: Array) -> Array:
    """Return how much each knot weighs at `value`: linear between two, the outermost beyond."""
    return np.array([np.interp(value, knots, one) for one in np.eye(len(knots))])


def _median(rows: deque[Array]) -> Array:
    """Return the median [k] of the latest rows; NaN where the latest is."""
    stacked = np.stack(rows)
    latest = np.isnan(stacked[-1])
    filled = np.where(np.isnan(stacked), stacked[-1], stacked)
    return np.asarray(np.where(latest, np.nan, np.median(filled, axis=0)))

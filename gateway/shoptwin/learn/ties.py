"""How tags go with one another: what the others do not explain of each, as a share of how much it moves.

The looks at levels do not see tags that part company and each stay as they were: a current that no longer follows its
flow. What is left of a tag by its regression on all others is its column of the inverse covariance (the partial
correlations). Its mean square over some rows is 1 where they go together as learned; it is divided by that of the tag
itself where it moves more than usual, as a tag that is restless has not parted company yet. Both are of departures from
the slowest mean, so that a level which has moved, or drifts, says nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.learn import statistics as st

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.learn.graph import Graph
    from shoptwin.learn.statistics import Array

LOOKS = 32
"""Means of the rows learned from that must fit one after the other, for one of that length to be judged."""
ROWS_THAT_TELL = 8.0
"""Rows that it takes at least to reach the limit: one that stands out by itself is no tie that came apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """Of k columns of evidence; those that are judged alone have no ties."""

    moves: Array
    """[k] standard deviation of departures from the slowest means"""
    apart: Array
    """[k, k]: those departures -> what the others do not explain of each, variance 1"""
    scale: float
    """Rows that squares are averaged over"""
    limit: Array
    """[k] of the root of their ratio; inf where there is no tie"""

    @classmethod
    def none(cls, k: int) -> Ties:
        """Return those of k columns that are each judged alone."""
        return cls(np.ones(k), np.zeros((k, k)), 1.0, np.full(k, np.inf))

    @classmethod
    def fit(cls, z: Array, scales: Array, together: NDArray[np.intp], tail: float) -> Ties:
        """Fit standardised evidence `z` [L, k], of which the columns `together` are judged jointly.

        The limits are what the ratio of rows of a fold held out hardly reaches: each with a chance of `tail` a row.
        """
        slow = st.settled_ewma(z, scales[-1:])[:, 0]
        off, fold = (z[1:] - slow[:-1])[:, together], st.folds(len(z))[1:]
        scale = float(max((s for s in scales if s * LOOKS <= len(z)), default=scales[0]))
        held = np.empty((len(off), 2, len(together)))
        for f in np.unique(fold):
            rows = off[fold == f]
            held[fold == f] = np.stack([rows @ _partial(off[fold != f]), rows / _spread(off[fold != f])], axis=1)
        mean = st.settled_ewma((held**2).reshape(len(off), -1), np.array([scale])).reshape(held.shape)
        told = np.log(np.maximum(_ratio(mean.swapaxes(0, 1)), 1e-9))
        k = z.shape[1]
        moves, apart, limit = np.ones(k), np.zeros((k, k)), np.full(k, np.inf)
        moves[together], apart[np.ix_(together, together)] = _spread(off), _partial(off)
        limits = np.array([np.exp(min(st.unseen(column, fold, tail), 300.0) / 2) for column in told.T])
        limit[together] = np.where(np.isfinite(limits), limits, np.inf)
        return cls(moves, apart, scale, limit)

    @property
    def tied(self) -> list[int]:
        """Which columns have a tie."""
        return [int(i) for i in np.flatnonzero(np.isfinite(self.limit))]

    @property
    def _most(self) -> Array:
        """The most that one row counts, [k]; beyond it a row says no more, of either of the two."""
        most: Array = self.limit**2 * self.scale / ROWS_THAT_TELL
        return most

    def start(self) -> Array:
        """Return the mean squares before the first row, [2, k]: of what is not explained, and of all that it moves."""
        return np.ones((2, len(self.limit)))

    def step(self, off: Array, before: Array, *, complete: bool) -> tuple[Array, Array]:
        """Return the mean squares [2, k] after a row `off` [k] its slowest means, and shares of limits [k]."""
        square = np.minimum(np.stack([(off @ self.apart) ** 2, (off / self.moves) ** 2]), self._most)
        new = before + (square - before) / self.scale * float(complete)
        return new, np.sqrt(_ratio(new)) / self.limit * float(complete)

    def graph(self, g: Graph, off: str, before: str, complete: str) -> tuple[str, str]:
        """Write `step` into a graph; `complete` [1] is 1 or 0."""
        left, moved = g.op("MatMul", off, self.apart), g.op("Div", off, self.moves)
        both = [g.op("Unsqueeze", g.op("Mul", each, each), [0]) for each in (left, moved)]
        square = g.op("Min", g.op("Concat", *both, axis=0), self._most)
        gain = g.op("Div", complete, np.array([self.scale]))
        new = g.op("Add", before, g.op("Mul", g.op("Sub", square, before), gain))
        first, second = (g.op("Squeeze", g.op("Slice", new, [i], [i + 1]), [0]) for i in (0, 1))
        ratio = g.op("Div", first, g.op("Max", second, 1.0))
        return new, g.op("Mul", g.op("Div", g.op("Sqrt", ratio), self.limit), complete)


def _ratio(mean: Array) -> Array:
    """Return mean squares [2, ...] as one figure: the first over the second, where that is more than usual."""
    ratio: Array = mean[0] / np.maximum(mean[1], 1.0)
    return ratio


def _spread(off: Array) -> Array:
    """Return the standard deviations [q]; a column that never moves has a millionth of the widest."""
    spread: Array = off.std(0)
    return np.maximum(spread, max(1e-6 * float(spread.max()), 1e-300))


def _partial(off: Array) -> Array:
    """Return [q, q]: rows like `off` [n, q] -> what all others do not explain of each, variance 1."""
    root = st.inverse_root(st.ledoit_wolf(off))
    inverse = root @ root
    partial: Array = inverse / np.sqrt(np.diag(inverse))
    return partial

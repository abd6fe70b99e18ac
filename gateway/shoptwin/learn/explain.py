"""What drivers (load, ambient, setpoints, now and lagged) explain of a tag, and how sure that is beyond the learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.learn import statistics as st

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from shoptwin.learn.graph import Graph
    from shoptwin.learn.statistics import Array

EXPLAINED = 0.5
"""Share of the variance, on rows held out, that drivers must explain before a tag is judged by the rest."""
ROWS_A_DRIVER = 5


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """A regression on some columns of the input, and the uncertainty of its prediction; or that uncertainty alone."""

    columns: tuple[int, ...]
    coefficients: Array
    """[p]"""
    center: Array
    """[p] means of the drivers while learning"""
    root: Array
    """[p, p]: |(a - center) @ root|^2 is the variance of the prediction, in variances of what is left"""
    free: float = 0.0
    """How much of that costs nothing: what the drivers did while learning"""

    def leverage(self, x: Array) -> Array:
        """Return that variance for rows `x` [..., names]: small where it was learned, growing beyond."""
        turned = (x[..., list(self.columns)] - self.center) @ self.root
        return np.asarray(np.maximum((turned**2).sum(-1) - self.free, 0.0))


def leverage_graph(g: Graph, present: str, explained: Mapping[int, Explained], width: int) -> str:
    """Write the `leverage` of each piece of evidence for one row into a graph: [width], 0 where nothing explains it.

    All at once: each operation of a graph costs memory in every machine's session.
    """
    union = sorted({c for each in explained.values() for c in each.columns})
    most = max(each.root.shape[1] for each in explained.values())
    root, offset = np.zeros((len(union), len(explained), most)), np.zeros((len(explained), most))
    place = np.zeros((len(explained), width))
    for i, (j, each) in enumerate(explained.items()):
        rows, size = [union.index(c) for c in each.columns], each.root.shape[1]
        root[rows, i, :size] = each.root
        offset[i, :size] = each.center @ each.root
        place[i, j] = 1.0
    turned = g.op("MatMul", g.op("Gather", present, np.array(union, np.int64)), root.reshape(len(union), -1))
    off = g.op("Sub", g.op("Reshape", turned, np.array(offset.shape)), offset)
    square = g.op("ReduceSumSquare", off, [1], keepdims=0)
    free = np.array([each.free for each in explained.values()])
    return g.op("MatMul", g.op("Max", g.op("Sub", square, free), 0.0), place)


def explain(x: Array, column: int, drivers: list[int]) -> tuple[Explained, Array] | None:
    """Return what `drivers` explain of `column` of rows `x` [n, names], and what is left on rows held out [n].

    None where there are no drivers. Where they explain too little, or rows are too few to tell, the coefficients are 0
    and what is left is the tag itself; but when the drivers go further than ever before, it is judged the less.
    """
    if not drivers:
        return None
    unexplained = _unexplained(x, column, drivers)
    if len(x) <= ROWS_A_DRIVER * len(drivers):
        return unexplained
    a, y, fold = x[:, drivers], x[:, column], st.folds(len(x))
    left, mean = np.empty(len(y)), np.empty(len(y))
    for f in np.unique(fold):
        train, test = fold != f, fold == f
        coefficients, _ = _ridge(a[train], y[train])
        left[test] = y[test] - y[train].mean() - (a[test] - a[train].mean(0)) @ coefficients
        mean[test] = y[test] - y[train].mean()
    if (left**2).sum() >= (1 - EXPLAINED) * (mean**2).sum():
        return unexplained
    coefficients, inverse = _ridge(a, y)
    # Rows that remember one another count for less: the variance of what was fitted grows by twice their memory; and
    # what a straight line leaves is as slow as the driver that is quickest to change.
    memory = 2 * max(float(st.decorrelation(left[:, None])[0]), float(st.decorrelation(a).min()))
    values, vectors = np.linalg.eigh(inverse * memory)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return Explained(tuple(drivers), coefficients, a.mean(0), root), left


def _unexplained(x: Array, column: int, drivers: list[int]) -> tuple[Explained, Array]:
    """Return that nothing is explained: a dependence of up to EXPLAINED of the variance could have gone unseen."""
    a = x[:, drivers]
    center, spread = a.mean(0), np.maximum(a.std(0), 1e-12 * np.abs(a).max(0) + 1e-300)
    root = st.inverse_root(st.ledoit_wolf((a - center) / spread)) * np.sqrt(EXPLAINED) / spread[:, None]
    furthest = float((((a - center) @ root) ** 2).sum(1).max())
    y = x[:, column]
    return Explained(tuple(drivers), np.zeros(len(drivers)), center, root, furthest), y


def _ridge(a: Array, y: NDArray[np.float64]) -> tuple[Array, Array]:
    """Return coefficients [p] of centred ridge regression with one row's weight of prior, and the inverse [p, p]."""
    spread = np.maximum(a.std(0), 1e-12 * np.abs(a).max(0) + 1e-300)
    z = (a - a.mean(0)) / spread
    inverse = np.linalg.inv(z.T @ z + np.eye(z.shape[1]))
    return np.asarray(inverse @ (z.T @ (y - y.mean())) / spread), inverse / np.outer(spread, spread)

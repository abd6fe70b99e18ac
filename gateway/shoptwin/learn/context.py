"""Regimes: what a machine is asked to do (load, speed, state), and what is normal at each of it, linear between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from shoptwin.learn.graph import Graph
    from shoptwin.learn.statistics import Array

LEVELS = 8
"""A tag with at most so many values in the learning part has a level at each of them, else at quantiles."""
_SEEN, _EXPECTED = 1.0, 10.0
"""Rows with which two knots count as seen together; and rows of them that chance would have shown if they went together
freely, below which it says nothing that there were none …"""
_SUPPORT = 0.5
"""… and how much of a row's weight must lie on such pairs: it is nearer to what was seen than to what was not."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Columns of the input that tell the regime, each with the knots at which its levels were learned."""

    columns: tuple[int, ...]
    knots: tuple[Array, ...]
    range_margin: float
    size_margin: float
    """How far outside the knots is still known: as a share of their range, plus a share of their size."""
    dense: tuple[bool, ...]
    """Which contexts were seen between their knots too"""
    together: Array
    """[width, width]: 1 where two knots were seen together, and for knots of one context; 0 elsewhere"""

    @classmethod
    def of(cls, x: Array, columns: Sequence[int], range_margin: float, size_margin: float) -> Context:
        """Choose the knots from the rows `x` [n, names]."""
        knots = tuple(_knots(x[:, c]) for c in columns)
        dense = tuple(len(np.unique(x[:, c])) > LEVELS for c in columns)
        plain = cls(tuple(columns), knots, range_margin, size_margin, dense, np.zeros((0, 0)))
        design, group = plain.design(x), plain._groups()
        alone = design.sum(0)
        seen = design.T @ design >= np.where(np.outer(alone, alone) < _EXPECTED * len(x), 0.0, _SEEN)
        seen |= group.T @ group > 0
        return replace(plain, together=seen.astype(float))

    @classmethod
    def told(cls, told: Mapping[str, Any], names: Sequence[str]) -> Context:
        """Return what `tell` told, for rows whose columns are `names`.

        Raises:
            ModelError: one of its columns is not among them.
        """
        if lacking := [name for name in told["names"] if name not in names]:
            raise ModelError(f"{', '.join(lacking)} told the regime and is missing", "Learn anew: shoptwin relearn")
        columns = tuple(list(names).index(name) for name in told["names"])
        knots = tuple(np.asarray(k, np.float64) for k in told["knots"])
        together = np.asarray(told["together"], np.float64)
        in_range, in_size = told["margins"]
        return cls(columns, knots, in_range, in_size, tuple(told["dense"]), together)

    def tell(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what a manifest keeps: enough to tell later whether a row lay outside."""
        return {
            "names": [names[c] for c in self.columns], "knots": [k.tolist() for k in self.knots],
            "margins": [self.range_margin, self.size_margin], "dense": list(self.dense),
            "together": self.together.tolist(),
        }  # fmt: skip

    @property
    def width(self) -> int:
        """Columns of the design matrix: one for all, and one a knot."""
        return 1 + sum(len(k) for k in self.knots)

    def bounds(self, i: int) -> tuple[float, float]:
        """Return the lowest and highest value of context `i` that counts as known."""
        low, high = float(self.knots[i][0]), float(self.knots[i][-1])
        room = self.range_margin * (high - low) + self.size_margin * max(abs(low), abs(high))
        return low - room - 1e-9, high + room + 1e-9

    def design(self, x: Array) -> Array:
        """Return the weights of the levels for rows `x` [n, names]: [n, width], 1 and then hat functions."""
        parts = [np.ones((len(x), 1))]
        for column, knots in zip(self.columns, self.knots, strict=True):
            rise, shift = _hats(knots)
            at = np.clip(x[:, column : column + 1], knots[0], knots[-1])
            parts.append(np.clip(np.minimum(at * rise[0] + shift[0], at * rise[1] + shift[1]), 0, 1))
        return np.concatenate(parts, axis=1)

    def outside(self, x: Array) -> bool:
        """Tell whether a row [names] lies outside the learned regimes: beyond a context, or two never seen together."""
        return bool(self.all_outside(x[None])[0])

    def all_outside(self, x: Array) -> NDArray[np.bool_]:
        """Tell it of rows `x` [n, names]: [n]. Where a context is missing, only the others are looked at."""
        out = np.zeros(len(x), np.bool_)
        for column, (low, high) in self._limits():
            out |= (x[:, column] < low) | (x[:, column] > high)  # NaN is neither
        if len(self.columns) <= 1:
            return out
        complete = np.flatnonzero(~np.isnan(x[:, list(self.columns)]).any(1))
        design = self.design(x[complete])
        parts = [design * group for group in self._groups()]
        met = [((one @ self.together) * other).sum(1) for i, one in enumerate(parts) for other in parts[:i]]
        out[complete] |= np.min(met, axis=0) < _SUPPORT
        return out

    def _groups(self) -> Array:
        """Return which columns of the design belong to which context: [contexts, width], 0 and 1."""
        of = np.concatenate([[-1], *(np.full(len(k), i) for i, k in enumerate(self.knots))])
        return np.asarray(of == np.arange(len(self.knots))[:, None], np.float64)

    def between(self, level: Array, *, apart: bool = False) -> tuple[NDArray[np.int64], Array]:
        """Return what makes interpolation uncertain: pairs of neighbouring levels [p, 2], their squared steps [p, m].

        Halfway between two levels the truth may lie anywhere between them: variance u (1 - u) step^2. With `apart`
        only of contexts that were not seen between their knots.
        """
        pairs, at = [], 1
        for knots, dense in zip(self.knots, self.dense, strict=True):
            pairs += [] if apart and dense else [(at + i, at + i + 1) for i in range(len(knots) - 1)]
            at += len(knots)
        index = np.array(pairs, np.int64).reshape(-1, 2)
        return index, (level[index[:, 1]] - level[index[:, 0]]) ** 2

    def visits(self, x: Array) -> Array:
        """Return the number of the visit that each row belongs to: a run of rows nearest to the same knots, [n]."""
        if not self.columns:
            return np.zeros(len(x))
        near = np.stack([self._near(x, i) for i in range(len(self.columns))], axis=1)
        changed = (np.diff(near, axis=0) != 0).any(axis=1)
        return np.concatenate([[0.0], np.cumsum(changed)])

    def revisited(self, x: Array) -> bool:
        """Tell whether every level of every context was visited at least twice, and there is more than one."""
        for i, knots in enumerate(self.knots):
            near = self._near(x, i)
            starts = near[np.concatenate([[True], np.diff(near) != 0])]
            if len(knots) > 1 and (np.bincount(starts, minlength=len(knots)) < 2).any():  # noqa: PLR2004 - twice
                return False
        return any(len(knots) > 1 for knots in self.knots)

    def _near(self, x: Array, i: int) -> NDArray[np.intp]:
        near: NDArray[np.intp] = np.abs(x[:, self.columns[i], None] - self.knots[i]).argmin(1)
        return near

    def _limits(self) -> list[tuple[int, tuple[float, float]]]:
        return [(c, self.bounds(i)) for i, c in enumerate(self.columns)]

    def graph(self, g: Graph, x: str, present: str) -> tuple[str, str]:
        """Write `design` for `present` and `outside` for `x` [names], NaN where missing, into a graph: [width], flag.

        All contexts at once: each operation of a graph costs memory in every machine's session.
        """
        if not self.columns:
            return g.const(np.ones(1)), g.const(np.zeros(1, bool))
        counts = [len(knots) for knots in self.knots]
        first, last = (np.repeat([knots[end] for knots in self.knots], counts) for end in (0, -1))
        rise, shift = (np.concatenate(parts, axis=1) for parts in zip(*map(_hats, self.knots), strict=True))
        at = g.op("Gather", present, np.repeat(self.columns, counts))
        at = g.op("Min", g.op("Max", at, first), last)
        sides = [g.op("Add", g.op("Mul", at, rise[s]), shift[s]) for s in (0, 1)]
        hats = g.op("Min", g.op("Max", g.op("Min", *sides), 0.0), 1.0)
        design = g.op("Concat", np.ones(1), hats, axis=0)
        raw = g.op("Gather", x, np.array(self.columns, np.int64))
        low, high = np.transpose([limits for _, limits in self._limits()])
        beyond = _any(g, g.op("Or", g.op("Less", raw, low), g.op("Greater", raw, high)))
        if len(self.columns) == 1:
            return design, beyond
        weight = g.op("Mul", g.op("Unsqueeze", design, [0]), self._groups())
        met = g.op("MatMul", g.op("MatMul", weight, self.together), g.op("Transpose", weight, perm=[1, 0]))
        apart = g.op("Less", g.op("Reshape", g.op("ReduceMin", met, keepdims=0), [1]), _SUPPORT)
        told = g.op("Not", _any(g, g.op("IsNaN", raw)))
        return design, g.op("Or", beyond, g.op("And", apart, told))


def _any(g: Graph, flags: str) -> str:
    """Return whether any of `flags` [n] is set: [1]."""
    return g.op("Cast", g.op("ReduceMax", g.op("Cast", flags, to=6), [0], keepdims=1), to=9)


def _knots(x: Array) -> Array:
    values = np.unique(x[~np.isnan(x)])
    if len(values) > LEVELS:
        values = np.unique(np.quantile(values, np.linspace(0, 1, 5)))
    return np.asarray(values, np.float64)


def _hats(knots: Array) -> tuple[Array, Array]:
    """Return slopes and offsets [2, knots] of the rising and falling sides; the ends stay at 1 outwards."""
    rise, shift = np.zeros((2, len(knots))), np.ones((2, len(knots)))
    step = np.diff(knots)
    rise[0, 1:], shift[0, 1:] = 1 / step, -knots[:-1] / step
    rise[1, :-1], shift[1, :-1] = -1 / step, knots[1:] / step
    return rise, shift

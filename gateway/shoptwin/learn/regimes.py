"""How much evidence the level of a regime stands on: what few rows tell is uncertain, and judged by as much less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.learn.context import Context
    from shoptwin.learn.graph import Graph
    from shoptwin.learn.statistics import Array


@dataclass(frozen=True, slots=True, eq=False)
class Certainty:
    """How sure the levels of a Context are, for k columns of evidence."""

    root: Array
    """[context.width, r]: |d @ root|^2 of a row's design d is the variance of its level, in variances of one look"""
    usual: float
    """That variance at a usual row: limits allow for it already"""
    memory: Array
    """[k] rows that make one look"""
    pairs: NDArray[np.int64]
    """[p, 2] neighbouring levels with nothing learned between them"""
    steps: Array
    """[p, k] squared steps between those, in variances of the evidence"""

    @classmethod
    def of(cls, context: Context, design: Array, level: Array, memory: Array) -> Certainty:
        """Count the evidence in the rows' `design` [n, width] for levels [width, k] in standard deviations."""
        values, vectors = np.linalg.eigh(design.T @ design)
        sound = values > 1e-9 * max(
            float(values[-1]), 1e-300
        )  # each context's weights sum to that of all: rank is less
        root = vectors[:, sound] / np.sqrt(values[sound])
        return cls(root, sound.sum() / len(design), memory, *context.between(level, apart=True))

    def variance(self, design: Array) -> Array:
        """Return how uncertain the level is at a row's `design` [width]: [k], in variances of the evidence.

        Halfway between two levels the truth may lie anywhere between them: variance u (1 - u) step^2.
        """
        stood = max(((design @ self.root) ** 2).sum() - self.usual, 0.0) * self.memory
        return np.asarray(stood + (design[self.pairs[:, 0]] * design[self.pairs[:, 1]]) @ self.steps)

    def graph(self, g: Graph, design: str) -> str:
        """Write `variance` for `design` [width] into a graph: [k]."""
        square = g.op("ReduceSumSquare", g.op("MatMul", design, self.root), [0], keepdims=1)
        stood = g.op("Mul", g.op("Max", g.op("Sub", square, np.float64(self.usual)), 0.0), self.memory)
        if not len(self.pairs):
            return stood
        shares = g.op("Mul", g.op("Gather", design, self.pairs[:, 0]), g.op("Gather", design, self.pairs[:, 1]))
        return g.op("Add", stood, g.op("MatMul", shares, self.steps))

"""From a row of inputs to standardised evidence: what is left when drivers and regime have explained their part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.learn.explain import leverage_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.learn.context import Context
    from shoptwin.learn.explain import Explained
    from shoptwin.learn.graph import Graph
    from shoptwin.learn.regimes import Certainty
    from shoptwin.learn.statistics import Array


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """n inputs, k columns of evidence; computes in numpy what its graph computes in ONNX."""

    mix: Array
    """[n, k]: evidence = x @ mix - design @ level"""
    context: Context
    level: Array
    """[context.width, k]"""
    deviation: Array
    """[k] standard deviation of the evidence, where it was learned"""
    explained: dict[int, Explained]
    """Piece of evidence -> what its drivers explain, and how uncertain that is elsewhere"""
    certainty: Certainty
    """How sure the level of each regime is"""

    def standardise(self, x: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Return the evidence of a row `x` [n] in standard deviations [k], wider where less is sure; and what is known.

        What lacks an input is not known, and its evidence means nothing.
        """
        known = ~(np.isnan(x).astype(float) @ (self.mix != 0) > 0)
        present = np.where(np.isnan(x), 0.0, x)
        design = self.context.design(present[None])[0]
        spread = 1 + self.certainty.variance(design)
        for j, explained in self.explained.items():
            spread[j] += explained.leverage(present)
        return (present @ self.mix - design @ self.level) / (self.deviation * np.sqrt(spread)), known

    def graph(self, g: Graph, x: str) -> tuple[str, str, str]:
        """Write `standardise` for `x` [n] into a graph: evidence [k], known [k], and whether `x` lies outside [1]."""
        missing = g.op("IsNaN", x)
        lacking = g.op("MatMul", g.op("Cast", missing, to=11), (self.mix != 0).astype(float))
        present = g.op("Where", missing, 0.0, x)
        design, outside = self.context.graph(g, x, present)
        spread = g.op("Add", self.certainty.graph(g, design), 1.0)
        if self.explained:
            spread = g.op("Add", spread, leverage_graph(g, present, self.explained, len(self.deviation)))
        left = g.op("Sub", g.op("MatMul", present, self.mix), g.op("MatMul", design, self.level))
        width = g.op("Mul", g.op("Sqrt", spread), self.deviation)
        return g.op("Div", left, width), g.op("Equal", lacking, 0.0), outside

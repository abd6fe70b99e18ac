"""What is normal of a machine's scalar tags: judged by distances of exponential means, jointly and tag by tag.

The joint look is Hotelling's T2 at each scale, in the covariance of the exponential means of that scale. Beside the
levels it is judged whether the tags still go with one another, see `ties.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.learn.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.learn.basis import Basis
    from shoptwin.learn.context import Context
    from shoptwin.learn.statistics import Array
    from shoptwin.learn.ties import Ties

JUMP = 4.0
"""Standard deviations that make a step, see Process.jump."""


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A fitted baseline: n inputs, k columns of evidence, S scales; judges in numpy what its graph judges in ONNX."""

    basis: Basis
    jump: Array
    """[k] standard deviations off the slowest mean, on one side, that make two rows in a row a step: the means start
    anew; inf where two rows may be one measurement"""
    scales: Array
    """[S] rows"""
    rotation: Array
    """[S, k, q]: standardised exponential means -> independent directions of the q tags judged jointly"""
    variance: Array
    """[S, q] of those directions"""
    drift: Array
    """[S, q] variance a row that a random walk adds there"""
    joint_limit: Array
    """[S] of the root of T2; inf where only single tags are judged"""
    tag_limit: Array
    """[S, k] of the standardised exponential means; inf where that look is left out"""
    tag_drift: Array
    """[k] variance a row, as wide as the limit is"""
    ties: Ties
    """How the tags judged jointly go with one another"""
    rows: float
    """L, the rows learned from: drift is extrapolated over at most 2 L"""

    kind = "process"

    @property
    def context(self) -> Context:
        """Return what tells the regime."""
        return self.basis.context

    @property
    def together(self) -> NDArray[np.bool_]:
        """Which of the evidence is judged jointly, [k]."""
        joint: NDArray[np.bool_] = (self.rotation != 0).any((0, 2))
        return joint

    def start(self) -> dict[str, Array]:
        """Return the state before the first row."""
        return {"bank": np.zeros((len(self.scales), len(self.basis.deviation))), "squares": self.ties.start()}

    def step(self, x: Array, age: float, alarmed: float, state: dict[str, Array]) -> dict[str, Array]:
        """Judge one row `x` [n], `age` rows after learning; returns what the graph returns."""
        del alarmed
        z, known = self.basis.standardise(x)
        bank = state["bank"]
        held = np.where(known, z, bank[0])
        moved = bank + (held - bank) / self.scales[:, None]
        off, before = held - bank[-1], bank[0] - bank[-1]
        stepped = (off * before > 0) & (np.minimum(np.abs(off), np.abs(before)) > self.jump) & known
        new = np.where(stepped, (held + bank[0]) / 2, moved)
        new[0] = held
        grown = min(age + self.rows / 2, 2 * self.rows)
        turned = np.matmul(new[:, None], self.rotation)[:, 0]
        square = (turned**2 / (self.variance + grown * self.drift)).sum(1)
        complete = bool((known | ~self.together).all())
        joint = (np.sqrt(square) / self.joint_limit).max() * float(complete)
        single = (np.abs(new) / np.sqrt(self.tag_limit**2 + grown * self.tag_drift)).max(0) * known
        squares, tie = self.ties.step(off, state["squares"], complete=complete)
        return {
            "score": np.array([max(joint, single.max(), tie.max())]),
            "outside": np.array([self.basis.context.outside(x)]),
            "known": known.mean()[None],
            "ratio": single,
            "lean": new[min(2, len(new) - 1)],
            "joint": joint[None],
            "tie": tie,
            "next.bank": new,
            "next.squares": squares,
        }

    def graph(self) -> bytes:
        """Return the same arithmetic as an ONNX model."""
        scales = len(self.scales)
        g = Graph("process", open_arrays=True)
        x, age = g.input("x", ["names"]), g.input("age", [1])
        g.input("alarmed", [1])
        bank, squares = g.input("state.bank", ["scales", "evidence"]), g.input("state.squares", [2, "evidence"])
        z, known, outside = self.basis.graph(g, x)
        known_f = g.op("Cast", known, to=11)
        last = g.op("Squeeze", g.op("Slice", bank, [0], [1]), [0])
        held = g.op("Where", known, z, last)
        moved = g.op("Add", bank, g.op("Div", g.op("Sub", held, bank), self.scales[:, None]))
        slowest = g.op("Squeeze", g.op("Slice", bank, [scales - 1], [scales]), [0])
        off, before = g.op("Sub", held, slowest), g.op("Sub", last, slowest)
        aside = g.op("Greater", g.op("Min", g.op("Abs", off), g.op("Abs", before)), self.jump)
        same = g.op("And", known, g.op("Greater", g.op("Mul", off, before), 0.0))
        anew = g.op("Div", g.op("Add", held, last), 2.0)
        averaged = g.op("Where", g.op("And", aside, same), anew, moved)
        new = g.op("Where", np.arange(scales)[:, None] == 0, held, averaged)
        grown = g.op("Min", g.op("Add", age, np.float64(self.rows / 2)), np.float64(2 * self.rows))
        turned = g.op("Squeeze", g.op("MatMul", g.op("Unsqueeze", new, [1]), self.rotation), [1])
        spread = g.op("Add", g.op("Mul", self.drift, grown), self.variance)
        square = g.op("ReduceSum", g.op("Div", g.op("Mul", turned, turned), spread), [1], keepdims=0)
        farthest = g.op("ReduceMax", g.op("Div", g.op("Sqrt", square), self.joint_limit), [0], keepdims=1)
        complete = g.op("ReduceMin", g.op("Max", known_f, (~self.together).astype(float)), [0], keepdims=1)
        joint = g.op("Mul", farthest, complete)
        limit = g.op("Sqrt", g.op("Add", g.op("Mul", self.tag_drift, grown), self.tag_limit**2))
        single = g.op("Mul", g.op("ReduceMax", g.op("Div", g.op("Abs", new), limit), [0], keepdims=0), known_f)
        squares, tie = self.ties.graph(g, off, squares, complete)
        highest = [g.op("ReduceMax", each, [0], keepdims=1) for each in (single, tie)]
        g.output("score", g.op("Max", joint, *highest), [1])
        g.output("outside", outside, [1], "?")
        g.output("known", g.op("ReduceMean", known_f, [0], keepdims=1), [1])
        g.output("ratio", single, ["evidence"])
        middle = min(2, scales - 1)
        g.output("lean", g.op("Squeeze", g.op("Slice", new, [middle], [middle + 1]), [0]), ["evidence"])
        g.output("joint", joint, [1])
        g.output("tie", tie, ["evidence"])
        g.output("next.bank", new, ["scales", "evidence"])
        g.output("next.squares", squares, [2, "evidence"])
        return g.serialize()

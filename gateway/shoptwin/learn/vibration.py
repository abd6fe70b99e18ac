"""What is normal of a machine's waveforms: growth of the spectrum over what its load explains, and its fine shape.

Growth is told by bands in order of how much each has grown: single bands wander by 10 dB in a healthy bearing's life,
the median band hardly does. The fine look (T2 of all bands) is taken only where each regime was visited at least
twice: one continuous block cannot show how far visits lie apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.learn.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.learn.context import Context
    from shoptwin.learn.statistics import Array

RECENT = 5
"""Snapshots whose median is judged: two bad ones in five change nothing."""
HISTORY = 100
"""Snapshots that recent growth is held against; frozen while the alarm stands."""
SUDDEN = float(np.log(2))
"""ln of power that recent growth must reach at least: doubled. And below, how many of its own usual deviations."""
SUDDEN_DEVIATIONS = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Vibration:
    """A fitted baseline: n inputs, C channels of b bands; judges in numpy what its graph judges in ONNX."""

    bands: NDArray[np.int64]
    """[C * b]: which inputs are the log band powers, channel by channel"""
    channels: int
    context: Context
    level: Array
    """[context.width, C * b] ln power"""
    growth_limit: Array
    """[3, C]: ln growth of the median band, of the third and of the largest that is the threshold"""
    pairs: NDArray[np.int64]
    """[P, 2]: neighbouring levels of the design, and at least one pair"""
    whitening: Array
    """[P, C * b, C * b] of the deviations, in which both scatter and the pair's interpolation variance are diagonal;
    zeros where the fine look is not taken"""
    uncertain: Array
    """[P, C * b] interpolation variance in those directions where both levels weigh fully"""
    fine_limit: float
    """of the root of T2"""

    kind = "vibration"

    def start(self) -> dict[str, Array]:
        """Return the state before the first snapshot: nothing is known of the past."""
        return {
            "recent": np.full((RECENT, len(self.bands)), np.nan),
            "history": np.full((HISTORY, self.channels), np.nan),
        }

    def step(self, x: Array, age: float, alarmed: float, state: dict[str, Array]) -> dict[str, Array]:
        """Judge one snapshot `x` [n]; returns what the graph returns."""
        del age
        missing = np.isnan(x[self.bands])
        known = 1.0 - missing.reshape(self.channels, -1).any(1)
        present = np.where(np.isnan(x), 0.0, x)
        design = self.context.design(present[None])[0]
        off = np.where(missing, np.nan_to_num(state["recent"][-1]), present[self.bands] - design @ self.level)
        recent = np.concatenate([state["recent"][1:], off[None]])
        recent = np.where(np.isnan(recent), off, recent)
        calm = np.sort(recent, axis=0)[RECENT // 2]
        order = -np.sort(-calm.reshape(self.channels, -1), axis=1)
        middle = order.shape[1] // 2
        growth = np.stack([order[:, middle - 1 : middle + 1].mean(1), order[:, middle // 2 - 1], order[:, 0]])
        now = growth[0]
        history = np.where(np.isnan(state["history"]), now, state["history"])
        usual = np.median(history, axis=0)
        spread = 1.4826 * np.median(np.abs(history - usual), axis=0)
        sudden = (now - np.maximum(usual, 0)) / np.maximum(SUDDEN, SUDDEN_DEVIATIONS * spread)
        share = design[self.pairs[:, 0]] * design[self.pairs[:, 1]]
        turned = off @ self.whitening
        square = (turned**2 / (1 + share[:, None] * self.uncertain)).sum(1)
        fine = np.sqrt(square.min()) / self.fine_limit * known.min()
        level = (growth / self.growth_limit).max(0)
        ratio = np.maximum(level, sudden) * known
        return {
            "score": np.array([max(ratio.max(), fine, 0.0)]),
            "outside": np.array([self.context.outside(x)]),
            "known": known.mean()[None],
            "ratio": ratio,
            "lean": calm,
            "joint": np.array([fine]),
            "next.recent": recent,
            "next.history": history if alarmed else np.concatenate([history[1:], now[None]]),
        }

    def graph(self) -> bytes:
        """Return the same arithmetic as an ONNX model."""
        m, channels = len(self.bands), self.channels
        g = Graph("vibration-baseline", open_arrays=True)
        x = g.input("x", ["names"])
        g.input("age", [1])
        alarmed = g.input("alarmed", [1])
        recent_in = g.input("state.recent", [RECENT, m])
        history_in = g.input("state.history", [HISTORY, channels])
        missing = g.op("IsNaN", g.op("Gather", x, self.bands))
        lacking = g.op("Reshape", g.op("Cast", missing, to=11), [channels, m // channels])
        known = g.op("Sub", 1.0, g.op("ReduceMax", lacking, [1], keepdims=0))
        present = g.op("Where", g.op("IsNaN", x), 0.0, x)
        design, outside = self.context.graph(g, x, present)
        last = _row(g, recent_in, RECENT - 1)
        held = g.op("Where", g.op("IsNaN", last), 0.0, last)
        off = g.op("Sub", g.op("Gather", present, self.bands), g.op("MatMul", design, self.level))
        off = g.op("Where", missing, held, off)
        shifted = g.op("Concat", g.op("Slice", recent_in, [1], [RECENT]), g.op("Unsqueeze", off, [0]), axis=0)
        recent = g.op("Where", g.op("IsNaN", shifted), off, shifted)
        calm = _row(g, _largest(g, recent, RECENT // 2 + 1, 0), RECENT // 2)
        growth = self._growth(g, calm)
        now = _row(g, growth, 0)
        history = g.op("Where", g.op("IsNaN", history_in), now, history_in)
        usual = _median(g, history)
        spread = g.op("Mul", _median(g, g.op("Abs", g.op("Sub", history, usual))), 1.4826)
        over = g.op("Sub", now, g.op("Max", usual, 0.0))
        sudden = g.op("Div", over, g.op("Max", g.op("Mul", spread, SUDDEN_DEVIATIONS), SUDDEN))
        fine = g.op("Mul", self._fine(g, design, off), g.op("ReduceMin", known, [0], keepdims=1))
        level = g.op("ReduceMax", g.op("Div", growth, self.growth_limit), [0], keepdims=0)
        ratio = g.op("Mul", g.op("Max", level, sudden), known)
        g.output("score", g.op("Max", g.op("ReduceMax", ratio, [0], keepdims=1), fine, 0.0), [1])
        g.output("outside", outside, [1], "?")
        g.output("known", g.op("ReduceMean", known, [0], keepdims=1), [1])
        g.output("ratio", ratio, [channels])
        g.output("lean", calm, [m])
        g.output("joint", fine, [1])
        g.output("next.recent", recent, [RECENT, m])
        later = g.op("Concat", g.op("Slice", history, [1], [HISTORY]), g.op("Unsqueeze", now, [0]), axis=0)
        g.output("next.history", g.op("Where", g.op("Greater", alarmed, 0.0), history, later), [HISTORY, channels])
        return g.serialize()

    def _growth(self, g: Graph, calm: str) -> str:
        bands = len(self.bands) // self.channels
        middle = bands // 2
        order = _largest(g, g.op("Reshape", calm, [self.channels, bands]), bands, 1)
        columns = [
            g.op("ReduceMean", g.op("Slice", order, [middle - 1], [middle + 1], [1]), [1], keepdims=1),
            g.op("Slice", order, [middle // 2 - 1], [middle // 2], [1]),
            g.op("Slice", order, [0], [1], [1]),
        ]
        return g.op("Transpose", g.op("Concat", *columns, axis=1), perm=[1, 0])

    def _fine(self, g: Graph, design: str, off: str) -> str:
        shares = g.op("Mul", g.op("Gather", design, self.pairs[:, 0]), g.op("Gather", design, self.pairs[:, 1]))
        width = g.op("Add", g.op("Mul", g.op("Unsqueeze", shares, [1]), self.uncertain), 1.0)
        turned = g.op("MatMul", off, self.whitening)
        square = g.op("ReduceSum", g.op("Div", g.op("Mul", turned, turned), width), [1], keepdims=0)
        return g.op("Div", g.op("Sqrt", g.op("ReduceMin", square, [0], keepdims=1)), np.float64(self.fine_limit))


def _largest(g: Graph, x: str, count: int, axis: int) -> str:
    """Return the `count` largest along `axis`, the largest first."""
    return g.op_first("TopK", x, [count], outputs=2, axis=axis)


def _row(g: Graph, x: str, i: int) -> str:
    return g.op("Squeeze", g.op("Slice", x, [i], [i + 1]), [0])


def _median(g: Graph, x: str) -> str:
    """Return the median over the HISTORY rows of `x`."""
    upper = _largest(g, x, HISTORY // 2 + 1, 0)
    return g.op("ReduceMean", g.op("Slice", upper, [HISTORY // 2 - 1], [HISTORY // 2 + 1]), [0], keepdims=0)

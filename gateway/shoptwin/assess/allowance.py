"""What marks of alarms allow: a regime whose alarms were false has a higher threshold, within bounds.

A false alarm shows that normal operation reaches further in its regime than the learned tail says. The threshold goes
to where that alarm would just not have been raised; by half at most for each mark, and to twice the learned one at
most, so that a score of 2 always is abnormal. A neighbouring regime moves half as far, as a ratio. A true alarm takes
back half of what its regime was allowed.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from shoptwin.assess.regimes import Grid
from shoptwin.domain.feedback import Exceedance, Mark, MoveKind, ThresholdMove

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from shoptwin.assess.learned import Learned
    from shoptwin.assess.regimes import Cell

    Array = NDArray[np.float64]

MOST_A_MARK = math.log(1.5)
MOST = math.log(2.0)
"""Bounds of the logarithm of the threshold's factor."""
JUST = math.log(1.01)
"""By how much the threshold goes above the alarm that was false."""
NEXT = 0.5
"""How much of a move reaches the neighbouring regimes."""
TAKEN_BACK = 0.5
_NOTHING = 1e-9


class Allowance:
    """The moved thresholds of one indicator of one machine. Belongs to the worker thread, as its track does."""

    def __init__(self) -> None:
        self.moves: tuple[ThresholdMove, ...] = ()
        """Those that count, oldest first."""
        self.grid: Grid | None = None
        """The regimes of the baseline in use."""
        self.latest: Exceedance | None = None
        """Why the alarm was last raised."""
        self.relieved = False
        """Whether that alarm is marked false: it need not fall further below the threshold to end."""
        self._told = True
        self._baseline: Learned | None = None
        self._cell: Cell | None = None
        self._score = 0.0
        self._rows: deque[tuple[Cell | None, float]] = deque()
        self._known: dict[Cell, tuple[float, int]] = {}

    # While rows are judged.

    def apply(self, learned: Learned, x: Array, score: float) -> float:
        """Return a row's score against the moved threshold; `x` are the inputs of the baseline that gave the score."""
        if learned is not self._baseline:
            self._baseline, self.grid = learned, Grid.of(learned.manifest)
            self._rows.clear()
            self._known.clear()
        self._cell = self.grid.cell(dict(zip(learned.names, x.tolist(), strict=True))) if self.grid else None
        self._score = score
        return score / self.factor(self._cell)

    def follow(self, track: tuple[str, str], now: int, rows: int, *, raised: bool, standing: bool) -> None:
        """Take note of what came of the row that was last applied, on the way to an alarm that takes `rows` of them."""
        if self._rows.maxlen != rows:
            self._rows = deque(self._rows, rows)
        self._rows.append((self._cell, self._score))
        if self.grid is None or self._cell is None:
            return
        held = [score for cell, score in self._rows if cell == self._cell]
        regime = self.grid.regime(self._cell)
        if raised:
            self.relieved = False
            self.latest, self._told = Exceedance(*track, now, regime, min(held)), False
        elif standing and self.latest and self.latest.regime == regime and len(held) == rows:
            self.latest = Exceedance(*track, self.latest.time, regime, max(self.latest.level, min(held)))

    def news(self) -> Exceedance | None:
        """Return why the alarm was raised, once."""
        told, self._told = self._told, True
        return None if told else self.latest

    # What is allowed.

    def factor(self, cell: Cell | None) -> float:
        """Return the factor of the threshold in a regime, 1 to 2."""
        return self._at(cell)[0] if cell is not None else 1.0

    @property
    def note(self) -> str:
        """Say how far the threshold of the regime of the latest row is moved, empty where it is not."""
        factor, alarms = self._at(self._cell) if self._cell is not None else (1.0, 0)
        if factor < 1 + _NOTHING:
            return ""
        return f"threshold of this regime raised {factor:.3g}x after {alarms} false alarm{'s' if alarms != 1 else ''}"

    def moved(self) -> dict[Cell, tuple[float, int]]:
        """Return the regimes whose threshold is not the learned one: its factor, and how many false alarms moved it."""
        if self.grid is None:
            return {}
        cells = {cell for move in self.moves if (cell := self.grid.cell(dict(move.regime))) is not None}
        around = {near for cell in cells for near in self.grid.around(cell)}
        return {c: self._at(c) for c in sorted(cells | around) if self._at(c)[0] > 1 + _NOTHING}

    def _at(self, cell: Cell) -> tuple[float, int]:
        if cell not in self._known:
            alarms: dict[str, float] = {}
            for move in self.moves:
                alarms[move.occurrence] = alarms.get(move.occurrence, 0.0) + self._step(move, cell)
            count = sum(step > _NOTHING for step in alarms.values())
            self._known[cell] = math.exp(min(max(self._sum(cell), 0.0), MOST)), count
        return self._known[cell]

    def _sum(self, cell: Cell) -> float:
        return sum(self._step(move, cell) for move in self.moves)

    def _step(self, move: ThresholdMove, cell: Cell) -> float:
        """Return what of a move reaches a regime."""
        at = self.grid.cell(dict(move.regime)) if self.grid else None
        if self.grid is None or at is None:
            return 0.0
        apart = self.grid.apart(at, cell)
        return move.step * (1.0 if apart == 0 else NEXT if apart == 1 else 0.0)

    # What changes it.

    def answer(self, mark: Mark, seen: Exceedance, occurrence: str, now: int, by: str) -> tuple[ThresholdMove, ...]:
        """Return the moves that a mark of the alarm with this occurrence leads to; none is made yet."""
        cell = self.grid.cell(dict(seen.regime)) if self.grid else None
        if cell is None:
            return ()
        sum_, out = self._sum(cell), []
        before = sum(move.step for move in self.moves if move.occurrence == occurrence)

        def add(kind: MoveKind, step: float) -> None:
            nonlocal sum_
            if abs(step) > _NOTHING:
                sum_ += step
                factor = math.exp(min(max(sum_, 0.0), MOST))
                out.append(
                    ThresholdMove(now, seen.machine, seen.indicator, kind, by, seen.regime, step, factor, occurrence)
                )

        add(MoveKind.WITHDRAWN, -before)
        present = min(max(sum_, 0.0), MOST)
        if mark is Mark.FALSE:
            wanted = min(math.log(max(seen.level, 1.0)) + JUST, present + MOST_A_MARK, MOST)
            add(MoveKind.FALSE, max(wanted, present) - sum_)
        elif mark is Mark.TRUE:
            add(MoveKind.TRUE, (1 - TAKEN_BACK) * present - sum_)
        return tuple(out)

    def take(self, moves: Iterable[ThresholdMove]) -> None:
        """Make moves, in order; one that ends what was before leaves nothing of it."""
        for move in moves:
            self.moves = () if move.kind.ends else (*self.moves, move)
            if self.latest is not None and self.latest.regime == move.regime:
                self.relieved = move.kind is MoveKind.FALSE
        self._known.clear()


class Allowances:
    """The allowances of all indicators; they outlive a reload, and the baselines that they were given for."""

    def __init__(self) -> None:
        self._each: dict[tuple[str, str], Allowance] = {}

    def of(self, machine: str, indicator: str) -> Allowance:
        """Return that of one indicator."""
        return self._each.setdefault((machine, indicator), Allowance())

    def take(self, moves: Iterable[ThresholdMove]) -> None:
        """Make moves of whichever indicators, in order."""
        for move in moves:
            self.of(move.machine, move.indicator).take((move,))

    def exceeded(self) -> tuple[Exceedance, ...]:
        """Return why alarms were raised since the last call."""
        return tuple(news for each in self._each.values() if (news := each.news()) is not None)

    def machine(self, machine: str) -> dict[str, Allowance]:
        """Return those of one machine, by indicator."""
        return {indicator: each for (name, indicator), each in self._each.items() if name == machine}

"""Rows that say something new: averages over the rows that repeat one another, and none while a change settles.

A device that is polled faster than it measures repeats its values, and a slow sensor still tells of the state before.
Taken for rows of their own, such repetitions look like certainty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_GAP = 5.0
"""Usual intervals without a row after which the rows before do not count any more."""


class Rhythm(NamedTuple):
    """How rows of one machine repeat one another, as it was learned."""

    stride: int = 1
    """Rows that are averaged to one: the usual tag has one new value in them."""
    settle: int = 0
    """Rows after a change of state, or a step of a driver, in which the slowest tag may still tell of before it."""
    pace: float = 0.0
    """Usual time between two rows, ns."""
    span: int = 0
    """Time that an exceedance must last before it counts, ns: the slowest tag has been told anew in it."""
    steps: tuple[tuple[int, float], ...] = ()
    """Columns of what the machine is asked to do, and from which difference between two rows that is a step."""


class Blocks:
    """Takes rows [names], gives averages over `stride` of them; `state` is the column of the machine's state."""

    def __init__(self, rhythm: Rhythm, state: int | None) -> None:
        self._rhythm = rhythm
        self._state = state
        self._before: Array | None = None
        self._time = 0
        self.moved = False
        """Whether the latest row is the first after a change: what is measured may be of before and after it."""
        self._settling = 0
        self._rows: list[Array] = []

    def add(self, time: int, x: Array) -> Array | None:
        """Return the average of a block that this row (at `time`, ns UTC) completes; values missing in it are NaN."""
        rhythm = self._rhythm
        self.moved = self._before is not None and self._changed(x - self._before)
        if self.moved or time - self._time > _GAP * rhythm.pace:
            self._rows, self._settling = [], rhythm.settle
        self._before, self._time = x, time
        if rhythm.stride == 1 and not rhythm.settle:
            return x
        if self._settling > 0:
            self._settling -= 1
            return None
        self._rows.append(x)
        if len(self._rows) < rhythm.stride:
            return None
        rows, self._rows = np.stack(self._rows), []
        known = ~np.isnan(rows)
        count = known.sum(0)
        mean = np.where(known, rows, 0.0).sum(0) / np.maximum(count, 1)
        return np.asarray(np.where(count > 0, mean, np.nan))

    def _changed(self, moved: Array) -> bool:
        """Tell whether the state, or what the machine is asked to do, is another than in the row before."""
        if self._state is not None and np.abs(moved[self._state]) > 0:
            return True
        return any(abs(moved[column]) > step for column, step in self._rhythm.steps)

"""Samples of a box that did not know the time yet: stamped by 1970, and put right once the clock is set.

What the box stamped itself is moved by as much as the clock was: the times of arrival, and those of a device that gives
none of its own. The times of a device that has a clock are that clock's.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.timing import HOUR
from shoptwin.runtime.clock import CLOCK_SET_AFTER
from shoptwin.store import journal
from shoptwin.store.codec import DamagedError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shoptwin.store.recorded import Recorded

_OURS = HOUR
"""A source's time that is so near to that of arrival (ns), both of 1970, is one that the box gave."""


class Provisional:
    """Knows what the clock said when it was last looked at; what is in the journal is all of this process."""

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._before = self._now = wall() - monotonic()
        """By how much the wall clock was ahead of the monotonic one when the last write was durable, and is now."""

    def set_by(self) -> int:
        """Return by how much (ns) the clock was set since the last write, from a time before it was set; else 0."""
        self._now, was = self._wall() - self._monotonic(), self._before + self._monotonic()
        return self._now - self._before if was < CLOCK_SET_AFTER <= self._wall() else 0

    def committed(self) -> None:
        """Take the look before for durable: what was put right with it is."""
        self._before = self._now

    def put_right(self, tx: sqlite3.Connection, by: int) -> None:
        """Move what came into the journal before the clock was set."""
        rows = tx.execute("SELECT second, data FROM journal WHERE arrived < ?", (CLOCK_SET_AFTER,)).fetchall()
        for second, data in rows:
            try:
                parts = [moved(part, by) for part in journal.decode(data)]
            except DamagedError:
                continue  # it is told when it is folded
            arrived = max(int(part.received.max()) for part in parts)
            tx.execute(
                "UPDATE journal SET arrived = ?, data = ? WHERE second = ?", (arrived, journal.encode(parts), second)
            )  # fmt: skip


def is_set(arrived: int) -> bool:
    """Tell whether a time of arrival is of a clock that was set."""
    return arrived >= CLOCK_SET_AFTER


def moved(part: Recorded, by: int) -> Recorded:
    """Return samples with what the box stamped before its clock was set moved by so many ns."""
    early = part.received < CLOCK_SET_AFTER
    if not early.any():
        return part

    def ours(stamp: NDArray[np.int64]) -> NDArray[np.int64]:
        near = early & (stamp != 0) & (stamp < CLOCK_SET_AFTER) & (np.abs(stamp - part.received) < _OURS)
        return np.where(near, stamp + by, stamp)

    received = np.where(early, part.received + by, part.received)
    return replace(part, time=ours(part.time), server=ours(part.server), received=received)

"""How long a state tag told each of its states, of each minute, hour and day, as plain rows.

A state lasts until the tag tells another one: until its next sample, good or Bad. Nothing is known of the time while
the gateway was off, of a Bad value, and beyond an hour without a sample.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.quality import usable
from shoptwin.domain.timing import DAY, HOUR, MINUTE, SECOND
from shoptwin.store.dropped import Gone

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from sqlite_utils import Database

    from shoptwin.store.recorded import Recorded

LONGEST = HOUR
"""A state that was told is believed for so long (ns)."""
_STEPS = (MINUTE, HOUR, DAY)
_EARLIEST, _LATEST = -(2**63) + DAY, 2**63 - 2 * DAY
_TABLE = """
CREATE TABLE state_times (
  step INTEGER NOT NULL, time INTEGER NOT NULL, tag INTEGER NOT NULL, state TEXT NOT NULL, seconds REAL NOT NULL,
  PRIMARY KEY (step, time, tag, state)
) WITHOUT ROWID"""
_ADD = "INSERT INTO state_times VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seconds = seconds + excluded.seconds"
Told = tuple[int, str | None]
"""When, and which state; None where nothing is known of it."""
Row = tuple[int, int, int, str, float]


def create(db: Database) -> None:
    """Create the table; a part of a migration."""
    db.execute(_TABLE)


class StateTimes:
    """Adds what is folded; knows of each state tag what it told last, so that no seam between two folds is lost."""

    def __init__(self) -> None:
        self._last: dict[int, Told] = {}

    def forget(self) -> None:
        """Know nothing of before: another file, or a transaction that was rolled back."""
        self._last.clear()

    def add(self, tx: sqlite3.Connection, parts: Sequence[Recorded]) -> None:
        """Add the samples of state tags among `parts`, which are in the order in which they came."""
        for (tag,) in tx.execute("SELECT tag FROM tags WHERE role = 'state'").fetchall():
            mine = [part.where(part.tag == tag) for part in parts]
            live = sorted(told for part in mine if not part.past for told in _told(part))
            if live and tag in self._last:
                live = [self._last[tag], *(told for told in live if told[0] > self._last[tag][0])]
            if live:
                self._last[tag] = live[-1]
            late = sorted(told for part in mine if part.past for told in _told(part))
            tx.executemany(_ADD, [row for told in (live, late) for row in _rows(tag, told)])


def expire(tx: sqlite3.Connection, step: int, earliest: int, cutoff: int, at_once: int) -> Gone:
    """Delete the first rows of a step from `earliest` on that lie before `cutoff` (ns UTC); return them."""
    sql = (
        "DELETE FROM state_times WHERE (step, time, tag, state) IN (SELECT step, time, tag, state FROM state_times "
        "WHERE step = ? AND time >= ? AND time <= ? ORDER BY time LIMIT ?)"
    )
    return Gone(rollups=tx.execute(sql, (step, earliest, cutoff - step, at_once)).rowcount)


def _told(part: Recorded) -> Iterator[Told]:
    known = usable(part.status)
    for time, value, good in zip(part.time.tolist(), part.values.tolist(), known.tolist(), strict=True):
        if _EARLIEST <= time < _LATEST:
            yield time, _text(value) if good else None


def _text(value: object) -> str | None:
    """Return a state's name: 3.0 and 3 are the same one."""
    if isinstance(value, bool) or value is None:
        return None if value is None else str(value).lower()
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)


def _rows(tag: int, told: Sequence[Told]) -> Iterator[Row]:
    """Yield the seconds of each state by bucket, of what a tag told in order of time."""
    sums: dict[tuple[int, int, str], int] = {}
    for (time, state), (until, _) in pairwise(told):
        if state is not None:
            for begin, length in _minutes(time, min(until, time + LONGEST)):
                for step in _STEPS:
                    key = step, begin // step * step, state
                    sums[key] = sums.get(key, 0) + length
    return ((step, time, tag, state, length / SECOND) for (step, time, state), length in sorted(sums.items()))


def _minutes(time: int, until: int) -> Iterator[tuple[int, int]]:
    """Yield a stretch of time as what of it lies in each minute: its minute, and how long."""
    edges = np.arange(time // MINUTE + 1, -(-until // MINUTE)) * MINUTE
    cuts = [time, *edges.tolist(), until]
    return ((first // MINUTE * MINUTE, last - first) for first, last in pairwise(cuts))

"""How long a state tag told each of its states, of each minute, hour and day, as plain rows.

A state lasts until the tag tells another one: until its next sample, Good or Bad. Nothing is known of the time while
the gateway was off, of a Bad value, of a time that goes backwards, and beyond an hour without a sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shoptwin.domain.quality import usable
from shoptwin.domain.timing import DAY, HOUR, MINUTE, SECOND
from shoptwin.store.dropped import Gone

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
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
Row = tuple[int, int, int, str, float]


class Told(NamedTuple):
    """What one tag told, in the order in which it came: when (ns UTC) and which state, None where that is not known."""

    time: NDArray[np.int64]
    state: list[str | None]


def create(db: Database) -> None:
    """Create the table; a part of a migration."""
    db.execute(_TABLE)


class StateTimes:
    """Adds what is folded; knows of each state tag what it told last, so that no seam between two folds is lost."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, str | None]] = {}
        self._durable: dict[int, tuple[int, str | None]] = {}

    def begin(self) -> None:
        """Claim nothing of the time before now: the gateway was off."""
        self._last = {}

    def committed(self) -> None:
        """Take what was added for durable."""
        self._durable = dict(self._last)

    def rolled_back(self) -> None:
        """Know what was known before."""
        self._last = dict(self._durable)

    def add(self, tx: sqlite3.Connection, parts: Sequence[Recorded]) -> None:
        """Add the samples of state tags among `parts`, which are in the order in which they came."""
        wanted = np.array([row[0] for row in tx.execute("SELECT tag FROM tags WHERE role = 'state'")], np.int64)
        mine = [part.where(here) for part in parts if (here := np.isin(part.tag, wanted)).any()]
        rows: list[Row] = []
        for tag in sorted({int(tag) for part in mine for tag in part.tag}):
            live = _told([part.where(part.tag == tag) for part in mine if not part.past])
            if len(live.time):
                before = self._last.get(tag)
                self._last[tag] = int(live.time[-1]), live.state[-1]
                if before is not None:
                    live = Told(np.insert(live.time, 0, before[0]), [before[1], *live.state])
            late = _told([part.where(part.tag == tag) for part in mine if part.past])
            rows += [*_rows(tag, live), *_rows(tag, late)]
        tx.executemany(_ADD, rows)


def expire(tx: sqlite3.Connection, step: int, earliest: int, cutoff: int, at_once: int) -> Gone:
    """Delete the first rows of a step from `earliest` on that lie before `cutoff` (ns UTC); return them."""
    sql = (
        "DELETE FROM state_times WHERE (step, time, tag, state) IN (SELECT step, time, tag, state FROM state_times "
        "WHERE step = ? AND time >= ? AND time <= ? ORDER BY time LIMIT ?)"
    )
    return Gone(rollups=tx.execute(sql, (step, earliest, cutoff - step, at_once)).rowcount)


def _told(parts: Sequence[Recorded]) -> Told:
    """Return what the parts of one tag tell; a time that no calendar has is none."""
    time, state = [np.zeros(0, np.int64)], []
    for part in parts:
        real = (part.time >= _EARLIEST) & (part.time < _LATEST)
        known = usable(part.status)
        time.append(part.time[real])
        names = zip(part.values.tolist(), known.tolist(), real.tolist(), strict=True)
        state += [_text(value) if good else None for value, good, there in names if there]
    return Told(np.concatenate(time), state)


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever a device sends
    """Return a state's name: 3.0 and 3 are the same one."""
    if isinstance(value, bool) or value is None:
        return None if value is None else str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _rows(tag: int, told: Told) -> Iterator[Row]:
    """Yield the seconds of each state by bucket."""
    if len(told.time) < 2:  # noqa: PLR2004 - a state lasts from one sample to the next
        return
    names = sorted({state for state in told.state if state is not None})
    place = {name: i for i, name in enumerate(names)}
    which = np.array([-1 if state is None else place[state] for state in told.state[:-1]])
    begin, end = told.time[:-1], np.minimum(told.time[1:], told.time[:-1] + LONGEST)
    lasts = (which >= 0) & (end > begin)  # not where the time goes backwards
    begin, end, which = begin[lasts], end[lasts], which[lasts]
    first = begin // MINUTE
    count = (end - 1) // MINUTE - first + 1
    of = np.repeat(np.arange(len(begin)), count)
    minute = first[of] + np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    length = np.minimum(end[of], (minute + 1) * MINUTE) - np.maximum(begin[of], minute * MINUTE)
    for step in _STEPS:
        keys, at = np.unique(np.stack([minute // (step // MINUTE), which[of]]), axis=1, return_inverse=True)
        seconds = np.bincount(at.ravel(), length / SECOND, minlength=keys.shape[1])
        for bucket, state, each in zip(*keys.tolist(), seconds.tolist(), strict=True):
            yield step, bucket * step, tag, names[state], each

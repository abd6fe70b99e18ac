"""Waveforms in `twin.db`: kept exactly; the last of each tag, those around alarms, and some of the rest.

`kept` tells which it is: 0 one of the last RECENT of a tag; 1 the first of an hour, for two days; 2 the first of a
day, as long as samples; 3 around an alarm of its machine (the last RECENT when it was raised, and what came within
ten minutes after it), as long as the figures of hours, at most MOST_OF_ALARMS of a tag. Hours and days are of UTC, by
arrival. For room 1 and 2 go first of all; 0 and 3, of which there are only so many, after the samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.quality import is_bad
from shoptwin.domain.timing import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch

RECENT = 20
MOST_OF_ALARMS = 100
AFTER_ALARM = 10 * MINUTE
HOURLY = 2 * DAY
"""How long the first of each hour is kept."""
LAST, OF_HOUR, OF_DAY, OF_ALARM = range(4)
THINNED, BOUNDED = (OF_HOUR, OF_DAY), (LAST, OF_ALARM)
_ROW = (
    "INSERT INTO waveforms (tag, time, status, server, received, rate, scale, type, samples, kept) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_BEYOND = (
    "DELETE FROM waveforms WHERE tag = :tag AND kept = :kept AND rowid <= "
    "(SELECT rowid FROM waveforms WHERE tag = :tag AND (kept = :kept OR NOT :alike) "
    "ORDER BY rowid DESC LIMIT 1 OFFSET :most)"
)
_ALARMED = """
UPDATE waveforms SET kept = 3 WHERE rowid IN (
  SELECT rowid FROM (
    SELECT rowid, row_number() OVER (PARTITION BY tag ORDER BY rowid DESC) AS nth FROM waveforms
    WHERE tag IN (SELECT tag FROM tags WHERE machine = ?)
  ) WHERE nth <= ?) AND kept <> 3"""


class Waveforms:
    """The writer's side: which of those that come are kept for longer. Belongs to the writer's thread."""

    def __init__(self) -> None:
        self._arrived: dict[int, int] = {}
        """Tag -> when its last one that is in the file came."""
        self._alarmed: dict[str, int] = {}
        """Machine -> when its latest alarm was raised."""

    def forget(self) -> None:
        """Know nothing of before: another file, or a transaction that was rolled back."""
        self._arrived.clear()

    def expect(self, machine: str, now: int) -> None:
        """Keep what comes of a machine soon after an alarm of it was raised, at `now`; for any thread."""
        self._alarmed[machine] = now

    def alarmed(self, tx: sqlite3.Connection, machine: str) -> None:
        """Keep what is there of a machine of which an alarm was raised."""
        tx.execute(_ALARMED, (machine, RECENT))
        for (tag,) in tx.execute("SELECT tag FROM tags WHERE machine = ?", (machine,)).fetchall():
            tx.execute(_BEYOND, {"tag": tag, "kept": OF_ALARM, "alike": True, "most": MOST_OF_ALARMS})

    def add(self, tx: sqlite3.Connection, batch: SampleBatch, numbers: NDArray[np.int64]) -> None:
        """Write a batch's waveforms, and let go of those that need not be kept any more."""
        tags = set()
        for row in waveform_rows(batch, numbers):
            tags.add(row[0])
            tx.execute(_ROW, (*row, self._kept(tx, row[0], batch.receive_time)))
        for tag in tags:
            tx.execute(_BEYOND, {"tag": tag, "kept": LAST, "alike": False, "most": RECENT})
            tx.execute(_BEYOND, {"tag": tag, "kept": OF_ALARM, "alike": True, "most": MOST_OF_ALARMS})

    def _kept(self, tx: sqlite3.Connection, tag: int, now: int) -> int:
        if tag not in self._arrived:
            latest = "SELECT max(time + received) FROM waveforms WHERE tag = ? AND kept IN (1, 2, 3)"
            self._arrived[tag] = tx.execute(latest, (tag,)).fetchone()[0] or -DAY
        before, self._arrived[tag] = self._arrived[tag], now
        (machine,) = tx.execute("SELECT machine FROM tags WHERE tag = ?", (tag,)).fetchone()
        if 0 <= now - self._alarmed.get(machine, now + 1) < AFTER_ALARM:
            return OF_ALARM
        if now // DAY != before // DAY:
            return OF_DAY
        return OF_HOUR if now // HOUR != before // HOUR else LAST


def expire(tx: sqlite3.Connection, now: int, keep: int, long: int, known: int) -> int:
    """Delete those that arrived too long ago (ns), `known` at the earliest; return how many went."""
    gone = 0
    for kept, longest in ((LAST, keep), (OF_HOUR, min(HOURLY, keep)), (OF_DAY, keep), (OF_ALARM, long)):
        sql = "DELETE FROM waveforms WHERE kept = ? AND time + received < ? AND time + received >= ?"
        gone += tx.execute(sql, (kept, now - longest, known)).rowcount
    return gone


def shed(tx: sqlite3.Connection, which: tuple[int, ...], too_much: int, at_once: int) -> int:
    """Delete the first of some kinds to free about `too_much` bytes; return how many went."""
    for kept in which:
        sql = "SELECT rowid, length(samples) FROM waveforms WHERE kept = ? ORDER BY rowid LIMIT ?"
        going: list[tuple[int]] = []
        for rowid, size in tx.execute(sql, (kept, at_once)):
            if too_much <= 0:
                break
            going.append((rowid,))
            too_much -= size
        if going:
            return tx.executemany("DELETE FROM waveforms WHERE rowid = ?", going).rowcount
    return 0


def waveform_rows(batch: SampleBatch, numbers: NDArray[np.int64]) -> Iterable[tuple[Any, ...]]:
    """Yield rows (tag, time, status, server, received, rate, scale, type, samples) of those that are not Bad."""
    bad = is_bad(batch.status)
    for i, waveform in enumerate(batch.values):
        if bad[i] or not isinstance(waveform, Waveform):
            continue
        form = "i2" if waveform.samples.dtype == np.int16 else "f4"
        time, server = int(batch.source_time[i]), int(batch.server_time[i])
        yield (
            int(numbers[batch.tag[i]]), time, int(batch.status[i]), server - time if server else None,
            batch.receive_time - time, waveform.rate, waveform.scale, form,
            np.ascontiguousarray(waveform.samples, f"<{form}").tobytes(),
        )  # fmt: skip


def waveform(rate: float, scale: float, form: str, samples: bytes) -> Waveform:
    """Return a waveform from its row."""
    return Waveform(np.frombuffer(samples, f"<{form}").astype(form), rate, scale)

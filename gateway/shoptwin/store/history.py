"""The samples in `twin.db`: seconds go into the journal, ten minutes of it are folded, and both are read as one."""

from __future__ import annotations

import heapq
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import SECOND
from shoptwin.store import journal, rollups
from shoptwin.store.chunk import Chunk, Fold, fold, unfold
from shoptwin.store.codec import DamagedError
from shoptwin.store.dropped import Gone, note_dropped
from shoptwin.store.provisional import Provisional, is_set, moved
from shoptwin.store.recorded import KINDS, Recorded
from shoptwin.store.state_times import StateTimes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

SECONDS = 600
"""Seconds of the journal that are folded at once …"""
UNSET = 3600
"""… or so many, while the box does not know the time: what is in the journal can be put right once it does …"""
SAMPLES = 600_000
"""… or so many samples: a chunk of a few seconds would cost more than it saves."""
AT_ONCE = 150_000
"""Samples that are in memory at once while they are folded: 12 MB."""
_SLICES = 64
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
Second = tuple[int, int, bytes]
"""A row of the journal: when it arrived, samples, data."""
_WAITS = "SELECT count(*), coalesce(sum(samples), 0), coalesce(min(arrived), 0) FROM journal"
_ALL = "SELECT arrived, samples, data FROM journal ORDER BY second"
_SECOND = "INSERT INTO journal (arrived, samples, data) VALUES (?, ?, ?)"
_TIMELINE = "INSERT INTO timelines (data) VALUES (?)"
_CHUNK = (
    "INSERT INTO chunks (tag, first, last, samples, kind, past, timeline, arrived, data) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TOLD = (
    "SELECT chunk, kind, first, last, samples, arrived, past, chunks.data, timelines.data FROM chunks "
    "LEFT JOIN timelines USING (timeline) WHERE tag = ? AND first < ? AND last >= ? ORDER BY first, chunk"
)

_BEFORE = (
    "SELECT chunk, tag, kind, first, last, samples, arrived, past, chunks.data, timelines.data FROM chunks "
    "LEFT JOIN timelines USING (timeline) WHERE chunk < ? ORDER BY chunk DESC LIMIT ?"
)


class Journal:
    """The writer's side of it. What waits in the journal is counted once and then kept in mind: to count is to read."""

    def __init__(self) -> None:
        self._seconds, self._samples, self._first, self._counted = 0, 0, 0, False
        self._states = StateTimes()
        self._clock = Provisional()
        self._begun = self._durable = False
        """Whether what an earlier run of the gateway had left is folded, and that is on the disk."""

    def committed(self) -> None:
        """Take what was added for durable."""
        self._clock.committed()
        self._states.committed()
        self._durable = self._begun

    def forget(self) -> None:
        """Count anew: a transaction was rolled back, or the file may be another one."""
        self._counted, self._begun = False, self._durable
        self._states.rolled_back()

    def add(self, tx: sqlite3.Connection, recorded: Sequence[Recorded]) -> None:
        """Write what came in a second, if anything did; fold what came before, when there is enough of it."""
        parts = [part for part in recorded if len(part)]
        if not self._begun:
            self._begin(tx)
        if by := self._clock.set_by():
            self._clock.put_right(tx, by)
            parts, self._counted = [moved(part, by) for part in parts], False
        if not parts:
            return
        self._count(tx)
        arrived, samples = max(int(part.received.max()) for part in parts), sum(map(len, parts))
        most = SECONDS if is_set(arrived) else UNSET
        long = abs(arrived - self._first) >= most * SECOND
        if self._seconds and (long or self._seconds >= most or self._samples >= SAMPLES):
            self.fold(tx)
        tx.execute(_SECOND, (arrived, samples, journal.encode(parts)))
        self._first = self._first if self._seconds else arrived
        self._seconds, self._samples = self._seconds + 1, self._samples + samples

    def _count(self, tx: sqlite3.Connection) -> None:
        if not self._counted:
            self._seconds, self._samples, self._first = tx.execute(_WAITS).fetchone()
            self._counted = True

    def _begin(self, tx: sqlite3.Connection) -> None:
        """Fold what an earlier run had left: of the time in between, and of its clock, nothing is known."""
        self._count(tx)
        if self._seconds:
            self.fold(tx)
        self._states.begin()
        self._begun = True

    def fold(self, tx: sqlite3.Connection) -> None:
        """Make chunks of what is in the journal, of some of the tags at a time where all would be too much."""
        seconds = tx.execute(_ALL).fetchall()
        slices = min(max(-(-sum(samples for _, samples, _ in seconds) // AT_ONCE), 1), _SLICES)
        for part in range(slices):
            came = deque(_decoded(tx, seconds, part, slices))
            rollups.add(tx, came)
            self._states.add(tx, came)
            insert(tx, fold(_handed_over(came)))
        tx.execute("DELETE FROM journal")
        self._seconds, self._samples, self._counted = 0, 0, True


def _decoded(tx: sqlite3.Connection, seconds: Sequence[Second], part: int, slices: int) -> Iterator[Recorded]:
    """Yield what some of the tags were; a second whose bits rotted is left out, and told where all that is lost is."""
    for arrived, samples, data in seconds:
        try:
            came = journal.decode(data)
        except DamagedError:
            if part == 0:
                note_dropped(tx, "damaged", Gone(samples=samples), arrived)
            continue
        yield from came if slices == 1 else (each.where(each.tag % slices == part) for each in came)


def _handed_over(came: deque[Recorded]) -> Iterator[Recorded]:
    """Yield what came, and let go of it: it need not be in memory twice."""
    while came:
        yield came.popleft()


def insert(tx: sqlite3.Connection, folded: Fold) -> None:
    """Write chunks and their timelines."""
    numbers = [tx.execute(_TIMELINE, (data,)).lastrowid for data in folded.timelines]
    tx.executemany(_CHUNK, [
        (c.tag, c.first, c.last, c.rows, KINDS.index(c.kind), int(c.past), numbers[c.timeline], c.arrived, c.data)
        for c in folded.chunks
    ])  # fmt: skip


def tag_number(tx: sqlite3.Connection, tag_id: str) -> int | None:
    """Return the number of a tag in this file, None where there is none of that id."""
    row = tx.execute("SELECT tag FROM tags WHERE id = ?", (tag_id,)).fetchone()
    return None if row is None else int(row[0])


def stretches(
    tx: sqlite3.Connection, tag: int, start: int, stop: int, *, arrival: bool = True
) -> Iterator[list[Recorded]]:
    """Yield a tag's samples from `start` on and before `stop` (ns UTC, source time), a stretch of time at a time.

    Stretches follow one another in time. The parts of one are in the order in which they came, and so are the samples
    in each: where a clock went back that is not the order of time. Without `arrival` only source times are told.

    Raises:
        DamagedError: a chunk is damaged.
    """
    start, stop = max(start, _LOWEST), min(stop, _HIGHEST)
    stretch: list[_Span] = []
    end = _LOWEST
    folded, waiting = _folded(tx, tag, start, stop, arrival=arrival), _waiting(tx, tag, start, stop)
    for span in heapq.merge(folded, waiting, key=lambda span: span.first):
        if stretch and span.first > end:
            yield _in_order(stretch)
            stretch = []
        end = max(end, span.last) if stretch else span.last
        stretch.append(span)
    if stretch:
        yield _in_order(stretch)


def begins(tx: sqlite3.Connection, tag: int) -> int:
    """Return from which source time (ns UTC) on a tag's own samples are still there; 2**63 - 1 where none is.

    It is that of the chunk that came first: retention goes by arrival, and what was told belatedly, or by a clock that
    is years off, says nothing of what is gone. What waits in the journal is later, or is there besides.
    """
    sql = "SELECT first FROM chunks WHERE chunk = (SELECT min(chunk) FROM chunks WHERE tag = ?)"
    row = tx.execute(sql, (tag,)).fetchone()
    return _HIGHEST if row is None else int(row[0])


def waiting(tx: sqlite3.Connection, tag: int, start: int, stop: int) -> list[Recorded]:
    """Return what of a tag is in the journal only, from `start` on and before `stop` (ns UTC)."""
    return [span.rows for span in _waiting(tx, tag, start, stop)]


def fill(tx: sqlite3.Connection, at_once: int) -> bool:
    """Add some of the chunks of a file of before to the figures of minutes, hours and days; tell whether more are left.

    What is damaged is left out.
    """
    row = tx.execute("SELECT before FROM unfilled").fetchone()
    if row is None:
        return False
    found = tx.execute(_BEFORE, (row[0], at_once)).fetchall()
    parts = []
    for number, tag, kind, first, last, samples, arrived, past, data, timeline in found:
        chunk = Chunk(tag, _kind(kind), first, last, samples, arrived, 0, data, bool(past))
        with suppress(DamagedError):
            parts.append(unfold(chunk, timeline, arrival=False))
        row = (number,)
    rollups.add(tx, parts)
    tx.execute("DELETE FROM unfilled")
    if found:
        tx.execute("INSERT INTO unfilled VALUES (?)", row)
    return bool(found)


def filled(tx: sqlite3.Connection) -> bool:
    """Tell whether minutes, hours and days have all that is in chunks."""
    return tx.execute("SELECT 1 FROM unfilled").fetchone() is None


def times_told(tx: sqlite3.Connection, spans: Mapping[int, tuple[int, int]]) -> dict[int, set[int]]:
    """Return which source times of tags are in the file, within the span of each; what is damaged is not told."""
    found: dict[int, set[int]] = {tag: set() for tag in spans}
    for part in _journal(tx):
        for tag, time in zip(part.tag.tolist(), part.time.tolist(), strict=True):
            if tag in found:
                found[tag].add(time)
    for tag, (first, last) in spans.items():
        for span in _folded(tx, tag, first, min(last, _HIGHEST - 1) + 1, arrival=False, strict=False):
            found[tag].update(span.rows.time.tolist())
    return found


class _Span(NamedTuple):
    """Samples of one tag, and what they were found by."""

    first: int
    last: int
    order: tuple[int, int]
    """In which they came: chunks, then what is in the journal."""
    rows: Recorded


def _in_order(stretch: list[_Span]) -> list[Recorded]:
    return [span.rows for span in sorted(stretch, key=lambda span: span.order)]


def _folded(
    tx: sqlite3.Connection, tag: int, start: int, stop: int, *, arrival: bool, strict: bool = True
) -> Iterator[_Span]:
    """Yield what is in chunks, by its beginning; a damaged one raises where that is `strict`, else it is left out."""
    for number, kind, first, last, samples, arrived, past, data, timeline in tx.execute(_TOLD, (tag, stop, start)):
        try:
            chunk = Chunk(tag, _kind(kind), first, last, samples, arrived, 0, data, bool(past))
            part = unfold(chunk, timeline, arrival=arrival)
        except DamagedError:
            if strict:
                raise
            continue
        inside = start <= first and last < stop
        yield _Span(first, last, (0, number), part if inside else _within(part, tag, start, stop))


def _kind(number: int) -> ValueKind:
    """Return a kind by its number; for one that is not known that of waveforms, which no chunk is."""
    return ValueKind.WAVEFORM if number not in range(len(KINDS)) else KINDS[number]


def _waiting(tx: sqlite3.Connection, tag: int, start: int, stop: int) -> list[_Span]:
    parts = [part for part in (_within(part, tag, start, stop) for part in _journal(tx)) if len(part)]
    spans = (_Span(int(part.time.min()), int(part.time.max()), (1, i), part) for i, part in enumerate(parts))
    return sorted(spans, key=lambda span: span.first)


def _journal(tx: sqlite3.Connection) -> Iterator[Recorded]:
    """Yield what is in the journal; a damaged second is left out, and told once it is folded."""
    for (data,) in tx.execute("SELECT data FROM journal ORDER BY second"):
        with suppress(DamagedError):
            yield from journal.decode(data)


def _within(part: Recorded, tag: int, start: int, stop: int) -> Recorded:
    rows = (part.tag == tag) & (part.time >= start) & (part.time < stop)
    return part if rows.all() else part.where(rows)

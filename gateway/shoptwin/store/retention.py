"""What goes when `twin.db` grows old or large: the samples that arrived first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from shoptwin.domain.timing import DAY, HOUR, MINUTE
from shoptwin.store import rollups, state_times, waveforms
from shoptwin.store.dropped import Gone

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from shoptwin.config.settings import StoreSettings

SAMPLES = ("chunks", "journal")
"""Where samples are: the oldest in chunks."""
AT_ONCE = 5_000
"""Rows that go in one transaction: the next second's samples do not wait for more."""
_PAGES_AT_ONCE = 2_000
LOWEST, HIGHEST = -(2**63), 2**63 - 1
SET = 365 * DAY
"""A time before this is of a box that did not know the time yet: it says nothing of an age."""
_LOOK = 5_000
_RESERVE = 64 << 20
_FLOOR = 16 << 20
_ARRIVED = {"chunks": "arrived", "journal": "arrived", "observations": "time"}


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what is kept, ns, and how large the file may grow. Days are kept as long as there is room."""

    samples: int = 30 * DAY
    """Samples, observations, and the first waveform of each day."""
    minutes: int = 60 * DAY
    hours: int = 730 * DAY
    """Hours, and waveforms around alarms."""
    max_bytes: int = 2_000_000_000

    @classmethod
    def of(cls, settings: StoreSettings) -> Keep:
        """Return what is configured."""
        return cls(settings.keep, settings.keep_minutes, settings.keep_hours, settings.max_bytes)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What retention took away: by age, and to keep within the bytes."""

    aged: Gone
    shed: Gone

    def __bool__(self) -> bool:
        return bool(self.aged or self.shed)


Job = Callable[["sqlite3.Connection"], Gone]


def aged(now: int, keep: Keep) -> Iterator[Job]:
    """Yield what takes away what is too old, some at a time; each is to be done until nothing goes any more."""
    for table in (*SAMPLES, "observations"):
        yield partial(_expire, table=table, cutoff=now - keep.samples)
    for step, longest in ((MINUTE, keep.minutes), (HOUR, keep.hours)):
        yield partial(rollups.expire, step=step, earliest=SET, cutoff=now - longest, at_once=AT_ONCE)
        yield partial(state_times.expire, step=step, earliest=SET, cutoff=now - longest, at_once=AT_ONCE)
    yield lambda tx: Gone(waveforms=waveforms.expire(tx, now, keep.samples, keep.hours, SET))


def _expire(tx: sqlite3.Connection, table: str, cutoff: int) -> Gone:
    """Delete rows that arrived before `cutoff` (ns UTC), at most AT_ONCE; of samples those that came last count.

    Age is by time of arrival, in which the rows lie: a PLC whose clock is years off neither loses its samples at once
    nor keeps them forever.
    """
    first, last = _ends(tx, table)
    if cutoff < SET or first > last:
        return Gone()
    return _delete(tx, table, min(_first_kept(tx, table, first, last, cutoff), first + AT_ONCE))


def _delete(tx: sqlite3.Connection, table: str, before: int) -> Gone:
    """Delete the rows before that one, and the timelines that no chunk needs any more."""
    counted = "coalesce(sum(samples), 0)" if table in SAMPLES else "count(*)"
    told = tx.execute(f"SELECT {counted} FROM {table} WHERE rowid < ?", (before,)).fetchone()[0]  # noqa: S608 - the names are our own
    rows = tx.execute(f"DELETE FROM {table} WHERE rowid < ?", (before,)).rowcount  # noqa: S608 - as above
    if table == "chunks" and rows:
        tx.execute("DELETE FROM timelines WHERE timeline < coalesce((SELECT min(timeline) FROM chunks), 1 << 62)")
    return Gone(samples=told) if table in SAMPLES else Gone(observations=told)


def _first_kept(tx: sqlite3.Connection, table: str, first: int, last: int, cutoff: int) -> int:
    """Return the row before which all arrived before `cutoff`, by halving."""
    arrived = _ARRIVED[table]
    sql = (
        f"SELECT {arrived} FROM {table} WHERE rowid >= :row AND rowid < :row + {_LOOK} AND {arrived} >= {SET} "  # noqa: S608 - as above
        "ORDER BY rowid LIMIT 1"
    )
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        row = tx.execute(sql, {"row": middle}).fetchone()
        if row is None or row[0] >= cutoff:
            high = middle
        else:
            low = middle + 1
    return low


def excess(tx: sqlite3.Connection, path: Path, max_bytes: int) -> int:
    """Return how many bytes the file is too large: for `max_bytes`, or to leave the ledger room on the disk.

    A disk that something else fills costs the samples all but _FLOOR: they go so that alarms do not.
    """
    size = _pragma(tx, "page_count") * _pragma(tx, "page_size")
    allowed = max_bytes
    with suppress(OSError):
        disk = shutil.disk_usage(path.parent)
        missing = min(_RESERVE, disk.total // 20) - disk.free
        if missing > 0:
            allowed = min(allowed, max(size - missing, _FLOOR))
    return size - allowed


def shed(tx: sqlite3.Connection, too_much: int) -> Gone:
    """Delete what may go first, the oldest of it, to free about `too_much` bytes, at most AT_ONCE; return what went.

    Thinned waveforms, samples, the other waveforms, minutes and hours. Observations go where nothing of these is left:
    they are few, and learning needs them longest. Days are last.
    """
    size, free = _pragma(tx, "page_count"), _pragma(tx, "freelist_count")
    page = _pragma(tx, "page_size")
    too_much -= free * page
    if too_much <= 0:
        return Gone()
    share = min(1.0, 1.05 * too_much / max(page, (size - free) * page))
    oldest: tuple[Job, ...] = (
        lambda tx: Gone(waveforms=waveforms.shed(tx, waveforms.THINNED, too_much, AT_ONCE)),
        *(partial(_oldest, table=table, share=share) for table in SAMPLES),
        lambda tx: Gone(waveforms=waveforms.shed(tx, waveforms.BOUNDED, too_much, AT_ONCE)),
        *(partial(shed_rollups, step=step, at_once=AT_ONCE) for step in (MINUTE, HOUR)),
        partial(_oldest, table="observations", share=share), partial(shed_rollups, step=DAY, at_once=AT_ONCE),
    )  # fmt: skip
    return next((gone for each in oldest if (gone := each(tx))), Gone())


def shed_rollups(tx: sqlite3.Connection, step: int, at_once: int) -> Gone:
    """Delete the first figures of that step, and the state times of the same time."""
    gone = rollups.expire(tx, step, LOWEST, HIGHEST, at_once)
    return gone + state_times.expire(tx, step, LOWEST, HIGHEST, at_once)


def _oldest(tx: sqlite3.Connection, table: str, share: float) -> Gone:
    """Delete a share of a table, those that came first."""
    first, last = _ends(tx, table)
    rows = min(AT_ONCE, max(1, round(share * (last - first + 1))))
    return _delete(tx, table, first + rows) if first <= last else Gone()


def give_back(tx: sqlite3.Connection, too_much: int) -> int:
    """Return free pages to the disk, at most `too_much` bytes and some at a time; return how many bytes."""
    free, page = _pragma(tx, "freelist_count"), _pragma(tx, "page_size")
    pages = min(free, -(-too_much // page), _PAGES_AT_ONCE)
    for _ in range(pages):  # one a time: sqlite3 takes one step of a statement without columns, which frees one page
        tx.execute("PRAGMA incremental_vacuum(1)")
    return max(0, pages) * page


def _ends(tx: sqlite3.Connection, table: str) -> tuple[int, int]:
    """Return the first and last rowid; first above last where there is none."""
    first = tx.execute(f"SELECT min(rowid) FROM {table}").fetchone()[0]  # noqa: S608 - as above
    last = tx.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0]  # noqa: S608 - as above
    return (1, 0) if first is None else (first, last)


def _pragma(tx: sqlite3.Connection, name: str) -> int:
    return int(tx.execute(f"PRAGMA {name}").fetchone()[0])

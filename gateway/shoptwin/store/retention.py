"""What goes when `twin.db` grows old or large: the samples that arrived first."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.domain.timing import DAY

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

SAMPLES = ("chunks", "journal")
"""Where samples are: the oldest in chunks."""
AT_ONCE = 5_000
"""Rows that go in one transaction: the next second's samples do not wait for more."""
_PAGES_AT_ONCE = 2_000
_SET = 365 * DAY
"""A time before this is of a box that did not know the time yet: it says nothing of an age."""
_LOOK = 5_000
_RESERVE = 64 << 20
_FLOOR = 16 << 20
_ARRIVED = {"chunks": "arrived", "journal": "arrived", "observations": "time"}


@dataclass(frozen=True, slots=True)
class Dropped:
    """What retention took away: by age, and to keep within the bytes."""

    aged: int = 0
    shed: int = 0
    observations: int = 0

    def __bool__(self) -> bool:
        return bool(self.aged or self.shed or self.observations)


@dataclass(frozen=True, slots=True)
class Gone:
    """What was deleted at once: rows, and the samples or observations in them."""

    rows: int = 0
    content: int = 0


def expire(tx: sqlite3.Connection, table: str, cutoff: int) -> Gone:
    """Delete rows that arrived before `cutoff` (ns UTC), at most AT_ONCE; of samples those that came last count.

    Age is by time of arrival, in which the rows lie: a PLC whose clock is years off neither loses its samples at once
    nor keeps them forever.
    """
    first, last = _ends(tx, table)
    if cutoff < _SET or first > last:
        return Gone()
    return _delete(tx, table, min(_first_kept(tx, table, first, last, cutoff), first + AT_ONCE))


def _delete(tx: sqlite3.Connection, table: str, before: int) -> Gone:
    """Delete the rows before that one, and the timelines that no chunk needs any more."""
    content = "coalesce(sum(samples), 0)" if table in SAMPLES else "count(*)"
    told = tx.execute(f"SELECT {content} FROM {table} WHERE rowid < ?", (before,)).fetchone()[0]  # noqa: S608 - the names are our own
    rows = tx.execute(f"DELETE FROM {table} WHERE rowid < ?", (before,)).rowcount  # noqa: S608 - as above
    if table == "chunks" and rows:
        tx.execute("DELETE FROM timelines WHERE timeline < coalesce((SELECT min(timeline) FROM chunks), 1 << 62)")
    return Gone(rows, told)


def _first_kept(tx: sqlite3.Connection, table: str, first: int, last: int, cutoff: int) -> int:
    """Return the row before which all arrived before `cutoff`, by halving."""
    arrived = _ARRIVED[table]
    sql = (
        f"SELECT {arrived} FROM {table} WHERE rowid >= :row AND rowid < :row + {_LOOK} AND {arrived} >= {_SET} "  # noqa: S608 - as above
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


def expire_waveforms(tx: sqlite3.Connection, cutoff: int) -> None:
    """Delete waveforms that arrived before `cutoff`, which are those of tags that are no more."""
    tx.execute(
        "DELETE FROM waveforms WHERE time + received < ? AND time + received >= ?", (cutoff, _SET)
    )  # fmt: skip


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


def shed(tx: sqlite3.Connection, too_much: int) -> tuple[int, int]:
    """Delete the oldest rows to free about `too_much` bytes, at most AT_ONCE; return how many samples, observations.

    Observations go only where there are no samples left: they are few, and learning needs them longest.
    """
    size, free = _pragma(tx, "page_count"), _pragma(tx, "freelist_count")
    page = _pragma(tx, "page_size")
    if free * page >= too_much:
        return 0, 0
    for table in (*SAMPLES, "observations"):
        first, last = _ends(tx, table)
        if first > last:
            continue
        share = min(1.0, 1.05 * (too_much - free * page) / max(page, (size - free) * page))
        rows = min(AT_ONCE, max(1, round(share * (last - first + 1))))
        gone = _delete(tx, table, first + rows)
        return (gone.content, 0) if table in SAMPLES else (0, gone.content)
    return 0, 0


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

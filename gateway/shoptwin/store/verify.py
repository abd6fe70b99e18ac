"""Looking at a whole file for damage, slowly, while it is written: what a start has no time for.

SQLite's own check sees pages and indices; bits that rotted within a chunk are seen by the chunk's checksum alone.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.store.chunk import sound_chunk, sound_timeline
from shoptwin.store.files import corrupt, is_trouble, open_reader, translate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STEPS = 20_000
"""SQLite's own steps between two pauses: some milliseconds."""
_PAUSE = 0.02
_CHUNKS = 100
"""Chunks that are looked at between two pauses, about a megabyte."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at a whole file found."""

    whole: bool
    """False where it was told to end before it was through."""
    chunks: int = 0
    """Chunks and timelines whose checksums were held against them."""
    damaged: int = 0
    """How many of them are damaged: what they hold is lost, and nothing else."""


def verify(path: Path, ends: Callable[[], bool], pause: float = _PAUSE) -> Verified:
    """Look at a file whole, on one core at most half of the time, until `ends`.

    No transaction is held for longer than one table takes, so that the -wal can be folded in between.

    Raises:
        StoreCorrupt: it is damaged. StoreError: it cannot be read.
    """
    try:
        with closing(open_reader(path)) as reader:
            reader.set_progress_handler(lambda: _breathe(ends, pause), _STEPS)
            tables = [row[0] for row in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                told = reader.execute(f'PRAGMA integrity_check("{table}")').fetchone()[0]
                if told != "ok":
                    raise corrupt(path, told)
            if "chunks" not in tables:
                return Verified(whole=True)
            chunks = _checksums(reader, _CHUNK, sound_chunk, ends, pause)
            timelines = _checksums(reader, _TIMELINE, sound_timeline, ends, pause)
            return Verified(True, chunks[0] + timelines[0], chunks[1] + timelines[1])
    except _EndedError:
        return Verified(whole=False)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return Verified(whole=False)
        raise translate(error, path) from error
    except sqlite3.Error as error:
        if is_trouble(error):
            raise translate(error, path) from error
        raise


_CHUNK = "SELECT chunk, tag, kind, samples, past, data FROM chunks WHERE chunk > ? ORDER BY chunk LIMIT ?"
_TIMELINE = "SELECT timeline, data FROM timelines WHERE timeline > ? ORDER BY timeline LIMIT ?"


class _EndedError(Exception):
    """It was told to end."""


def _breathe(ends: Callable[[], bool], pause: float) -> bool:
    time.sleep(pause)
    return ends()


def _checksums(
    reader: sqlite3.Connection, sql: str, sound: Callable[..., bool], ends: Callable[[], bool],
    pause: float,
) -> tuple[int, int]:  # fmt: skip
    """Return how many rows there are, and how many of them are damaged; the first column is their number."""
    seen, damaged, last = 0, 0, 0
    while rows := reader.execute(sql, (last, _CHUNKS)).fetchall():
        if _breathe(ends, pause):
            raise _EndedError
        seen, last = seen + len(rows), rows[-1][0]
        damaged += sum(not sound(*row[1:]) for row in rows)
    return seen, damaged

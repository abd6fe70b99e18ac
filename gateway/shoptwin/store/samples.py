"""`twin.db`: the rolling store of samples. Taking in never waits and never raises; it is written once a second."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from shoptwin.domain.errors import StoreCorrupt, StoreError
from shoptwin.store import history, retention
from shoptwin.store.buffer import Buffer
from shoptwin.store.dropped import Gone, note_dropped
from shoptwin.store.files import StoreFile
from shoptwin.store.retention import Dropped, Keep
from shoptwin.store.sample_reader import SampleReader
from shoptwin.store.samples_schema import MIGRATIONS
from shoptwin.store.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from shoptwin.domain.assessment import Observation
    from shoptwin.domain.batch import SampleBatch, Waveform
    from shoptwin.domain.tag import TagTable
    from shoptwin.store.series import Evidence, Rollup, Series

T = TypeVar("T")
_FILLED = 200
"""Chunks of a file of before that are added to minutes, hours and days in one transaction."""
BUFFER_BYTES = 16 << 20
"""What may wait in memory while the disk fails: about 400,000 samples."""


class SampleStore:
    """Samples, waveforms and observations on disk, behind a buffer.

    `append` and `append_observations` are for the loop; all that reads, `retain`, `flush` and `close` wait for the disk
    and are for a thread. Only reading raises. It sees what was written: all but the last second, unless `flush` was
    called.
    """

    def __init__(self, path: Path, table: TagTable, keep: Keep) -> None:
        """Use `open`."""
        self.path = path
        self.reader = SampleReader(path)
        self._keep = keep
        self._buffer = Buffer(table, BUFFER_BYTES)
        file = StoreFile(path, MIGRATIONS, incremental_vacuum=True)
        self._writer = Writer(file, companion=self._buffer, must_open=False)

    @classmethod
    def open(cls, path: Path, table: TagTable, keep: Keep) -> SampleStore:
        """Open or create the store. A damaged file is set aside.

        A disk that is full or read-only does not keep it from opening: see `failure`.

        Raises:
            StoreError: a newer program wrote the file.
        """
        return cls(path, table, keep)

    @property
    def failure(self) -> StoreError | None:
        """What is wrong with the disk now, None where nothing is. It heals by itself once there is room again."""
        return self._writer.failure

    @property
    def quarantined(self) -> Path | None:
        """Where the damaged file lies that was found since the start, None where there was none."""
        return self._writer.quarantined

    def configure(self, table: TagTable, keep: Keep | None = None) -> None:
        """Take up a reloaded configuration; without `keep` that stays as it was."""
        self._buffer.configure(table)
        self._keep = keep or self._keep

    def append(self, batch: SampleBatch) -> None:
        """Take in a batch. While the disk fails the newest are kept, and what had to go is counted."""
        if len(batch):
            self._buffer.put(batch)

    def append_observations(self, observations: Iterable[Observation]) -> None:
        """Take in what was computed from windows."""
        for observation in observations:
            self._buffer.put(observation)

    def flush(self, timeout: float = 3.0) -> bool:
        """Write all that was taken in, and wait for it, `timeout` seconds at most; never raises.

        Returns whether all of it is written. If not (see `failure`), it goes on waiting in memory.
        """
        return self._done(_nothing, timeout=timeout) is not None

    def fold(self) -> bool:
        """Write all that was taken in and fold the journal, though ten minutes are not over; as `flush`."""
        return self._done(self._buffer.fold) is not None

    def _done(self, job: Callable[[sqlite3.Connection], T], timeout: float | None = None) -> T | None:
        """Let the writer do a job and wait for it; None where the disk does not take it."""
        try:
            return self._writer.submit(job).result(timeout)
        except (StoreError, TimeoutError):
            return None

    def read(self, tag_id: str, start: int, stop: int, resolution: int = 0) -> Series:
        """As `SampleReader.read`."""
        with self._watching():
            return self.reader.read(tag_id, start, stop, resolution)

    def rollup(self, tag_id: str, start: int, stop: int, step: int) -> Rollup:
        """As `SampleReader.rollup`."""
        with self._watching():
            return self.reader.rollup(tag_id, start, stop, step)

    def observations(self, machine: str, indicator: str, start: int, stop: int) -> Evidence:
        """As `SampleReader.observations`."""
        with self._watching():
            return self.reader.observations(machine, indicator, start, stop)

    def read_waveforms(self, tag_id: str, limit: int = 20) -> list[tuple[int, Waveform]]:
        """As `SampleReader.read_waveforms`."""
        with self._watching():
            return self.reader.read_waveforms(tag_id, limit)

    def condemn(self, error: StoreCorrupt, inode: int | None = None) -> None:
        """As the writer's: the file was found damaged."""
        self._writer.condemn(error, inode)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Tell the writer where a reader finds the file damaged: a new one is begun."""
        try:
            yield
        except StoreCorrupt as error:
            self._writer.condemn(error)
            raise

    def retain(self, now: int) -> Dropped:
        """Drop what is older than is to be kept or more than fits; return what went. To be called every minute or so.

        A failing disk ends it early: see `failure`.
        """
        while self._done(partial(history.fill, at_once=_FILLED)):
            pass
        aged = sum((self._repeat(partial(_noted, job, "age", now)) for job in retention.aged(now, self._keep)), Gone())
        shed = Gone()
        for _ in range(1_000):  # more than a file of any size needs
            gone, given = self._done(lambda tx: self._shed(tx, now)) or (Gone(), 0)
            shed += gone
            if not gone and not given:
                break
        return Dropped(aged, shed)

    def _repeat(self, job: Callable[[sqlite3.Connection], Gone]) -> Gone:
        """Do a job that takes away some rows until there are no more of them; return what went."""
        total = Gone()
        while gone := self._done(job):
            total += gone
        return total

    def _shed(self, tx: sqlite3.Connection, now: int) -> tuple[Gone, int]:
        """Return what went, and how many bytes were given back to the disk."""
        too_much = retention.excess(tx, self.path, self._keep.max_bytes)
        if too_much <= 0:
            return Gone(), 0
        gone = _noted(lambda tx: retention.shed(tx, too_much), "no room", now, tx)
        return gone, retention.give_back(tx, too_much)

    def alarmed(self, machine: str, now: int) -> None:
        """Keep the waveforms around an alarm of a machine that was raised at `now` (ns UTC); does not wait."""
        self._buffer.waveforms.expect(machine, now)
        self._writer.submit(lambda tx: self._buffer.waveforms.alarmed(tx, machine), sheddable=True)

    def stats(self) -> dict[str, Any]:
        """Return figures for `status` and metrics: bytes on disk, samples written, waiting and lost, what is wrong."""
        size = sum(p.stat().st_size for t in ("", "-wal") if (p := self.path.with_name(self.path.name + t)).exists())
        return {
            "bytes": size,
            "written": self._buffer.written,
            "waiting": self._buffer.waiting,
            "lost": self._buffer.lost,
            "failure": str(self.failure) if self.failure else None,
            "quarantined": str(self.quarantined) if self.quarantined else None,
        }

    def close(self) -> None:
        """Write what waits and close; may be called twice."""
        self._writer.close()


def _nothing(_tx: sqlite3.Connection) -> bool:
    """Be a job, so that the buffer is written and the disk is asked."""
    return True


def _noted(job: Callable[[sqlite3.Connection], Gone], reason: str, now: int, tx: sqlite3.Connection) -> Gone:
    """Do a job and tell in the file what went by it."""
    if gone := job(tx):
        note_dropped(tx, reason, gone, now)
    return gone

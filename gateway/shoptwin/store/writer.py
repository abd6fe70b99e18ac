"""The one thread that writes to one SQLite file, with group commit: all that waits shares one transaction."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from shoptwin.domain.errors import StoreCorrupt, StoreError, StoreFull
from shoptwin.store.files import is_trouble, needs_reopening, translate
from shoptwin.store.migrations import NEWER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shoptwin.store.files import StoreFile

T = TypeVar("T")
_AT_ONCE = 5_000
_BACKOFF = (0.1, 5.0)


class Companion(Protocol):
    """What takes part in every transaction: the buffer of samples."""

    def due(self) -> bool:
        """Whether there is something to write."""

    def write(self, tx: sqlite3.Connection) -> None:
        """Write it; called once in each transaction, and again with the same if the commit failed."""

    def committed(self) -> None:
        """Forget it: it is on disk."""

    def rolled_back(self) -> None:
        """Keep it: nothing of it is on disk, or the file is another one now."""


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


class Writer:
    """Runs jobs in order, in its own thread; a job's future is resolved once the job is durable.

    A job that raises fails its own future only. If the disk fails (full, read-only, I/O), the jobs of that transaction
    fail with the StoreError; with `retain_on_failure` they stay, in order, and are tried again until the disk is well:
    a job may therefore run more than once and must touch nothing but its transaction. `failure` tells the state.
    Callbacks of the futures run in the writer's thread; asyncio users take `asyncio.wrap_future`. A job cannot be
    cancelled once submitted: who waited for it may go away, what was to be written is written.
    """

    def __init__(
        self,
        file: StoreFile,
        *,
        retain_on_failure: bool = False,
        limit: int = 50_000,
        companion: Companion | None = None,
        period: float = 1.0,
        must_open: bool = True,
    ) -> None:
        """Open the file and start the thread. `period`: seconds between looks at the companion.

        Raises:
            StoreError: the file cannot be opened. Without `must_open` only a newer program's file is refused: a failing
                disk sets `failure`, and opening is tried again.
        """
        self.failure: StoreError | None = None
        self.quarantined: Path | None = None
        self._file = file
        self._retain = retain_on_failure
        self._limit = limit
        self._companion = companion
        self._period = period
        self._wake = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._condemned: StoreCorrupt | None = None
        self._renewed = False
        self._failures = 0
        """Turns in a row that the disk did not take."""
        try:
            self._open()
        except StoreError as error:
            if must_open or error.code == NEWER:
                raise
            self.failure = error
        self._thread = threading.Thread(target=self._run, name=f"store {file.path.name}", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """How many jobs wait for the disk."""
        return len(self._waiting)

    def submit(self, job: Callable[[sqlite3.Connection], T], *, sheddable: bool = False) -> Future[T]:
        """Queue a job; its future holds what it returned, once that is on disk.

        While a failing disk makes jobs wait, only so many are held: `sheddable` ones (summaries, say) are refused with
        StoreFull at half of the limit, so that the alarms have the rest.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        with self._wake:
            room = self._limit // 2 if sheddable else self._limit
            if self._closing:
                future.set_exception(StoreError(f"{self._file.path.name} is closed"))
            elif len(self._waiting) >= room:
                future.set_exception(self.failure or StoreFull(f"{self._file.path.name} cannot keep up"))
            else:
                self._waiting.append(_Job(job, future))
                self._wake.notify()
        return future

    def close(self, timeout: float = 4.0) -> None:
        """Write all that waits, fold the -wal into the file and end the thread; may be called twice."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(timeout)

    def condemn(self, error: StoreCorrupt, inode: int | None = None) -> None:
        """Say that a reader found the file damaged: it is set aside and a new one is begun.

        `inode` tells which file was read: where that is another one by now, it has been set aside already.
        """
        with suppress(OSError):
            if inode is not None and self._file.path.stat().st_ino != inode:
                return
        with self._wake:
            self._condemned = error
            self._wake.notify()

    def _open(self) -> None:
        self._connection, aside = self._file.open()
        self.quarantined = aside or self.quarantined

    def _run(self) -> None:
        try:
            while not (self._closing and self._idle()):
                jobs = self._take()
                self._failures = 0 if self._turn(jobs) else self._failures + 1
                if self._failures and self._closing:
                    break
                if self._failures and (self._retain or not self._waiting):
                    self._back_off(self._failures)
        except BaseException as error:
            # Nobody foresaw it: tell all who wait, then let the thread's excepthook tell the world.
            self.failure = StoreError(f"The writer of {self._file.path.name} died: {error!r}")
            raise
        finally:
            self._shut()

    def _idle(self) -> bool:
        return not self._waiting and not (self._companion and self._companion.due())

    def _take(self) -> list[_Job]:
        """Wait for work, or for the period to end; return the jobs that wait, in order."""
        period = self._period if self._companion or self.failure else None
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._closing or self._condemned, period)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]

    def _back_off(self, failures: int) -> None:
        least, most = _BACKOFF
        pause = random.uniform(0.5, 1.0) * min(most, least * 2 ** min(failures, 10))  # noqa: S311 - not a secret
        with self._wake:
            self._wake.wait_for(lambda: self._closing, pause)

    def _turn(self, jobs: list[_Job]) -> bool:
        """Do what is due, and resolve the futures; tell whether the disk took it."""
        try:
            if self._condemned:
                error, self._condemned = self._condemned, None
                raise error  # noqa: TRY301 - handled as if writing had found it
            if self._connection is None:
                self._open()
                if self._companion:
                    self._companion.rolled_back()
                self.failure = None
            if jobs or (self._companion and self._companion.due()):
                self._done(jobs, self._transaction(jobs))
            return True  # noqa: TRY300 - reads in the order in which it happens
        except StoreCorrupt as error:
            return self._begin_anew(jobs, error)
        except StoreError as error:
            self._failed(jobs, error)
            return False
        except BaseException as error:
            for job in jobs:
                job.future.set_exception(error)
            raise

    def _transaction(self, jobs: list[_Job]) -> list[_Outcome]:
        """Run all jobs and commit. Raises StoreError where the disk or the file is at fault; nothing is kept then."""
        tx = self._connection
        assert tx is not None  # noqa: S101 - _turn has opened it
        try:
            tx.execute("BEGIN IMMEDIATE")
            if self._companion:
                self._companion.write(tx)
            outcomes = [_attempt(tx, job) for job in jobs]
            tx.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                tx.rollback()
            if self._companion:
                self._companion.rolled_back()
            if not isinstance(error, sqlite3.Error) or not is_trouble(error):
                raise
            if needs_reopening(error, self._failures):
                self._drop()
            raise translate(error, self._file.path) from error
        return outcomes

    def _done(self, jobs: list[_Job], outcomes: list[_Outcome]) -> None:
        self.failure = None
        self._renewed = False
        if self._companion:
            self._companion.committed()
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is None:
                job.future.set_result(outcome.value)
            else:
                job.future.set_exception(outcome.error)

    def _begin_anew(self, jobs: list[_Job], error: StoreCorrupt) -> bool:
        """Set the damaged file aside and begin a new one, where the same jobs are then run."""
        self._drop()
        if self._renewed:  # the new one is damaged at once: the disk is at fault, and waiting is all that is left
            self._failed(jobs, error)
            return False
        if self._companion:  # the new file knows nothing of what the old one knew, whenever it is opened
            self._companion.rolled_back()
        try:
            self._connection, self.quarantined = self._file.renew()
        except StoreError as trouble:
            self._failed(jobs, trouble)
            return False
        self._renewed = True
        with self._wake:
            self._waiting.extendleft(reversed(jobs))
        return True

    def _failed(self, jobs: list[_Job], error: StoreError) -> None:
        self.failure = error
        if self._retain and not self._closing:
            with self._wake:
                self._waiting.extendleft(reversed(jobs))
            return
        for job in jobs:
            job.future.set_exception(error)

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _shut(self) -> None:
        with self._wake:
            self._closing = True
            left = list(self._waiting)
            self._waiting.clear()
        for job in left:
            job.future.set_exception(self.failure or StoreError(f"{self._file.path.name} is closed"))
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._drop()


def _attempt(tx: sqlite3.Connection, job: _Job) -> _Outcome:
    """Run one job in a savepoint: what it raises is its own, unless the disk is at fault."""
    tx.execute("SAVEPOINT job")
    try:
        outcome = _Outcome(job.run(tx))
    except sqlite3.Error as error:
        if is_trouble(error):
            raise
        outcome = _Outcome(error=error)
    except BaseException as error:  # noqa: BLE001 - handed to whoever submitted the job, through its future
        outcome = _Outcome(error=error)
    if outcome.error is not None:
        tx.execute("ROLLBACK TO job")
    tx.execute("RELEASE job")
    return outcome

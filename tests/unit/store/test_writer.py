"""The writer: one thread, group commit, and what becomes of jobs when the disk fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from shoptwin.domain.errors import StoreError, StoreFull
from shoptwin.store.files import StoreFile, open_reader
from shoptwin.store.ledger import Ledger, add_message, counts, next_sequence, pending
from shoptwin.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlite_utils import Database

    from shoptwin.domain.message import OutboxMessage


def _table(db: Database) -> None:
    db.table("t").create({"n": int, "text": str}, pk="n")


def _insert(n: int, size: int = 1) -> Callable[[sqlite3.Connection], int]:
    def job(tx: sqlite3.Connection) -> int:
        tx.execute("INSERT INTO t VALUES (?, ?)", (n, "x" * size))
        return n

    return job


@pytest.fixture
def file(tmp_path: Path) -> StoreFile:
    return StoreFile(tmp_path / "some.db", (_table,))


@pytest.fixture
def writer(file: StoreFile) -> Iterator[Writer]:
    opened = Writer(file, retain_on_failure=True, limit=100)
    yield opened
    opened.close()


def _rows(file: StoreFile) -> list[int]:
    with open_reader(file.path) as reader:
        found = [row[0] for row in reader.execute("SELECT n FROM t ORDER BY rowid")]
    reader.close()
    return found


def test_what_a_job_returns_is_durable_when_its_future_is_done(writer: Writer, file: StoreFile) -> None:
    """A job's future is resolved with what it returned once another connection can see what it wrote."""
    assert writer.submit(_insert(7)).result(5) == 7
    assert _rows(file) == [7]


def test_a_job_that_raises_takes_nothing_with_it(writer: Writer, file: StoreFile) -> None:
    """A job that raises fails its own future and leaves no row, while its neighbours in the transaction are kept."""
    held = threading.Event()
    writer.submit(lambda _tx: held.wait(5))

    def bad(tx: sqlite3.Connection) -> None:
        tx.execute("INSERT INTO t VALUES (99, 'half')")
        raise ValueError("no")

    futures = [writer.submit(_insert(1)), writer.submit(bad), writer.submit(_insert(1)), writer.submit(_insert(2))]
    held.set()
    assert futures[0].result(5) == 1
    assert isinstance(futures[1].exception(5), ValueError)
    assert isinstance(futures[2].exception(5), sqlite3.IntegrityError)
    assert futures[3].result(5) == 2
    assert _rows(file) == [1, 2]


def test_jobs_that_wait_share_one_commit(writer: Writer) -> None:
    """Fifty jobs that queue up behind a slow one are made durable by one commit."""
    commits: list[str] = []
    writer.submit(lambda tx: tx.set_trace_callback(commits.append)).result(5)
    held = threading.Event()
    slow = writer.submit(lambda _tx: held.wait(5))
    futures = [writer.submit(_insert(n)) for n in range(50)]
    held.set()
    slow.result(5)
    assert [future.result(5) for future in futures] == list(range(50))
    assert sum(statement == "COMMIT" for statement in commits) <= 3


async def test_who_goes_away_does_not_take_the_job_along(writer: Writer, file: StoreFile) -> None:
    """A task that is cancelled while it waits for a job does not undo it."""
    held = threading.Event()
    writer.submit(lambda _tx: held.wait(5))
    waiting = asyncio.wrap_future(writer.submit(_insert(1)))
    waiting.cancel()
    held.set()
    await asyncio.wrap_future(writer.submit(_insert(2)))
    assert _rows(file) == [1, 2]


def test_close_writes_what_waits(file: StoreFile) -> None:
    """Closing writes all that was submitted, folds the log into the file, and refuses what comes after."""
    writer = Writer(file)
    futures = [writer.submit(_insert(n)) for n in range(100)]
    writer.close()
    writer.close()
    assert all(future.result(0) == n for n, future in enumerate(futures))
    assert not file.path.with_name("some.db-wal").exists()
    assert isinstance(writer.submit(_insert(200)).exception(0), StoreError)
    assert _rows(file) == list(range(100))


def test_a_full_file_makes_jobs_wait_in_order(writer: Writer, file: StoreFile, until: Callable[..., None]) -> None:
    """When SQLite has no room the jobs wait, `failure` names the cure, and they are written in order once it has."""
    pages = writer.submit(lambda tx: tx.execute("PRAGMA page_count").fetchone()[0]).result(5)
    writer.submit(lambda tx: tx.execute(f"PRAGMA max_page_count = {pages + 1}").fetchone()).result(5)
    held, running = threading.Event(), threading.Event()

    def slow(tx: sqlite3.Connection) -> int:
        running.set()
        held.wait(5)
        return _insert(0, 20_000)(tx)

    futures = [writer.submit(slow)]
    assert running.wait(5)
    futures += [writer.submit(_insert(n)) for n in (1, 2, 3)]  # they come while the first is under way
    held.set()
    until(lambda: writer.failure)
    assert isinstance(writer.failure, StoreFull)
    assert "Free space" in writer.failure.hint
    assert not any(future.done() for future in futures)
    assert writer._connection is not None
    writer._connection.execute("PRAGMA max_page_count = 100000").fetchone()
    assert [future.result(10) for future in futures] == [0, 1, 2, 3]
    assert writer.failure is None
    assert _rows(file) == [0, 1, 2, 3]


def test_without_retention_jobs_fail_with_the_disk(file: StoreFile) -> None:
    """A writer that does not retain fails the jobs of the refused transaction with StoreFull, and goes on."""
    writer = Writer(file)
    writer.submit(lambda tx: tx.execute("PRAGMA max_page_count = 3").fetchone()).result(5)
    assert isinstance(writer.submit(_insert(1, 50_000)).exception(5), StoreFull)
    assert writer.submit(_insert(2)).result(5) == 2
    assert writer.failure is None
    writer.close()


def test_a_file_that_turns_read_only_is_opened_anew(
    writer: Writer, file: StoreFile, until: Callable[..., None]
) -> None:
    """When writing is refused (SQLITE_READONLY) the file is opened anew, and the job that was refused is written."""
    seen: list[StoreError] = []
    writer.submit(lambda tx: tx.execute("PRAGMA query_only = ON")).result(5)
    future = writer.submit(_insert(1))
    until(lambda: seen.append(writer.failure) or True if writer.failure else future.done())
    assert future.result(10) == 1
    assert _rows(file) == [1]
    assert all(error.code == "store-read-only" for error in seen)


def test_another_program_that_holds_the_file_only_delays(
    writer: Writer, file: StoreFile, until: Callable[..., None]
) -> None:
    """While another program holds the write lock the job waits, `failure` names it, and then it is written."""
    writer.submit(lambda tx: tx.execute("PRAGMA busy_timeout = 20").fetchone()).result(5)
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    future = writer.submit(_insert(1))
    until(lambda: writer.failure)
    assert writer.failure is not None
    assert writer.failure.code == "store-busy"
    other.execute("ROLLBACK")
    other.close()
    assert future.result(10) == 1


def test_a_long_failure_leaves_the_room_to_what_matters(writer: Writer, until: Callable[..., None]) -> None:
    """While jobs pile up, sheddable ones are refused at half of the bound and the others only at the whole of it."""
    writer.submit(lambda tx: tx.execute("PRAGMA max_page_count = 3").fetchone()).result(5)
    writer.submit(_insert(0, 50_000))
    until(lambda: writer.failure)
    while writer.backlog < 60:
        writer.submit(_insert(1000 + writer.backlog, 50_000))
    assert isinstance(writer.submit(_insert(1), sheddable=True).exception(0), StoreFull)
    kept = writer.submit(_insert(2))
    while writer.backlog < 100:
        writer.submit(_insert(2000 + writer.backlog))
    refused = writer.submit(_insert(3))
    assert isinstance(refused.exception(0), StoreFull)
    assert not kept.done()


def test_closing_on_a_full_disk_ends(file: StoreFile, until: Callable[..., None]) -> None:
    """Closing while the disk is full tries once more and then fails what waits, instead of hanging."""
    writer = Writer(file, retain_on_failure=True)
    writer.submit(lambda tx: tx.execute("PRAGMA max_page_count = 3").fetchone()).result(5)
    future = writer.submit(_insert(1, 50_000))
    until(lambda: writer.failure)
    writer.close()
    assert isinstance(future.exception(5), StoreFull)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_really_full_disk_heals(
    small_disk: Path, message: Callable[..., OutboxMessage], until: Callable[..., None]
) -> None:
    """On a disk that another program fills, messages wait in memory, and all are in the outbox once it makes room."""
    ledger = Ledger.open(small_disk / "ledger.db")
    ballast = small_disk / "ballast"
    _fill(ballast)
    futures = [ledger.writer.submit(lambda tx, n=n: add_message(tx, message(n, size=9_000))) for n in range(60)]
    until(lambda: ledger.failure)
    assert isinstance(ledger.failure, StoreFull)
    ballast.unlink()
    assert [future.result(15) for future in futures] == sorted(future.result() for future in futures)
    reader = ledger.reader()
    assert [m.id for _, m in pending(reader, 0, 100)] == [f"id-{n}" for n in range(60)]
    reader.close()
    ledger.close()


def test_a_disk_mounted_read_only_is_told_with_the_cure(small_disk: Path) -> None:
    """Opening on a read-only disk says so, and what to do."""
    Ledger.open(small_disk / "ledger.db").close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreFull, match=r"cannot be written.*Let the daemon's user write") as caught:
        Ledger.open(small_disk / "ledger.db")
    assert caught.value.code == "store-read-only"


_CHILD = """
import sys
from pathlib import Path
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.store.ledger import Ledger, add_message, next_sequence

ledger = Ledger.open(Path(sys.argv[1]))
def tell(future):
    print(*future.result(), flush=True)
n = 0
while True:
    n += 1
    def job(tx, n=n):
        m = OutboxMessage(f"id-{n}", "t", MessageClass.ALARM, "k", b"{}", 1, False, n)
        return add_message(tx, m), next_sequence(tx, "press")
    ledger.writer.submit(job).add_done_callback(tell)
    while ledger.writer.backlog > 20:
        pass
"""


@pytest.mark.parametrize("after", [1, 40, 300])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, after: int) -> None:
    """Every job whose future was resolved is in the file after kill -9, each message with its own sequence number."""
    path = tmp_path / "ledger.db"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, path], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(after)]
    os.kill(child.pid, signal.SIGKILL)
    told += [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.stdout.close()
    child.wait()
    acknowledged = [tuple(map(int, line.split())) for line in told]
    ledger = Ledger.open(path)
    assert ledger.quarantined is None
    reader = ledger.reader()
    kept = {seq for seq, _ in pending(reader, 0, 1_000_000)}
    assert {seq for seq, _ in acknowledged} <= kept
    assert counts(reader).messages == len(kept)
    assert ledger.writer.submit(lambda tx: next_sequence(tx, "press")).result(5) > max(n for _, n in acknowledged)
    reader.close()
    ledger.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_error_is_told_to_all_who_wait(file: StoreFile, until: Callable[..., None]) -> None:
    """What nobody foresaw ends the thread, and every job that waits learns of it."""

    class Broken:
        def due(self) -> bool:
            return False

        def write(self, _tx: sqlite3.Connection) -> None:
            raise ZeroDivisionError

        def committed(self) -> None: ...

        def rolled_back(self) -> None: ...

    writer = Writer(file, companion=Broken())
    assert isinstance(writer.submit(_insert(1)).exception(5), ZeroDivisionError)
    until(lambda: not writer._thread.is_alive())
    assert "died" in str(writer.failure)
    assert isinstance(writer.submit(_insert(2)).exception(5), StoreError)


def test_damage_found_while_writing_begins_a_new_file(ledger: Ledger, message: Callable[..., OutboxMessage]) -> None:
    """A file that is damaged while it is open is set aside, and the job that came upon it is done in the new one."""
    for n in range(50):
        ledger.writer.submit(lambda tx, n=n: add_message(tx, message(n, size=3_000)))
    ledger.writer.submit(lambda tx: next_sequence(tx, "press")).result(5)
    other = sqlite3.connect(ledger.path)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    other.close()
    size = ledger.path.stat().st_size
    with ledger.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    ledger.writer.submit(lambda tx: tx.execute("PRAGMA shrink_memory")).result(5)
    seq = ledger.writer.submit(lambda tx: add_message(tx, message(1000))).result(10)
    assert ledger.quarantined is not None
    assert ledger.quarantined.exists()
    assert seq > 50
    reader = ledger.reader()
    assert [(s, m.id) for s, m in pending(reader, 0, 100)] == [(seq, "id-1000")]
    reader.close()

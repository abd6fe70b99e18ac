"""What the tests of the store share: a ledger, a sample store, messages, and a disk that can be filled."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shoptwin.cli.app import cli
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.domain.tag import Role, Tag, TagTable
from shoptwin.domain.timing import DAY
from shoptwin.store.ledger import Ledger
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An open ledger in a directory of its own."""
    opened = Ledger.open(tmp_path / "state" / "ledger.db")
    yield opened
    opened.close()


@pytest.fixture
def table() -> TagTable:
    """Four tags of one machine."""
    return TagTable(Tag(f"press-{name}", name, "press", Role.OTHER, "degC") for name in ("a", "b", "c", "d"))


@pytest.fixture
def store(tmp_path: Path, table: TagTable) -> Iterator[SampleStore]:
    """An open sample store in a directory of its own."""
    opened = SampleStore.open(tmp_path / "state" / "twin.db", table, Keep(samples=30 * DAY, max_bytes=1 << 30))
    yield opened
    opened.close()


@pytest.fixture
def folding(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the journal be folded after so many seconds of it, rather than ten minutes."""

    def after(seconds: int) -> None:
        monkeypatch.setattr("shoptwin.store.history.SECONDS", seconds)

    return after


@pytest.fixture
def message() -> Callable[..., OutboxMessage]:
    """Make a message by its number."""

    def make(n: int, kind: MessageClass = MessageClass.ALARM, size: int = 10) -> OutboxMessage:
        return OutboxMessage(f"id-{n}", f"shoptwin/v1/{n}", kind, "press", b"x" * size, 1, False, 1_000 + n)

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true, ten seconds at most."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.01)

    return wait


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB in memory that is really full when it is full."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root and `mount` (apt package mount)")
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", where], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.decode().strip()}")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


@pytest.fixture
def shoptwin_cli() -> Callable[..., Result]:
    """Run a command of the command line and return its result."""
    return lambda *arguments: CliRunner().invoke(cli, arguments)


@pytest.fixture
def failing_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[SampleStore], list[int]]:
    """Let the disk fail at the end of the next write to a store's journal, and never again; return what counts them."""

    def fail(store: SampleStore) -> list[int]:
        journal, calls = type(store._buffer._journal), []
        plain = journal.add

        def add(self: Any, tx: sqlite3.Connection, recorded: Any) -> None:
            plain(self, tx, recorded)
            calls.append(1)
            if len(calls) == 1:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error

        monkeypatch.setattr(journal, "add", add)
        return calls

    return fail

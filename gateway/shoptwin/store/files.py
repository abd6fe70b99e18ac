"""Opening the SQLite files: pragmas, a bounded check, setting a damaged file aside, and errors with cures."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shoptwin.domain.errors import StoreCorrupt, StoreError, StoreFull
from shoptwin.store.migrations import Migration, migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHECK_SECONDS = 2.0
"""How long a file is checked when it is opened; a larger one is opened half checked rather than late."""
KEPT_ASIDE = 2
"""How many damaged files are kept for whoever wants to look into them; older ones go, or they would fill the disk."""
_SCRAPS = 1 << 16
_PATIENT = 12
"""Failures in a row, about a minute of them, after which a connection is given up."""
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM}
_TROUBLE = _CORRUPT | _READ_ONLY | _BUSY | _ROOM | {sqlite3.SQLITE_IOERR}


@dataclass(frozen=True, slots=True)
class StoreFile:
    """One SQLite file and how it is opened. `salvage` names the tables that are worth saving from a damaged one."""

    path: Path
    migrations: tuple[Migration, ...]
    incremental_vacuum: bool = False
    cache_kib: int = 2048
    """Pages kept in memory: the writer's memory grows by so much as the file does, over hours where that is slow."""
    salvage: tuple[str, ...] = ()
    renewed: Callable[[sqlite3.Connection, Path], None] | None = None
    """Called in the transaction that salvages, with the path of the damaged file."""

    def open(self) -> tuple[sqlite3.Connection, Path | None]:
        """Return a connection for the writer's thread and, where a damaged file was found, where it lies now.

        Raises:
            StoreError: a newer program wrote the file (`store-newer`), or the disk fails.
            StoreFull: no room, or read-only.
        """
        try:
            return self._open(), None
        except StoreCorrupt:
            return self.renew()

    def renew(self) -> tuple[sqlite3.Connection, Path]:
        """Set the damaged file aside and begin a new one, with what could be salvaged; return where the old one lies.

        Raises:
            StoreError: as `open`.
        """
        aside = self.set_aside()
        connection = self._open()
        self._salvage(connection, aside)
        return connection, aside

    def set_aside(self) -> Path:
        """Rename the file and its -wal and -shm to `<name>.corrupt-<time of its last change>`; return the new path.

        Raises:
            StoreFull: the directory cannot be written.
        """
        try:
            changed = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
            name = f"{self.path.name}.corrupt-{changed:%Y%m%dT%H%M%SZ}"
            aside, again = self.path.with_name(name), 1
            while aside.exists():
                again += 1
                aside = self.path.with_name(f"{name}.{again}")
            for tail in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + tail).rename(aside.with_name(aside.name + tail))
            self._forget_older()
        except OSError as error:
            raise translate_os(error, self.path) from error
        return aside

    def _forget_older(self) -> None:
        mains = [
            p for p in self.path.parent.glob(f"{self.path.name}.corrupt-*") if not p.name.endswith(("-wal", "-shm"))
        ]
        for old in sorted(mains, key=lambda p: p.stat().st_mtime_ns)[:-KEPT_ASIDE]:
            for tail in ("", "-wal", "-shm"):
                old.with_name(old.name + tail).unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise translate_os(error, self.path) from error
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise translate(error, self.path) from error
        except StoreError:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if self.incremental_vacuum:  # holds for a new file alone: it must be said before the first table
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the card, or it is none
        connection.execute("PRAGMA journal_size_limit = 8388608")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{self.cache_kib}")
        self._check(connection)
        migrate(connection, self.migrations, self.path)
        connection.execute("BEGIN IMMEDIATE")  # told now where the file can be read but not written
        connection.execute("ROLLBACK")

    def _check(self, connection: sqlite3.Connection) -> None:
        """Look for damage, for a bounded time."""
        timer = threading.Timer(CHECK_SECONDS, connection.interrupt)
        timer.start()
        try:
            told = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            told = ["ok"]
        finally:
            timer.cancel()
            timer.join()
        if told != ["ok"]:
            raise corrupt(self.path, told[0])

    def _salvage(self, connection: sqlite3.Connection, aside: Path) -> None:
        """Copy what can still be read of the tables in `salvage`, from both ends towards the damage."""
        try:
            old = sqlite3.connect(aside, isolation_level=None)
        except sqlite3.Error:
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            for table in self.salvage:
                for order in ("ASC", "DESC"):
                    _copy(old, connection, table, order)
            if self.renewed:
                self.renewed(connection, aside)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            raise translate(error, self.path) from error
        finally:
            old.close()


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str, order: str) -> None:
    """Copy rows of one table until the end or the damage; the columns are those that both files have."""
    wanted = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    try:
        has = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
        columns = ", ".join(f'"{name}"' for name in wanted if name in has)
        rows = old.execute(f"SELECT {columns} FROM {table} ORDER BY rowid {order}")  # noqa: S608 - names are our own
    except sqlite3.Error:
        return
    marks = ", ".join("?" * len(rows.description))
    while True:
        try:
            row = rows.fetchone()
        except sqlite3.Error:
            return
        if row is None:
            return
        new.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", row)  # noqa: S608 - as above


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def open_reader(path: Path) -> sqlite3.Connection:
    """Return a read-only connection to a store's file, which any one thread may use.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """
    try:
        reader = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0, isolation_level=None, check_same_thread=False
        )
        reader.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise translate(error, path) from error
    return reader


def is_trouble(error: sqlite3.Error) -> bool:
    """Tell whether the disk or the file is at fault, rather than the statement."""
    return _primary(error) in _TROUBLE


def needs_reopening(error: sqlite3.Error, failures: int) -> bool:
    """Tell whether the connection had better be made anew before the next try; `failures` in a row were there before.

    After a failed sync not at once: the transaction stands in the -wal, and who opens it anew would find it whole, and
    do it twice. The same connection knows that it is none, and overwrites it. Only a disk that goes on failing may be
    one that was taken away and brought back.
    """
    if _primary(error) == sqlite3.SQLITE_IOERR:
        return failures >= _PATIENT
    return _primary(error) in _READ_ONLY


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what went wrong with the file at `path`, with the cure."""
    code = _primary(error)
    if code in _CORRUPT:
        return corrupt(path, str(error))
    if code in _ROOM or (code == sqlite3.SQLITE_IOERR and _no_room(path)):
        return full(path)
    if code in _READ_ONLY:
        return read_only(path, str(error))
    if code in _BUSY:
        return StoreError(
            f"{path.name} is held by another program",
            f"End the program that writes to it (`fuser {path.name}` in {path.parent} names it)",
            code="store-busy",
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"The disk fails at {path} ({error})",
            "See `dmesg` for errors of the disk or card, and replace it",
            code="store-io",
        )
    return StoreError(f"{path}: {error}")


def translate_os(error: OSError, path: Path) -> StoreError:
    """Return what went wrong with the directory of `path`, with the cure."""
    return full(path) if _no_room(path) else read_only(path, os.strerror(error.errno) if error.errno else str(error))


def full(path: Path) -> StoreFull:
    """Return the error of a disk without room."""
    return StoreFull(
        f"No room on the disk for {path}", f"Free space under {path.parent}, or lower [store] max_bytes"
    )  # fmt: skip


def read_only(path: Path, why: str) -> StoreFull:
    """Return the error of a file or directory that cannot be written."""
    return StoreFull(
        f"{path} cannot be written ({why})",
        f"Let the daemon's user write in {path.parent}; a card that turned read-only is worn: see `dmesg`, replace it",
        code="store-read-only",
    )


def corrupt(path: Path, why: str) -> StoreCorrupt:
    """Return the error of a damaged file."""
    return StoreCorrupt(
        f"{path} is damaged ({why})",
        "It is set aside as <name>.corrupt-<time> and a new one begun; if it happens again, replace the disk or card",
    )


def _primary(error: sqlite3.Error) -> int:
    """Return the primary result code; errors of the sqlite3 module itself have none."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _no_room(path: Path) -> bool:
    """Tell whether the disk of `path` is full, as far as one can ask."""
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free < _SCRAPS
    return False

"""Numbered changes of a file's schema, each in one transaction; `PRAGMA user_version` says which have been made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shoptwin.domain.errors import StoreError

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from sqlite_utils import Database

NEWER = "store-newer"
Migration = Callable[["Database"], None]


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...], path: Path) -> None:
    """Make the changes that the file has not seen yet.

    Raises:
        StoreError: a newer program has changed the file beyond what this one knows (`store-newer`).
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise StoreError(
            f"{path} was written by a newer Shoptwin (schema {version}, this one knows {len(migrations)})",
            f"Install the newer Shoptwin again, or move {path.name} away to begin a new one",
            code=NEWER,
        )
    if version == len(migrations):
        return
    from sqlite_utils import Database  # noqa: PLC0415 - costs 9 MB and 70 ms, needed at an upgrade alone

    db = Database(connection, execute_plugins=False)
    for number, change in enumerate(migrations[version:], version + 1):
        with db.atomic():
            change(db)
            connection.execute(f"PRAGMA user_version = {number}")

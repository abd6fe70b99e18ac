"""The tables of `twin.db`: plain rows, for anyone with `sqlite3` (docs/reference/store.md). Times are ns UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.tag import ValueKind

if TYPE_CHECKING:
    from sqlite_utils import Database

    from shoptwin.store.migrations import Migration

KINDS = (ValueKind.F4, ValueKind.F8, ValueKind.I8, ValueKind.U8, ValueKind.BOOL, ValueKind.STR, ValueKind.WAVEFORM)
"""The number in `samples.kind` is the place in this tuple: it is on disk, so it may only be appended to."""
KIND_NUMBER = {kind: number for number, kind in enumerate(KINDS)}


def _first(db: Database) -> None:
    db.table("tags").create(
        {"tag": int, "id": str, "name": str, "machine": str, "role": str, "unit": str}, pk="tag", not_null={"id"}
    )
    db.table("tags").create_index(["id"], unique=True)
    # `value` has no type, so that it keeps whatever it is given: a whole number, a real one, a text.
    db.execute("""
        CREATE TABLE samples (
          tag INTEGER NOT NULL, time INTEGER NOT NULL, value, status INTEGER NOT NULL, kind INTEGER NOT NULL,
          server INTEGER, received INTEGER NOT NULL
        )""")
    db.table("samples").create_index(["tag", "time"])
    db.execute("""
        CREATE TABLE waveforms (
          tag INTEGER NOT NULL, time INTEGER NOT NULL, status INTEGER NOT NULL, server INTEGER,
          received INTEGER NOT NULL, rate REAL NOT NULL, scale REAL NOT NULL, type TEXT NOT NULL, samples BLOB NOT NULL
        )""")
    db.table("waveforms").create_index(["tag"])
    db.table("feature_names").create({"set_id": int, "names": str}, pk="set_id")
    db.table("feature_names").create_index(["names"], unique=True)
    db.execute("""
        CREATE TABLE observations (
          machine TEXT NOT NULL, indicator TEXT NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL,
          names INTEGER NOT NULL, "values" BLOB NOT NULL
        )""")
    db.table("observations").create_index(["machine", "indicator", "time"])
    db.table("dropped").create(
        {"day": str, "reason": str, "samples": int, "observations": int, "time": int}, pk=("day", "reason")
    )


def _backfill(db: Database) -> None:
    db.execute("ALTER TABLE samples ADD COLUMN backfill INTEGER")  # NULL in all that came when it was new


MIGRATIONS: tuple[Migration, ...] = (_first, _backfill)

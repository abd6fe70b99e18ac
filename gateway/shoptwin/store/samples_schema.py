"""The tables of `twin.db` (docs/reference/store.md). Times are ns UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.store import rollups, state_times
from shoptwin.store.old_rows import fold_rows

if TYPE_CHECKING:
    from sqlite_utils import Database

    from shoptwin.store.migrations import Migration


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


def _chunks(db: Database) -> None:
    db.table("journal").create({"second": int, "arrived": int, "samples": int, "data": bytes}, pk="second")
    db.table("timelines").create({"timeline": int, "data": bytes}, pk="timeline")
    db.table("chunks").create(
        {
            "chunk": int, "tag": int, "first": int, "last": int, "samples": int, "kind": int, "past": int,
            "timeline": int, "arrived": int, "data": bytes,
        },
        pk="chunk",
    )  # fmt: skip
    db.table("chunks").create_index(["tag", "first", "last"])
    db.table("chunks").create_index(["timeline"])
    fold_rows(db.conn)
    db.table("samples").drop()


def _rollups(db: Database) -> None:
    rollups.create(db)
    state_times.create(db)
    # What is in chunks already is added a little at a time, once the file is open: that may take minutes.
    db.table("unfilled").create({"before": int}, pk="before")
    db.execute("INSERT INTO unfilled SELECT max(chunk) + 1 FROM chunks HAVING max(chunk) IS NOT NULL")
    db.execute("ALTER TABLE waveforms ADD COLUMN kept INTEGER NOT NULL DEFAULT 0")
    db.table("waveforms").create_index(["tag", "kept"])  # `kept` lies behind a burst: without it that would be read
    db.table("waveforms").create_index(["kept"])
    db.execute("ALTER TABLE dropped ADD COLUMN rollups INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE dropped ADD COLUMN waveforms INTEGER NOT NULL DEFAULT 0")


MIGRATIONS: tuple[Migration, ...] = (_first, _backfill, _chunks, _rollups)

"""The tables of `ledger.db`: plain, for anyone with `sqlite3` (docs/reference/store.md). Times are ns UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from sqlite_utils import Database

    from shoptwin.store.migrations import Migration


def _first(db: Database) -> None:
    db.table("alarms").create(
        {
            "alarm": str, "annunciation": str, "condition": int, "raised_at": int, "cleared_at": int,
            "acknowledged_at": int, "acknowledged_by": str, "suppressed_by": str, "occurrence": str, "value": float,
            "limit_value": float, "text": str, "confidence": float, "evidence": str, "more": str,
        },
        pk="alarm",
    )  # fmt: skip
    db.table("alarm_events").create(
        {
            "seq": int, "time": int, "kind": str, "alarm": str, "machine": str, "tag": str, "condition": str,
            "priority": str, "occurrence": str, "annunciation": str, "who": str, "reason": str, "value": float,
            "limit_value": float, "unit": str, "text": str, "confidence": float, "evidence": str,
        },
        pk="seq",
    )  # fmt: skip
    db.table("alarm_events").create_index(["time"])
    db.table("audit").create(
        {"seq": int, "time": int, "who": str, "door": str, "action": str, "subject": str, "detail": str}, pk="seq"
    )
    db.table("maintenance").create(
        {
            "seq": int, "machine": str, "since": int, "until": int, "reason": str, "who": str,
            "ended_at": int, "ended_by": str,
        },
        pk="seq",
    )  # fmt: skip
    db.table("learning").create(
        {"machine": str, "subject": str, "since": int, "until": int, "state": str, "version": str, "detail": str},
        pk=("machine", "subject"),
    )
    db.table("counters").create({"name": str, "value": int}, pk="name")
    _outbox(db)


def _outbox(db: Database) -> None:
    # AUTOINCREMENT: a sequence number is never given twice, even when the outbox has been empty in between.
    db.execute("""
        CREATE TABLE outbox (
          seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL, kind TEXT NOT NULL,
          key TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL, time INTEGER NOT NULL
        )""")
    db.table("outbox").create_index(["kind", "seq"])
    db.table("outbox_size").create({"kind": str, "messages": int, "bytes": int}, pk="kind")
    db.table("outbox_shed").create({"kind": str, "messages": int, "bytes": int, "time": int}, pk="kind")
    # The sizes are kept by the file itself, so that adding a message need not count all the others.
    db.execute("""
        CREATE TRIGGER outbox_added AFTER INSERT ON outbox BEGIN
          INSERT INTO outbox_size (kind, messages, bytes) VALUES (new.kind, 1, length(new.payload))
          ON CONFLICT (kind) DO UPDATE SET messages = messages + 1, bytes = bytes + length(new.payload);
        END""")
    db.execute("""
        CREATE TRIGGER outbox_removed AFTER DELETE ON outbox BEGIN
          UPDATE outbox_size SET messages = messages - 1, bytes = bytes - length(old.payload) WHERE kind = old.kind;
        END""")


def _devices(db: Database) -> None:
    db.table("device_memory").create({"device": str, "settings": str, "text": str}, pk="device")


def _feedback(db: Database) -> None:
    db.table("alarm_events").create_index(["occurrence"])
    db.table("alarm_events").create_index(["alarm", "kind"])
    db.table("exceedances").create(
        {"seq": int, "time": int, "machine": str, "indicator": str, "regime": str, "level": float}, pk="seq"
    )
    db.table("exceedances").create_index(["machine", "time"])
    db.table("marks").create(
        {
            "seq": int, "time": int, "who": str, "door": str, "machine": str, "alarm": str, "occurrence": str,
            "mark": str, "note": str,
        },
        pk="seq",
    )  # fmt: skip
    db.table("marks").create_index(["occurrence"])
    db.table("threshold_moves").create(
        {
            "seq": int, "time": int, "who": str, "machine": str, "indicator": str, "regime": str, "kind": str,
            "step": float, "factor": float, "occurrence": str,
        },
        pk="seq",
    )  # fmt: skip


MIGRATIONS: tuple[Migration, ...] = (_first, _devices, _feedback)
SALVAGE = (
    "counters", "alarms", "outbox", "outbox_shed", "maintenance", "learning", "threshold_moves", "marks", "audit",
    "alarm_events", "exceedances", "device_memory",
)  # fmt: skip
"""What is carried over from a damaged file, the most important first; `outbox_size` follows by its triggers."""


def continue_numbers(tx: sqlite3.Connection, aside: Path) -> None:
    """Let the outbox of a new file count on above all that the damaged one may have given out.

    Whoever drains the outbox remembers the last number it saw, and the damaged file may not tell its own any more; the
    milliseconds of its last change are more than it can ever have counted to.
    """
    number = aside.stat().st_mtime_ns // 1_000_000
    tx.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox' AND seq < ?", (number,))
    tx.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'outbox', ? "
        "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'outbox')",
        (number,),
    )

"""The smaller books of the ledger: who did what, maintenance, what was learned, and counters that outlive a restart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shoptwin.domain.maintenance import MaintenanceWindow

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class LearningRecord:
    """How the learning of one subject (an indicator, or a tag's id) of a machine stands; times in ns UTC."""

    machine: str
    subject: str
    since: int
    """Nothing from before this is learned from: the start, or when the sensor was replaced."""
    until: int = 0
    """When it was done, 0 while it goes on."""
    state: str = "learning"
    version: str = ""
    """The learned file that is in use."""
    detail: dict[str, Any] = field(default_factory=dict)


def audit(  # noqa: PLR0917 - in the order of the sentence
    tx: sqlite3.Connection, time: int, who: str, door: str, action: str, subject: str, detail: str = ""
) -> None:
    """Put on record that `who` came in by `door` (`cli`, `rest`, `key-switch`) and did `action` to `subject`."""
    tx.execute(
        "INSERT INTO audit (time, who, door, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (time, who, door, action, subject, detail),
    )


def load_audit(tx: sqlite3.Connection, since: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Return the record from `since` (ns UTC) on, oldest first, one dict a row."""
    names = ("time", "who", "door", "action", "subject", "detail")
    rows = tx.execute(
        "SELECT time, who, door, action, subject, detail FROM audit WHERE time >= ? ORDER BY seq LIMIT ?",
        (since, limit),
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def save_maintenance(tx: sqlite3.Connection, window: MaintenanceWindow) -> None:
    """Put a window on record that has been opened, in the place of the one that is open on the same machine."""
    tx.execute("DELETE FROM maintenance WHERE machine = ? AND ended_at = 0", (window.machine,))
    tx.execute(
        "INSERT INTO maintenance (machine, since, until, reason, who, ended_at, ended_by) "
        "VALUES (?, ?, ?, ?, ?, 0, '')",
        (window.machine, window.since, window.until, window.reason, window.by),
    )


def end_maintenance(tx: sqlite3.Connection, machine: str, ended_at: int, ended_by: str) -> bool:
    """Put on record that a machine's window was closed; tell whether one was open."""
    closed = tx.execute(
        "UPDATE maintenance SET ended_at = ?, ended_by = ? WHERE machine = ? AND ended_at = 0",
        (ended_at, ended_by, machine),
    ).rowcount
    return closed > 0


def load_maintenance(tx: sqlite3.Connection) -> tuple[MaintenanceWindow, ...]:
    """Return the windows that are open, oldest first; those that were closed stay in the table."""
    rows = tx.execute("SELECT machine, since, until, reason, who FROM maintenance WHERE ended_at = 0 ORDER BY seq")
    return tuple(MaintenanceWindow(*row) for row in rows)


def save_learning(tx: sqlite3.Connection, record: LearningRecord) -> None:
    """Save how learning stands, in the place of what was said of the same machine and subject before."""
    tx.execute(
        "INSERT OR REPLACE INTO learning (machine, subject, since, until, state, version, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (record.machine, record.subject, record.since, record.until, record.state, record.version,
         json.dumps(record.detail, ensure_ascii=False)),
    )  # fmt: skip


def load_learning(tx: sqlite3.Connection, machine: str | None = None) -> tuple[LearningRecord, ...]:
    """Return how learning stands, of one machine or of all."""
    rows = tx.execute(
        "SELECT machine, subject, since, until, state, version, detail FROM learning "
        "WHERE :machine IS NULL OR machine = :machine ORDER BY machine, subject",
        {"machine": machine},
    )
    return tuple(
        LearningRecord(name, subject, since, until, state, version, json.loads(detail))
        for name, subject, since, until, state, version, detail in rows
    )


def save_device_memory(tx: sqlite3.Connection, device: str, settings: str, text: str) -> None:
    """Keep what a driver has learned about a device with these settings, in the place of what was kept before."""
    tx.execute(
        "INSERT OR REPLACE INTO device_memory (device, settings, text) VALUES (?, ?, ?)", (device, settings, text)
    )


def load_device_memory(tx: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Return by device with which settings something was learned, and what."""
    rows = tx.execute("SELECT device, settings, text FROM device_memory")
    return {device: (settings, text) for device, settings, text in rows}


def next_sequence(tx: sqlite3.Connection, name: str) -> int:
    """Count up the counter `name` and return it: 1 the first time, never the same twice once committed."""
    row = tx.execute(
        "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 "
        "RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


def last_sequence(tx: sqlite3.Connection, name: str) -> int:
    """Return what the counter `name` last gave, 0 where it has not been used."""
    row = tx.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def prune(tx: sqlite3.Connection, before: int, limit: int = 10_000) -> int:
    """Forget transitions and ended maintenances from before `before` (ns UTC), some at a time.

    The audit stays, and so do marks and what they moved.
    """
    gone = tx.execute(
        "DELETE FROM alarm_events WHERE seq IN (SELECT seq FROM alarm_events WHERE time < ? ORDER BY seq LIMIT ?)",
        (before, limit),
    ).rowcount
    tx.execute("DELETE FROM exceedances WHERE time < ?", (before,))
    return gone + tx.execute("DELETE FROM maintenance WHERE ended_at > 0 AND ended_at < ?", (before,)).rowcount

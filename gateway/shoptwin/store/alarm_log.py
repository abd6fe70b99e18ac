"""Alarms in the ledger: the state of each, which a restart takes up again, and the log of their transitions."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from shoptwin.domain.alarm import AlarmState, Annunciation

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from shoptwin.domain.alarm import AlarmEvent

_COLUMNS = {
    "alarm": "alarm",
    "annunciation": "annunciation",
    "condition": "condition",
    "raised_at": "raised_at",
    "cleared_at": "cleared_at",
    "acknowledged_at": "acknowledged_at",
    "acknowledged_by": "acknowledged_by",
    "suppressed_by": "suppressed_by",
    "occurrence": "occurrence",
    "value": "value",
    "limit": "limit_value",
    "text": "text",
    "confidence": "confidence",
    "evidence": "evidence",
}
"""Field of AlarmState -> column. The other fields, the engine's own bookkeeping, go into `more` as JSON."""
_MORE = tuple(field.name for field in fields(AlarmState) if field.name not in _COLUMNS)
_NAMES = ", ".join(_COLUMNS.values())
_SAVE = f"INSERT OR REPLACE INTO alarms ({_NAMES}, more) VALUES ({'?, ' * len(_COLUMNS)}?)"  # noqa: S608 - names are ours
_LOG = """
INSERT INTO alarm_events (time, kind, alarm, machine, tag, condition, priority, occurrence, annunciation, who, reason,
  value, limit_value, unit, text, confidence, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def save_alarms(tx: sqlite3.Connection, states: Iterable[AlarmState]) -> None:
    """Save the states as they are now, in the place of the ones before."""
    tx.executemany(_SAVE, [_row(state) for state in states])


def _row(state: AlarmState) -> tuple[Any, ...]:
    row = {name: getattr(state, name) for name in _COLUMNS}
    row["annunciation"] = state.annunciation.value
    row["evidence"] = json.dumps(state.evidence, ensure_ascii=False)
    return (*row.values(), json.dumps({name: getattr(state, name) for name in _MORE}, ensure_ascii=False))


def load_alarms(tx: sqlite3.Connection) -> tuple[AlarmState, ...]:
    """Return the saved states, in the order of their keys."""
    rows = tx.execute(f"SELECT {_NAMES}, more FROM alarms ORDER BY alarm")  # noqa: S608 - names are ours
    return tuple(_state(row) for row in rows)


def _state(row: tuple[Any, ...]) -> AlarmState:
    known = dict(zip(_COLUMNS, row[:-1], strict=True))
    known["annunciation"] = Annunciation(known["annunciation"])
    known["condition"] = bool(known["condition"])
    known["evidence"] = tuple(json.loads(known["evidence"]))
    more = json.loads(row[-1])
    return AlarmState(**known, **{name: more[name] for name in _MORE if name in more})


def log_event(tx: sqlite3.Connection, event: AlarmEvent) -> None:
    """Add one transition to the log."""
    d, s = event.definition, event.state
    tx.execute(
        _LOG,
        (
            event.time, event.kind.value, s.alarm, d.machine, d.tag, d.condition, d.priority.value, s.occurrence,
            s.annunciation.value, event.by, event.reason, s.value, s.limit, d.unit, s.text, s.confidence,
            json.dumps(s.evidence, ensure_ascii=False),
        ),
    )  # fmt: skip


def load_events(tx: sqlite3.Connection, since: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Return the transitions from `since` (ns UTC) on, oldest first, one dict a row with the columns of the table."""
    cursor = tx.execute("SELECT * FROM alarm_events WHERE time >= ? ORDER BY seq LIMIT ?", (since, limit))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) | {"evidence": json.loads(row[-1])} for row in cursor]

"""The ledger of feedback: why alarms were raised, what people said of them, and what that moved. Nothing is changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from shoptwin.domain.feedback import AlarmMark, Exceedance, Mark, MoveKind, ThresholdMove

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from shoptwin.domain.feedback import Regime


class Occurrence(NamedTuple):
    """One time that an alarm was raised. Times are ns UTC, 0 where there is none."""

    alarm: str
    machine: str | None
    occurrence: str
    raised: int
    cleared: int
    """When it ended, 0 while it stands."""
    before: int
    """When the one before it ended."""
    value: float | None
    text: str


def save_exceedances(tx: sqlite3.Connection, exceedances: Iterable[Exceedance]) -> None:
    """Keep why alarms were raised."""
    tx.executemany(
        "INSERT INTO exceedances (time, machine, indicator, regime, level) VALUES (?, ?, ?, ?, ?)",
        [(e.time, e.machine, e.indicator, _written(e.regime), e.level) for e in exceedances],
    )


def load_exceedances(tx: sqlite3.Connection, machine: str, since: int, until: int) -> tuple[Exceedance, ...]:
    """Return the latest of each indicator of a machine after `since` and up to `until` (ns UTC)."""
    rows = tx.execute(
        "SELECT machine, indicator, time, regime, level FROM exceedances "
        "WHERE machine = ? AND time > ? AND time <= ? ORDER BY seq",
        (machine, since, until),
    )
    found = {name: Exceedance(of, name, time, _read(regime), level) for of, name, time, regime, level in rows}
    return tuple(found.values())


def save_mark(tx: sqlite3.Connection, mark: AlarmMark, machine: str | None, door: str) -> None:
    """Put a mark on record; the ones before it of the same occurrence stay."""
    tx.execute(
        "INSERT INTO marks (time, who, door, machine, alarm, occurrence, mark, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (mark.time, mark.by, door, machine, mark.alarm, mark.occurrence, mark.mark.value, mark.note),
    )


def load_marks(tx: sqlite3.Connection, machine: str) -> tuple[AlarmMark, ...]:
    """Return the marks of a machine's alarms, oldest first."""
    rows = tx.execute(
        "SELECT time, alarm, occurrence, mark, who, note FROM marks WHERE machine = ? ORDER BY seq", (machine,)
    )
    return tuple(AlarmMark(time, alarm, of, Mark(mark), who, note) for time, alarm, of, mark, who, note in rows)


def save_moves(tx: sqlite3.Connection, moves: Iterable[ThresholdMove]) -> None:
    """Put moves of thresholds on record, in order."""
    tx.executemany(
        "INSERT INTO threshold_moves (time, who, machine, indicator, regime, kind, step, factor, occurrence) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (m.time, m.by, m.machine, m.indicator, _written(m.regime), m.kind.value, m.step, m.factor, m.occurrence)
            for m in moves
        ],
    )


def load_moves(tx: sqlite3.Connection, machine: str | None = None) -> tuple[ThresholdMove, ...]:
    """Return the moves of a machine's thresholds, or of all machines, oldest first."""
    rows = tx.execute(
        "SELECT time, machine, indicator, kind, who, regime, step, factor, occurrence FROM threshold_moves "
        "WHERE :machine IS NULL OR machine = :machine ORDER BY seq",
        {"machine": machine},
    )
    return tuple(
        ThresholdMove(time, of, indicator, MoveKind(kind), who, _read(regime), step, factor, occurrence)
        for time, of, indicator, kind, who, regime, step, factor, occurrence in rows
    )


def load_occurrences(tx: sqlite3.Connection, machine: str, limit: int = 100) -> tuple[Occurrence, ...]:
    """Return the latest times that alarms of a machine were raised, oldest first."""
    rows = tx.execute(
        f"{_RAISED} WHERE kind = 'raised' AND machine = ? ORDER BY seq DESC LIMIT ?", (machine, limit)
    ).fetchall()
    return tuple(Occurrence(*row) for row in reversed(rows))


def find_occurrence(tx: sqlite3.Connection, start: str) -> tuple[Occurrence, ...]:
    """Return the occurrences whose id begins with `start`."""
    pattern = start.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    rows = tx.execute(
        rf"{_RAISED} WHERE kind = 'raised' AND occurrence LIKE ? ESCAPE '\' ORDER BY seq LIMIT 2", (pattern,)
    )
    return tuple(Occurrence(*row) for row in rows)


_RAISED = """
SELECT alarm, machine, occurrence, time,
  coalesce((SELECT min(time) FROM alarm_events AS later
    WHERE later.alarm = e.alarm AND later.occurrence = e.occurrence AND later.kind = 'cleared'), 0),
  coalesce((SELECT max(time) FROM alarm_events AS earlier
    WHERE earlier.alarm = e.alarm AND earlier.seq < e.seq AND earlier.kind = 'cleared'), 0),
  value, text
FROM alarm_events AS e"""


def _written(regime: Regime) -> str:
    return json.dumps(dict(regime), ensure_ascii=False)


def _read(text: str) -> Regime:
    return tuple((str(name), float(value)) for name, value in json.loads(text).items())

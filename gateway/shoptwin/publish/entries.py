"""Putting what happened into the outbox: one call inside the ledger's transaction that also saves what it tells of.

ledger.writer.submit(lambda tx: (save_alarms(tx, states), entries.alarms(tx, composer, events)))
... await the commit, then publisher.wake()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.message import MessageClass
from shoptwin.store.ledger import add_message, next_sequence

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState
    from shoptwin.domain.assessment import Assessment
    from shoptwin.domain.kpi import MachineSummary
    from shoptwin.domain.maintenance import MaintenanceWindow
    from shoptwin.domain.twin import StateChange
    from shoptwin.publish.composer import Composer

START = "gateway/start"
"""The ledger's counter of starts: `next_sequence(tx, START)` once, for `Composer(start=…)`."""


def alarms(tx: sqlite3.Connection, composer: Composer, events: Iterable[AlarmEvent]) -> None:
    """Add the messages of alarm transitions, in their order."""
    for event in events:
        seq = next_sequence(tx, composer.stream(MessageClass.EVENT, event.definition.machine))
        for message in composer.alarm(event, seq):
            add_message(tx, message)


def standing(tx: sqlite3.Connection, composer: Composer, found: Iterable[tuple[AlarmDef, AlarmState]]) -> None:
    """Add the present state of alarms once more, for a broker that may have lost what it retained.

    They bear the number that their stream has reached: a repetition is not news, and makes no gap.
    """
    for definition, state in found:
        seq = _reached(tx, composer.stream(MessageClass.EVENT, definition.machine))
        add_message(tx, composer.standing(definition, state, seq))


def machine_state(tx: sqlite3.Connection, composer: Composer, change: StateChange) -> None:
    """Add the message of a machine's change of state."""
    seq = next_sequence(tx, composer.stream(MessageClass.EVENT, change.machine))
    add_message(tx, composer.machine_state(change, seq))


def maintenance(
    tx: sqlite3.Connection, composer: Composer, window: MaintenanceWindow, *, ended: int | None = None
) -> None:
    """Add the message that maintenance began, or `ended` at a time (ns UTC)."""
    seq = next_sequence(tx, composer.stream(MessageClass.EVENT, window.machine))
    add_message(tx, composer.maintenance(window, seq, ended=ended))


def summary(tx: sqlite3.Connection, composer: Composer, figures: MachineSummary, health: Iterable[Assessment]) -> None:
    """Add the message of a minute's or an hour's figures."""
    seq = next_sequence(tx, composer.stream(MessageClass.SUMMARY, figures.machine))
    add_message(tx, composer.summary(figures, health, seq))


def _reached(tx: sqlite3.Connection, name: str) -> int:
    row = tx.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0

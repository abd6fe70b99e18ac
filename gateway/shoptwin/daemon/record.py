"""The record: what must not be lost goes into the ledger, and with it, in the same transaction, what tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from shoptwin.alarms.maintenance import ChangeKind
from shoptwin.domain.alarm import EventKind
from shoptwin.domain.message import MessageClass
from shoptwin.store.feedback import save_exceedances, save_mark, save_moves
from shoptwin.store.ledger import (
    add_message,
    audit,
    end_maintenance,
    last_sequence,
    log_event,
    next_sequence,
    save_alarms,
    save_maintenance,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from shoptwin.alarms.maintenance import MaintenanceChange
    from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState
    from shoptwin.domain.assessment import Assessment
    from shoptwin.domain.feedback import AlarmMark, Exceedance, ThresholdMove
    from shoptwin.domain.kpi import MachineSummary
    from shoptwin.domain.message import OutboxMessage
    from shoptwin.domain.twin import StateChange
    from shoptwin.publish.composer import Composer
    from shoptwin.store.ledger import Ledger

_DOOR = "rest"
_SILENCE = frozenset({EventKind.SUPPRESSED, EventKind.UNSUPPRESSED})
log = structlog.get_logger(__name__)


class Record:
    """The daemon's `Transitions`: each call is a job for the ledger's writer, and `wake` is called after its commit.

    Sequence numbers are drawn in the transaction, so that a reader who finds one missing knows that a message is.
    """

    def __init__(self, ledger: Ledger, composer: Composer, wake: Callable[[], None], *, publishing: bool) -> None:
        self.publishing = publishing
        self._ledger = ledger
        self._composer = composer
        self._wake = wake

    def alarms(self, events: Sequence[AlarmEvent], states: Sequence[AlarmState]) -> None:
        """Save the alarms' states, log each transition and put the messages that tell of it in the outbox."""

        def job(tx: sqlite3.Connection) -> None:
            save_alarms(tx, states)
            for event in events:
                log_event(tx, event)
                seq = self._next(tx, MessageClass.EVENT, event.definition.machine)
                self._post(tx, *self._composer.alarm(event, seq))

        # What a maintenance window silences or lets speak again is told once, by the window.
        for event in (e for e in events if e.kind not in _SILENCE):
            log.info(
                "alarm", what=event.kind.value, alarm=event.definition.key, priority=event.definition.priority.value,
                text=event.state.text, by=event.by or None,
            )  # fmt: skip
        self._submit(job)

    def machine_state(self, change: StateChange) -> None:
        """Put a change of a machine's state in the outbox."""

        def job(tx: sqlite3.Connection) -> None:
            seq = self._next(tx, MessageClass.EVENT, change.machine)
            self._post(tx, self._composer.machine_state(change, seq))

        self._submit(job)

    def maintenance(self, change: MaintenanceChange) -> None:
        """Save the window, put the change on record, and tell of its beginning and its end."""
        ended = change.time if change.kind is ChangeKind.ENDED else None

        def job(tx: sqlite3.Connection) -> None:
            if ended is None:
                save_maintenance(tx, change.window)
            else:
                end_maintenance(tx, change.window.machine, ended, change.by)
            audit(tx, change.time, change.by, "maintenance", change.kind.value, change.window.machine, change.text)
            seq = self._next(tx, MessageClass.EVENT, change.window.machine)
            self._post(tx, self._composer.maintenance(change.window, seq, ended=ended))

        log.info("maintenance", what=change.kind.value, machine=change.window.machine, by=change.by, why=change.why)
        self._submit(job)

    def summary(self, summary: MachineSummary, verdicts: Iterable[Assessment]) -> None:
        """Put the figures of an interval in the outbox; they are the first that is shed."""
        health = tuple(verdicts)

        def job(tx: sqlite3.Connection) -> None:
            seq = self._next(tx, MessageClass.SUMMARY, summary.machine)
            self._post(tx, self._composer.summary(summary, health, seq))

        self._submit(job, sheddable=True)

    def standing(self, alarms: Sequence[tuple[AlarmDef, AlarmState]]) -> None:
        """Put standing alarms in the outbox again, as of their last transition: a broker may have forgotten them."""

        def job(tx: sqlite3.Connection) -> None:
            for definition, state in alarms:
                seq = last_sequence(tx, self._composer.stream(MessageClass.ALARM, definition.machine))
                self._post(tx, self._composer.standing(definition, state, seq))

        if alarms:
            self._submit(job)

    def send(self, messages: Iterable[OutboxMessage]) -> None:
        """Put messages in the outbox that tell of nothing that has to be recorded."""
        ready = tuple(messages)
        self._submit(lambda tx: self._post(tx, *ready))

    def audit(self, time: int, who: str, action: str, subject: str, detail: str = "") -> None:
        """Put on record what somebody did at the daemon's door."""
        self._submit(lambda tx: audit(tx, time, who, _DOOR, action, subject, detail))

    def exceeded(self, exceedances: Sequence[Exceedance]) -> None:
        """Keep why alarms were raised, so that a mark can move the threshold of that regime."""
        if exceedances:
            self._submit(lambda tx: save_exceedances(tx, exceedances))

    def marked(self, mark: AlarmMark, machine: str | None, moves: Sequence[ThresholdMove]) -> Future[None]:
        """Put a mark and what it moves on record, all or nothing; the caller waits for it."""

        def job(tx: sqlite3.Connection) -> None:
            save_mark(tx, mark, machine, _DOOR)
            save_moves(tx, moves)

        return self._ledger.writer.submit(job)

    def moved(self, moves: Sequence[ThresholdMove]) -> Future[None]:
        """Put moves of thresholds on record that come of no mark."""
        return self._ledger.writer.submit(lambda tx: save_moves(tx, moves))

    def _next(self, tx: sqlite3.Connection, kind: MessageClass, machine: str | None) -> int:
        return next_sequence(tx, self._composer.stream(kind, machine))

    def _post(self, tx: sqlite3.Connection, *messages: OutboxMessage) -> None:
        """Put messages in the outbox; without a broker in the configuration nobody waits for them."""
        for message in messages if self.publishing else ():
            add_message(tx, message)

    def _submit(self, job: Callable[[sqlite3.Connection], object], *, sheddable: bool = False) -> None:
        self._ledger.writer.submit(job, sheddable=sheddable).add_done_callback(self._written)

    def _written(self, future: Future[object]) -> None:
        """Run in the writer's thread once the commit is on the disk, or the job was given up."""
        if future.cancelled() or (error := future.exception()) is None:
            self._wake()
        else:
            log.error("not recorded", reason=str(error))

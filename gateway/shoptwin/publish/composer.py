"""Composer: what happened, as messages ready to be sent.

Which way a message goes: alarm, event and summary messages are told once, so they go through the ledger's outbox and
stay there until the broker has them (summaries are the first to be shed). State and status say how things are *now*:
an older one is worthless once there is a newer one, and a ledger commit a second for each machine would wear the card
out for nothing. So the publisher keeps only the latest of each topic, sends it when it is connected, and sends all of
them again at each reconnect.

`seq` grows within a stream, and a stream is what one reader follows: a machine's transitions (the alarm message bears
the number of the event message that told of the same transition), and its summaries. Those numbers are the ledger's,
without gaps; a reader that sees one knows that a message is missing. State and status draw theirs from memory, above
any that an earlier start of the gateway gave; gaps there only mean that something newer came first.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

from shoptwin.domain import quality
from shoptwin.domain.alarm import Annunciation, EventKind
from shoptwin.domain.errors import ConfigError
from shoptwin.domain.machine import Machine
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.domain.timing import SECOND, iso
from shoptwin.publish import payloads, topics, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState
    from shoptwin.domain.assessment import Assessment
    from shoptwin.domain.kpi import MachineSummary
    from shoptwin.domain.machine import MachineState
    from shoptwin.domain.maintenance import MaintenanceWindow
    from shoptwin.domain.tag import Tag
    from shoptwin.domain.twin import LiveValue, StateChange

_PER_START = 10**9
_QOS = 1
_TEST = "Test of the way from the gateway to here: nothing is wrong with the machine"


class Composer:
    """Builds the messages of one gateway. `start` is the ledger's count of this gateway's starts."""

    def __init__(
        self, site: str, gateway: str, machines: Sequence[Machine], *, version: str, started: int, start: int = 0
    ) -> None:
        self._site = site
        self.gateway = gateway
        self._version = version
        self._started = iso(started)
        self.base = topics.of_gateway(site, gateway)
        self._counts: defaultdict[str, count[int]] = defaultdict(lambda: count(start * _PER_START + 1))
        self._machines: dict[str, Machine] = {}
        self._current: dict[str, str] = {}
        self._bases: dict[str | None, str] = {None: self.base}
        self._tags: dict[str, str] = {}
        self.configure(machines)

    def configure(self, machines: Sequence[Machine]) -> frozenset[str]:
        """Take the machines of a reloaded configuration; return the base topics that are no longer used.

        A machine that went keeps its base topic here, so that its last words go where its first ones went.

        Raises:
            ConfigError: two machines would share their topics.
        """
        bases = {m.name: topics.of_machine(self._site, m) for m in machines}
        if len(set(bases.values())) < len(machines):
            raise ConfigError("Two machines would share their topics", "Give each machine a name of its own")
        gone = frozenset(self._current.values()) - frozenset(bases.values())
        self._current = bases
        self._bases.update(bases)
        self._machines |= {m.name: m for m in machines}
        self._tags |= {tag.id: tag.name for m in machines for tag in m.tags}
        return gone

    @property
    def status_topic(self) -> str:
        """Where the gateway's own status stands, and where the broker puts the will."""
        return topics.status(self.base)

    def bases(self) -> dict[str, str]:
        """Return the base topic of each machine by its name."""
        return dict(self._current)

    def stream(self, kind: MessageClass, machine: str | None) -> str:
        """Return the name of the ledger's counter for messages of this kind about this machine (None: the gateway)."""
        name = "summary" if kind is MessageClass.SUMMARY else "event"
        return f"{machine if machine is not None else topics.GATEWAY}/{name}"

    # For the outbox: `seq` is what the ledger's counter `stream(...)` gave in the same transaction.

    def alarm(self, event: AlarmEvent, seq: int) -> tuple[OutboxMessage, ...]:
        """Tell of an alarm's transition: what happened, and the alarm as it stands now.

        The alarm's topic is emptied once it is normal and acknowledged. A test is told as if the alarm had been
        raised, marked as a test, and never retained: it cannot hide what the alarm really says.
        """
        definition, is_test = event.definition, event.kind is EventKind.TEST
        facts = self._facts(definition, event.state, event.time, is_test=is_test)
        told = payloads.AlarmEventMessage(
            **self._placed(definition.machine, event.time, seq),
            kind=event.kind, by=values.text(event.by), reason=values.text(event.reason), alarm=facts,
        )  # fmt: skip
        happened = self._message(topics.event(self._base_of(definition.machine)), MessageClass.EVENT, told, event.time)
        stands = self._alarm(definition, event.state, facts, seq, event.time, is_test=is_test)
        return happened, stands

    def standing(self, definition: AlarmDef, state: AlarmState, seq: int) -> OutboxMessage:
        """Tell an alarm's present state again, as of its last transition: for a broker that has forgotten it."""
        time = values.latest(state)
        return self._alarm(definition, state, self._facts(definition, state, time), seq, time)

    def machine_state(self, change: StateChange, seq: int) -> OutboxMessage:
        """Tell that a machine went from one state to another."""
        told = payloads.StateEventMessage(
            **self._placed(change.machine, change.time, seq), before=change.before, after=change.after
        )
        return self._message(topics.event(self._base_of(change.machine)), MessageClass.EVENT, told, change.time)

    def maintenance(self, window: MaintenanceWindow, seq: int, *, ended: int | None = None) -> OutboxMessage:
        """Tell that maintenance began (at `window.since`) or that it `ended` at a time (ns UTC)."""
        time = window.since if ended is None else ended
        told = payloads.MaintenanceEventMessage(
            **self._placed(window.machine, time, seq),
            kind="began" if ended is None else "ended",
            until=values.moment(window.until), by=values.text(window.by), reason=values.text(window.reason),
        )  # fmt: skip
        return self._message(topics.event(self._base_of(window.machine)), MessageClass.EVENT, told, time)

    def summary(self, summary: MachineSummary, health: Iterable[Assessment], seq: int) -> OutboxMessage:
        """Tell the figures of a minute or an hour."""
        told = payloads.SummaryMessage(
            **self._placed(summary.machine, summary.stop, seq),
            start=iso(summary.start), stop=iso(summary.stop), seconds=(summary.stop - summary.start) / SECOND,
            tags={
                self._tags.get(t.tag, t.tag): payloads.TagFigures(
                    unit=values.text(t.unit), count=int(t.count), good=values.share(t.good),
                    min=float(t.minimum), mean=float(t.mean), max=float(t.maximum), last=float(t.last),
                )
                for t in summary.tags
            },
            states={state: spent / SECOND for state, spent in summary.states.items()},
            health=values.health(health),
        )  # fmt: skip
        return self._message(topics.summary(self._base_of(summary.machine)), MessageClass.SUMMARY, told, summary.stop)

    # Straight to the publisher, which keeps the latest of each.

    def state(  # noqa: PLR0917 - in the order in which one says it
        self,
        machine: str,
        state: MachineState,
        tags: Iterable[tuple[Tag, LiveValue]],
        health: Iterable[Assessment],
        maintenance: MaintenanceWindow | None,
        now: int,
    ) -> OutboxMessage:
        """Tell a machine as it is now."""
        topic = topics.state(self._base_of(machine))
        told = payloads.StateMessage(
            **self._placed(machine, now, next(self._counts[topic])),
            state=state,
            tags={
                tag.name: payloads.TagReading(
                    value=values.value(live.value), unit=values.text(tag.unit), quality=quality.name(int(live.status)),
                    time=values.moment(int(live.source_time)),
                )
                for tag, live in tags
            },
            health=values.health(health),
            maintenance=None if maintenance is None else payloads.MaintenanceReading(
                since=iso(maintenance.since), until=values.moment(maintenance.until),
                by=values.text(maintenance.by), reason=values.text(maintenance.reason),
            ),
        )  # fmt: skip
        return self._message(topic, MessageClass.STATE, told, now, retain=True)

    def retire(self, base: str, alarms: Iterable[str], now: int) -> tuple[OutboxMessage, ...]:
        """Take back what is retained under a base topic that is no longer used, the alarms with these ids too.

        For the outbox: the machine is gone or has moved, and nobody will send its state again.
        """
        gone = [(topics.state(base), MessageClass.STATE)]
        gone += [(topics.alarm(base, alarm), MessageClass.ALARM) for alarm in alarms]
        return tuple(self._message(topic, kind, None, now, retain=True) for topic, kind in gone)

    def status(
        self,
        now: int,
        *,
        devices: Iterable[payloads.DeviceReport] = (),
        outbox: int = 0,
        degraded: Iterable[str] = (),
        online: bool = True,
        clean: bool = False,
    ) -> OutboxMessage:
        """Tell how the gateway is. `online=False, clean=True` is its goodbye, `online=False` alone its will."""
        told = payloads.StatusMessage(
            **self._envelope(now, next(self._counts[self.status_topic])),
            online=online, clean=clean, version=self._version, started=self._started,
            devices=tuple(devices), outbox=outbox, degraded=tuple(map(values.text, degraded)),
        )  # fmt: skip
        return self._message(self.status_topic, MessageClass.STATUS, told, now, retain=True)

    def _base_of(self, machine: str | None) -> str:
        """Return the base topic; of a machine that is configured no more, one by its name alone for its last words."""
        known = self._bases.get(machine)
        return known or topics.of_machine(self._site, Machine(machine or ""))

    def _envelope(self, time: int, seq: int) -> dict[str, Any]:
        return {"id": values.new_id(), "seq": seq, "time": iso(time), "site": self._site, "gateway": self.gateway}

    def _placed(self, name: str | None, time: int, seq: int) -> dict[str, Any]:
        machine = self._machines.get(name) if name is not None else None
        place = {"area": machine and machine.area, "line": machine and machine.line, "machine": name}
        return self._envelope(time, seq) | place

    def _alarm(
        self, definition: AlarmDef, state: AlarmState, facts: payloads.AlarmFacts, seq: int, time: int,
        *, is_test: bool = False,
    ) -> OutboxMessage:  # fmt: skip
        topic = topics.alarm(self._base_of(definition.machine), definition.id)
        over = state.annunciation is Annunciation.NORMAL and not state.suppressed_by and not is_test
        told = None if over else payloads.AlarmMessage(**self._placed(definition.machine, time, seq), alarm=facts)
        return self._message(topic, MessageClass.ALARM, told, time, retain=not is_test)

    def _facts(
        self, definition: AlarmDef, state: AlarmState, time: int, *, is_test: bool = False
    ) -> payloads.AlarmFacts:
        acknowledged = (
            payloads.Acknowledgement(by=values.text(state.acknowledged_by), at=iso(state.acknowledged_at))
            if state.acknowledged_at >= max(state.raised_at, 1) and not is_test
            else None
        )
        return payloads.AlarmFacts(
            id=definition.id, test=is_test, priority=definition.priority, condition=definition.condition,
            occurrence=f"test-{values.new_id()}" if is_test else state.occurrence,
            state=Annunciation.UNACKNOWLEDGED if is_test else state.annunciation,
            active=is_test or state.annunciation.active,
            tag=self._tags.get(definition.tag, definition.tag) if definition.tag else None,
            value=values.number(state.value), limit=values.number(state.limit), unit=values.text(definition.unit),
            text=_TEST if is_test else values.text(state.text),
            since=values.moment(time if is_test or state.suppressed_by else values.latest(state)),
            raised_at=values.moment(time if is_test else state.raised_at),
            cleared_at=None if is_test else values.moment(state.cleared_at),
            acknowledged=acknowledged, suppressed=values.text(state.suppressed_by) or None,
            confidence=values.share(state.confidence), evidence=tuple(map(values.text, state.evidence)),
            advice=tuple(map(values.text, definition.advised(state.cause))),
        )  # fmt: skip

    @staticmethod
    def _message(topic: str, kind: MessageClass, told: Any, time: int, *, retain: bool = False) -> OutboxMessage:  # noqa: ANN401 - one of the message types
        """Build the message; nothing told is an empty payload. Its key is its topic: there the order must hold."""
        if told is None:
            return OutboxMessage(values.new_id(), topic, kind, topic, b"", _QOS, retain, time)
        return OutboxMessage(told.id, topic, kind, topic, payloads.encode(told), _QOS, retain, time)

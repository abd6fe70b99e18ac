"""The one-way flow of a value, from the register to the message; read it from top to bottom.

    Connection -> SampleBatch -> Twin -> Window -> Assessment -> AlarmEvent -> OutboxMessage -> MQTT

The daemon runs it on the box's clock, `replay` on a virtual one. Both give it the same parts but for the last two:
where the daemon has stores, a replay keeps its evidence in memory and writes the transitions to a file. Nothing here
waits: what takes time (SQLite, inference, the broker) is behind a queue or in the worker thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Protocol

from shoptwin.acquire.reporting import Reporting
from shoptwin.alarms.gateway import device_conditions, part_lost
from shoptwin.alarms.health import HEALTH, health_condition
from shoptwin.domain.alarm import EventKind
from shoptwin.domain.device import DeviceHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shoptwin.alarms.bad_data import BadData
    from shoptwin.alarms.book import AlarmBook
    from shoptwin.alarms.limits import LimitJudge
    from shoptwin.alarms.maintenance import Maintenance, MaintenanceChange
    from shoptwin.assess.assessor import Assessor
    from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Command, Condition
    from shoptwin.domain.assessment import Assessment, Judgement, Observation, Window
    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.device import DeviceChange
    from shoptwin.domain.kpi import MachineSummary
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import TagTable
    from shoptwin.domain.twin import StateChange
    from shoptwin.runtime.clock import Clock
    from shoptwin.twin.summary import Summaries
    from shoptwin.twin.twin import Twin


class Samples(Protocol):
    """Where samples and observations are kept (`store.SampleStore`); no call ever waits."""

    def append(self, batch: SampleBatch) -> None:
        """Keep a batch."""

    def append_observations(self, observations: Iterable[Observation]) -> None:
        """Keep what was computed from windows: the evidence that learning reads."""

    def alarmed(self, machine: str, now: int) -> None:
        """Keep for long what is there of the waveforms of a machine, and what comes soon: an alarm was raised."""


class Transitions(Protocol):
    """Where what must not be lost is made durable and sent from: in the daemon the ledger. No call ever waits."""

    def alarms(self, events: Sequence[AlarmEvent], states: Sequence[AlarmState]) -> None:
        """Keep alarm transitions, the alarms' new states and the messages that tell of them: all or nothing."""

    def machine_state(self, change: StateChange) -> None:
        """Tell that a machine went from one state to another."""

    def maintenance(self, change: MaintenanceChange) -> None:
        """Put on record, and tell, that a maintenance window began, changed or ended."""

    def summary(self, summary: MachineSummary, verdicts: Iterable[Assessment]) -> None:
        """Tell the figures of a minute or an hour."""


@dataclass
class Pipeline:
    """All that happens to a value. The parts are made by the daemon or by the replay."""

    clock: Clock
    table: TagTable
    configured: tuple[Machine, ...]
    twin: Twin
    judge: LimitJudge
    bad_data: BadData
    book: AlarmBook
    maintenance: Maintenance
    assessor: Assessor
    summaries: tuple[Summaries, ...]
    samples: Samples
    transitions: Transitions
    heard: Callable[[Assessment], None] = lambda _: None
    """Told of every assessment, for those who write them down."""
    verdicts: dict[str, dict[str, Assessment]] = field(default_factory=dict)
    """Machine -> indicator -> its latest assessment."""
    touched: set[str] = field(default_factory=set)
    """Machines that have changed since their state message was last composed."""
    reporting: Reporting = field(init=False)
    """Which of the new samples are worth keeping."""
    _past: Reporting = field(init=False)
    """The same of what devices tell belatedly, which must not be held against what is live."""

    def __post_init__(self) -> None:
        self.reporting, self._past = Reporting(self.table), Reporting(self.table)

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of the machines that are configured now."""
        return tuple(machine.name for machine in self.configured)

    # 1. On each batch, in the loop: register -> twin -> limits -> alarms.

    def take(self, batch: SampleBatch) -> None:
        """Apply a batch to the twin, keep it, and judge its limits. What is told belatedly is kept, and that is all."""
        if batch.backfill:
            self._keep(batch, self._past)
            return
        now = self.clock.now()
        delta = self.twin.apply(batch)
        self._keep(batch if delta.kept is None else batch.where(delta.kept), self.reporting)
        for figures in self.summaries:
            figures.add(delta)
        self._tell_states(delta.states)
        self._inform((*self.judge.judge(delta), *self.bad_data.judge(delta)), now)
        self._maintain(self.maintenance.observe(delta, now), now)
        self.touched |= delta.machines

    def _keep(self, new: SampleBatch, reporting: Reporting) -> None:
        """Store what the tags' reports ask for; what was judged above saw every sample."""
        kept = reporting.keep(new)
        self.samples.append(new if kept is None else new.where(kept))

    def device(self, change: DeviceChange) -> None:
        """Take note that a device was lost, came back or is left alone."""
        connected = change.health is DeviceHealth.CONNECTED
        doubtful = self.bad_data.device(change.device, connected, change.time)
        self._inform((*doubtful, *device_conditions(change)), self.clock.now())

    def parts(self, device: str, silent: Sequence[str]) -> None:
        """Take note of what does not answer behind a device that is connected; mostly nothing."""
        now = self.clock.now()
        doubtful = self.bad_data.parts(device, lost=bool(silent), now=now)
        self._inform((*doubtful, part_lost(device, silent, now)), now)

    # 2. Several times a second: windows of the machines that have news, for the worker thread.

    def windows(self) -> list[Window]:
        """Return a window of each machine that is due to be assessed."""
        if not self.clock.trusted:
            return []  # learning by a clock of 1970 would think that half a century has passed once it is set
        now = self.clock.now()
        due = (m for m in self.machines if self.assessor.due(m, self.twin.fresh(m), now))
        return [self.twin.window(machine, now) for machine in due]

    # 3. When the worker thread has judged them: verdicts -> alarms, observations -> evidence.

    def conclude(self, judgement: Judgement) -> None:
        """Take in what came of assessing windows."""
        self.samples.append_observations(judgement.observations)
        # A reload may have taken a machine away while the worker thread was judging it.
        assessments = [a for a in judgement.assessments if a.machine in self.machines]
        for assessment in assessments:
            self.verdicts.setdefault(assessment.machine, {})[assessment.indicator] = assessment
            self.touched.add(assessment.machine)
            self.heard(assessment)
        health = (health_condition(a) for a in assessments if a.indicator == HEALTH)
        self._inform(health, self.clock.now())

    # 4. Several times a second: what time alone does.

    def tick(self) -> None:
        """Let delays, maintenance windows and intervals run out."""
        now = self.clock.now()
        changes = self.twin.tick(now)
        for figures, change in product(self.summaries, changes):
            figures.add_state(change)
        self._tell_states(changes)
        self._announce(self.book.tick(now))
        self._maintain(self.maintenance.tick(now), now)
        for figures in self.summaries:
            for summary in figures.due(now):
                self.transitions.summary(summary, self.verdicts.get(summary.machine, {}).values())

    # 5. What people and the gateway itself have to say.

    def inform(self, *inputs: Condition | Command) -> tuple[AlarmEvent, ...]:
        """Apply conditions or commands now; return what came of them."""
        return self._inform(inputs, self.clock.now())

    def resume(self) -> None:
        """After a restart: machines that are still in maintenance stay silent, and what ran out meanwhile is told."""
        now = self.clock.now()
        self._maintain(self.maintenance.configure(self.table, self.configured, now), now)
        self.twin.maintenance = set(self.maintenance.machines)
        self._maintain(self.maintenance.tick(now), now)
        self._inform(self.maintenance.commands(self.book.definitions), now)

    def maintain(self, *changes: MaintenanceChange) -> None:
        """Make changes of maintenance windows effective: alarms are suppressed or announced again."""
        self._maintain(changes, self.clock.now())

    def configure(self, table: TagTable, machines: Sequence[Machine], definitions: Mapping[str, AlarmDef]) -> None:
        """Take on a reloaded configuration, as the assessor already has; what stays keeps its state.

        What is live is judged again at once: a value that stands still would never be held against a new limit.
        """
        now = self.clock.now()
        self.table, self.configured = table, tuple(machines)
        self.twin.configure(table, machines)
        self.reporting.configure(table)
        self._past.configure(table)
        self.judge.configure(table, machines)
        self.bad_data.configure(table)
        for figures in self.summaries:
            figures.configure(table, machines)
        self.verdicts = {machine: self.verdicts.get(machine, {}) for machine in self.machines}
        self._announce(self.book.configure(definitions, now))
        self._maintain(self.maintenance.configure(table, machines, now), now)
        self._inform(self.maintenance.commands(self.book.definitions), now)  # new alarms of a machine in maintenance
        live = self.twin.snapshot()
        self._inform((*self.judge.judge(live), *self.bad_data.judge(live)), now)
        self.touched = set(self.machines)

    # 6. The end of every way: transitions become durable, and messages leave from there.

    def _inform(self, inputs: Iterable[Condition | Command], now: int) -> tuple[AlarmEvent, ...]:
        events = self.book.apply(inputs, now)
        self._announce(events)
        return events

    def _announce(self, events: Sequence[AlarmEvent]) -> None:
        if events:
            self.transitions.alarms(events, self.book.take_dirty())
            self.touched |= {event.definition.machine for event in events if event.definition.machine}
            for event in events:
                if event.kind is EventKind.RAISED and event.definition.machine:
                    self.samples.alarmed(event.definition.machine, event.time)

    def _tell_states(self, changes: Sequence[StateChange]) -> None:
        for change in changes:
            self.transitions.machine_state(change)
            self.touched.add(change.machine)

    def _maintain(self, changes: Sequence[MaintenanceChange], now: int) -> None:
        if not changes:
            return
        for change in changes:
            self.transitions.maintenance(change)
            self.touched.add(change.window.machine)
        self.twin.maintenance = set(self.maintenance.machines)
        self._inform(self.maintenance.commands(self.book.definitions), now)

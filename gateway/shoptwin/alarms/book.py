"""All alarms of the gateway: which there are, what state each is in, and which delay runs out next."""

from __future__ import annotations

import difflib
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from shoptwin.alarms.engine import step
from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Annunciation, EventKind, Priority, Tick
from shoptwin.domain.errors import ShoptwinError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoptwin.domain.alarm import Command, Condition

GONE = "no longer configured"
_TICK = Tick()
_WHO = "configuration"
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


class AlarmBook:
    """The states of all alarms. Pure bookkeeping: the caller says what time it is, saves and publishes.

    A state is dirty, that is to be saved, once something was announced. New values of a standing alarm and delays
    that run are not worth a write to the card each: after a restart the next sample tells them again.
    """

    def __init__(self, definitions: Mapping[str, AlarmDef], states: Iterable[AlarmState] = ()) -> None:
        self._states: dict[str, AlarmState] = {state.alarm: state for state in states}
        self._definitions: dict[str, AlarmDef] = {}
        self._dirty: set[str] = set()
        self._due: list[tuple[int, str]] = []
        self._now = 0
        self._orphans: list[str] = []
        self._define(definitions)

    @property
    def definitions(self) -> Mapping[str, AlarmDef]:
        """All alarms by key."""
        return self._definitions

    def __getitem__(self, key: str) -> tuple[AlarmDef, AlarmState]:
        """Return one alarm; KeyError where there is none."""
        return self._definitions[key], self._states[key]

    def configure(self, definitions: Mapping[str, AlarmDef], now: int) -> tuple[AlarmEvent, ...]:
        """Take on another set of alarms. What stays keeps its state; what went while it stood is cleared."""
        gone = {key: definition for key, definition in self._definitions.items() if key not in definitions}
        self._define(definitions)
        return (*self._retire(gone, now), *self._review(now), *self.tick(now))

    def apply(self, inputs: Iterable[Condition | Command], now: int) -> tuple[AlarmEvent, ...]:
        """Step the alarms that are named, then let delays run out; what is not defined (any more) is passed over."""
        events: list[AlarmEvent] = []
        for given in inputs:
            if given.alarm in self._definitions:
                events += self._step(given.alarm, given, now)
        return (*events, *self.tick(now))

    def tick(self, now: int) -> tuple[AlarmEvent, ...]:
        """Announce what delays held back until now. Cheap: it looks at those alone that are due."""
        events = [*self._retire({}, now)] if self._orphans else []
        if now < self._now:
            events += self._review(now)
        self._now = now
        while self._due and self._due[0][0] <= now:
            _due, key = heappop(self._due)
            events += self._step(key, _TICK, now)
        return tuple(events)

    def next_due(self) -> int | None:
        """Return when the next delay runs out (ns UTC), None while none runs."""
        while self._due and not self._waits(*self._due[0]):
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def take_dirty(self) -> tuple[AlarmState, ...]:
        """Return the states that have to be saved since the last call."""
        taken = tuple(self._states[key] for key in sorted(self._dirty))
        self._dirty.clear()
        for state in taken:
            if state.alarm not in self._definitions:
                del self._states[state.alarm]
        return taken

    def standing(self, machine: str | None = None) -> tuple[tuple[AlarmDef, AlarmState], ...]:
        """Return what an operator has to see, of one machine or of all: active, or returned and unacknowledged.

        The most urgent come first, the latest first among equals.
        """
        found = [
            (definition, self._states[key])
            for key, definition in self._definitions.items()
            if self._states[key].annunciation is not Annunciation.NORMAL and machine in {None, definition.machine}
        ]
        return tuple(sorted(found, key=lambda pair: (_RANK[pair[0].priority], -pair[1].raised_at, pair[0].key)))

    def suppressed(self, machine: str | None = None) -> tuple[tuple[AlarmDef, AlarmState], ...]:
        """Return the alarms that are not announced now, of one machine or of all."""
        return tuple(
            (definition, self._states[key])
            for key, definition in self._definitions.items()
            if self._states[key].suppressed_by and machine in {None, definition.machine}
        )

    def find(self, text: str) -> str:
        """Return the key that is meant by a key, the id of an occurrence, or an id that one machine alone has.

        Raises:
            ShoptwinError: none is meant, or several.
        """
        if text in self._definitions:
            return text
        keys = [
            key
            for key, definition in self._definitions.items()
            if text and text in {definition.id, self._states[key].occurrence}
        ]
        if len(keys) == 1:
            return keys[0]
        if keys:
            raise ShoptwinError(
                f"{text} is an alarm of {len(keys)} machines", f"Say which: {', '.join(sorted(keys)[:8])}",
                code="ambiguous-alarm",
            )  # fmt: skip
        names = {key: key for key in self._definitions} | {d.id: key for key, d in self._definitions.items()}
        near = dict.fromkeys(names[name] for name in difflib.get_close_matches(text, names, n=5, cutoff=0.5))
        hint = f"Did you mean {' or '.join(near)}?" if near else "`shoptwin alarms --all` lists all that there are."
        raise ShoptwinError(f"There is no alarm {text!r}", hint, code="unknown-alarm")

    def _define(self, definitions: Mapping[str, AlarmDef]) -> None:
        self._definitions = dict(definitions)
        for key in self._definitions:
            if key not in self._states:
                self._states[key] = AlarmState(key)
        self._orphans = [key for key in self._states if key not in self._definitions]
        self._due = [(state.due, key) for key, state in self._states.items() if self._waits(state.due, key)]
        heapify(self._due)

    def _review(self, now: int) -> list[AlarmEvent]:
        """Look at all delays: the clock went back or delays were changed, and none may wait longer than its length."""
        return [event for _due, key in self._due[:] for event in self._step(key, _TICK, now)]

    def _step(self, key: str, given: Condition | Command | Tick, now: int) -> tuple[AlarmEvent, ...]:
        before = self._states[key]
        after, events = step(self._definitions[key], before, given, now)
        if after is before:
            return events
        self._states[key] = after
        if events:
            self._dirty.add(key)
        restarted = after.due != before.due or before.held_since or before.suppressed_by
        if restarted and self._waits(after.due, key):
            heappush(self._due, (after.due, key))
        return events

    def _waits(self, due: int, key: str) -> bool:
        """Tell whether a delay that runs out at `due` is still the one that this alarm waits for."""
        state = self._states.get(key)
        if state is None or not due or key not in self._definitions:
            return False
        return state.due == due and not state.held_since and not state.suppressed_by

    def _retire(self, gone: Mapping[str, AlarmDef], now: int) -> Iterable[AlarmEvent]:
        """Close what is not defined any more, also what a ledger brought back without a definition."""
        for key in self._orphans:
            definition, state = gone.get(key) or _forgotten(key), self._states[key]
            kind = _closing(state)
            ended = AlarmState(
                key, occurrence=state.occurrence, raised_at=state.raised_at, cleared_at=state.cleared_at or now,
                acknowledged_at=state.acknowledged_at, acknowledged_by=state.acknowledged_by, value=state.value,
                limit=state.limit, text=state.text, worst=state.worst,
            )  # fmt: skip
            if kind is None:
                if key not in self._dirty:
                    del self._states[key]
                continue
            self._states[key] = ended
            self._dirty.add(key)
            yield AlarmEvent(kind, definition, ended, now, _WHO, GONE)
        self._orphans = []


def _closing(state: AlarmState) -> EventKind | None:
    """Return what has to be announced of an alarm that will be no more."""
    if state.suppressed_by:
        return EventKind.UNSUPPRESSED
    if state.annunciation.active:
        return EventKind.CLEARED
    return EventKind.ACKNOWLEDGED if state.annunciation is Annunciation.RETURNED else None


def _forgotten(key: str) -> AlarmDef:
    """Rebuild the least of a definition from its key, to be able to announce its end."""
    machine, _, name = key.partition("/")
    return AlarmDef(name, None if machine == "_gateway" else machine, name.rpartition(".")[2])

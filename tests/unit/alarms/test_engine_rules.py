"""The engine against its rules, whatever happens in whatever order (hypothesis)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shoptwin.alarms.engine import step
from shoptwin.domain.alarm import (
    Action,
    AlarmDef,
    AlarmEvent,
    AlarmState,
    Annunciation,
    Command,
    Condition,
    EventKind,
    Tick,
)

START = 1_000_000
DELAYS = st.sampled_from([0, 1, 3, 10])


class AnyHistory(RuleBasedStateMachine):
    """All that can happen to one alarm: samples early and late, Bad data, people, and a clock that jumps."""

    @initialize(on=DELAYS, off=DELAYS)
    def begin(self, on: int, off: int) -> None:
        self.definition = AlarmDef("t.hi", "m", "hi", on_delay=on, off_delay=off)
        self.state = AlarmState(self.definition.key)
        self.now = START
        self.history: list[tuple[Any, int]] = []
        self.events: list[AlarmEvent] = []
        self.true_since = 0
        """Since when, by the gateway's clock, the condition has been said to be true without a break."""

    def give(self, given: Any) -> list[AlarmEvent]:
        before = self.state
        self.history.append((given, self.now))
        self.state, events = step(self.definition, before, given, self.now)
        self.check(before, given, list(events))
        self.events += events
        return list(events)

    def check(self, before: AlarmState, given: Any, events: list[AlarmEvent]) -> None:
        kinds = [event.kind for event in events]
        assert all(event.time == self.now for event in events)
        if events:
            after = events[-1].state
            assert (after.annunciation, after.occurrence) == (self.state.annunciation, self.state.occurrence)
        if before.suppressed_by:
            assert set(kinds) <= {EventKind.UNSUPPRESSED, EventKind.TEST} or kinds[0] is EventKind.UNSUPPRESSED
        if isinstance(given, Condition) and given.active is None:
            assert not kinds
        if kinds == [EventKind.TEST]:
            assert self.state is before
        if EventKind.ACKNOWLEDGED in kinds:
            assert before.annunciation in {Annunciation.UNACKNOWLEDGED, Annunciation.RETURNED}
        for event in events:
            if event.kind is EventKind.RAISED:
                assert event.state.occurrence not in {e.state.occurrence for e in self.events if e.kind is event.kind}
                assert event.state.raised_at <= self.now

    @rule(active=st.booleans(), late=st.sampled_from([0, 0, 0, 1, 5, 20]), value=st.floats(-5, 5))
    def sample(self, active: bool, late: int, value: float) -> None:
        self.give(Condition("m/t.hi", active, self.now - late, value, text=f"{value}"))

    @rule()
    def bad(self) -> None:
        self.give(Condition("m/t.hi", None, self.now))

    @rule(action=st.sampled_from(Action), by=st.sampled_from(["ann", "bob", ""]))
    def act(self, action: Action, by: str) -> None:
        self.give(Command("m/t.hi", action, by))

    @rule(passed=st.integers(1, 12))
    def wait(self, passed: int) -> None:
        self.now += passed
        self.give(Tick())

    @rule(back=st.sampled_from([1, 7, 500_000]))
    def clock_goes_back(self, back: int) -> None:
        self.now = max(1, self.now - back)
        self.give(Tick())

    @rule()
    def wait_for_all_delays(self) -> None:
        """After the longest delay from now, whatever the clock did, what is said is what is shown."""
        self.now += 11
        self.give(Tick())
        self.now += 11
        self.give(Tick())
        if not self.state.held_since and not self.state.suppressed_by:
            assert self.state.annunciation.active == self.state.condition

    @invariant()
    def raised_and_ended_alternate(self) -> None:
        ends = (EventKind.CLEARED, EventKind.SUPPRESSED)
        raised = False
        for event in self.events:
            if event.kind is EventKind.RAISED:
                assert not raised
                raised = True
            elif event.kind in ends:
                assert raised or event.kind is EventKind.SUPPRESSED
                raised = False
        assert raised == self.state.annunciation.active

    @invariant()
    def the_state_is_consistent(self) -> None:
        state = self.state
        assert bool(state.due) == bool(state.pending_since)
        assert bool(state.due) == (state.condition != state.annunciation.active)
        assert not state.suppressed_by or state.annunciation is Annunciation.NORMAL
        assert state.cleared_at == 0 or state.cleared_at >= state.raised_at or not state.occurrence
        assert (state.acknowledged_at > 0) == bool(state.acknowledged_by)

    def teardown(self) -> None:
        """The same inputs give the same events, with the same ids."""
        state, events = AlarmState("m/t.hi"), []
        for given_, now in self.history:
            state, more = step(self.definition, state, given_, now)
            events += more
        assert state == self.state
        assert events == self.events


AnyHistory.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
TestAnyHistory = pytest.mark.timeout(120)(AnyHistory.TestCase)
TestAnyHistory.__doc__ = "Whatever happens to an alarm in whatever order, the rules of the standard hold."


@dataclass
class Reference:
    """What an alarm is to do, in the plainest way: it counts the moments in which it knows that something is so."""

    on: int
    off: int
    says: bool = False
    known: bool = True
    counted: int = 0
    shown: bool = False
    acknowledged: bool = True
    suppressed: bool = False
    told: list[str] = field(default_factory=list)

    def settle(self) -> None:
        if self.suppressed or not self.known or self.says == self.shown:
            return
        if self.counted >= (self.on if self.says else self.off):
            self.shown = self.says
            self.told.append("raised" if self.says else "cleared")
            if self.says:
                self.acknowledged = False

    def say(self, says: bool | None) -> None:
        self.known = says is not None
        if says is not None and says != self.says:
            self.says, self.counted = says, 0
        self.settle()

    def wait(self) -> None:
        self.counted += self.known
        self.settle()

    def do(self, action: Action) -> None:
        if action is Action.TEST:
            self.told.append("test")
        elif action is Action.ACKNOWLEDGE and not self.acknowledged and not self.suppressed:
            self.acknowledged = True
            self.told.append("acknowledged")
        elif action is Action.SUPPRESS and not self.suppressed:
            if self.shown and self.says:
                self.counted = self.on  # what stood is not asked for its delay again
            self.suppressed, self.shown, self.acknowledged = True, False, True
            self.told.append("suppressed")
        elif action is Action.UNSUPPRESS and self.suppressed:
            self.suppressed = False
            self.told.append("unsuppressed")
            self.settle()


STEPS = st.lists(
    st.one_of(st.sampled_from([True, True, False, False, None]), st.integers(1, 6), st.sampled_from(Action)),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(on=DELAYS, off=DELAYS, steps=STEPS)
def test_the_engine_does_what_a_plain_count_of_moments_does(on: int, off: int, steps: list[Any]) -> None:
    """With samples in time and a steady clock the engine announces what counting moment by moment announces."""
    definition = AlarmDef("t.hi", "m", "hi", on_delay=on, off_delay=off)
    state, now, kinds, reference = AlarmState(definition.key), START, [], Reference(on, off)
    for given_ in steps:
        if isinstance(given_, Action):
            inputs: list[Any] = [Command("m/t.hi", given_, "ann")]
            reference.do(given_)
        elif given_ is None or isinstance(given_, bool):
            inputs = [Condition("m/t.hi", given_, now)]
            reference.say(given_)
        else:
            now += given_
            inputs = [Tick()]
            for _ in range(given_):
                reference.wait()
        for one in inputs:
            state, events = step(definition, state, one, now)
            kinds += [event.kind.value for event in events]
        assert kinds == reference.told
        assert state.annunciation.active == reference.shown


@given(on=st.integers(1, 50), gaps=st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_nothing_is_raised_before_its_on_delay(on: int, gaps: list[int]) -> None:
    """Between the sample that made the condition true and the announcement lies at least the on-delay."""
    definition = AlarmDef("t.hi", "m", "hi", on_delay=on)
    state, now, since = AlarmState(definition.key), START, 0
    for n, gap in enumerate(gaps):
        now += gap
        state, ticked = step(definition, state, Tick(), now)
        active = n % 3 != 2
        if active and not state.condition:
            since = now
        state, events = step(definition, state, Condition("m/t.hi", active, now), now)
        for event in (*ticked, *events):
            if event.kind is EventKind.RAISED:
                assert event.time - since >= on
                assert event.state.raised_at == since

"""What a machine is doing: from a state tag, from power, from counts, and from both together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.machine import Machine, MachineState, StateRule
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import TagTable, ValueKind
from shoptwin.domain.timing import HOUR, MINUTE, SECOND
from shoptwin.twin.states import from_power, from_value, parts_between
from shoptwin.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable

OFF, IDLE, PRODUCING, DOWN, UNKNOWN = (MachineState(s) for s in ("off", "idle", "producing", "down", "unknown"))
NOW = 1_764_000_000 * SECOND
THRESHOLDS = StateRule(off=0.5, idle=3.0)


class Rig:
    """One machine under test: its tags are set by name, and time goes on."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.now = NOW
        self.table = TagTable(machine.tags)
        self.twin = Twin(self.table, [machine])

    def set(self, kind: ValueKind = ValueKind.F8, /, **values: Any) -> MachineState:
        """Let values come in, by names of tags."""
        tags = [self.table.index(f"{self.machine.name}-{name}") for name in values]
        self.twin.apply(
            SampleBatch.of("g", kind, tags, list(values.values()), source_time=self.now, receive_time=self.now)
        )
        return self.twin.state(self.machine.name)

    def run(self, seconds: int, /, every: int = 1, **values: Any) -> MachineState:
        """Let the same values come in for a while; a callable is asked for its value."""
        state = self.twin.state(self.machine.name)
        for _ in range(0, seconds, every):
            self.now += every * SECOND
            state = self.set(**{name: value() if callable(value) else value for name, value in values.items()})
        return state


@pytest.fixture
def rig(machine: Callable[..., Machine]) -> Callable[..., Rig]:
    """Make a rig: `rig(rule, power="power")`."""
    return lambda rule=None, **roles: Rig(machine("press", rule, **roles))


@pytest.mark.parametrize(
    ("value", "kind", "state"),
    [
        (3, ValueKind.I8, PRODUCING),
        (3, ValueKind.U8, PRODUCING),
        (3.0, ValueKind.F4, PRODUCING),
        ("3", ValueKind.STR, PRODUCING),
        (" 3", ValueKind.STR, PRODUCING),
        (0, ValueKind.I8, OFF),
        (False, ValueKind.BOOL, OFF),
        (True, ValueKind.BOOL, IDLE),
        ("Störung", ValueKind.STR, DOWN),
        (17, ValueKind.I8, UNKNOWN),
        (3.5, ValueKind.F8, UNKNOWN),
    ],
)
def test_a_state_tag_means_what_the_rule_says(
    rig: Callable[..., Rig], value: Any, kind: ValueKind, state: MachineState
) -> None:
    """A state tag's value is looked up as people write it, whichever type it came in; an unnamed value is unknown."""
    rule = StateRule(values={"0": OFF, "1": IDLE, "3": PRODUCING, "Störung": DOWN})
    assert rig(rule, mode="state", power="power").set(kind, mode=value) is state


def test_a_state_tag_may_speak_for_itself(rig: Callable[..., Rig]) -> None:
    """Without a rule a value that is a state's own name counts; any other leaves it to power."""
    press = rig(StateRule(off=0.5, idle=3), mode="state", power="power")
    press.set(power=10.0)
    assert press.set(ValueKind.STR, mode="Idle") is IDLE
    assert press.set(ValueKind.I8, mode=4) is PRODUCING


@pytest.mark.parametrize(
    ("power", "rule", "state"),
    [
        (0.5, THRESHOLDS, OFF),
        (0.51, THRESHOLDS, IDLE),
        (2.99, THRESHOLDS, IDLE),
        (3.0, THRESHOLDS, PRODUCING),
        (-1.0, THRESHOLDS, OFF),
        (0.0, StateRule(idle=3.0), OFF),
        (1.0, StateRule(idle=3.0), IDLE),
        (1.0, StateRule(off=0.5), PRODUCING),
        (0.0, StateRule(), OFF),
        (5.0, StateRule(), UNKNOWN),
    ],
)
def test_power_against_its_thresholds(
    rig: Callable[..., Rig], power: float, rule: StateRule, state: MachineState
) -> None:
    """At or below `off` a machine is off, below `idle` idle, else producing; without thresholds only off is told."""
    assert rig(rule, power="power").set(power=power) is state
    assert from_power(power, rule) is state


def test_bad_data_of_the_deciding_tag_is_unknown(rig: Callable[..., Rig]) -> None:
    """When the tag that decides is Bad, or has not been heard of, the state is unknown and not the last one."""
    press = rig(THRESHOLDS, mode="state", power="power")
    assert press.set(power=10.0) is UNKNOWN
    press = rig(THRESHOLDS, power="power", parts="count")
    assert press.set(power=10.0) is PRODUCING
    press.twin.apply(SampleBatch.bad("g", [0], StatusCode.BAD_TIMEOUT, NOW + 1))
    assert press.twin.state("press") is UNKNOWN
    assert rig(temp="temperature").set(temp=1.0) is UNKNOWN


def _counter(press: Rig, every: int) -> Callable[[], int]:
    """Count a part each `every` seconds."""
    return lambda: (press.now - NOW) // (every * SECOND)


def test_count_alone_tells_producing_from_idle(rig: Callable[..., Rig]) -> None:
    """Parts that come keep a machine producing for a few of its own cycle times, then it is idle."""
    press = rig(parts="count")
    assert press.set(parts=0) is IDLE
    count = _counter(press, 20)
    assert press.run(200, parts=count) is PRODUCING
    last = count()
    assert press.run(58, parts=last) is PRODUCING
    assert press.run(4, parts=last) is IDLE
    assert press.run(1, parts=last + 1) is PRODUCING


def test_a_fast_machine_is_not_idle_between_polls(rig: Callable[..., Rig]) -> None:
    """A machine that makes several parts between two polls is producing all along."""
    press = rig(parts="count")
    press.set(parts=0)
    states = {press.run(10, every=10, parts=lambda: (press.now - NOW) // SECOND * 4) for _ in range(20)}
    assert states == {PRODUCING}


def test_power_without_parts_is_down_in_the_end(rig: Callable[..., Rig]) -> None:
    """Power that says producing while no part comes for ten cycles and two minutes is down, until a part comes."""
    press = rig(THRESHOLDS, power="power", parts="count")
    press.set(power=10.0, parts=0)
    assert press.run(300, power=10.0, parts=_counter(press, 20)) is PRODUCING
    stuck = _counter(press, 20)()
    assert press.run(190, power=10.0, parts=stuck) is PRODUCING
    assert press.run(15, power=10.0, parts=stuck) is DOWN
    assert press.run(5, power=1.0, parts=stuck) is IDLE
    assert press.run(5, power=0.0, parts=stuck) is OFF
    assert press.run(60, power=10.0, parts=stuck) is PRODUCING
    assert press.run(1, power=10.0, parts=stuck + 1) is PRODUCING


def test_a_night_at_idle_is_not_a_standstill(rig: Callable[..., Rig]) -> None:
    """After hours at idle a machine that is started is producing, and not down for want of parts in the night."""
    press = rig(THRESHOLDS, power="power", parts="count")
    press.set(power=10.0, parts=0)
    press.run(300, power=10.0, parts=_counter(press, 20))
    stuck = _counter(press, 20)()
    press.run(8 * 3600, every=30, power=1.0, parts=stuck)
    assert press.run(60, power=10.0, parts=stuck) is PRODUCING


def test_a_machine_whose_cycle_is_not_known_is_never_called_down(rig: Callable[..., Rig]) -> None:
    """A machine that runs for an hour before its first part is producing, not down."""
    press = rig(THRESHOLDS, power="power", parts="count")
    press.set(power=10.0, parts=5)
    assert press.run(3600, every=10, power=10.0, parts=5) is PRODUCING


def test_parts_prove_producing_where_power_does_not(rig: Callable[..., Rig]) -> None:
    """Where power is below its threshold, or has none, parts that come tell that the machine is producing."""
    for rule in (THRESHOLDS, StateRule()):
        press = rig(rule, power="power", parts="count")
        press.set(power=2.0, parts=0)
        assert press.run(100, power=2.0, parts=_counter(press, 5)) is PRODUCING
        assert press.run(60, power=2.0, parts=_counter(press, 5)()) is IDLE
        assert press.run(2, power=0.0, parts=_counter(press, 5)()) is OFF


def test_a_stuck_power_does_not_silence_a_machine_that_makes_parts(rig: Callable[..., Rig]) -> None:
    """Power that says off is refuted by parts that came out three times in a row; when they end it is off again."""
    press = rig(THRESHOLDS, power="power", parts="count")
    press.run(30, power=5.0, parts=_counter(press, 5))
    states = [press.run(5, power=0.0, parts=_counter(press, 5)) for _ in range(5)]
    assert states == [OFF, OFF, PRODUCING, PRODUCING, PRODUCING]
    made = _counter(press, 5)()
    assert press.run(60, power=0.0, parts=made) is OFF


def test_parts_just_before_it_stopped_do_not_refute_off(rig: Callable[..., Rig]) -> None:
    """A slow poll sees the last parts together with power off: once, and again after each stop, proves nothing."""
    press = rig(THRESHOLDS, power="power", parts="count")
    for _ in range(8):
        press.run(900, 900, power=5.0, parts=_counter(press, 5))
        assert press.run(900, 900, power=0.0, parts=_counter(press, 5)) is OFF


def test_time_alone_changes_a_state(rig: Callable[..., Rig]) -> None:
    """Where a device sends only changes, the state falls to idle by time, told by `tick` and seen in the window."""
    press = rig(parts="count")
    press.set(parts=0)
    press.run(100, parts=_counter(press, 5))
    changes = [c for s in range(0, 60, 5) for c in press.twin.tick(press.now + s * SECOND)]
    assert [(change.before, change.after) for change in changes] == [(PRODUCING, IDLE)]
    assert press.twin.window("press", press.now + MINUTE).state is IDLE
    press.now += 2 * MINUTE
    press.run(50, parts=_counter(press, 5))
    for s in range(0, 90, 5):
        press.twin.window("press", press.now + s * SECOND)
    press.now += 2 * MINUTE
    delta = press.twin.apply(SampleBatch.of("g", ValueKind.F8, [7], [1.0], source_time=press.now))
    assert [change.after for change in delta.states] == [IDLE]


def test_a_step_of_the_clock_is_no_standstill(rig: Callable[..., Rig]) -> None:
    """When the gateway's clock is set forward by years, or back, a machine that produces goes on producing."""
    press = rig(parts="count")
    press.set(parts=0)
    press.run(600, parts=_counter(press, 60))
    count = _counter(press, 60)()
    for step in (50 * 365 * 24 * HOUR, -50 * 365 * 24 * HOUR):
        press.now += step
        assert press.set(parts=count) is PRODUCING


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        (10, 10, 0),
        (10, 13, 3),
        (65_535, 0, 1),
        (65_530, 4, 10),
        (2**32 - 1, 1, 2),
        (2**31 - 1, 0, 1),
        (5_000, 0, 0),
        (5_000, 3, 3),
        (1e15, 7, 7),
    ],
)
def test_a_counter_may_wrap_or_be_reset(before: float, after: float, parts: float) -> None:
    """A counter that wraps at 16 or 32 bits goes on; one that is reset counts from there."""
    assert parts_between(before, after) == parts


@given(st.floats(0, 2**40, allow_nan=False), st.floats(0, 2**40, allow_nan=False))
def test_parts_are_never_negative(before: float, after: float) -> None:
    """Whatever a counter does, no parts are unmade."""
    assert parts_between(before, after) >= 0


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_any_value_has_a_meaning_or_none(value: object) -> None:
    """Any value at all gives a state, and never an error."""
    assert isinstance(from_value(value, StateRule(values={"1": IDLE})), MachineState)

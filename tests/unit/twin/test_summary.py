"""Figures per minute and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.domain.machine import Machine, MachineState
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import Role, Tag, TagTable
from shoptwin.domain.timing import HOUR, MINUTE, SECOND
from shoptwin.domain.twin import StateChange, TwinDelta
from shoptwin.twin.summary import Summaries

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_764_000_000 * SECOND // HOUR * HOUR


def delta(samples: list[tuple[int, float, int]]) -> TwinDelta:
    tag, value, status = zip(*samples, strict=True) if samples else ((), (), ())
    values = np.where(np.asarray(status, np.uint32) & 0x8000_0000, np.nan, np.asarray(value, np.float64))
    return TwinDelta(np.asarray(tag, np.int32), values, np.asarray(status, np.uint32), np.zeros(len(tag), np.int64))


@pytest.fixture
def press(machine: Callable[..., Machine]) -> Machine:
    return machine("press", temp="temperature", speed="speed")


def test_a_minute_is_told_once_it_is_over(press: Machine) -> None:
    """Figures come at the first look after the minute's end, once, for whole minutes of the clock."""
    summaries = Summaries(TagTable(press.tags), [press], MINUTE)
    assert summaries.due(NOW + 10 * SECOND) == ()
    summaries.add(delta([(0, 3.0, 0), (0, 1.0, 0), (0, 2.0, int(StatusCode.UNCERTAIN))]))
    summaries.add(delta([(0, 0.0, int(StatusCode.BAD_TIMEOUT)), (1, 7.0, 0)]))
    assert summaries.due(NOW + 59 * SECOND) == ()
    (told,) = summaries.due(NOW + 61 * SECOND)
    assert (told.machine, told.start, told.stop) == ("press", NOW, NOW + MINUTE)
    temp, speed = told.tags
    assert (temp.tag, temp.unit, temp.count, temp.good) == ("press-temp", "u", 4, 0.5)
    assert (temp.minimum, temp.mean, temp.maximum, temp.last) == (1.0, 2.0, 3.0, 2.0)
    assert (speed.count, speed.good, speed.last) == (1, 1.0, 7.0)
    assert summaries.due(NOW + 62 * SECOND) == ()
    (empty,) = summaries.due(NOW + 121 * SECOND)
    assert (empty.start, empty.tags[0].count, empty.tags[0].good) == (NOW + MINUTE, 0, 0.0)
    assert np.isnan([empty.tags[0].mean, empty.tags[0].last]).all()


def test_times_in_states_fill_the_interval(press: Machine) -> None:
    """Times in states add up to the interval, and a state goes on into the next one."""
    summaries = Summaries(TagTable(press.tags), [press], HOUR)
    summaries.due(NOW)
    summaries.add_state(StateChange("press", MachineState.UNKNOWN, MachineState.PRODUCING, NOW + 10 * MINUTE))
    summaries.add_state(StateChange("press", MachineState.PRODUCING, MachineState.DOWN, NOW + 50 * MINUTE))
    summaries.add_state(StateChange("lathe", MachineState.IDLE, MachineState.DOWN, NOW + 50 * MINUTE))
    (told,) = summaries.due(NOW + HOUR + SECOND)
    assert told.states == {
        MachineState.UNKNOWN: 10 * MINUTE, MachineState.PRODUCING: 40 * MINUTE, MachineState.DOWN: 10 * MINUTE,
    }  # fmt: skip
    summaries.add_state(StateChange("press", MachineState.DOWN, MachineState.IDLE, NOW + HOUR + MINUTE))
    (told,) = summaries.due(NOW + 2 * HOUR)
    assert told.states == {MachineState.DOWN: MINUTE, MachineState.IDLE: 59 * MINUTE}


def test_a_step_of_the_clock_makes_up_no_time(press: Machine) -> None:
    """When the clock is set forward one interval is told, not all in between; set back, what was collected stays."""
    summaries = Summaries(TagTable(press.tags), [press], MINUTE)
    summaries.due(1 * HOUR)
    summaries.add(delta([(0, 1.0, 0)]))
    (told,) = summaries.due(NOW)
    assert (told.start, sum(told.states.values()), told.tags[0].count) == (HOUR, MINUTE, 1)
    summaries.add(delta([(0, 2.0, 0)]))
    assert summaries.due(NOW - HOUR) == ()
    (told,) = summaries.due(NOW - HOUR + MINUTE)
    assert told.tags[0].count == 1
    assert sum(told.states.values()) <= MINUTE


def test_a_reload_keeps_what_was_summed(press: Machine, machine: Callable[..., Machine]) -> None:
    """After a reload the figures of what stays go on, and what is new begins."""
    table = TagTable(press.tags)
    summaries = Summaries(table, [press], MINUTE)
    summaries.due(NOW)
    summaries.add(delta([(0, 1.0, 0), (1, 5.0, 0)]))
    saw = machine("saw", temp="temperature")
    smaller = Machine("press", press.tags[:1])
    table.replace((*smaller.tags, *saw.tags))
    summaries.configure(table, [smaller, saw])
    summaries.add(delta([(0, 3.0, 0), (2, 9.0, 0)]))
    told = {s.machine: s for s in summaries.due(NOW + MINUTE)}
    assert [(t.tag, t.count) for t in told["press"].tags] == [("press-temp", 2)]
    assert [(t.tag, t.last) for t in told["saw"].tags] == [("saw-temp", 9.0)]
    assert sum(told["press"].states.values()) == MINUTE


_values = st.floats(-1e9, 1e9)
_codes = st.sampled_from([0, int(StatusCode.UNCERTAIN), int(StatusCode.BAD)])
_batches = st.lists(st.lists(st.tuples(st.integers(0, 2), _values, _codes), max_size=8), max_size=6)


@settings(deadline=None)
@given(_batches)
def test_figures_are_what_one_would_count_by_hand(batches: list[list[tuple[int, float, int]]]) -> None:
    """Count, share, minimum, mean, maximum and last are those of a plain loop."""
    tags = tuple(Tag(f"t{n}", f"t{n}", "press", Role.OTHER) for n in range(3))
    summaries = Summaries(TagTable(tags), [Machine("press", tags)], MINUTE)
    summaries.due(NOW)
    for samples in batches:
        summaries.add(delta(samples))
    (told,) = summaries.due(NOW + MINUTE)
    for n, figures in enumerate(told.tags):
        mine = [(value, status) for samples in batches for tag, value, status in samples if tag == n]
        used = [value for value, status in mine if status != StatusCode.BAD]
        assert figures.count == len(mine)
        assert figures.good == (sum(status == 0 for _, status in mine) / len(mine) if mine else 0.0)
        if used:
            assert (figures.minimum, figures.maximum, figures.last) == (min(used), max(used), used[-1])
            assert figures.mean == pytest.approx(sum(used) / len(used), abs=1e-3)
            assert figures.minimum <= figures.mean <= figures.maximum
        else:
            assert np.isnan([figures.minimum, figures.mean, figures.maximum, figures.last]).all()

"""Grouping, pacing and scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.acquire.breaker import Breaker, BreakerState
from shoptwin.acquire.groups import plan
from shoptwin.acquire.scaling import Scaling
from shoptwin.acquire.schedule import Schedule
from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.device import Device, Group
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import SECOND


@dataclass(frozen=True)
class Address:
    text: str
    kind: ValueKind | None = None


class Plugin:
    name = "fake"
    Settings = dict
    schemes = ()

    def parse_address(self, text: str) -> Address:
        return Address(text)


def tag(name: str, *, device: str = "plc1", role: Role = Role.OTHER, **more: float) -> Tag:
    return Tag(name, name, "m", role, device=device, address=name, **more)


def test_tags_are_grouped_by_period_the_shortest_first_and_only_those_of_the_device() -> None:
    """A tag with a period of its own forms another group, and a neighbour's tags are not in any."""
    table = TagTable(
        [tag("a"), tag("b", period=SECOND), tag("c"), tag("x", device="plc2"), tag("w", role=Role.WAVEFORM)]
    )
    fast, slow = plan(Device("plc1", "fake", 5 * SECOND), table, Plugin())
    assert [p.tag for p in fast.points] == [1]
    assert [p.tag for p in slow.points] == [0, 2, 4]
    assert slow.points[2].kind is ValueKind.WAVEFORM


def test_a_late_poll_keeps_to_the_grid_and_whole_periods_that_passed_are_counted_as_missed() -> None:
    """A poll that ends 2.4 periods late is next due on its old grid, with two polls missed."""
    group = Group("g", "plc1", SECOND, ())
    schedule = Schedule([group], 100.0)
    assert schedule.next() == (100.0, group)
    assert schedule.served(100.3) == 0
    assert schedule.next()[0] == 101.0
    assert schedule.served(103.4) == 2
    assert schedule.next()[0] == 104.0


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=40))
def test_the_schedule_never_falls_behind_and_never_leaves_its_grid(durations: list[float]) -> None:
    """Whatever the polls take, the next due time is on the grid and at most one period ahead."""
    group = Group("g", "plc1", SECOND, ())
    schedule, now, missed = Schedule([group], 0.0), 0.0, 0
    for served, took in enumerate(durations, 1):
        due, _ = schedule.next()
        now = max(now, due) + took
        missed += schedule.served(now)
        due, _ = schedule.next()
        assert now < due <= now + 1.0
        assert due == int(due)
        assert due == served + missed


def test_the_breaker_opens_after_three_failures_and_one_success_closes_it() -> None:
    """Closed through two failures, open at the third, closed again by one success."""
    breaker = Breaker()
    states = []
    for _ in range(3):
        breaker.failed()
        states.append(breaker.state)
    breaker.succeeded()
    assert states == [BreakerState.CLOSED, BreakerState.CLOSED, BreakerState.OPEN]
    assert breaker.state is BreakerState.CLOSED


def test_scaling_leaves_exact_integers_exact_and_turns_the_scaled_ones_into_units() -> None:
    """A 64-bit counter beside a scaled register stays an integer to the last digit."""
    table = TagTable([tag("count"), tag("temp", scale=0.1, offset=-40.0)])
    batch = SampleBatch.of("g", ValueKind.I8, [0, 1], [2**62 + 1, 650], source_time=[5, 6])
    exact, scaled = Scaling(table).apply(batch)
    assert exact.kind is ValueKind.I8
    assert exact.values.tolist() == [2**62 + 1]
    assert scaled.kind is ValueKind.F8
    assert np.allclose(scaled.values, [25.0])
    assert scaled.source_time.tolist() == [6]


def test_scaling_passes_an_unscaled_batch_through_untouched_and_scales_a_waveform_by_its_factor() -> None:
    """What needs no scaling is the same object; a waveform keeps its counts and changes its scale."""
    table = TagTable([tag("a"), tag("w", scale=2.0)])
    plain = SampleBatch.of("g", ValueKind.F4, [0], [1.5])
    assert Scaling(table).apply(plain) == (plain,)
    wave = Waveform(np.array([1, 2], np.int16), 100.0, 0.5)
    (scaled,) = Scaling(table).apply(SampleBatch.of("g", ValueKind.WAVEFORM, [1], [wave]))
    assert scaled.values[0].physical().tolist() == [1.0, 2.0]

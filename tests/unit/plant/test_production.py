from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin_plant.physics.production import DAY, HOUR, Habits, Schedule, State, reject_probability

HABITS = Habits(cycle=6.0)


def test_a_day_has_two_shifts_with_breaks_and_a_night() -> None:
    """It begins with work, idles in the breaks, is off at night, and starts again the next day."""
    schedule = Schedule(1, "m", HABITS)
    assert schedule.state(0) is State.PRODUCING
    assert schedule.state(4.2 * HOUR) is State.IDLE
    assert schedule.state(16.1 * HOUR) is State.STANDBY
    assert schedule.state(20 * HOUR) is State.OFF
    assert schedule.state(DAY) is State.PRODUCING
    assert 0.5 < np.mean([schedule.state(s) is State.PRODUCING for s in range(0, DAY, 60)]) < 0.66


def test_random_stops_differ_from_day_to_day_and_by_seed() -> None:
    """Stops (down) occur in every few hours of work, at other times on another day or with another seed."""

    def stops(seed: int, day: int) -> list[int]:
        schedule = Schedule(seed, "m", HABITS)
        return [s for s in range(day * DAY, day * DAY + DAY, 30) if schedule.state(s) is State.DOWN]

    assert any(stops(1, day) for day in range(3))
    assert stops(1, 0) != [s - DAY for s in stops(1, 1)]
    assert stops(1, 1) != stops(2, 1)
    assert stops(1, 1) == stops(1, 1)


def test_parts_are_made_while_producing_alone_with_a_spread_of_cycle_times() -> None:
    """Nothing is made in breaks and at night; the median cycle is the machine's, its spread a few percent."""
    schedule = Schedule(1, "m", HABITS)
    parts, luck = schedule.parts(0, DAY)
    assert all(schedule.state(part) is State.PRODUCING for part in parts.tolist())
    cycles = np.diff(parts)
    cycles = cycles[cycles < 10]
    assert abs(np.median(cycles) - 6) < 0.02
    assert 0.2 < cycles.std() < 0.28
    assert ((luck >= 0) & (luck < 1)).all()


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.floats(0, 2.5 * DAY), min_size=1, max_size=8))
def test_parts_do_not_depend_on_how_time_is_cut(cuts: list[float]) -> None:
    """Counting in pieces gives every part exactly once, across midnight too."""
    schedule = Schedule(3, "m", HABITS)
    edges = [0.0, *sorted(cuts), 2.5 * DAY]
    pieces = [Schedule(3, "m", HABITS).parts(a, b)[0] for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), schedule.parts(0, 2.5 * DAY)[0])


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0, 4))
def test_rejects_grow_with_every_deviation(heat: float, pressure: float, extra: float) -> None:
    """The probability is about 1.5 % at none, and grows with deviations to either side."""
    assert 0.01 < reject_probability(0, 0) < 0.02
    p = reject_probability(heat, pressure, extra)
    assert p == reject_probability(-heat, -pressure, extra)
    assert reject_probability(heat + 0.1, pressure, extra) >= p
    assert reject_probability(heat, pressure + 0.1, extra) >= p
    assert 0 < p <= 1

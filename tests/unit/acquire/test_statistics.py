"""What is counted of a device: whether it keeps its period and its clock, with no false word of either."""

from __future__ import annotations

import pytest

from shoptwin.acquire.statistics import RECENT, Statistics
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import HOUR, SECOND

NOW = 1_800_000_000 * SECOND


def shares(polls: list[tuple[float, int]]) -> list[float]:
    """The share of polls left out, after each poll: how many seconds after the one before it ended, what it missed."""
    statistics, now, found = Statistics(), 0.0, []
    for seconds, missed in polls:
        now += seconds
        statistics.poll(min(seconds, 0.1), now, missed=missed)
        found.append(statistics.missed_share)
    return found


def standing(polls: list[tuple[float, int]], most: float = 0.05) -> float:
    """The longest time in seconds for which more than `most` was said to be left out without a break."""
    longest = lasted = 0.0
    for (seconds, _), share in zip(polls, [0.0, *shares(polls)], strict=False):
        lasted = lasted + seconds if share > most else 0.0
        longest = max(longest, lasted)
    return longest


@pytest.mark.parametrize("period", [0.1, 1.0, 7.0, 50.0])
@pytest.mark.parametrize("gap", [5, 30, 3600])
def test_one_hiccup_is_no_slow_device(period: float, gap: float) -> None:
    """After one poll that hung, or a box that slept for an hour, two minutes later all is well again."""
    calm = [(period, 0)] * int(600 / period)
    assert standing([*calm, (gap, int(gap / period)), *calm]) <= 120.0


def test_a_slow_start_of_two_groups_is_no_slow_device() -> None:
    """Both groups of a device miss polls while the first one is found out about; that is over within two minutes."""
    assert standing([(10.0, 9), (0.1, 9), (0.9, 0), *[(0.5, 0)] * 1200]) <= 120.0


@pytest.mark.parametrize(
    "polls",
    [
        [(1.2, 1)] * 1000,
        ([(0.1, 0)] * 79 + [(2.1, 20)]) * 60,  # a slow group each 10 s leaves a fast one no time
        [(45.0, 2)] * 20,
        [(300.0, 1)] * 4,
    ],
)
def test_a_slow_device_is_told_without_a_break(polls: list[tuple[float, int]]) -> None:
    """What leaves out polls all the time is said to, from its first minute on and until the end."""
    whole = sum(seconds for seconds, _ in polls)
    assert standing(polls) >= whole - max(60.0 + 2.1, 3 * polls[0][0])


def test_the_skew_is_that_of_the_answer_with_the_least_delay() -> None:
    """A device an hour behind is told as that, to within the quickest of its answers."""
    statistics = Statistics()
    for n, delay in enumerate((9, 3, 1, 2)):
        now = NOW + n * 10 * SECOND
        statistics.batch(batch(now - HOUR - delay * SECOND // 10), now)
    assert statistics.skew == pytest.approx(3600.1)
    assert Statistics().skew is None


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_a_clock_that_was_set_right_is_right_after_a_few_answers(ahead: int) -> None:
    """Whichever of the two clocks was wrong, its past is forgotten within so many polls."""
    statistics = Statistics()
    for n in range(300):
        statistics.batch(batch(NOW + n * SECOND + ahead), NOW + n * SECOND)
    for n in range(300, 300 + RECENT):
        statistics.batch(batch(NOW + n * SECOND), NOW + n * SECOND)
    assert statistics.skew == 0.0


def test_a_server_that_stamps_values_and_not_answers_says_nothing_of_its_clock() -> None:
    """A machine that stands still over the weekend, each value with Friday's server time, is no wrong clock."""
    statistics = Statistics()
    for n in range(5):
        statistics.batch(batch(NOW - 60 * HOUR), NOW + n * SECOND)
        statistics.batch(batch(NOW - 61 * HOUR, group="slow"), NOW + n * SECOND)
    assert statistics.skew is None
    statistics.batch(batch(NOW + 9 * SECOND), NOW + 10 * SECOND)
    assert statistics.skew == 1.0


def batch(server_time: int, group: str = "g") -> SampleBatch:
    return SampleBatch.of(group, ValueKind.F8, [0], [1.0], server_time=server_time)

"""A box without a clock battery: what it stamped by 1970 has the right time once the clock is set."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import HOUR, SECOND, parse_time
from shoptwin.store.provisional import Provisional
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.domain.tag import TagTable

ALL = (-(2**63), 2**63 - 1)
NOON = parse_time("2026-11-30T12:00:00Z")


class Box:
    """A box whose clock begins in 1970 and is set at some time; both clocks are moved by hand."""

    def __init__(self, store: SampleStore) -> None:
        self.store = store
        self.mono, self.ahead = 7 * SECOND, 0
        store._buffer._journal._clock = Provisional(lambda: self.mono + self.ahead, lambda: self.mono)

    @property
    def now(self) -> int:
        """What the clock shows."""
        return self.mono + self.ahead

    def set(self, now: int) -> None:
        """Set the clock."""
        self.ahead = now - self.mono

    def sample(self, value: float, source: int | None = None, tag: int = 0) -> None:
        """Take in a sample a second later, of a device without a clock, or with one."""
        self.mono += SECOND
        at = self.now if source is None else source
        self.store.append(SampleBatch.of("g", ValueKind.F8, [tag], [value], source_time=at, receive_time=self.now))
        self.store.flush()


@pytest.fixture
def box(store: SampleStore) -> Iterator[Box]:
    """A box that has just started."""
    return Box(store)


def test_what_was_stamped_by_1970_is_put_right(box: Box) -> None:
    """Ten seconds before the clock is set, and ten after: all have the time at which they came, without a step."""
    for n in range(10):
        box.sample(n)
    assert box.store.read("press-a", *ALL).time[0] < HOUR
    box.set(NOON)
    for n in range(10, 20):
        box.sample(n)
    series = box.store.read("press-a", *ALL)
    assert series.values.tolist() == list(range(20))
    assert set(np.diff(series.time)) == {SECOND}
    assert series.time[10] == NOON + SECOND
    box.store.fold()
    assert box.store.rollup("press-a", *ALL, 60 * SECOND).count.sum() == 20
    assert box.store.rollup("press-a", *ALL, 60 * SECOND).time.min() > NOON - HOUR


def test_the_clocks_of_devices_are_theirs(box: Box) -> None:
    """A device that knows the time, and one with a 1970 of its own, keep their times; those of arrival move."""
    box.sample(1, source=NOON - 5 * SECOND)
    box.sample(2, source=9_000 * SECOND, tag=1)
    box.set(NOON)
    box.sample(3)
    assert box.store.read("press-a", *ALL).time.tolist() == [NOON - 5 * SECOND, NOON + SECOND]
    assert box.store.read("press-b", *ALL).time.tolist() == [9_000 * SECOND]
    received = box.store.reader.times("press-b", *ALL)[:, 2]
    assert received.tolist() == [NOON]


def test_a_step_of_a_clock_that_was_set_moves_nothing(box: Box) -> None:
    """An hour forward, or back, of a clock that was set is nobody's mistake to mend: samples stay as they are."""
    box.set(NOON)
    box.sample(1)
    box.set(NOON + HOUR)
    box.sample(2)
    box.set(NOON - HOUR)
    box.sample(3)
    series = box.store.read("press-a", *ALL)
    assert dict(zip(series.values.tolist(), series.time.tolist(), strict=True)) == {
        1.0: NOON + SECOND, 2.0: NOON + HOUR + SECOND, 3.0: NOON - HOUR + SECOND,
    }  # fmt: skip


def test_a_commit_that_failed_is_put_right_the_next_time(box: Box, failing_once: Any) -> None:
    """Where the write that would have moved the stamps fails, the next one moves them."""
    box.sample(1)
    box.set(NOON)
    calls = failing_once(box.store)
    box.sample(2)
    while box.store.failure:
        box.store.flush()
    assert len(calls) == 2
    assert box.store.read("press-a", *ALL).time.tolist() == [NOON, NOON + SECOND]


def test_another_start_in_1970_is_left_alone(box: Box, table: TagTable) -> None:
    """What an earlier start stamped by a 1970 of its own cannot be told apart from now: it stays as it is."""
    box.sample(1)
    box.store.close()
    again = Box(SampleStore.open(box.store.path, table, Keep(samples=10**18)))
    again.sample(2)
    again.set(NOON)
    again.sample(3)
    times = dict(
        zip(*(getattr(again.store.read("press-a", *ALL), c).tolist() for c in ("values", "time")), strict=True)
    )
    again.store.close()
    assert times[1.0] == 8 * SECOND
    assert (times[2.0], times[3.0]) == (NOON, NOON + SECOND)


def test_an_unset_clock_delays_folding_for_an_hour(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the clock is set the journal waits six times as long, so that ten minutes without NTP cost nothing."""
    monkeypatch.setattr("shoptwin.store.history.SECONDS", 5)
    monkeypatch.setattr("shoptwin.store.history.UNSET", 30)
    for n in range(20):
        box.sample(n)
    raw = sqlite3.connect(box.store.path)
    assert raw.execute("SELECT count(*) FROM chunks").fetchone() == (0,)
    raw.close()
    box.set(NOON)
    box.sample(20)
    assert box.store.read("press-a", *ALL).time.tolist() == [NOON - (19 - n) * SECOND for n in range(20)] + [
        NOON + SECOND
    ]


def test_the_clock_is_set_once() -> None:
    """By how much it was set is told until a write that heeded it is durable, and not again."""
    ahead = [0]
    clock = Provisional(lambda: 7 * SECOND + ahead[0], lambda: 7 * SECOND)
    assert clock.set_by() == 0
    ahead[0] = NOON
    assert clock.set_by() == clock.set_by() == NOON
    clock.committed()
    assert clock.set_by() == 0

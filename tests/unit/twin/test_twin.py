"""The twin: which samples are new, what is live, and what a window tells."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.machine import Machine, MachineState
from shoptwin.domain.quality import StatusCode, is_bad
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import HOUR, SECOND
from shoptwin.twin.twin import BEHIND, BEHIND_BATCHES, Twin

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_764_000_000 * SECOND
_LOST = {StatusCode.BAD_NOT_CONNECTED, StatusCode.BAD_TIMEOUT, StatusCode.BAD_COMMUNICATION_ERROR}


@pytest.fixture
def twin(machine: Callable[..., Machine], table_of: Callable[..., TagTable]) -> Twin:
    """A twin of two machines with tags 0, 1, 2 and 3, 4."""
    press = machine("press", a="temperature", b="pressure", wave="waveform")
    saw = machine("saw", a="temperature", text="other")
    return Twin(table_of(press, saw), [press, saw])


def test_before_anything_came_every_tag_waits(twin: Twin) -> None:
    """At first all tags are Bad, waiting for initial data, and no machine's state is known."""
    live = twin.live(0)
    assert (live.value, live.status, live.source_time) == (None, StatusCode.BAD_WAITING_FOR_INITIAL_DATA, 0)
    window = twin.window("press", NOW)
    assert np.isnan(window.values).all()
    assert window.fresh == frozenset()
    assert twin.state("press") is MachineState.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ValueKind.F4, 1.5),
        (ValueKind.F8, 1e300),
        (ValueKind.I8, -(2**63) + 1),
        (ValueKind.U8, 2**64 - 1),
        (ValueKind.BOOL, True),
        (ValueKind.STR, "running"),
    ],
)
def test_a_live_value_is_what_the_device_sent(
    twin: Twin, batch: Callable[..., SampleBatch], kind: ValueKind, value: Any
) -> None:
    """A live value has the type and every bit that the device sent; once Bad it is None and keeps reason and time."""
    twin.apply(batch({4: value}, NOW, NOW + 5, kind))
    live = twin.live(4)
    assert (live.value, type(live.value)) == (value, type(value))
    assert (live.status, live.source_time, live.receive_time) == (0, NOW, NOW + 5)
    twin.apply(batch({4: value}, NOW + 1, NOW + 6, kind, status=int(StatusCode.BAD_SENSOR_FAILURE)))
    live = twin.live(4)
    assert (live.value, live.status, live.source_time) == (None, StatusCode.BAD_SENSOR_FAILURE, NOW + 1)
    assert math.isnan(twin.window("saw", NOW).values[1])


def test_a_window_tells_all_of_one_machine(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """A window has values, times and status of its machine's tags, its waveforms, and what came since the last one."""
    twin.apply(batch({0: 1.5, 3: 9.0}, NOW, NOW + 1))
    wave = Waveform(np.zeros(4, np.int16), 25_600.0)
    twin.apply(batch({2: wave}, NOW, NOW + 1, ValueKind.WAVEFORM))
    twin.maintenance.add("press")
    assert twin.fresh("press") == {0, 2}
    window = twin.window("press", NOW + 2)
    assert (window.tag.tolist(), window.fresh, window.maintenance) == ([0, 1, 2], {0, 2}, True)
    assert window.values[0] == 1.5
    assert np.isnan(window.values[1:]).all()
    assert window.status.tolist() == [0, StatusCode.BAD_WAITING_FOR_INITIAL_DATA, 0]
    assert window.source_time.tolist() == [NOW, 0, NOW]
    assert window.waveforms == {2: wave}
    assert twin.window("press", NOW + 3).fresh == frozenset()
    saw = twin.window("saw", NOW + 3)
    assert (saw.fresh, saw.maintenance, saw.waveforms) == ({3}, False, {})
    twin.apply(SampleBatch.bad("g", [2], StatusCode.BAD_NOT_CONNECTED, NOW + 4))
    assert twin.window("press", NOW + 5).waveforms == {}


def test_a_window_is_not_changed_by_what_comes_later(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """A window belongs to whoever got it: the worker thread reads it while batches go on coming."""
    twin.apply(batch({0: 1.0}, NOW, NOW))
    window = twin.window("press", NOW)
    twin.apply(batch({0: 2.0}, NOW + 1, NOW + 1))
    assert window.values[0] == 1.0


def test_the_delta_has_what_is_new_in_order(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """Of repeated, late and doubled samples the delta holds the new ones, in order of time within each tag."""
    twin.apply(batch({0: 10.0}, NOW, NOW + 1))
    delta = twin.apply(
        batch(
            [(0, 3.0), (3, 1.0), (0, 2.0), (0, 2.0), (0, 9.0), (3, 0.5)],
            [NOW + 3, NOW + 1, NOW + 2, NOW + 2, NOW - 5, NOW],
            NOW + 9,
        )
    )
    assert [(int(t), float(v)) for t, v in zip(delta.tag, delta.values, strict=True)] == [
        (0, 2.0), (0, 3.0), (3, 0.5), (3, 1.0),
    ]  # fmt: skip
    assert delta.time.tolist() == [NOW + 2, NOW + 3, NOW, NOW + 1]
    assert delta.machines == {"press", "saw"}
    assert twin.live(0).value == 3.0


def test_the_same_again_confirms_and_is_not_new(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """A polled value with an unchanged source time is no new sample, but it is fresh and was received just now."""
    twin.apply(batch({0: 1.0}, NOW, NOW + 1))
    twin.window("press", NOW)
    delta = twin.apply(batch({0: 1.0}, NOW, NOW + HOUR))
    assert len(delta.tag) == 0
    assert delta.machines == frozenset()
    assert twin.live(0).receive_time == NOW + HOUR
    assert twin.fresh("press") == {0}
    assert len(twin.apply(batch({0: 1.1}, NOW, NOW + HOUR + 1)).tag) == 1
    assert len(twin.apply(batch({0: 1.1}, NOW, NOW + HOUR + 2, status=int(StatusCode.UNCERTAIN))).tag) == 1


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_a_lost_device_is_bad_whatever_its_clock_said(twin: Twin, batch: Callable[..., SampleBatch], skew: int) -> None:
    """The gateway's Bad is live although the PLC's clock is ahead, and the PLC's next value although it is behind."""
    twin.apply(batch({0: 1.0}, NOW + skew, NOW))
    delta = twin.apply(SampleBatch.bad("g", [0], StatusCode.BAD_NOT_CONNECTED, NOW + SECOND))
    assert delta.status.tolist() == [StatusCode.BAD_NOT_CONNECTED]
    assert twin.live(0).value is None
    assert len(twin.apply(batch({0: 1.0}, NOW + skew, NOW + 2 * SECOND)).tag) == 1
    assert twin.live(0).value == 1.0
    assert twin.live(0).source_time == NOW + skew


def test_a_clock_set_back_does_not_silence_a_tag(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """When a PLC's clock is set back an hour its values are live again with the third batch, and stay so."""
    twin.apply(batch({0: 0.0, 1: 0.0}, NOW, NOW + 1))
    for n in range(1, 6):
        delta = twin.apply(batch({0: float(n)}, NOW - HOUR + n * SECOND, NOW + n * SECOND))
        assert len(delta.tag) == (n >= BEHIND_BATCHES)
    assert twin.live(0).value == 5.0
    assert twin.live(1).value == 0.0


def test_late_samples_between_live_ones_change_nothing(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """A backlog that comes in between live values never takes the live value's place."""
    for n in range(10):
        assert len(twin.apply(batch({0: 100.0 + n}, NOW + n * SECOND, NOW + n * SECOND + 1)).tag) == 1
        assert len(twin.apply(batch({0: float(n)}, NOW - HOUR + n, NOW + n * SECOND + 2)).tag) == 0
    assert twin.live(0).value == 109.0


def test_the_gateways_own_stamps_survive_a_step_of_its_clock(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """Modbus values carry the gateway's time: when its clock is set back, the next value is live all the same."""
    twin.apply(batch({0: 1.0}, NOW, NOW))
    assert twin.apply(batch({0: 2.0}, NOW - HOUR, NOW - HOUR)).values.tolist() == [2.0]
    assert twin.apply(batch({0: 3.0}, 5 * SECOND, 5 * SECOND)).values.tolist() == [3.0]


def test_tags_that_are_not_in_the_table_are_ignored(twin: Twin, batch: Callable[..., SampleBatch]) -> None:
    """Indices beyond the table, negative ones and holes left by a reload are passed over, their neighbours taken."""
    press = Machine("press", (Tag("press-a", "a", "press", Role.OTHER),))
    table = TagTable([*press.tags, Tag("gone", "gone", "press", Role.OTHER)])
    twin.configure(table, [press])
    table.replace(press.tags)
    twin.configure(table, [press])
    delta = twin.apply(batch([(0, 1.0), (1, 2.0), (99, 3.0), (-1, 4.0)], NOW, NOW))
    assert delta.tag.tolist() == [0]
    assert len(twin.apply(batch({1: 1.0}, NOW, NOW)).tag) == 0
    assert len(twin.apply(SampleBatch.of("g", ValueKind.F8, [], [])).tag) == 0


def test_a_reload_keeps_the_state_of_what_stays(
    machine: Callable[..., Machine], batch: Callable[..., SampleBatch]
) -> None:
    """After a reload tags and machines that stay keep value, times, freshness and state; new ones wait."""
    press = machine("press", a="temperature", mode="state", who="other")
    table = TagTable(press.tags)
    twin = Twin(table, [press])
    twin.apply(batch({0: 1.5}, NOW, NOW))
    twin.apply(batch({1: "producing", 2: "mia"}, NOW, NOW, ValueKind.STR))
    saw = machine("saw", a="temperature")
    table.replace((*saw.tags, *press.tags[:2]))
    twin.configure(table, [saw, press])
    assert twin.state("press") is MachineState.PRODUCING
    window = twin.window("press", NOW)
    assert (window.tag.tolist(), window.values[0], window.fresh) == ([0, 1], 1.5, {0, 1})
    assert twin.live(1).value == "producing"
    assert twin.live(table.index("saw-a")).status == StatusCode.BAD_WAITING_FOR_INITIAL_DATA
    table.replace((*saw.tags, *press.tags))
    twin.configure(table, [saw, press])
    assert twin.live(table.index("press-who")).value is None
    with pytest.raises(KeyError):
        twin.window("lathe", NOW)


def test_a_change_of_state_comes_with_the_delta(
    machine: Callable[..., Machine], batch: Callable[..., SampleBatch]
) -> None:
    """A batch that changes what a machine does tells so once, by the gateway's clock."""
    press = machine("press", mode="state")
    twin = Twin(TagTable(press.tags), [press])
    delta = twin.apply(batch({0: "idle"}, NOW - HOUR, NOW, ValueKind.STR))
    assert [(c.before, c.after, c.time) for c in delta.states] == [(MachineState.UNKNOWN, MachineState.IDLE, NOW)]
    assert twin.apply(batch({0: "idle"}, NOW - HOUR + 1, NOW + 1, ValueKind.STR)).states == ()
    lost = twin.apply(SampleBatch.bad("g", [0], StatusCode.BAD_NOT_CONNECTED, NOW + 2))
    assert [change.after for change in lost.states] == [MachineState.UNKNOWN]


# One sample at a time, in order of source time within a batch: what the arrays must come to.


@dataclass
class _Live:
    value: Any = None
    status: int = int(StatusCode.BAD_WAITING_FOR_INITIAL_DATA)
    source: int = 0
    received: int = 0
    open: bool = True
    behind: int = 0


@dataclass
class _Naive:
    tags: dict[int, _Live] = field(default_factory=dict)

    def apply(self, samples: list[tuple[int, Any, int, int]], received: int) -> list[tuple[int, Any, int, int]]:
        news = []
        for tag, live in self.tags.items():
            mine = sorted((s for s in samples if s[0] == tag), key=lambda s: s[3])
            if mine and not live.open and not self._forced(mine[-1], received) and mine[-1][3] < live.source - BEHIND:
                live.behind += 1
                live.open = live.behind >= BEHIND_BATCHES
            for sample in mine:
                _, value, status, source = sample
                value = None if is_bad(status) else value
                forced = self._forced(sample, received)
                if not (live.open or forced or source >= live.source):
                    continue
                if (source, status, value) != (live.source, live.status, live.value):
                    live.value, live.status, live.source = value, status, source
                    live.open, live.behind = forced, 0
                    news.append((tag, value, status, source))
                live.received = received
        return news

    @staticmethod
    def _forced(sample: tuple[int, Any, int, int], received: int) -> bool:
        return sample[3] == received or sample[2] & 0xFFFF_0000 in _LOST


_T = NOW
_times = st.integers(_T - 3, _T + 3) | st.sampled_from([_T - HOUR, _T - HOUR + 1, _T + HOUR, 1])
_codes = st.sampled_from([0, 0, 0, int(StatusCode.UNCERTAIN), int(StatusCode.BAD_OUT_OF_RANGE), *map(int, _LOST)])
_samples = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), _codes, _times), max_size=6)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([ValueKind.F8, ValueKind.I8, ValueKind.STR]), st.lists(st.tuples(_samples, _times), max_size=9))
@example(
    ValueKind.F8, [([(0, 1, 0, _T)], _T + 1), ([(0, 1, int(StatusCode.BAD_TIMEOUT), _T - 9), (0, 1, 0, _T)], _T + 2)]
)
def test_arrays_come_to_what_one_sample_at_a_time_would(
    kind: ValueKind, batches: list[tuple[list[tuple[int, int, int, int]], int]]
) -> None:
    """Whatever comes, the delta and the live values are those of a plain loop over the samples."""
    press = Machine("press", tuple(Tag(f"t{n}", f"t{n}", "press", Role.OTHER) for n in range(3)))
    twin, naive = Twin(TagTable(press.tags), [press]), _Naive({n: _Live() for n in range(3)})
    convert = {ValueKind.F8: float, ValueKind.I8: int, ValueKind.STR: str}[kind]
    for samples, received in batches:
        typed = [(tag, convert(value), status, source) for tag, value, status, source in samples]
        columns = [list(column) for column in zip(*typed, strict=True)] or [[], [], [], []]
        delta = twin.apply(
            SampleBatch.of(
                "g", kind, columns[0], columns[1],
                status=columns[2], source_time=columns[3], receive_time=received,
            )
        )  # fmt: skip
        news = naive.apply(typed, received)
        told = sorted(zip(delta.tag.tolist(), delta.time.tolist(), delta.status.tolist(), strict=True))
        assert told == sorted((tag, source, status) for tag, _, status, source in news)
        for tag, live in naive.tags.items():
            found = twin.live(tag)
            assert (found.value, found.status, found.source_time) == (live.value, live.status, live.source)
            assert found.receive_time == live.received

"""Minutes, hours and days: whatever the folds and the order, they are what one would count by hand."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import DAY, HOUR, MINUTE, SECOND
from shoptwin.store.resolution import step_for
from shoptwin.store.retention import Keep
from shoptwin.store.rollups import TABLES
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shoptwin.store.series import Rollup

NOW = 1_764_000_000 * SECOND // DAY * DAY
ALL = (-(2**63), 2**63 - 1)
FIGURES = ("time", "count", "good", "minimum", "mean", "maximum", "last")


def put(store: SampleStore, time: list[int], values: list[float], *, bad: bool = False, past: bool = False) -> None:
    """Take in samples of press-a that come at once."""
    status = np.full(len(time), StatusCode.BAD_TIMEOUT if bad else StatusCode.GOOD, np.uint32)
    batch = SampleBatch.of(
        "g", ValueKind.F8, np.zeros(len(time), int), np.array(values), source_time=np.array(time, np.int64),
        receive_time=NOW + DAY, status=status,
    )  # fmt: skip
    store.append(replace(batch, backfill=past))
    store.flush()


def without_samples(store: SampleStore) -> None:
    """Take away all that is folded, as retention would."""
    raw = sqlite3.connect(store.path)
    raw.execute("DELETE FROM chunks")
    raw.commit()
    raw.close()


def rows(store: SampleStore) -> list[int]:
    """Return how many rows of minutes, hours and days there are."""
    raw = sqlite3.connect(store.path)
    counts = [raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES.values()]  # noqa: S608 - ours
    raw.close()
    return counts


def figures(rollup: Rollup) -> list[tuple[float, ...]]:
    columns = [np.asarray(getattr(rollup, name), float) for name in FIGURES]
    columns[1:] = [np.round(column, 6) for column in columns[1:]]
    return [tuple("-" if np.isnan(v) else v for v in row) for row in zip(*(c.tolist() for c in columns), strict=True)]


@st.composite
def comings(draw: st.DrawFn) -> list[tuple[list[int], list[float], bool, bool, bool]]:
    """Draw what comes, some at a time: times within two days, values, Bad, told belatedly, and whether it is folded."""
    moment = st.integers(0, 2 * DAY // SECOND).map(lambda second: NOW + second * SECOND)
    out, seen = [], set()
    for _ in range(draw(st.integers(1, 5))):
        time = [t for t in draw(st.lists(moment, min_size=1, max_size=8, unique=True)) if t not in seen]
        seen |= set(time)
        values = draw(st.lists(st.integers(-50, 50).map(float), min_size=len(time), max_size=len(time)))
        if time:
            out.append((time, values, draw(st.booleans()), draw(st.booleans()), draw(st.booleans())))
    return out


@pytest.mark.parametrize("step", [MINUTE, 2 * MINUTE, HOUR, 3 * HOUR, DAY], ids=lambda step: f"{step // MINUTE}m")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(comings())
def test_rows_are_what_samples_give(
    tmp_path_factory: pytest.TempPathFactory,
    table: TagTable,
    step: int,
    came: list[tuple[list[int], list[float], bool, bool, bool]],
) -> None:
    """Figures are the same from samples, from rows, and from both, in whatever order and folds the samples came."""
    store = SampleStore.open(tmp_path_factory.mktemp("r") / "twin.db", table, Keep(samples=DAY))
    try:
        for time, values, bad, past, folded in came:
            put(store, time, values, bad=bad, past=past)
            if folded:
                store.fold()
        series = store.read("press-a", *ALL)
        expected = by_hand(series.time, series.values, series.status, step)
        assert figures(store.rollup("press-a", *ALL, step)) == expected
        store.fold()
        without_samples(store)
        assert figures(store.rollup("press-a", *ALL, step)) == expected
    finally:
        store.close()


def by_hand(time: np.ndarray, values: np.ndarray, status: np.ndarray, step: int) -> list[tuple[float, ...]]:
    rows = []
    for bucket in sorted(set((time // step).tolist())):
        here = time // step == bucket
        good = here & (status == 0)
        some = values[good].astype(float)
        told = (some.min(), some.mean(), some.max(), some[-1]) if len(some) else ("-",) * 4
        numbers = (round(float(v), 6) if v != "-" else v for v in told)
        rows.append((float(bucket * step), float(here.sum()), float(good.sum()), *numbers))
    return rows


def test_many_samples_are_summed_some_tags_at_a_time(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more came than is summed at once, each tag's figures are its own, and whole."""
    monkeypatch.setattr("shoptwin.store.rollups.AT_ONCE", 7)
    for n in range(20):
        at = NOW + n * SECOND
        values = [100.0 * tag + n for tag in range(4)]
        store.append(SampleBatch.of("g", ValueKind.F8, range(4), values, source_time=at, receive_time=at))
        store.flush()
    store.fold()
    without_samples(store)
    for tag, name in enumerate("abcd"):
        rollup = store.rollup(f"press-{name}", *ALL, MINUTE)
        assert (rollup.count.tolist(), rollup.mean.tolist()) == ([20], [100.0 * tag + 9.5])


def test_hours_answer_with_samples_at_the_edges(store: SampleStore) -> None:
    """A range that begins and ends within an hour counts the samples in it, and no others."""
    time = [NOW + n * MINUTE for n in range(5 * 60)]
    put(store, time, list(range(len(time))))
    store.fold()
    rollup = store.rollup("press-a", NOW + 30 * MINUTE, NOW + 4 * HOUR + 20 * MINUTE, HOUR)
    assert rollup.count.tolist() == [30, 60, 60, 60, 20]
    assert rollup.minimum.tolist() == [30, 60, 120, 180, 240]


def test_minutes_answer_where_samples_are_gone(store: SampleStore) -> None:
    """After retention has taken samples, a range over both is told of minutes first, and of samples from there on."""
    for first in (0, 600):
        time = [NOW + n * SECOND for n in range(first, first + 600)]
        put(store, time, [float(n) for n in range(first, first + 600)])
        store.fold()
    raw = sqlite3.connect(store.path)
    raw.execute("DELETE FROM chunks WHERE chunk = (SELECT min(chunk) FROM chunks)")
    raw.commit()
    raw.close()
    assert store.read("press-a", *ALL).time[0] == NOW + 600 * SECOND
    rollup = store.rollup("press-a", *ALL, 5 * MINUTE)
    assert rollup.count.tolist() == [300, 300, 300, 300]
    assert rollup.mean.tolist() == [149.5, 449.5, 749.5, 1049.5]
    assert len(store.rollup("press-a", *ALL, 30 * SECOND)) == 20, "below a minute only samples can tell"


def test_a_clock_that_is_centuries_off_costs_no_time(store: SampleStore) -> None:
    """Samples of the years 1700 and 2200 are rows like any other, and what lies between costs nothing."""
    put(store, [-(2**63) + 2 * DAY, NOW, 2**63 - 2 * DAY], [1.0, 2.0, 3.0])
    put(store, [-(2**63)], [9.0])  # no calendar has it: a sample it is, a row it cannot be
    store.fold()
    without_samples(store)
    assert store.rollup("press-a", *ALL, MINUTE).mean.tolist() == [1.0, 2.0, 3.0]
    assert store.rollup("press-a", *ALL, DAY).count.tolist() == [1, 1, 1]


def test_rows_go_by_their_age(store: SampleStore) -> None:
    """Minutes go after `keep_minutes`, hours after `keep_hours`, days stay; it is told how many went."""
    old = [NOW - 800 * DAY, NOW - 90 * DAY, NOW - DAY]
    put(store, old, [1.0, 2.0, 3.0])
    store.fold()
    dropped = store.retain(NOW)
    assert dropped.aged.rollups == 3  # two minutes and an hour
    assert rows(store) == [1, 2, 3]
    raw = sqlite3.connect(store.path)
    assert raw.execute("SELECT sum(rollups) FROM dropped WHERE reason = 'age'").fetchone() == (3,)
    raw.close()


def test_for_room_minutes_go_before_hours_and_days(store: SampleStore, table: TagTable) -> None:
    """Where a file may hold next to nothing, minutes go, and hours and days of the same time stay longer."""
    time = [NOW + n * MINUTE for n in range(40 * 24 * 60)]
    put(store, time, np.random.default_rng(1).normal(size=len(time)).tolist())
    store.fold()
    store.configure(table, Keep(max_bytes=400_000))
    shed = store.retain(NOW).shed
    assert shed.samples == len(time)
    assert shed.rollups > 20_000
    minutes, hours, days = rows(store)
    assert minutes < len(time)
    assert (hours, days) == (40 * 24, 40)


def test_files_of_before_get_their_rows(store: SampleStore, table: TagTable) -> None:
    """A file whose samples were folded before there were minutes has them once it is opened."""
    put(store, [NOW + n * SECOND for n in range(200)], [float(n) for n in range(200)])
    store.fold()
    store.close()
    raw = sqlite3.connect(store.path)
    for name in ("minutes", "hours", "days", "state_times"):
        raw.execute(f"DROP TABLE {name}")
    for name in ("unfilled",):
        raw.execute(f"DROP TABLE {name}")
    raw.execute("DROP INDEX idx_waveforms_tag_kept")
    raw.execute("DROP INDEX idx_waveforms_kept")
    for name, column in (("dropped", "rollups"), ("dropped", "waveforms"), ("waveforms", "kept")):
        raw.execute(f"ALTER TABLE {name} DROP COLUMN {column}")
    raw.execute("PRAGMA user_version = 3")
    raw.commit()
    raw.close()
    again = SampleStore.open(store.path, table, Keep())
    try:
        put(again, [NOW + n * SECOND for n in range(200, 240)], [float(n) for n in range(200, 240)])
        again.fold()
        assert again.rollup("press-a", *ALL, HOUR).count.tolist() == [240], "from samples until all is added"
        again.retain(NOW + DAY)
        without_samples(again)
        assert again.rollup("press-a", *ALL, MINUTE).count.tolist() == [60] * 4
    finally:
        again.close()


@pytest.mark.parametrize(
    ("span", "points", "step"),
    [(DAY, 1000, 2 * MINUTE), (HOUR, 3600, SECOND), (30 * DAY, 1000, HOUR), (3650 * DAY, 500, 14 * DAY),
     (3650 * DAY, 10, 28 * 14 * DAY), (0, 100, SECOND)],
)  # fmt: skip
def test_a_step_that_people_would_take(span: int, points: int, step: int) -> None:
    """So many points of a range ask for a step of the clock or the calendar, the smallest that is enough."""
    assert step_for(span, points) == step


@pytest.fixture
def states(tmp_path: Path) -> Iterator[SampleStore]:
    """An open store with one state tag."""
    tags = TagTable([Tag("m-state", "state", "m", Role.STATE), Tag("m-other", "other", "m", Role.OTHER)])
    opened = SampleStore.open(tmp_path / "twin.db", tags, Keep(samples=400 * DAY))
    yield opened
    opened.close()


def tell(store: SampleStore, told: list[tuple[int, float | None]]) -> None:
    """Take in what a state tag tells, second by second; None is Bad."""
    for second, value in told:
        time = NOW + second * SECOND
        status = StatusCode.BAD_TIMEOUT if value is None else StatusCode.GOOD
        store.append(SampleBatch.of(
            "g", ValueKind.F4, [0, 1], [value or 0.0, 1.0], source_time=time, receive_time=time,
            status=np.full(2, status, np.uint32),
        ))  # fmt: skip
    store.flush()
    store.fold()


def state_rows(store: SampleStore, step: int) -> list[tuple[int, str, float]]:
    raw = sqlite3.connect(store.path)
    sql = "SELECT (time - ?) / 1000000000, state, seconds FROM state_times WHERE step = ? ORDER BY 1, 2"
    rows = raw.execute(sql, (NOW, step)).fetchall()
    raw.close()
    return rows


def test_how_long_each_state_lasted(states: SampleStore) -> None:
    """A state lasts until the next sample, over folds and minutes; a Bad one counts for none; other tags have none."""
    tell(states, [(0, 1), (50, 2)])
    tell(states, [(70, 2), (80, None), (100, 1), (110, 1)])
    assert state_rows(states, MINUTE) == [(0, "1", 50.0), (0, "2", 10.0), (60, "1", 10.0), (60, "2", 20.0)]
    assert state_rows(states, HOUR) == [(0, "1", 60.0), (0, "2", 30.0)]
    assert state_rows(states, DAY) == [(0, "1", 60.0), (0, "2", 30.0)]


def test_a_state_is_not_believed_for_ever(states: SampleStore) -> None:
    """Nothing is claimed beyond an hour without a sample, nor of the time in which the gateway was off."""
    tell(states, [(0, 1), (2 * 3600, 1)])
    assert state_rows(states, DAY) == [(0, "1", 3600.0)]
    assert [seconds for _, _, seconds in state_rows(states, MINUTE)] == [60.0] * 60
    states.close()
    tags = TagTable([Tag("m-state", "state", "m", Role.STATE)])
    again = SampleStore.open(states.path, tags, Keep(samples=400 * DAY))
    tell(again, [(2 * 3600 + 600, 1), (2 * 3600 + 610, 2)])
    again.close()
    assert state_rows(again, DAY) == [(0, "1", 3610.0)]


def test_good_and_bad_at_one_time(states: SampleStore) -> None:
    """A state that turns Bad without a new time, as OPC UA tells it, ends there; what is told later goes on."""
    tell(states, [(0, 1), (10, 2), (10, None), (20, 2), (25, 3), (25, 1), (30, 1)])
    assert state_rows(states, HOUR) == [(0, "1", 15.0), (0, "2", 5.0)]


def test_times_that_go_backwards_claim_nothing(states: SampleStore) -> None:
    """A sample from the future, or a clock that is set back, costs what lies between, and nothing after it."""
    tell(states, [(0, 1), (10, 1), (400 * 24 * 3600, 1)])
    tell(states, [(20, 1), (30, 1), (40, 1)])
    assert next(row for row in state_rows(states, HOUR) if row[0] == 0)[2] == 10.0 + 3590.0 + 20.0
    tell(states, [(50, 1)])
    assert sum(seconds for _, _, seconds in state_rows(states, DAY)) == 10.0 + 3600.0 + 30.0


def test_a_rolled_back_second_loses_no_seam(states: SampleStore, failing_once: Any) -> None:
    """A transaction that failed between two folds changes nothing of what is known of a state."""
    tell(states, [(0, 1), (10, 1)])
    calls = failing_once(states)
    tell(states, [(40, 1)])
    while states.failure or states.stats()["waiting"]:
        states.flush()
    states.fold()
    assert len(calls) > 1, "it failed, and was done again"
    assert state_rows(states, DAY) == [(0, "1", 40.0)]


def test_large_whole_states_keep_their_names(states: SampleStore) -> None:
    """States that are large numbers are told apart."""
    tell(states, [(0, 1234567.0), (10, 1234568.0), (20, 1.0)])
    assert state_rows(states, HOUR) == [(0, "1234567", 10.0), (0, "1234568", 10.0)]


def test_a_backfill_of_long_ago_hides_no_minutes(store: SampleStore) -> None:
    """One sample of 1970, told by a clock that was lost, does not let minutes be forgotten whose samples are gone."""
    put(store, [NOW + n * MINUTE for n in range(10)], [1.0] * 10)
    store.fold()
    without_samples(store)
    put(store, [NOW + HOUR], [1.0])
    store.fold()
    put(store, [5 * SECOND], [1.0], past=True)
    store.fold()
    assert store.rollup("press-a", NOW, NOW + 2 * HOUR, MINUTE).count.tolist() == [1] * 11


def wave(store: SampleStore, at: int, tag: int = 0) -> None:
    """Take in a waveform that tells when it came."""
    burst = Waveform(np.full(8, (at - NOW) // MINUTE, np.int16), 1000.0)
    store.append(SampleBatch.of("g", ValueKind.WAVEFORM, [tag], [burst], source_time=at, receive_time=at))
    store.flush()


def kept(store: SampleStore) -> list[tuple[int, int]]:
    raw = sqlite3.connect(store.path)
    rows = raw.execute("SELECT (time - ?) / ?, kept FROM waveforms ORDER BY rowid", (NOW, MINUTE)).fetchall()
    raw.close()
    return rows


def test_waveforms_are_thinned_by_a_rule(store: SampleStore) -> None:
    """Beyond the last twenty stay the first of each hour, for two days, and of each day, as long as samples."""
    for quarter in range(3 * 24 * 4):
        wave(store, NOW + quarter * 15 * MINUTE)
    end = NOW + 3 * DAY
    store.retain(end)
    found = kept(store)
    assert [minute for minute, why in found if why == 2] == [0, 1440, 2880]
    hours = [minute for minute, why in found if why == 1]
    assert hours == [minute for minute in range(1440, 3 * 1440, 60) if minute % 1440]
    assert [minute for minute, why in found if why == 0] == [
        minute for minute in range(3 * 1440 - 15, 0, -15) if minute % 60
    ][:15][::-1]
    store.retain(end + 40 * DAY)
    assert kept(store) == []


def test_waveforms_around_an_alarm_stay(store: SampleStore) -> None:
    """The last twenty when an alarm is raised, and those of ten minutes after it, outlast those that come later."""
    for minute in range(1, 30):
        wave(store, NOW + minute * MINUTE)
    store.alarmed("press", NOW + 29 * MINUTE)
    store.flush()
    for minute in range(30, 90):
        wave(store, NOW + minute * MINUTE)
    wave(store, NOW + 90 * MINUTE, tag=1)
    around = [minute for minute, why in kept(store) if why == 3]
    assert around == [*range(10, 39)]
    store.retain(NOW + 40 * DAY)
    assert [minute for minute, _ in kept(store)] == around


def test_alarms_that_flap_do_not_keep_everything(store: SampleStore) -> None:
    """At most a hundred waveforms of a tag are kept for alarms, the latest."""
    for minute in range(150):
        store.alarmed("press", NOW + minute * MINUTE)
        wave(store, NOW + minute * MINUTE)
    around = [minute for minute, why in kept(store) if why == 3]
    assert len(around) == 100
    assert around[-1] == 149
    assert all(later == before + 1 for before, later in pairwise(around))


def test_a_clock_that_was_ahead_keeps_nothing_for_ever(store: SampleStore) -> None:
    """An alarm that was raised by a clock that is set back later makes no waveform one around an alarm."""
    store.alarmed("press", NOW + 400 * DAY)
    store.flush()
    for minute in range(30):
        wave(store, NOW + minute * MINUTE)
    assert 3 not in [why for _, why in kept(store)]


def test_for_room_waveforms_go_first(store: SampleStore, table: TagTable) -> None:
    """A file that is too large gives up thinned waveforms first; those around alarms stay while there are samples."""
    rng = np.random.default_rng(1)
    for hour in range(40):
        burst = Waveform(rng.integers(-9999, 9999, 8192).astype(np.int16), 1000.0)
        at = NOW + hour * HOUR
        store.append(SampleBatch.of("g", ValueKind.WAVEFORM, [0], [burst], source_time=at, receive_time=at))
        store.flush()
    store.alarmed("press", NOW + 39 * HOUR)
    store.flush()
    put(store, [NOW + n * SECOND for n in range(100)], [1.0] * 100)
    store.configure(table, Keep(samples=400 * DAY, max_bytes=500_000))
    shed = store.retain(NOW + 39 * HOUR).shed
    assert 8 < shed.waveforms <= 20
    assert [why for _, why in kept(store)].count(3) == 20

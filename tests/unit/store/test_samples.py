"""The sample store: what is read is what was taken in, whatever it was and whatever happened to the disk."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shoptwin.domain.assessment import Observation
from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.errors import StoreCorrupt, StoreError, StoreFull
from shoptwin.domain.machine import MachineState
from shoptwin.domain.quality import StatusCode, is_bad
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import DAY, MINUTE, SECOND
from shoptwin.store import samples as samples_module
from shoptwin.store.files import open_reader
from shoptwin.store.history import stretches
from shoptwin.store.retention import Keep
from shoptwin.store.sample_reader import SampleReader
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = 1_764_000_000 * SECOND
ALL = (-(2**63), 2**63 - 1)


def batch(values: Any, *, tag: Any = 0, kind: ValueKind = ValueKind.F8, at: Any = NOW, **more: Any) -> SampleBatch:
    values = values if isinstance(values, list) else [values]
    tags = [tag] * len(values) if isinstance(tag, int) else tag
    more.setdefault("receive_time", NOW)
    return SampleBatch.of("g", kind, tags, values, source_time=at, **more)


_VALUES = {
    ValueKind.F4: st.floats(width=32),
    ValueKind.F8: st.floats(),
    ValueKind.I8: st.integers(-(2**63), 2**63 - 1),
    ValueKind.U8: st.integers(0, 2**64 - 1),
    ValueKind.BOOL: st.booleans(),
    ValueKind.STR: st.text(),
}
_TIMES = st.integers(NOW - 3, NOW + 3) | st.integers(*ALL)
_CODES = st.sampled_from([int(code) for code in StatusCode]) | st.integers(0, 2**32 - 1)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleStore]:
    """One store for all examples; each takes a tag of its own."""
    path = tmp_path_factory.mktemp("shared") / "twin.db"
    opened = SampleStore.open(path, TagTable(), Keep(samples=30 * DAY, max_bytes=1 << 30))
    yield opened
    opened.close()


@st.composite
def _series(draw: st.DrawFn) -> list[tuple[ValueKind, list[tuple[Any, int, int, int]]]]:
    """Draw some batches of one tag: kind and (value, status, source time, server time)."""
    kinds = draw(st.lists(st.sampled_from(list(_VALUES)), min_size=1, max_size=3))
    sample = {k: st.tuples(_VALUES[k], _CODES, _TIMES, st.just(0) | _TIMES) for k in _VALUES}
    return [(kind, draw(st.lists(sample[kind], min_size=1, max_size=8))) for kind in kinds]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_series(), st.integers(*ALL), st.booleans())
@example([(ValueKind.U8, [(2**64 - 1, 0, NOW, NOW + 5), (2**63, 0, NOW, 0)])], NOW, True)
@example([(ValueKind.F4, [(0.0, 0, NOW, 0), (1.0, 0, -7_459_372_036_854_775_812, 0)])], 0, False)
@example([(ValueKind.F8, [(-0.0, 0, NOW, 0), (float("inf"), 0, NOW - 1, 0), (1e308, 0, NOW, 0)])], NOW, True)
def test_any_series_comes_back_exactly(
    shared: SampleStore, drawn: list[tuple[ValueKind, list[tuple[Any, int, int, int]]]], received: int, fold: bool
) -> None:
    """Values, codes and times of any series are read as taken in, in order of time, then of arrival; folded or not."""
    table = TagTable([Tag(f"tag-{next(_numbers)}", "x", "m", Role.OTHER)])
    shared._buffer._tags.clear()
    shared.configure(table)
    taken: list[tuple[int, Any, int, ValueKind, int]] = []
    for kind, rows in drawn:
        taking = SampleBatch.of(
            "g", kind, [0] * len(rows), [row[0] for row in rows], status=[row[1] for row in rows],
            source_time=[row[2] for row in rows], server_time=[row[3] for row in rows], receive_time=received,
        )  # fmt: skip
        shared.append(taking)
        columns = (taking.source_time, taking.values, taking.status, taking.server_time)
        taken += [(int(t), v, int(s), kind, int(x)) for t, v, s, x in zip(*columns, strict=True)]
    shared.flush()
    expected = sorted((row for row in taken if row[0] < ALL[1]), key=lambda row: row[0])
    if fold:
        shared.fold()
    series = shared.read(table[0].id, *ALL)
    assert series.time.tolist() == [row[0] for row in expected]
    assert series.status.tolist() == [row[2] for row in expected]
    for value, (_, was, status, kind, _) in zip(series.values, expected, strict=True):
        if not is_bad(status):
            _assert_same(value, was, kind)
    kinds = {kind for _, was, status, kind, _ in expected if not is_bad(status) and was is not None}
    if len(kinds) == 1:
        assert series.values.dtype == np.dtype(kinds.pop().dtype)
    times = shared.reader.times(table[0].id, *ALL)
    assert times[:, 1].tolist() == [row[4] for row in expected]
    assert set(times[:, 2].tolist()) <= {received}


def _assert_same(value: Any, was: Any, kind: ValueKind) -> None:
    if kind is ValueKind.STR:
        assert value == was
    elif kind in {ValueKind.F4, ValueKind.F8}:
        assert np.float64(value).tobytes() == np.float64(was).tobytes()
    else:
        assert int(value) == int(was)


def test_a_range_includes_its_start_and_not_its_stop(store: SampleStore) -> None:
    """Reading takes samples from start on and before stop; what is not there gives an empty series."""
    store.append(batch([1.0, 2.0, 3.0], at=[NOW, NOW + 1, NOW + 2]))
    store.flush()
    assert store.read("press-a", NOW, NOW + 2).values.tolist() == [1.0, 2.0]
    assert len(store.read("press-b", NOW, NOW + 2)) == 0
    assert len(store.read("nobody", *ALL)) == 0
    assert len(store.rollup("nobody", *ALL, MINUTE)) == 0
    assert store.read_waveforms("nobody") == []


def test_bad_data_is_kept_as_bad(store: SampleStore) -> None:
    """A lost device leaves rows without a value and with the reason, also among a counter's integers."""
    store.append(batch([2**62 + 1], kind=ValueKind.I8))
    store.append(SampleBatch.bad("g", [0], StatusCode.BAD_NOT_CONNECTED, NOW + 1))
    store.append(batch([2**62 + 2], kind=ValueKind.I8, at=NOW + 2))
    store.flush()
    series = store.read("press-a", *ALL)
    assert series.values.dtype == np.int64
    assert series.values.tolist() == [2**62 + 1, 0, 2**62 + 2]
    assert series.status.tolist() == [0, StatusCode.BAD_NOT_CONNECTED, 0]


def test_a_text_that_is_no_unicode(store: SampleStore) -> None:
    """Half a surrogate pair is kept as `?`."""
    store.append(batch(["a\ud800b", "ä"], tag=[0, 0], kind=ValueKind.STR, at=[NOW, NOW + 1]))
    store.flush()
    assert list(store.read("press-a", *ALL).values) == ["a?b", "ä"]


def test_a_long_series_is_read_in_parts_of_one_type(store: SampleStore, folding: Callable[[int], None]) -> None:
    """A series that is read in several parts has one dtype, also when in one part all is Bad or of another kind."""
    folding(1)
    store.append(batch([1, 2], kind=ValueKind.U8, at=[NOW, NOW + 1]))
    store.append(batch([np.nan, np.nan], at=[NOW + 2, NOW + 3]))
    store.append(batch([2**64 - 1], kind=ValueKind.U8, at=NOW + 4))
    store.append(batch([1.5, 2.5], tag=1, at=[NOW, NOW + 1]))
    store.append(batch([1.5], tag=1, kind=ValueKind.F4, at=NOW + 2))
    store.append(batch([1.5, 2.5], tag=2, at=[NOW, NOW + 1]))
    store.append(batch(["run", None], tag=2, kind=ValueKind.STR, at=[NOW + 2, NOW + 3]))
    store.append(batch([np.nan], tag=2, at=[NOW + 4]))
    store.flush()
    whole = store.read("press-a", *ALL)
    assert whole.values.dtype == np.uint64
    assert whole.values.tolist() == [1, 2, 0, 0, 2**64 - 1]
    assert store.read("press-b", *ALL).values.dtype == np.float64
    assert store.read("press-c", *ALL).values.tolist() == [1.5, 2.5, "run", None, None]
    rollup = store.rollup("press-a", *ALL, SECOND)
    assert rollup.count.tolist() == [5]
    assert rollup.last.tolist() == [float(2**64 - 1)]


def test_waveforms_are_kept_exactly_and_the_last_ones_only(store: SampleStore) -> None:
    """The last twenty waveforms of each tag are kept bit by bit, with rate and scale; a Bad one is a Bad sample."""
    rng = np.random.default_rng(1)
    bursts = [Waveform(rng.integers(-30_000, 30_000, 64).astype(np.int16), 25_600.0, 0.01) for _ in range(25)]
    floats = Waveform(rng.normal(size=100).astype(np.float32), 51_200.0)
    store.append(batch([floats], tag=1, kind=ValueKind.WAVEFORM))
    for n, burst in enumerate(bursts):
        store.append(batch([burst], kind=ValueKind.WAVEFORM, at=NOW + n))
    store.append(batch([None], kind=ValueKind.WAVEFORM, at=NOW + 99, status=int(StatusCode.BAD_SENSOR_FAILURE)))
    store.flush()
    kept = store.read_waveforms("press-a")
    assert [at for at, _ in kept] == [NOW + n for n in range(5, 25)]
    for (_, read), burst in zip(kept, bursts[5:], strict=True):
        assert read.samples.dtype == np.int16
        assert read.samples.tolist() == burst.samples.tolist()
        assert (read.rate, read.scale) == (burst.rate, burst.scale)
    assert [at for at, _ in store.read_waveforms("press-a", 2)] == [NOW + 23, NOW + 24]
    ((_, other),) = store.read_waveforms("press-b")
    assert other.samples.tobytes() == floats.samples.tobytes()
    assert store.read("press-a", *ALL).status.tolist() == [StatusCode.BAD_SENSOR_FAILURE]


def test_observations_come_back_as_one_table(store: SampleStore) -> None:
    """Observations of a range come back in order, float32 bit by bit; where names changed the new columns are added."""
    seen = [
        Observation("press", "process", NOW, MachineState.PRODUCING, ("a", "b"), np.float32([0.1, 2])),
        Observation("press", "process", NOW + 2, MachineState.IDLE, ("b", "c"), np.float32([5, np.nan])),
        Observation("press", "process", NOW + 1, MachineState.PRODUCING, ("a", "b"), np.float32([3, 4])),
        Observation("press", "vibration", NOW, MachineState.PRODUCING, ("a",), np.float32([9])),
        Observation("press", "process", NOW + 9, MachineState.PRODUCING, ("a", "b"), np.float32([7, 8])),
    ]
    store.append_observations(seen)
    store.flush()
    found = store.observations("press", "process", NOW, NOW + 9)
    assert found.names == ("a", "b", "c")
    assert found.time.tolist() == [NOW, NOW + 1, NOW + 2]
    expected = np.float32([[0.1, 2, np.nan], [3, 4, np.nan], [np.nan, 5, np.nan]])
    np.testing.assert_array_equal(found.values, expected)
    assert found.state == ["producing", "producing", "idle"]
    nothing = store.observations("saw", "process", *ALL)
    assert nothing.values.shape == (0, 0)


_step = st.sampled_from([1, 7, 1000])
_figure = st.tuples(st.integers(-50, 50), st.floats(-1e6, 1e6) | st.just(float("nan")), _CODES)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_figure, max_size=30), _step, st.integers(1, 9))
def test_a_rollup_is_what_one_would_count_by_hand(
    shared: SampleStore, rows: list[tuple[int, float, int]], step: int, part: int
) -> None:
    """Counts, share, minimum, mean, maximum and last of each bucket are those of a plain loop over its samples."""
    table = TagTable([Tag(f"tag-{next(_numbers)}", "x", "m", Role.OTHER)])
    shared._buffer._tags.clear()
    shared.configure(table)
    for i in range(0, len(rows), part):  # chunks of so many, the rest in the journal
        shared.fold()
        times, values, codes = zip(*rows[i : i + part], strict=True)
        shared.append(batch(list(values), at=list(times), status=list(codes)))
        shared.flush()
    buckets: dict[int, list[tuple[float, int]]] = {}
    for at, value, code in sorted(rows, key=lambda row: row[0]):
        status = int(StatusCode.BAD_OUT_OF_RANGE) if np.isnan(value) and not code & 0x8000_0000 else code
        buckets.setdefault(at // step * step, []).append((value, status))
    rollup = shared.rollup(table[0].id, *ALL, step)
    assert rollup.time.tolist() == list(buckets)
    for i, samples in enumerate(buckets.values()):
        used = [value for value, status in samples if not is_bad(status)]
        assert rollup.count[i] == len(samples)
        assert rollup.good[i] == sum(status >> 30 == 0 for _, status in samples)
        if used:
            figures = (rollup.minimum[i], rollup.maximum[i], rollup.last[i])
            assert figures == (min(used), max(used), used[-1])
            assert rollup.mean[i] == pytest.approx(sum(used) / len(used), abs=1e-6)
        else:
            assert np.isnan([rollup.minimum[i], rollup.mean[i], rollup.maximum[i], rollup.last[i]]).all()


def test_reading_with_a_resolution_gives_means(store: SampleStore) -> None:
    """With a resolution a series is the mean per bucket, and Bad where a bucket had nothing but Bad samples."""
    store.append(batch([1.0, 3.0, 5.0], at=[NOW, NOW + SECOND, NOW + MINUTE]))
    store.append(SampleBatch.bad("g", [0], StatusCode.BAD_TIMEOUT, NOW + 2 * MINUTE))
    store.flush()
    series = store.read("press-a", *ALL, MINUTE)
    assert series.time.tolist() == [NOW, NOW + MINUTE, NOW + 2 * MINUTE]
    assert series.values.tolist()[:2] == [2.0, 5.0]
    assert series.status.tolist() == [0, 0, StatusCode.BAD_NO_DATA]


def test_a_tag_keeps_its_history_through_a_rename_and_a_restart(store: SampleStore) -> None:
    """History belongs to a tag's id: another name, another place in the table and another process change nothing."""
    store.append(batch(1.0))
    store.close()
    moved = TagTable([Tag("new", "new", "press", Role.OTHER), Tag("press-a", "renamed", "press", Role.OTHER)])
    again = SampleStore.open(store.path, moved, Keep(samples=DAY, max_bytes=1 << 30))
    again.append(batch([7.0, 2.0], tag=[0, 1], at=NOW + 1))
    again.flush()
    assert SampleReader(store.path).read("press-a", *ALL).values.tolist() == [1.0, 2.0]
    assert again.read("new", *ALL).values.tolist() == [7.0]
    moved.replace([Tag("new", "new", "press", Role.OTHER)])
    again.append(batch([3.0], tag=1, at=NOW + 2))  # it was under way when its tag went
    again.configure(moved)
    again.append(batch([9.0], tag=77))
    again.flush()
    assert again.read("press-a", *ALL).values.tolist() == [1.0, 2.0, 3.0]
    again.close()


def test_samples_are_written_within_a_second_or_so(store: SampleStore, until: Callable[..., None]) -> None:
    """Without anyone asking for it, what was taken in is in the file about a second later."""
    store.append(batch(1.0))
    assert store.stats()["waiting"] == 1
    until(lambda: len(SampleReader(store.path).read("press-a", *ALL)))
    until(lambda: store.stats() | {"waiting": 0, "written": 1} == store.stats())


def test_a_full_file_never_reaches_who_appends(store: SampleStore, until: Callable[..., None]) -> None:
    """While there is no room `append` goes on, `failure` says why, and after it heals nothing is missing."""
    store.append(batch(0.0))
    store.flush()
    connection = store._writer._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone()
    noise = np.random.default_rng(1).normal(size=(100, 50)).tolist()
    for n in range(1, 100):
        store.append(batch(noise[n], at=[NOW + n * 100 + k for k in range(50)]))
    assert not store.flush()
    assert not store.retain(NOW + 60 * DAY)
    until(lambda: isinstance(store.failure, StoreFull))
    store.append(batch(-1.0, at=NOW + DAY))
    assert len(store.read("press-a", *ALL)) == 1
    connection.execute("PRAGMA max_page_count = 1000000").fetchone()
    until(lambda: store.failure is None)
    assert len(store.read("press-a", *ALL)) == 1 + 99 * 50 + 1
    assert store.stats()["lost"] == 0


def test_a_really_full_disk_costs_samples_and_no_more(
    small_disk: Path, table: TagTable, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a disk stays full the newest samples are kept in bounded memory, and the file tells what was lost."""
    monkeypatch.setattr(samples_module, "BUFFER_BYTES", 40 * 1_000)
    store = SampleStore.open(small_disk / "twin.db", table, Keep(samples=30 * DAY, max_bytes=1 << 30))
    store.append(batch(0.0))
    store.flush()
    ballast = small_disk / "ballast"
    size = 1 << 20
    with ballast.open("wb", buffering=0) as file:
        while size >= 4096:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    for n in range(1, 5_001, 100):
        store.append(batch([float(k) for k in range(n, n + 100)], at=[NOW + k for k in range(n, n + 100)]))
    until(lambda: store.failure)
    assert isinstance(store.failure, StoreFull)
    assert store.stats()["lost"] == 4_000
    ballast.unlink()
    until(lambda: store.failure is None and store.stats()["waiting"] == 0)
    assert store.read("press-a", *ALL).values.tolist() == [0.0, *map(float, range(4_001, 5_001))]
    raw = sqlite3.connect(store.path)
    assert raw.execute("SELECT reason, samples FROM dropped").fetchall() == [("queue full", 4_000)]
    raw.close()
    store.close()


def test_a_read_only_disk_at_start_heals(small_disk: Path, table: TagTable, until: Callable[..., None]) -> None:
    """On a disk that is read-only at start the store opens, says why it does not write, and writes once it can."""
    import subprocess  # noqa: PLC0415 - needed here alone

    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    store = SampleStore.open(small_disk / "state" / "twin.db", table, Keep(samples=DAY, max_bytes=1 << 30))
    assert store.failure is not None
    assert store.failure.code == "store-read-only"
    store.append(batch(1.0))
    with pytest.raises(StoreError):
        store.read("press-a", *ALL)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    until(lambda: store.failure is None)
    until(lambda: store.stats()["written"] == 1)
    store.close()


def test_a_damaged_file_is_set_aside(store: SampleStore, table: TagTable) -> None:
    """A damaged file is set aside and a fresh one in use within five seconds; `quarantined` tells where it lies."""
    store.append(batch(1.0))
    store.close()
    content = bytearray(store.path.read_bytes())
    content[100:9000] = b"\xa5" * 8900
    store.path.write_bytes(content)
    begun = time.monotonic()
    again = SampleStore.open(store.path, table, Keep(samples=DAY, max_bytes=1 << 30))
    again.append(batch(2.0))
    again.flush()
    assert time.monotonic() - begun < 5
    assert again.quarantined is not None
    assert again.quarantined.read_bytes() == bytes(content)
    assert again.read("press-a", *ALL).values.tolist() == [2.0]
    again.close()


def test_damage_that_a_reader_finds_begins_a_new_file(store: SampleStore, until: Callable[..., None]) -> None:
    """When reading comes upon damage in a running store, it says so, and what is taken in next is in a new file."""
    for n in range(100):
        store.append(batch([float(k) for k in range(100)], at=[NOW + n * 100 + k for k in range(100)]))
    store.flush()
    outside = sqlite3.connect(store.path)
    outside.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    outside.close()
    with store.path.open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xa5" * (store.path.stat().st_size - 4096 * 12))
    with pytest.raises(StoreCorrupt, match="set aside"):
        store.read("press-a", *ALL)
    until(lambda: store.quarantined)
    store.append(batch(5.0))
    store.flush()
    assert store.read("press-a", *ALL).values.tolist() == [5.0]


def test_what_is_told_belatedly_is_marked_and_never_kept_twice(store: SampleStore) -> None:
    """Of a backfill only times that are not there yet are added, in their place in time, however often it is told."""
    store.append(batch([1.0, 4.0], at=[NOW + 1, NOW + 4]))
    past = batch([1.5, 2.0, 3.0, 4.5], at=[NOW + 1, NOW + 2, NOW + 3, NOW + 4], status=[0, 0, StatusCode.UNCERTAIN, 0])
    for _ in range(2):
        store.append(replace(past, backfill=True))
        assert store.flush()
    found = store.read("press-a", NOW, NOW + 9)
    assert found.time.tolist() == [NOW + 1, NOW + 2, NOW + 3, NOW + 4]
    assert found.values.tolist() == [1, 2, 3, 4]
    assert found.status.tolist() == [0, 0, StatusCode.UNCERTAIN, 0]
    with closing(open_reader(store.path)) as tx:
        parts = [part for parts in stretches(tx, 1, *ALL) for part in parts]
    marked = sorted((int(time), part.past) for part in parts for time in part.time)
    assert marked == [(NOW + 1, False), (NOW + 2, True), (NOW + 3, True), (NOW + 4, False)]


def test_a_newer_file_is_refused(store: SampleStore, table: TagTable) -> None:
    """A twin.db of a newer program is refused rather than begun anew."""
    store.close()
    raw = sqlite3.connect(store.path)
    raw.execute("PRAGMA user_version = 42")
    raw.close()
    with pytest.raises(StoreError, match="newer Shoptwin"):
        SampleStore.open(store.path, table, Keep(samples=DAY, max_bytes=1 << 30))


def test_anyone_can_read_it_with_sqlite3(store: SampleStore) -> None:
    """A stranger sees with sqlite3 which tags, chunks and observations there are, and what the values were with us."""
    store.append(batch([1.5, 2.5], at=[NOW, NOW + SECOND], receive_time=NOW + 7))
    store.append_observations([Observation("press", "process", NOW, MachineState.IDLE, ("a",), np.float32([1]))])
    store.fold()
    raw = sqlite3.connect(store.path)
    told = "SELECT tags.name, first, last, samples, arrived FROM chunks JOIN tags USING (tag)"
    assert raw.execute(told).fetchall() == [("a", NOW, NOW + SECOND, 2, NOW + 7)]
    assert json.loads(raw.execute("SELECT names FROM feature_names").fetchone()[0]) == ["a"]
    raw.close()
    assert SampleReader(store.path).read("press-a", *ALL).values.tolist() == [1.5, 2.5]

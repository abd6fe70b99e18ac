"""Retention of the sample store: by age, by bytes, and with clocks that are wrong."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.assessment import Observation
from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import DAY, HOUR
from shoptwin.store import retention
from shoptwin.store.dropped import Gone
from shoptwin.store.retention import Keep

if TYPE_CHECKING:
    import shutil
    from collections.abc import Callable, Iterable

    import pytest

    from shoptwin.store.samples import SampleStore


NOW = 1_764_000_000 * 10**9
ALL = (-(2**63), 2**63 - 1)


def _take(store: SampleStore, arrivals: Iterable[int], skew: int = 0, tag: int = 0) -> None:
    """Take in a sample at each of `arrivals`, a second of its own, whose PLC's clock is off by `skew`."""
    for at in arrivals:
        store.append(
            SampleBatch.of("g", ValueKind.F8, [tag], [1.0], source_time=at + skew, receive_time=at)
        )  # fmt: skip
        store.flush()


def _fill(store: SampleStore) -> int:
    """Take in 2 MB that no codec makes smaller, in hundred seconds; return how many samples that is."""
    rng, n = np.random.default_rng(1), 2_500
    for second in range(100):
        store.append(SampleBatch.of(
            "g", ValueKind.F8, np.arange(n) % 4, rng.normal(size=n), source_time=NOW + second * n + np.arange(n),
            receive_time=NOW + second,
        ))  # fmt: skip
        store.flush()
    return 100 * n


def _left(store: SampleStore) -> np.ndarray:
    return np.sort(np.concatenate([store.read(f"press-{name}", *ALL).time for name in "abcd"]))


def test_what_is_older_than_keep_goes(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples, observations and waveforms that arrived longer ago than `keep` are dropped, and it is told how many."""
    monkeypatch.setattr(retention, "AT_ONCE", 7)
    _take(store, [NOW - 31 * DAY + n for n in range(20)] + [NOW - DAY, NOW])
    for at in (NOW - 40 * DAY, NOW):
        store.append_observations([Observation("press", "p", at, MachineState.IDLE, ("a",), np.float32([1]))])
        wave = Waveform(np.zeros(8, np.int16), 1.0)
        store.append(SampleBatch.of("g", ValueKind.WAVEFORM, [2], [wave], source_time=at, receive_time=at))
    store.flush()
    dropped = store.retain(NOW)
    assert (dropped.aged, dropped.shed) == (Gone(samples=20, observations=1, waveforms=1), Gone())
    assert store.read("press-a", *ALL).time.tolist() == [NOW - DAY, NOW]
    assert [at for at, _ in store.read_waveforms("press-c")] == [NOW]
    assert not store.retain(NOW)
    raw = sqlite3.connect(store.path)
    assert raw.execute("SELECT sum(samples), sum(observations) FROM dropped WHERE reason = 'age'").fetchone() == (20, 1)
    raw.close()


def test_a_plc_with_a_wrong_clock_keeps_its_samples(store: SampleStore) -> None:
    """Age is by arrival: a PLC that lives in 1970, or in 2100, has its samples kept as long as any other."""
    _take(store, [NOW - 40 * DAY, NOW - 2 * DAY], skew=-NOW)
    _take(store, [NOW - DAY], skew=75 * 365 * DAY, tag=1)
    assert store.retain(NOW).aged.samples == 1
    assert len(store.read("press-a", *ALL)) == 1
    assert len(store.read("press-b", *ALL)) == 1


def test_a_box_that_did_not_know_the_time_loses_nothing(store: SampleStore) -> None:
    """Samples taken in while the box believed in 1970 stay until those around them are old."""
    _take(store, [HOUR, 2 * HOUR, NOW - 2 * DAY, 3 * HOUR, NOW - DAY])
    store.fold()
    assert not store.retain(4 * HOUR)
    assert not store.retain(NOW)
    assert store.retain(NOW + 28 * DAY + HOUR).aged.samples == 3
    assert store.retain(NOW + 40 * DAY).aged.samples == 2


def test_the_file_keeps_within_its_bytes(store: SampleStore, folding: Callable[[int], None]) -> None:
    """A file above `max_bytes` loses its oldest samples and returns the room to the disk; the newest stay."""
    folding(7)
    n = _fill(store)
    before = store.stats()["bytes"]
    store.configure(_same_tags(store), Keep(max_bytes=1_000_000))
    dropped = store.retain(NOW)
    left = _left(store)
    assert len(left) == n - dropped.shed.samples > n // 4
    assert (left == NOW + n - len(left) + np.arange(len(left))).mean() > 0.9  # the newest, but for where chunks end
    assert left[-1] == NOW + n - 1
    raw = sqlite3.connect(store.path)
    lost = "SELECT count(*) FROM timelines WHERE timeline NOT IN (SELECT timeline FROM chunks)"
    assert raw.execute(lost).fetchone() == (0,)
    raw.close()
    store.close()
    assert before > 2_000_000
    assert store.path.stat().st_size <= 1_000_000
    assert store.path.stat().st_size > 700_000


def test_samples_go_before_observations(store: SampleStore) -> None:
    """For room, observations are given up only once no samples are left."""
    seen = [
        Observation("press", "p", NOW + n, MachineState.IDLE, ("a",), np.zeros(1, np.float32)) for n in range(4_000)
    ]  # fmt: skip
    store.append_observations(seen)
    _take(store, [NOW + n for n in range(100)])
    store.configure(_same_tags(store), Keep(max_bytes=200_000))
    dropped = store.retain(NOW)
    assert dropped.shed.samples == 100
    assert 0 < dropped.shed.observations < 4_000
    assert store.observations("press", "p", *ALL).time[-1] == NOW + 3_999


def test_samples_make_room_for_the_ledger(
    store: SampleStore, folding: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that something else fills, samples are given up to leave the ledger room, down to a floor."""
    folding(7)
    n = _fill(store)

    def usage(_path: object) -> shutil._ntuple_diskusage:
        from collections import namedtuple  # noqa: PLC0415

        return namedtuple("usage", "total used free")(8 << 30, 0, 1 << 20)  # type: ignore[return-value]  # noqa: PYI024

    monkeypatch.setattr(retention.shutil, "disk_usage", usage)
    monkeypatch.setattr(retention, "_FLOOR", 1 << 20)
    dropped = store.retain(NOW)
    assert dropped.shed.samples > 0
    assert len(_left(store)) == n - dropped.shed.samples > 0


def _same_tags(store: SampleStore):
    from shoptwin.domain.tag import TagTable  # noqa: PLC0415

    return TagTable(store._buffer._tags.values())

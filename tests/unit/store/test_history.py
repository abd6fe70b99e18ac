"""The journal and its folding: when it is folded, what a reader sees meanwhile, files of before, rotten bits."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.errors import StoreCorrupt, StoreError, StoreFull
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import DAY, SECOND
from shoptwin.store import history
from shoptwin.store.files import StoreFile
from shoptwin.store.retention import Keep
from shoptwin.store.sample_reader import SampleReader
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shoptwin.domain.tag import TagTable

NOW = 1_764_000_000 * SECOND
ALL = (-(2**63), 2**63 - 1)


def take(store: SampleStore, seconds: range, tags: int = 4) -> None:
    """Take in one poll a second: tag i is 100 i + the second."""
    for second in seconds:
        values, time = 100.0 * np.arange(tags) + second, NOW + second * SECOND
        store.append(SampleBatch.of("g", ValueKind.F4, range(tags), values, source_time=time, receive_time=time + 5))
        store.flush()


def counted(store: SampleStore) -> tuple[int, int, int]:
    """Return how many seconds, chunks and timelines the file holds."""
    raw = sqlite3.connect(store.path)
    sql = "SELECT (SELECT count(*) FROM journal), (SELECT count(*) FROM chunks), (SELECT count(*) FROM timelines)"
    found: tuple[int, int, int] = raw.execute(sql).fetchone()
    raw.close()
    return found


def test_ten_minutes_are_folded_and_read_as_one(store: SampleStore, folding: Callable[[int], None]) -> None:
    """Seconds wait in the journal until there are enough, then each tag has a chunk; a reader sees no difference."""
    folding(10)
    take(store, range(9))
    assert counted(store) == (9, 0, 0)
    take(store, range(9, 24))
    assert counted(store) == (4, 8, 2)
    for i, name in enumerate("abcd"):
        series = store.read(f"press-{name}", *ALL)
        assert series.values.dtype == np.float32
        assert series.values.tolist() == [100 * i + second for second in range(24)]
        assert series.time.tolist() == [NOW + second * SECOND for second in range(24)]
    assert store.read("press-b", NOW + 5 * SECOND, NOW + 22 * SECOND).values.tolist() == [100 + s for s in range(5, 22)]


def test_many_samples_are_folded_earlier(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a second brings may be so much that ten minutes of it would not fit in memory: it is folded sooner."""
    monkeypatch.setattr(history, "SAMPLES", 40)
    take(store, range(11))
    assert counted(store) == (1, 4, 1)


def test_too_many_samples_are_folded_some_tags_at_a_time(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the journal holds more than may be in memory at once, tags are folded in slices; each has one chunk."""
    monkeypatch.setattr(history, "AT_ONCE", 15)
    take(store, range(10))
    store.fold()
    assert counted(store) == (0, 4, 3)
    for i, name in enumerate("abcd"):
        assert store.read(f"press-{name}", *ALL).values.tolist() == [100 * i + second for second in range(10)]


def test_a_clock_that_went_back_is_told_in_order(store: SampleStore, folding: Callable[[int], None]) -> None:
    """Samples of a device whose clock was set back an hour are read in the order of time, none lost or doubled."""
    folding(5)
    take(store, range(3600, 3607))
    take(store, range(3, 12))
    expected = [*range(3, 12), *range(3600, 3607)]
    assert store.read("press-a", *ALL).values.tolist() == expected
    assert store.rollup("press-a", *ALL, SECOND).count.tolist() == [1] * 16


def test_a_restart_goes_on_in_the_journal(store: SampleStore, table: TagTable, folding: Callable[[int], None]) -> None:
    """What waits in the journal when the daemon ends is folded at the first write of the next one: nothing is lost."""
    folding(10)
    take(store, range(6))
    store.close()
    again = SampleStore.open(store.path, table, Keep(samples=DAY, max_bytes=1 << 30))
    take(again, range(6, 12))
    assert counted(again) == (6, 4, 1)
    assert again.read("press-d", *ALL).values.tolist() == [300 + second for second in range(12)]
    again.close()


def test_rotten_bits_cost_a_second(store: SampleStore, folding: Callable[[int], None]) -> None:
    """A second of the journal that is damaged is left out when it is folded, and told among what was dropped."""
    take(store, range(5))
    _spoil(store, "journal", "second", 3)
    folding(1)
    take(store, range(5, 6))
    assert store.read("press-a", *ALL).values.tolist() == [0, 1, 3, 4, 5]
    assert store.read("press-b", NOW + 4 * SECOND, NOW + DAY).values.tolist() == [104, 105]
    raw = sqlite3.connect(store.path)
    assert raw.execute("SELECT reason, samples FROM dropped").fetchall() == [("damaged", 4)]
    raw.close()


def test_a_rotten_chunk_is_told_and_the_rest_is_read(store: SampleStore, folding: Callable[[int], None]) -> None:
    """A damaged chunk fails who reads that time of that tag, with a cure; the rest of the file goes on."""
    folding(5)
    take(store, range(10))
    _spoil(store, "chunks", "chunk", 1)
    with pytest.raises(StoreError, match="tag 1 is damaged") as told:
        store.read("press-a", *ALL)
    assert "before or after" in str(told.value.hint)
    assert store.read("press-a", NOW + 5 * SECOND, NOW + DAY).values.tolist() == [5, 6, 7, 8, 9]
    assert len(store.read("press-b", *ALL)) == 10
    assert store.quarantined is None


@pytest.mark.parametrize(("where", "key"), [("journal", "second"), ("chunks", "chunk")])
def test_what_is_told_belatedly_beside_rotten_bits_is_kept(store: SampleStore, where: str, key: str) -> None:
    """A backfill over a time of which something is damaged is kept, and what comes later is written as ever."""
    take(store, range(5))
    if where == "chunks":
        store.fold()
    _spoil(store, where, key, 1)
    past = SampleBatch.of("g", ValueKind.F4, [0], [7.0], source_time=NOW + 5, receive_time=NOW + 9 * SECOND)
    store.append(replace(past, backfill=True))
    assert store.flush()
    take(store, range(10, 11))
    assert store.stats()["waiting"] == 0
    assert store.read("press-a", NOW + 9 * SECOND, NOW + DAY).values.tolist() == [10]


@pytest.mark.parametrize(
    "damage",
    ["kind = 9", "kind = 6", "data = NULL", "samples = NULL", "samples = 5000000000", "samples = 3", "past = 1",
     "timeline = 99", "data = 'text'"],
)  # fmt: skip
def test_a_row_that_is_not_what_it_was_is_told(store: SampleStore, damage: str) -> None:
    """Whatever of a chunk's row is another than was written, reading it says that it is damaged."""
    take(store, range(5))
    store.fold()
    raw = sqlite3.connect(store.path)
    raw.execute(f"UPDATE chunks SET {damage} WHERE chunk = 1")  # noqa: S608 - our own words
    raw.commit()
    raw.close()
    with pytest.raises(StoreError, match="tag 1 is damaged"):
        store.read("press-a", *ALL)
    assert len(store.read("press-b", *ALL)) == 5


def test_a_second_without_data_is_folded_over(store: SampleStore) -> None:
    """A row of the journal whose figures or data are nonsense costs that second, and ends nothing."""
    take(store, range(4))
    raw = sqlite3.connect(store.path)
    raw.execute("UPDATE journal SET data = 'text', samples = 1 << 50 WHERE second = 2")
    raw.commit()
    raw.close()
    assert store.fold()
    assert store.read("press-a", *ALL).values.tolist() == [0, 2, 3]


def test_any_value_of_a_text_is_kept_as_text(store: SampleStore) -> None:
    """What a driver gives as a text and is none is kept as it would be printed; it never ends the writer."""
    values = np.array([b"raw", 5, "a\ud800b", None], object)
    batch = SampleBatch.of("g", ValueKind.STR, [0, 0, 0, 0], [""] * 4, source_time=NOW + np.arange(4), receive_time=NOW)
    store.append(replace(batch, values=values))
    assert store.flush()
    assert store.read("press-a", *ALL).values.tolist() == ["b'raw'", "5", "a?b", None]


def test_a_new_file_knows_its_tags(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    """Where a file is set aside and the new one cannot be opened at once, it has its tags once it can."""
    take(store, range(2))
    opened, failed = StoreFile._open, []

    def once(file: StoreFile) -> sqlite3.Connection:
        if not failed:
            failed.append(True)
            raise StoreFull("no room for a moment", "wait")
        return opened(file)

    monkeypatch.setattr(StoreFile, "_open", once)
    store._writer.condemn(StoreCorrupt("found by a reader", ""))
    until(lambda: failed and store.failure is None)
    take(store, range(5, 7))
    assert store.read("press-b", *ALL).values.tolist() == [105, 106]


def test_the_ends_of_time(store: SampleStore) -> None:
    """Any range may be asked for, and any time be told belatedly."""
    last = SampleBatch.of("g", ValueKind.F4, [0], [1.0], source_time=2**63 - 1, receive_time=NOW)
    store.append(replace(last, backfill=True))
    assert store.flush()
    take(store, range(1))
    assert store.read("press-a", -(2**70), 2**70).values.tolist() == [0]


def _spoil(store: SampleStore, table: str, key: str, number: int) -> None:
    raw = sqlite3.connect(store.path)
    half = f"UPDATE {table} SET data = substr(data, 1, length(data) / 2) WHERE {key} = ?"  # noqa: S608 - our own names
    raw.execute(half, (number,))
    raw.commit()
    raw.close()


OLD = """
CREATE TABLE tags (tag INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT, machine TEXT, role TEXT, unit TEXT);
CREATE UNIQUE INDEX idx_tags_id ON tags (id);
CREATE TABLE samples (tag INTEGER NOT NULL, time INTEGER NOT NULL, value, status INTEGER NOT NULL,
  kind INTEGER NOT NULL, server INTEGER, received INTEGER NOT NULL);
CREATE INDEX idx_samples_tag_time ON samples (tag, time);
CREATE TABLE waveforms (tag INTEGER NOT NULL, time INTEGER NOT NULL, status INTEGER NOT NULL, server INTEGER,
  received INTEGER NOT NULL, rate REAL NOT NULL, scale REAL NOT NULL, type TEXT NOT NULL, samples BLOB NOT NULL);
CREATE TABLE feature_names (set_id INTEGER PRIMARY KEY, names TEXT);
CREATE TABLE observations (machine TEXT NOT NULL, indicator TEXT NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL,
  names INTEGER NOT NULL, "values" BLOB NOT NULL);
CREATE TABLE dropped (day TEXT, reason TEXT, samples INTEGER, observations INTEGER, time INTEGER,
  PRIMARY KEY (day, reason));
INSERT INTO tags VALUES (1, 'press-a', 'a', 'press', 'other', ''), (2, 'press-b', 'b', 'press', 'other', '');
"""
BAD = int(StatusCode.BAD_NOT_CONNECTED)
ROWS = [
    (1, 0, 1.5, 0, 0, None, 7), (1, 1, 2.5, 0, 0, 3, 7), (1, 2, None, BAD, 1, None, 0), (1, 3, 0.1, 0, 1, None, 7),
    (2, 0, -1, 0, 3, None, 7), (2, 1, 5, 0, 3, None, 7), (2, 2, "text", 0, 5, None, 7),
    (2, 3, b"a\xed\xa0\x80b", 0, 5, None, 7), (2, 4, None, BAD, 6, None, 0), (2, 5, 1, 0, 4, None, 7),
]  # fmt: skip


@pytest.mark.parametrize("schema", [1, 2])
def test_a_file_of_before_keeps_its_samples(tmp_path: Path, table: TagTable, schema: int) -> None:
    """The rows of each older schema are chunks afterwards, exactly, and the file goes on from there."""
    raw = sqlite3.connect(tmp_path / "twin.db")
    raw.executescript(OLD)
    raw.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", [(r[0], NOW + r[1], *r[2:]) for r in ROWS])
    if schema == 2:
        raw.execute("ALTER TABLE samples ADD COLUMN backfill INTEGER")
        raw.execute("UPDATE samples SET backfill = 1 WHERE tag = 1 AND time = ?", (NOW + 1,))
    raw.execute(f"PRAGMA user_version = {schema}")
    raw.commit()
    raw.close()
    store = SampleStore.open(tmp_path / "twin.db", table, Keep(samples=10**18, max_bytes=1 << 30))
    store.append(SampleBatch.of("g", ValueKind.F8, [0], [9.0], source_time=NOW + 4, receive_time=NOW + 4))
    store.flush()
    first, second = store.read("press-a", *ALL), store.read("press-b", *ALL)
    assert first.values.tolist()[:2] + first.values.tolist()[3:] == [1.5, 2.5, 0.1, 9.0]
    assert first.status.tolist() == [0, 0, BAD, 0, 0]
    assert second.values.tolist() == [2**64 - 1, 5, "text", "a?b", None, True]
    assert store.reader.times("press-a", *ALL).tolist()[1] == [NOW + 1, NOW + 4, NOW + 8]
    raw = sqlite3.connect(store.path)
    assert raw.execute("SELECT count(*) FROM chunks WHERE past").fetchone() == (schema - 1,)
    assert raw.execute("SELECT name FROM sqlite_master WHERE name = 'samples'").fetchall() == []
    raw.close()
    store.close()


def test_a_file_of_before_keeps_what_is_wanted(
    tmp_path: Path, table: TagTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a file of before was folded, retention drops the old samples of each tag and keeps the new ones."""
    monkeypatch.setattr("shoptwin.store.old_rows._AT_ONCE", 10)
    raw = sqlite3.connect(tmp_path / "twin.db")
    raw.executescript(OLD)
    rows = [(tag, NOW + day * DAY, float(day), 0, 1, None, 0) for day in range(40) for tag in (1, 2)]
    raw.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    raw.execute("INSERT INTO samples VALUES (1, ?, CAST(x'ff41' AS TEXT), 0, 5, NULL, 0)", (NOW + 40 * DAY,))
    raw.execute("INSERT INTO samples VALUES (1, ?, x'ff42', 0, 5, NULL, 0)", (NOW + 41 * DAY,))
    raw.execute("PRAGMA user_version = 1")
    raw.commit()
    raw.close()
    with pytest.raises(StoreError, match="older Shoptwin"):
        SampleReader(tmp_path / "twin.db").read("press-a", *ALL)
    store = SampleStore.open(tmp_path / "twin.db", table, Keep(samples=30 * DAY, max_bytes=1 << 30))
    store.retain(NOW + 40 * DAY)
    first, second = store.read("press-a", *ALL), store.read("press-b", *ALL)
    assert second.values.tolist() == [float(day) for day in range(10, 40)]
    assert first.values.tolist() == [*(float(day) for day in range(10, 40)), "\ufffdA", "\ufffdB"]
    store.close()

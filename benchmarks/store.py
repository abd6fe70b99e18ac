"""The store of samples: CPU, bytes on disk, bytes written, and reading a day, against rows with an index."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import in_turns, spent
from rows import Row, at_most, better, cheaper
from servers import scratch
from sqlite_utils import Database

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import DAY, SECOND, parse_time
from shoptwin.store import history
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BEGIN = parse_time("2026-11-22T00:00:00Z")
TAGS = 500
"""As many as a busy gateway has, at 1 Hz."""
INSERT = "INSERT INTO samples (tag, time, value, status) VALUES (?, ?, ?, ?)"


def rows(*, quick: bool) -> Iterable[Row]:
    """Return all rows of the store."""
    with scratch() as folder:
        yield _stored_a_second(folder, 100 if quick else history.SECONDS)
        yield from _bytes(folder, warm=history.SECONDS, seconds=history.SECONDS)
        yield _day(folder, tags=2 if quick else 10)


def _table(tags: int) -> TagTable:
    return TagTable(Tag(f"m-t{i}", f"t{i}", "m", Role.OTHER) for i in range(tags))


def _batch(second: int, tags: int = TAGS) -> SampleBatch:
    """Return what a poll brings: noise around a level for each tag, as a sensor with 12 bits gives it; a bit late."""
    rng = np.random.default_rng(second)
    values = (np.arange(tags) + 0.25 * rng.integers(-3, 4, tags)).astype(np.float32)
    time = BEGIN + second * SECOND + int(rng.integers(0, 2_000_000))
    return SampleBatch.of("plc/1", ValueKind.F4, np.arange(tags), values, source_time=time, receive_time=time)


@contextmanager
def _store(path: Path, tags: int = TAGS) -> Iterator[SampleStore]:
    store = SampleStore.open(path, _table(tags), Keep(samples=400 * DAY, max_bytes=1 << 40))
    try:
        yield store
    finally:
        store.close()


def _indexed(path: Path) -> sqlite3.Connection:
    """Return the baseline: a table of rows and an index, as anyone would begin."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE samples (tag INTEGER, time INTEGER, value REAL, status INTEGER)")
    connection.execute("CREATE INDEX samples_tag_time ON samples (tag, time)")
    return connection


def _plain_rows(batch: SampleBatch) -> list[tuple[Any, ...]]:
    return list(
        zip(batch.tag.tolist(), batch.source_time.tolist(), batch.values.tolist(), batch.status.tolist(), strict=True)
    )


def _stored_a_second(folder: Path, seconds: int) -> Row:
    batches = [_batch(second) for second in range(seconds)]
    turn = iter(range(1000))

    def ours() -> float:
        with _store(folder / f"ours-{next(turn)}.db") as store:
            store.flush()
            with spent() as cost:
                for batch in batches:
                    store.append(batch)
                    store.flush(60)
                store.fold()
        return seconds * TAGS / cost.cpu

    def theirs() -> float:
        connection = _indexed(folder / f"theirs-{next(turn)}.db")
        table = Database(connection).table("samples")
        with spent() as cost:
            for batch in batches:
                names = ("tag", "time", "value", "status")
                table.insert_all(dict(zip(names, row, strict=True)) for row in _plain_rows(batch))
        connection.close()
        return seconds * TAGS / cost.cpu

    mine, other = in_turns(ours, theirs, turns=3)
    return better(
        "store: samples stored", mine, "1/CPU s", baseline=other, against="sqlite-utils insert_all a poll", least=10
    )


def _bytes(folder: Path, *, warm: int, seconds: int) -> Iterable[Row]:
    """Return bytes by which the file grows, and bytes written (WAL and file), of a sample each; commits each second."""
    sizes = []
    for first, last in ((0, warm), (warm, warm + seconds)):
        with _store(folder / "written.db") as store:
            before = _written()
            for second in range(first, last):
                store.append(_batch(second))
                store.flush(60)
            store.fold()
            written = (_written() - before) / seconds / TAGS
        sizes.append((folder / "written.db").stat().st_size)
    grown = (sizes[1] - sizes[0]) / seconds / TAGS
    connection = _indexed(folder / "baseline.db")
    connection.execute("BEGIN")
    connection.executemany(INSERT, [row for second in range(warm) for row in _plain_rows(_batch(second))])
    connection.execute("COMMIT")
    before = _written()
    for second in range(warm, warm + seconds):
        connection.execute("BEGIN")
        connection.executemany(INSERT, _plain_rows(_batch(second)))
        connection.execute("COMMIT")
    connection.close()
    baseline = (_written() - before) / seconds / TAGS
    against = "against rows with an index"
    other = (folder / "baseline.db").stat().st_size / (warm + seconds) / TAGS
    yield at_most("store: a stored sample", grown, "bytes", 2, f"once folded; {against}", baseline=other)
    yield at_most("store: written a sample, a commit a second", written, "bytes", 60, against, baseline=baseline)


def _written() -> int:
    """Return the bytes that this process has handed to `write` so far: a WAL's, and those it is folded into."""
    text = Path("/proc/self/io").read_text("ascii")
    return int(next(line for line in text.splitlines() if line.startswith("wchar")).split()[1])


def _day(folder: Path, tags: int) -> Row:
    """Return how long reading one day of one tag at 1 Hz takes, of a file that holds `tags` of them."""
    at_once = history.SECONDS
    with _store(folder / "day.db", tags) as store:
        connection = _indexed(folder / "day-baseline.db")
        for first in range(0, 86_400, at_once):
            batches = [_batch(second, tags) for second in range(first, first + at_once)]
            for batch in batches:
                store.append(batch)
            store.flush(60)
            connection.execute("BEGIN")
            connection.executemany(INSERT, [row for batch in batches for row in _plain_rows(batch)])
            connection.execute("COMMIT")
        store.fold()
        counted: list[int] = []

        def ours() -> float:
            with spent() as cost:
                series = store.read("m-t1", BEGIN, BEGIN + DAY)
            counted.append(len(series.time))
            return cost.wall * 1e3

        def theirs() -> float:
            query = "SELECT time, value, status FROM samples WHERE tag = 1 AND time >= ? AND time < ? ORDER BY time"
            with spent() as cost:
                found = connection.execute(query, (BEGIN, BEGIN + DAY)).fetchall()
                columns = _columns(found)
            counted.append(len(columns[0]))
            return cost.wall * 1e3

        mine, other = in_turns(ours, theirs)
        connection.close()
    if set(counted) != {86_400}:
        raise RuntimeError(f"a day has 86,400 seconds, not {sorted(set(counted))}")
    return cheaper(
        "store: read a day of a tag at 1 Hz",
        mine,
        "ms",
        baseline=other,
        against="rows with an index into arrays",
        least=15,
    )


def _columns(found: Sequence[tuple[int, float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    time, value, status = zip(*found, strict=True)
    return np.array(time, np.int64), np.array(value, np.float32), np.array(status, np.uint32)

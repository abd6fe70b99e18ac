"""Reading `twin.db`, from any thread and any process, while the daemon writes to it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shoptwin.domain.errors import StoreError
from shoptwin.domain.quality import StatusCode, is_bad
from shoptwin.store.codec import DamagedError
from shoptwin.store.files import open_reader, translate
from shoptwin.store.history import stretches, tag_number
from shoptwin.store.recorded import Recorded
from shoptwin.store.resolution import told
from shoptwin.store.series import Evidence, Rollup, Series
from shoptwin.store.sums import Sums
from shoptwin.store.waveforms import waveform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from shoptwin.domain.batch import Waveform


class KnownTag(NamedTuple):
    """A tag that has ever been configured."""

    id: str
    machine: str
    name: str
    role: str
    unit: str


_OBSERVED = "FROM observations WHERE machine = ? AND indicator = ? AND time >= ? AND time < ?"
_OBSERVED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class SampleReader:
    """Reads the samples at `path`. Each call opens the file for itself: nothing is held, nobody is kept waiting.

    Ranges are of source time, in ns UTC, `start` included and `stop` not. A tag, machine or range of which there is
    nothing gives what is empty. All raise StoreError where the file cannot be read.
    """

    path: Path

    def read(self, tag_id: str, start: int, stop: int, resolution: int = 0) -> Series:
        """Return the samples of a tag; with a `resolution` (ns) the mean per bucket, BadNoData where there is none."""
        if resolution > 0:
            figures = self.rollup(tag_id, start, stop, resolution)
            empty = np.isnan(figures.mean)
            status = np.where(empty, np.uint32(StatusCode.BAD_NO_DATA), np.uint32(StatusCode.GOOD))
            return Series(figures.time, figures.mean, status)
        return _joined(list(self._chunks(tag_id, start, stop)))

    def rollup(self, tag_id: str, start: int, stop: int, step: int) -> Rollup:
        """Return figures per bucket of `step` ns; buckets begin at whole multiples of it.

        They are of the samples where these are still kept. Before that, of the minutes or hours that were: the first
        bucket is then told from its beginning, and one shorter than a minute not at all.
        """
        with self._open() as tx:
            tag = tag_number(tx, tag_id)
            sums = Sums.nothing() if tag is None else told(tx, tag, start, stop, step)
        return sums.rollup(step)

    def observations(self, machine: str, indicator: str, start: int, stop: int) -> Evidence:
        """Return what was computed from a machine's windows."""
        parts = list(self.observed(machine, indicator, start, stop))
        if not parts:
            return Evidence(np.zeros(0, np.int64), (), np.zeros((0, 0), np.float32), [])
        state = [state for part in parts for state in part.state]
        time, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("time", "values"))
        return Evidence(time, parts[0].names, values, state)

    def observed(self, machine: str, indicator: str, start: int, stop: int) -> Iterator[Evidence]:
        """Yield the same some rows at a time, all with the same names: weeks of it need not stand in memory."""
        wanted = (machine, indicator, start, stop)
        with self._open() as tx:
            sets = [row[0] for row in tx.execute(f"SELECT names, min(time) {_OBSERVED} GROUP BY 1 ORDER BY 2", wanted)]
            told = {number: tuple(json.loads(text)) for number, text in tx.execute("SELECT * FROM feature_names")}
            names = tuple(dict.fromkeys(name for number in sets for name in told[number]))
            place = {number: [names.index(name) for name in told[number]] for number in sets}
            cursor = tx.execute(f'SELECT time, state, names, "values" {_OBSERVED} ORDER BY time, rowid', wanted)
            while rows := cursor.fetchmany(_OBSERVED_AT_ONCE):
                yield _evidence(rows, names, place)

    def observed_of(self) -> list[tuple[str, str, int]]:
        """Return the machines and indicators that there are observations of, each with the time of the last."""
        with self._open() as tx:
            sql = "SELECT machine, indicator, max(time) FROM observations GROUP BY 1, 2 ORDER BY 1, 2"
            return [(row[0], row[1], row[2]) for row in tx.execute(sql)]

    def read_waveforms(self, tag_id: str, limit: int = 20) -> list[tuple[int, Waveform]]:
        """Return the last `limit` waveforms of a tag with their source times, in the order in which they came."""
        with self._open() as tx:
            rows = tx.execute(
                "SELECT time, rate, scale, type, samples FROM waveforms "
                "WHERE tag = (SELECT tag FROM tags WHERE id = ?) ORDER BY rowid DESC LIMIT ?",
                (tag_id, limit),
            ).fetchall()
        return [(row[0], waveform(*row[1:])) for row in reversed(rows)]

    def tags(self) -> list[KnownTag]:
        """Return all tags that the file has ever known, by machine and name."""
        with self._open() as tx:
            rows = tx.execute("SELECT id, machine, name, role, unit FROM tags ORDER BY machine, name, id")
            return [KnownTag(*(text or "" for text in row)) for row in rows]

    def recorded(self, tag_id: str, start: int, stop: int) -> Iterator[Recorded]:
        """Yield a tag's samples with all that is known of them, some of one kind at a time.

        Between two parts the order is that of time; within one too, but for a tag whose kind changes.
        """
        for parts in self._stretches(tag_id, start, stop, arrival=True):
            for kind in dict.fromkeys(part.kind for part in parts):
                whole = Recorded.joined([part for part in parts if part.kind is kind])
                yield whole.where(np.argsort(whole.time, kind="stable"))

    def times(self, tag_id: str, start: int, stop: int) -> NDArray[np.int64]:
        """Return source, server (0: none) and receive time of the samples that `read` returns: int64 [n, 3]."""
        found = [np.zeros((0, 3), np.int64)]
        for parts in self._stretches(tag_id, start, stop, arrival=True):
            columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("time", "server", "received"))
            times = np.stack(list(columns), axis=1)
            found.append(times[np.argsort(times[:, 0], kind="stable")])
        return np.concatenate(found)

    def _chunks(self, tag_id: str, start: int, stop: int) -> Iterator[Series]:
        """Yield the samples some at a time: a month of a tag need not stand in memory."""
        for parts in self._stretches(tag_id, start, stop, arrival=False):
            whole = _joined([_series(part) for part in parts])
            if (whole.time[1:] < whole.time[:-1]).any():  # a difference could be more than 64 bits hold
                order = np.argsort(whole.time, kind="stable")
                whole = Series(whole.time[order], whole.values[order], whole.status[order])
            yield whole

    def _stretches(self, tag_id: str, start: int, stop: int, *, arrival: bool) -> Iterator[list[Recorded]]:
        with self._open() as tx:
            if (tag := tag_number(tx, tag_id)) is not None:
                for parts in stretches(tx, tag, start, stop, arrival=arrival):
                    if told := [part for part in parts if len(part)]:
                        yield told

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(open_reader(self.path)) as tx:
            try:
                tx.execute("BEGIN")  # one view of it all: the journal may be folded meanwhile
                yield tx
            except sqlite3.Error as error:
                if "no such table" in str(error):
                    raise StoreError(
                        f"{self.path.name} is of an older Shoptwin", "Start the daemon once: it brings it up to date",
                        code="store-older",
                    ) from error  # fmt: skip
                raise translate(error, self.path) from error
            except DamagedError as error:
                raise StoreError(
                    f"{self.path.name}: {error}", "The rest of the file is well: ask for a time before or after it",
                    code="store-chunk",
                ) from error  # fmt: skip


def _evidence(rows: list[Any], names: tuple[str, ...], place: dict[int, list[int]]) -> Evidence:
    """Return rows of (time, state, set of names, values) as columns; `place` says where each set's values stand."""
    values = np.full((len(rows), len(names)), np.nan, np.float32)
    sets = np.fromiter((row[2] for row in rows), np.int64, len(rows))
    for number in sorted(set(sets.tolist())):
        at = np.flatnonzero(sets == number)
        told = np.frombuffer(b"".join(rows[i][3] for i in at.tolist()), "<f4")
        values[at[:, None], place[number]] = told.reshape(len(at), -1)
    time = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    return Evidence(time, names, values, [row[1] for row in rows])


def _series(part: Recorded) -> Series:
    """Return samples as a series; where all is Bad there is no kind either."""
    if part.status[0] >> 31 and is_bad(part.status).all():  # the first one tells of most that it is not
        return Series(part.time, np.full(len(part), np.nan), part.status)
    return Series(part.time, part.values, part.status)


def _joined(chunks: list[Series]) -> Series:
    """Return one series of several; chunks in which all is Bad take the dtype of the others."""
    if len(chunks) == 1:
        return chunks[0]
    if not chunks:
        return Series(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint32))
    time = np.concatenate([chunk.time for chunk in chunks])
    status = np.concatenate([chunk.status for chunk in chunks])
    told = [chunk for chunk in chunks if not _empty(chunk)]
    dtypes = {chunk.values.dtype for chunk in told} or {np.dtype("f8")}
    if len(dtypes) == 1 or all(dtype.kind == "f" for dtype in dtypes):
        dtype = dtypes.pop() if len(dtypes) == 1 else np.dtype("f8")
        values = np.concatenate([_blank(c, dtype) if _empty(c) else c.values.astype(dtype, copy=False) for c in chunks])
    else:
        values = np.empty(len(time), object)
        values[:] = [value for c in chunks for value in (_blank(c, np.dtype("O")) if _empty(c) else _objects(c))]
    return Series(time, values, status)


def _empty(chunk: Series) -> bool:
    return chunk.values.dtype.kind == "f" and bool(np.isnan(chunk.values).all())


def _blank(chunk: Series, dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return np.full(len(chunk), np.nan, dtype)
    return np.full(len(chunk), None, object) if dtype.kind == "O" else np.zeros(len(chunk), dtype)


def _objects(chunk: Series) -> list[Any]:
    bad = chunk.status & np.uint32(StatusCode.BAD) != 0
    return [None if is_bad else value for value, is_bad in zip(chunk.values.tolist(), bad.tolist(), strict=True)]

"""What has been taken in and is not on disk yet: bounded, and written by the writer's thread once a second."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.assessment import Observation
from shoptwin.domain.batch import Waveform
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import iso
from shoptwin.store import history
from shoptwin.store.dropped import Gone, note_dropped
from shoptwin.store.recorded import Recorded
from shoptwin.store.waveforms import Waveforms

if TYPE_CHECKING:
    import sqlite3

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.tag import Tag, TagTable

_A_SAMPLE = 40
_TAG = """
INSERT INTO tags (id, name, machine, role, unit) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
  name = excluded.name, machine = excluded.machine, role = excluded.role, unit = excluded.unit RETURNING tag
"""


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing that waits; `size` is about what it costs in memory, `samples` how many values it holds."""

    content: SampleBatch | Observation
    samples: int
    size: int
    time: int


class Buffer:
    """Batches and observations on their way to disk: the writer's companion. When full, the oldest go, and are counted.

    `put` and `configure` are called in the loop, the rest in the writer's thread.
    """

    def __init__(self, table: TagTable, limit: int) -> None:
        """Begin empty; `limit` is in bytes."""
        self.written = 0
        self.lost = 0
        """Samples that were never written, because the disk failed for too long."""
        self._limit = limit
        self._lock = threading.Lock()
        self._items: deque[_Item] = deque()
        self._size = 0
        self._writing = 0
        """How many items, from the oldest on, are in the transaction that runs."""
        self._waiting = 0
        self._untold: deque[_Item] = deque()
        self._telling: list[_Item] = []
        self._tags: dict[int, Tag] = {}
        self._numbers = np.zeros(0, np.int64)
        self._names: dict[tuple[str, ...], int] = {}
        self._register = True
        self._journal = history.Journal()
        self.waveforms = Waveforms()
        self.configure(table)

    def configure(self, table: TagTable) -> None:
        """Take up the tags; what waits of a tag that went is still written."""
        with self._lock:
            self._tags = self._tags | dict(table)
            self._register = True

    def put(self, content: SampleBatch | Observation) -> None:
        """Let a batch or an observation wait to be written; never blocks for long, never raises."""
        item = _item(content)
        with self._lock:
            self._items.append(item)
            self._size += item.size
            self._waiting += item.samples
            while self._size > self._limit and len(self._items) > self._writing:
                gone = self._items[self._writing]
                del self._items[self._writing]
                self._size -= gone.size
                self._waiting -= gone.samples
                self.lost += gone.samples
                self._drop_untold(gone)

    def _drop_untold(self, gone: _Item) -> None:
        """Remember what was dropped until it can be told in the file, by day."""
        last = self._untold[-1] if self._untold else None
        if last is not None and iso(last.time)[:10] == iso(gone.time)[:10]:
            self._untold[-1] = _Item(gone.content, last.samples + gone.samples, 0, gone.time)
        else:
            self._untold.append(gone)

    @property
    def waiting(self) -> int:
        """How many samples wait."""
        return self._waiting

    def due(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._items or self._untold)

    def write(self, tx: sqlite3.Connection) -> None:
        """Write all that waits."""
        with self._lock:
            self._writing = len(self._items)
            items = list(self._items)
            register, self._register = self._register, False
            tags = list(self._tags.items()) if register else []
            self._telling = list(self._untold)
            self._untold.clear()
        if register:
            self._enter(tx, tags)
        came: list[Recorded] = []
        for item in items:
            if isinstance(item.content, Observation):
                self._observe(tx, item.content)
                continue
            batch = self._known(item.content)
            if batch.backfill:
                self._journal.add(tx, came)  # so that what came this second counts as told, too
                came = []
                self._journal.add(tx, [_untold(tx, Recorded.of(batch, self._numbers))])
            else:
                came.append(Recorded.of(batch, self._numbers))
            if batch.kind is ValueKind.WAVEFORM:
                self.waveforms.add(tx, batch, self._numbers)
        self._journal.add(tx, came)
        for gone in self._telling:
            note_dropped(tx, "queue full", Gone(samples=gone.samples), gone.time)

    def committed(self) -> None:
        """Forget what was written."""
        self._journal.committed()
        with self._lock:
            for _ in range(self._writing):
                item = self._items.popleft()
                self._size -= item.size
                self._waiting -= item.samples
                self.written += item.samples
            self._writing = 0
            self._telling = []

    def rolled_back(self) -> None:
        """Keep it all; the file may be another one next time, with other numbers for the same tags."""
        with self._lock:
            self._writing = 0
            self._untold.extendleft(reversed(self._telling))
            self._telling = []
            self._register = True
            self._names.clear()
            self._journal.forget()
            self.waveforms.forget()

    def fold(self, tx: sqlite3.Connection) -> bool:
        """Fold the journal now; a job of the writer's."""
        self._journal.fold(tx)
        return True

    def _enter(self, tx: sqlite3.Connection, tags: list[tuple[int, Tag]]) -> None:
        """Give each tag its number in this file."""
        numbers = np.zeros(max((index for index, _ in tags), default=-1) + 1, np.int64)
        for index, tag in tags:
            row = tx.execute(_TAG, (tag.id, tag.name, tag.machine, tag.role.value, tag.unit)).fetchone()
            numbers[index] = row[0]
        self._numbers = numbers

    def _known(self, batch: SampleBatch) -> SampleBatch:
        """Return a batch without tags that this file has no number for."""
        inside = (batch.tag >= 0) & (batch.tag < len(self._numbers))
        return batch if inside.all() else batch.where(inside)

    def _observe(self, tx: sqlite3.Connection, seen: Observation) -> None:
        if (number := self._names.get(seen.names)) is None:
            text = json.dumps(seen.names, ensure_ascii=False)
            tx.execute("INSERT OR IGNORE INTO feature_names (names) VALUES (?)", (text,))
            number = int(tx.execute("SELECT set_id FROM feature_names WHERE names = ?", (text,)).fetchone()[0])
            self._names[seen.names] = number
        blob = np.ascontiguousarray(seen.values, "<f4").tobytes()
        tx.execute(
            'INSERT INTO observations (machine, indicator, time, state, names, "values") VALUES (?, ?, ?, ?, ?, ?)',
            (seen.machine, seen.indicator, seen.time, seen.state.value, number, blob),
        )


def _untold(tx: sqlite3.Connection, late: Recorded) -> Recorded:
    """Return what was told belatedly without what is here already, or was told twice: it is never kept twice."""
    tags, times = late.tag.tolist(), late.time.tolist()
    spans: dict[int, tuple[int, int]] = {}
    for tag, time in zip(tags, times, strict=True):
        first, last = spans.get(tag, (time, time))
        spans[tag] = min(first, time), max(last, time)
    known = history.times_told(tx, spans)
    keep = np.zeros(len(late), np.bool_)
    for row, (tag, time) in enumerate(zip(tags, times, strict=True)):
        keep[row] = time not in known[tag]
        known[tag].add(time)
    return late.where(keep)


def _item(content: SampleBatch | Observation) -> _Item:
    if isinstance(content, Observation):
        return _Item(content, 0, _A_SAMPLE + content.values.nbytes, content.time)
    size = _A_SAMPLE * len(content)
    if content.kind is ValueKind.WAVEFORM:
        size += sum(_bytes(value) for value in content.values)
    return _Item(content, len(content), size, content.receive_time)


def _bytes(value: Any) -> int:  # noqa: ANN401 - a slot of an object column
    return value.samples.nbytes if isinstance(value, Waveform) else 0

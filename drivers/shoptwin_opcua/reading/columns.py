"""From decoded values to batches: one column set a kind of value."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.sdk import SampleBatch, StatusCode, ValueKind, Waveform
from shoptwin_opcua.space.times import plausible
from shoptwin_opcua.wire import decode
from shoptwin_opcua.wire.decode import BAD
from shoptwin_opcua.wire.kinds import KINDS, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from shoptwin_opcua.space.resolve import Target
    from shoptwin_opcua.wire.decode import Row
    from shoptwin_opcua.wire.values import Block, Values

_COLUMNS = ("tag", "values", "status", "source_time", "server_time")
_COUNTS = frozenset({2, 3, 4})
"""Arrays of these stay 16-bit counts."""
_BEFORE = datetime(1601, 1, 1)  # noqa: DTZ001 - OPC UA's time is UTC by definition, and only its text is wanted


class Places:
    """Where the values of an answer go: the points, in the order they are asked for, or by handle."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self.targets = list(targets)
        self.tags = np.array([target.tag for target in self.targets], np.int32)
        self.apart = np.array([each.wish is ValueKind.WAVEFORM or each.parted for each in self.targets], bool)
        """Which are looked at one by one: waveforms and parts, of which a single number is neither."""


class _Column:
    """What was collected of one kind, one by one and many at a time, and where each stood."""

    def __init__(self) -> None:
        self.rows: tuple[list[int], list[int], list[Any], list[int], list[int], list[int]] = ([], [], [], [], [], [])
        self.parts: list[tuple[NDArray[np.intp], SampleBatch]] = []

    def batch(self, group: str, kind: ValueKind) -> tuple[int, SampleBatch]:
        """Return where the first one stood, and all in their order."""
        order, tags, values, status, source, server = self.rows
        if order:
            of_rows = SampleBatch.of(
                group, kind, tags, values,
                status=status, source_time=np.array(source, np.int64), server_time=np.array(server, np.int64),
            )  # fmt: skip
            self.parts.append((np.array(order), of_rows))
        places, whole = self.parts[0]
        if len(self.parts) > 1 or (places[1:] < places[:-1]).any():
            places = np.concatenate([part for part, _ in self.parts])
            by_place = places.argsort(kind="stable")
            columns: dict[str, Any] = {
                name: np.concatenate([getattr(batch, name) for _, batch in self.parts])[by_place] for name in _COLUMNS
            }
            whole = replace(whole, **columns)
        return int(places.min()), replace(whole, group=group)


class Columns:
    """Collects values of one group and hands them over as batches."""

    def __init__(self) -> None:
        self._columns: dict[ValueKind, _Column] = {}
        self._count = 0
        self.unrated = False
        """Whether an array came whose sampling rate is not known."""

    def add(self, tag: int, wish: ValueKind | None, rate: float | None, row: Row) -> None:
        """Take one value; `rate` in Hz is for an array."""
        self._add(self._count, tag, wish, rate, row)
        self._count += 1

    def put(self, target: Target, row: Row) -> None:
        """Take the value of a node: the whole of it, or the parts that were asked for."""
        for each in (target, *target.others):
            self._add(self._count, each.tag, each.wish, each.rate, each.part(row))
        self._count += 1

    def lost(self, target: Target, status: int) -> None:
        """Say of a node that it has no value and why."""
        self.put(target, decode.Row(0, None, status, 0, 0))

    def bad(self, tag: int, status: int) -> None:
        """Say of a tag that it has no value and why."""
        self.add(tag, None, None, decode.Row(0, None, status, 0, 0))

    def extend(self, places: Places, values: Values, at: NDArray[np.intp]) -> None:
        """Take an answer; `at` [n] is the place of each of its values, -1 for one that is not wanted."""
        for index, row in values.rows:
            self._one(places, int(at[index]), self._count + index, row)
        for block in values.blocks:
            wanted = at[block.at] >= 0
            asked = block if wanted.all() else block.where(wanted)
            apart = places.apart[at[asked.at]]
            if apart.any():
                for index, row in asked.where(apart).in_rows():
                    self._one(places, int(at[index]), self._count + index, row)
                asked = asked.where(~apart)
            if len(asked.at):
                self._take(places, asked, at[asked.at])
        self._count += values.count

    def batches(self, group: str, clock: int = 0) -> list[SampleBatch]:
        """Return what was collected, one batch a kind of value; `clock` as `times.plausible` has it."""
        found = [column.batch(group, kind) for kind, column in self._columns.items()]
        return [plausible(batch, clock) for _, batch in sorted(found, key=lambda each: each[0])]

    def _add(self, order: int, tag: int, wish: ValueKind | None, rate: float | None, row: Row) -> None:
        type_, value, status, source, server = row
        kind = KINDS.get(type_)
        if status >= BAD:
            kind, value = ValueKind.F8, np.nan
        elif kind is None or value is None or wish is ValueKind.WAVEFORM:
            kind, value, status = self._unusual(wish, rate, row)
        column = self._column(kind).rows
        column[0].append(order)
        column[1].append(tag)
        column[2].append(value)
        column[3].append(status)
        column[4].append(source)
        column[5].append(server)

    def _one(self, places: Places, place: int, order: int, row: Row) -> None:
        if place >= 0:
            target = places.targets[place]
            for each in (target, *target.others):
                self._add(order, each.tag, each.wish, each.rate, each.part(row))

    def _take(self, places: Places, block: Block, at: NDArray[np.intp]) -> None:
        """Take scalars of one type; what `_add` does, for many at a time."""
        order, kind = block.at + self._count, KINDS[block.type]
        batch = SampleBatch.of(
            "", kind, places.tags[at], block.values,
            status=block.status, source_time=block.source_time, server_time=block.server_time,
        )  # fmt: skip
        bad = block.status >= BAD
        if bad.any():
            lost = replace(batch.where(bad), kind=ValueKind.F8, values=np.full(int(bad.sum()), np.nan))
            self._column(ValueKind.F8).parts.append((order[bad], lost))
            order, batch = order[~bad], batch.where(~bad)
        if len(batch):
            self._column(kind).parts.append((order, batch))

    def _column(self, kind: ValueKind) -> _Column:
        column = self._columns.get(kind)
        if column is None:
            column = self._columns[kind] = _Column()
        return column

    def _unusual(self, wish: ValueKind | None, rate: float | None, row: Row) -> tuple[ValueKind, Any, int]:
        """Return kind, value and status of what is not simply a scalar."""
        kind = kind_of(row)
        if row.value is None and (kind is not None or not row.type):
            return _nothing(StatusCode.BAD_NO_DATA)
        if row.type == decode.DATE_TIME and wish is not ValueKind.WAVEFORM:
            return _date_time(row)
        if kind is not ValueKind.WAVEFORM:
            return _nothing(StatusCode.BAD_TYPE_MISMATCH)
        self.unrated |= rate is None
        return _waveform(row, rate)


def _nothing(status: int) -> tuple[ValueKind, Any, int]:
    return ValueKind.F8, np.nan, status


def _waveform(row: Row, rate: float | None) -> tuple[ValueKind, Any, int]:
    if rate is None:
        return _nothing(StatusCode.BAD_CONFIGURATION_ERROR)
    if not len(row.value):
        return _nothing(StatusCode.BAD_NO_DATA)
    samples = _samples(row)
    if not np.isfinite(samples).all():
        return _nothing(StatusCode.BAD_OUT_OF_RANGE)
    return ValueKind.WAVEFORM, Waveform(samples, rate), row.status


def _samples(row: Row) -> NDArray[Any]:
    """Return an array of its own, int16 or float32: the row's is a view of the whole message."""
    if row.type & 0x3F in _COUNTS:
        return np.array(row.value, np.int16)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes Inf, and that is Bad
        return np.array(row.value, np.float32)


def _date_time(row: Row) -> tuple[ValueKind, Any, int]:
    try:
        text = (_BEFORE + timedelta(microseconds=row.value // 10)).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        return _nothing(StatusCode.BAD_OUT_OF_RANGE)
    return ValueKind.STR, text, row.status

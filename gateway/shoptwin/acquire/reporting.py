"""Which samples are kept, where a tag asks for less than all of them (`Report` in domain/tag.py has the rules)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import ValueKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.tag import TagTable

_FLOATS = (ValueKind.F4, ValueKind.F8)
_ROUNDING = {ValueKind.F4: 2.0**-22, ValueKind.F8: 2.0**-50}
"""How far two numbers that were computed from the same may differ, as a part of them."""
_KINDS = {kind: np.int8(i) for i, kind in enumerate(ValueKind)}
_NEVER = np.int8(-1)
"""In the place of the kind of the last kept sample: there is none."""
_WIDEST = np.nextafter(2.0**64, 0.0)
"""The largest float that is a 64-bit integer; wider bands are cut to it."""


class Reporting:
    """Tells which samples to keep. Of each tag it knows the last kept one, in arrays by tag index.

    A sample that is older than the last kept one is kept, as its clock was set back; the next are held against it.
    """

    def __init__(self, table: TagTable) -> None:
        self._kind = np.zeros(0, np.int8)
        self._value, self._bits = np.zeros(0), np.zeros(0, np.uint64)
        self._status, self._time = np.zeros(0, np.uint32), np.zeros(0, np.int64)
        self._text: dict[int, Any] = {}
        self.configure(table)

    def configure(self, table: TagTable) -> None:
        """Take on another configuration; what is known of a tag that stays, and still asks for less, is kept."""
        size, before = len(table), len(self._kind)
        self._asks = np.zeros(size, np.bool_)
        self._deadband, self._share = np.zeros(size), np.zeros(size)
        self._heartbeat = np.zeros(size, np.int64)
        for index, tag in table:
            rule = tag.report
            self._asks[index] = not rule.each
            self._deadband[index], self._share[index] = rule.deadband, rule.percent / 100.0
            self._heartbeat[index] = rule.heartbeat
        for name in ("_value", "_bits", "_status", "_time", "_kind"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(size - before, column.dtype)]))
        self._kind[before:] = _NEVER
        self._kind[~self._asks] = _NEVER
        self._text = {tag: text for tag, text in self._text.items() if self._asks[tag]}
        self._any = bool(self._asks.any())

    def keep(self, batch: SampleBatch) -> NDArray[np.bool_] | None:
        """Tell per row of a batch whether it is kept, bool[n]; None: all of it. What is kept is remembered."""
        if not self._any or batch.kind is ValueKind.WAVEFORM:
            return None
        asks = self._asks[batch.tag]
        if not asks.any():
            return None
        kept = ~asks
        for rows in _turns(batch.tag, np.flatnonzero(asks)):
            kept[rows] = self._judge(batch, rows)
        return kept

    def _judge(self, batch: SampleBatch, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell of rows of different tags which are kept, and remember those."""
        tag, status, kind = batch.tag[rows], batch.status[rows], _KINDS[batch.kind]
        time = np.where(batch.source_time[rows] == 0, np.int64(batch.receive_time), batch.source_time[rows])
        age = time - self._time[tag]
        usable = ~is_bad(status)
        kept: NDArray[np.bool_] = (self._kind[tag] == _NEVER) | (status != self._status[tag])
        kept |= (age < 0) | (age >= self._heartbeat[tag])
        kept |= usable & (self._kind[tag] != kind)
        values = batch.values[rows]
        if batch.kind is ValueKind.STR:
            kept |= usable & self._reworded(tag, values)
            self._text.update(zip(tag[kept].tolist(), values[kept], strict=True))
        else:
            now = _numbers(batch.kind, values)
            kept |= usable & self._moved(batch.kind, tag, now)
            self._value[tag[kept]], self._bits[tag[kept]] = now.value[kept], now.bits[kept]
        self._kind[tag[kept]], self._status[tag[kept]], self._time[tag[kept]] = kind, status[kept], time[kept]
        return kept

    def _moved(self, kind: ValueKind, tag: NDArray[np.int32], now: Numbers) -> NDArray[np.bool_]:
        """Tell which numbers differ from the last kept ones by more than both bands."""
        last = self._value[tag]
        with np.errstate(invalid="ignore", over="ignore"):  # what is Bad may be NaN
            band = np.maximum(self._deadband[tag], self._share[tag] * np.abs(last))
            moved: NDArray[np.bool_]
            if kind in _FLOATS:
                # A step of just the deadband is within it, however its ends were rounded.
                rounding = np.maximum(np.abs(now.value), np.abs(last)) * _ROUNDING[kind] * (band > 0)
                moved = np.abs(now.value - last) > band + rounding
            else:  # whole numbers differ by a whole number; of 64 bits no float could tell it
                whole = np.minimum(np.nan_to_num(band), _WIDEST).astype(np.uint64)
                moved = (_distance(kind, now.bits, self._bits[tag]) > whole) & (band < 2.0**64)
        return moved

    def _reworded(self, tag: NDArray[np.int32], values: NDArray[Any]) -> NDArray[np.bool_]:
        return np.array([self._text.get(t) != v for t, v in zip(tag.tolist(), values, strict=True)], np.bool_)


class Numbers(NamedTuple):
    """Values as float64 [n], and, where they are whole numbers, exactly: their 64 bits [n]."""

    value: NDArray[np.float64]
    bits: NDArray[np.uint64]


def _numbers(kind: ValueKind, values: NDArray[Any]) -> Numbers:
    value = values.astype(np.float64)
    if kind in _FLOATS:
        return Numbers(value, np.zeros(len(values), np.uint64))
    return Numbers(value, values.astype(np.uint64) if kind is not ValueKind.I8 else values.view(np.uint64))


def _distance(kind: ValueKind, a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return |a - b| exactly; the bits are those of signed numbers where the kind is."""
    above = a.view(np.int64) > b.view(np.int64) if kind is ValueKind.I8 else a > b
    return np.where(above, a - b, b - a)


def _turns(tag: NDArray[np.int32], rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Split rows so that a tag occurs at most once in each part, and its rows come in their order."""
    order = np.argsort(tag[rows], kind="stable")
    same = np.flatnonzero(np.diff(tag[rows][order]) == 0)
    if not len(same):
        return [rows]
    turn = np.zeros(len(rows), np.intp)  # how many rows of the same tag stand before it
    first = np.maximum.accumulate(np.where(np.diff(tag[rows][order], prepend=-1) != 0, np.arange(len(rows)), 0))
    turn[order] = np.arange(len(rows)) - first
    return [rows[turn == i] for i in range(int(turn.max()) + 1)]

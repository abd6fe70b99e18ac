"""Samples as `twin.db` keeps them, in columns: what a second's journal and a chunk of ten minutes are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.text import sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch

COLUMNS = ("tag", "time", "server", "received", "status", "values")
KINDS = (ValueKind.F4, ValueKind.F8, ValueKind.I8, ValueKind.U8, ValueKind.BOOL, ValueKind.STR, ValueKind.WAVEFORM)
"""The number of a kind is its place: it is on disk, so this may only be appended to."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Samples of one kind, in the order in which they came; all columns have the length n. Times are ns UTC.

    Where a value is Bad its slot holds NaN, 0, False or None.
    """

    kind: ValueKind
    """Never a waveform: these have a table of their own, and are here only where they were Bad, as F8."""
    tag: NDArray[np.int64]
    """Numbers of the tags in this file."""
    time: NDArray[np.int64]
    """Of the source."""
    server: NDArray[np.int64]
    """0 where the device gave none."""
    received: NDArray[np.int64]
    status: NDArray[np.uint32]
    values: NDArray[Any]
    past: bool = False
    """Told belatedly, from what the device had kept of an outage."""

    def __len__(self) -> int:
        return len(self.tag)

    @classmethod
    def of(cls, batch: SampleBatch, numbers: NDArray[np.int64]) -> Recorded:
        """Return a batch's samples; `numbers` maps its tags to those of the file."""
        bad = is_bad(batch.status)
        if batch.kind is ValueKind.WAVEFORM:
            batch, bad = batch.where(bad), bad[bad]
            kind, values = ValueKind.F8, np.full(len(batch), np.nan)
        else:
            values = batch.values if batch.kind.numeric else _texts(batch.values)
            kind, values = batch.kind, without(batch.kind, values, bad)
        received = np.full(len(batch), batch.receive_time, np.int64)
        times = batch.source_time, batch.server_time, received
        return cls(kind, numbers[batch.tag], *times, batch.status, values, batch.backfill)

    @classmethod
    def joined(cls, parts: Sequence[Recorded]) -> Recorded:
        """Return parts of one kind, at least one, as one."""
        columns: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in COLUMNS}
        return replace(parts[0], **columns)

    def where(self, rows: NDArray[Any]) -> Recorded:
        """Return some rows, by a mask or by indices."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in COLUMNS}
        return replace(self, **columns)

    def as_kind(self, kind: ValueKind) -> Recorded:
        """Return rows that are all Bad as rows of another kind."""
        values = without(kind, np.zeros(len(self), kind.dtype), np.ones(len(self), np.bool_))
        return replace(self, kind=kind, values=values)


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Return values as texts that can be written, or None, whatever a driver gave."""
    texts = np.empty(len(values), object)
    texts[:] = [None if value is None else sound(str(value)) for value in values]
    return texts


def without(kind: ValueKind, values: NDArray[Any], bad: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values with nothing in the slots of those that are Bad."""
    if not bad.any():
        return values
    left = values.copy()
    left[bad] = None if kind is ValueKind.STR else np.nan if values.dtype.kind == "f" else 0
    return left

"""Samples as `twin.db` keeps them, in columns: what a second's journal and a chunk of ten minutes are made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import ValueKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch


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
            kind, values = batch.kind, without(batch.kind, batch.values, bad)
        received = np.full(len(batch), batch.receive_time, np.int64)
        return cls(kind, numbers[batch.tag], batch.source_time, batch.server_time, received, batch.status, values)

    @classmethod
    def joined(cls, parts: Sequence[Recorded]) -> Recorded:
        """Return parts of one kind, at least one, as one."""
        names = [field.name for field in fields(cls)][1:]
        return cls(parts[0].kind, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def where(self, rows: NDArray[Any]) -> Recorded:
        """Return some rows, by a mask or by indices."""
        names = [field.name for field in fields(self)][1:]
        return Recorded(self.kind, *(getattr(self, name)[rows] for name in names))

    def as_kind(self, kind: ValueKind) -> Recorded:
        """Return rows that are all Bad as rows of another kind."""
        values = without(kind, np.zeros(len(self), kind.dtype), np.ones(len(self), np.bool_))
        return Recorded(kind, self.tag, self.time, self.server, self.received, self.status, values)


def without(kind: ValueKind, values: NDArray[Any], bad: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values with nothing in the slots of those that are Bad."""
    if not bad.any():
        return values
    left = values.copy()
    left[bad] = None if kind is ValueKind.STR else np.nan if values.dtype.kind == "f" else 0
    return left

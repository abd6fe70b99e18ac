"""SampleBatch: values as they come from a device, in columns (DESIGN §2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.text import sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from shoptwin.domain.quality import StatusCode as Code


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """One burst of samples: a single value of a tag. `samples` is int16 or float32 [n]; `rate` is in Hz."""

    samples: NDArray[Any]
    rate: float
    scale: float = 1.0
    """Engineering units per count."""

    def physical(self) -> NDArray[np.float32]:
        """Return the samples in the tag's unit, float32 [n]."""
        return np.asarray(self.samples, np.float32) * np.float32(self.scale)

    @property
    def seconds(self) -> float:
        """How long the burst lasts."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class SampleBatch:
    """Samples of one poll or notification; every column has the length n of `tag`. A tag may occur more than once.

    Times are nanoseconds since 1970 UTC; 0 in `source_time` or `server_time` means that the device gave none.
    Where a value is Bad it must not be looked at; its slot holds NaN, 0 or None.
    """

    group: str
    kind: ValueKind
    tag: NDArray[np.int32]
    values: NDArray[Any]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: NDArray[np.int64]
    receive_time: int = 0
    backfill: bool = False
    """What the device has kept of the time when it could not be reached: for the record alone. Nothing here is live."""

    def __len__(self) -> int:
        return len(self.tag)

    @classmethod
    def of(
        cls,
        group: str,
        kind: ValueKind,
        tag: ArrayLike,
        values: ArrayLike | Sequence[object],
        *,
        status: ArrayLike = 0,
        source_time: ArrayLike = 0,
        server_time: ArrayLike = 0,
        receive_time: int = 0,
    ) -> SampleBatch:
        """Build a batch from array-likes; `status` and the times may be single values for all. Checks the shapes.

        A value that is NaN or Inf becomes Bad (BadOutOfRange) here, and a text one that can be written, so that no one
        later has to think of it.

        Raises:
            ValueError: the columns differ in length.
        """
        tags = _flat(tag, np.int32)
        n = len(tags)
        column = _objects(values) if kind.dtype == "O" else _flat(values, kind.dtype)
        if kind is ValueKind.STR:
            column[:] = [sound(value) if isinstance(value, str) else value for value in column]
        codes = _column(status, np.uint32, n)
        if column.dtype.kind == "f" and not (finite := np.isfinite(column)).all():
            good = codes & np.uint32(StatusCode.BAD) == 0
            codes = np.where(~finite & good, np.uint32(StatusCode.BAD_OUT_OF_RANGE), codes)
        batch = cls(
            group, kind, tags, column, codes,
            _column(source_time, np.int64, n), _column(server_time, np.int64, n), receive_time,
        )  # fmt: skip
        if len(column) != n:
            raise ValueError(f"{group}: {n} tags but {len(column)} values")
        return batch

    @classmethod
    def bad(cls, group: str, tag: ArrayLike, status: Code | int, time: int) -> SampleBatch:
        """Return a batch that says of each of `tag` that there is no value now, and why."""
        tags = np.atleast_1d(np.asarray(tag, np.int32))
        return cls.of(
            group, ValueKind.F8, tags, np.full(len(tags), np.nan),
            status=int(status), source_time=time, receive_time=time,
        )  # fmt: skip

    def where(self, rows: NDArray[np.bool_]) -> SampleBatch:
        """Return the batch with these rows alone; `rows` is bool [n]."""
        return replace(
            self, tag=self.tag[rows], values=self.values[rows], status=self.status[rows],
            source_time=self.source_time[rows], server_time=self.server_time[rows],
        )  # fmt: skip

    def received(self, now: int) -> SampleBatch:
        """Return the batch stamped with the time of receipt, which also stands in for a missing source time."""
        source = np.where(self.source_time == 0, np.int64(now), self.source_time)
        return replace(self, receive_time=now, source_time=source)


def _flat(values: ArrayLike | Sequence[object], dtype: str | type[np.generic]) -> NDArray[Any]:
    """Return `values` as a column; a single value is one of length 1."""
    array = np.asarray(values, dtype)
    return array if array.ndim else array.reshape(1)


def _column(value: ArrayLike, dtype: type[np.generic], n: int) -> NDArray[Any]:
    """Return `value` as a column of length n; a single value stands for all."""
    array = np.asarray(value, dtype)
    if array.ndim == 0:
        return array.repeat(n)
    if len(array) != n:
        raise ValueError(f"a column of {len(array)} beside {n} tags")
    return array


def _objects(values: ArrayLike | Sequence[object]) -> NDArray[Any]:
    """Return an object array [n] whose elements are the items themselves, never unpacked into a second dimension."""
    items = list(values)  # type: ignore[arg-type]
    column = np.empty(len(items), object)
    column[:] = items
    return column

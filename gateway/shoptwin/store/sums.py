"""Sums of samples per tag and bucket of time: what can be put together from parts, whichever came first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import is_good, usable
from shoptwin.store.series import Rollup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NEVER = -(2**63)


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Columns of length n, in the order of tags and buckets, each of which stands there once."""

    tag: NDArray[np.int64]
    bucket: NDArray[np.int64]
    """time // step"""
    count: NDArray[np.int64]
    good: NDArray[np.int64]
    usable: NDArray[np.int64]
    """Samples that were not Bad and are numbers: what the figures are of"""
    total: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    """inf and -inf where nothing was usable"""
    last: NDArray[np.float64]
    newest: NDArray[np.int64]
    """Source time of `last`, ns UTC"""

    @classmethod
    def of(
        cls, tag: NDArray[np.int64], time: NDArray[np.int64], values: NDArray[Any], status: NDArray[np.uint32],
        step: int,
    ) -> Sums:  # fmt: skip
        """Return the sums of samples, in any order, over buckets of `step` ns."""
        bucket, values = time // step, numbers(values)
        if not _in_order(tag, bucket, time):
            order = np.lexsort((time, bucket, tag))
            tag, bucket, time, values, status = tag[order], bucket[order], time[order], values[order], status[order]
        used = usable(status) & ~np.isnan(values)
        return _merged(
            tag, bucket, np.ones(len(tag), np.int64), is_good(status).astype(np.int64), used.astype(np.int64),
            np.where(used, values, 0.0), np.where(used, values, np.inf), np.where(used, values, -np.inf), values,
            np.where(used, time, _NEVER),
        )  # fmt: skip

    @classmethod
    def nothing(cls) -> Sums:
        """Return the sums of no samples."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(whole, whole, whole, whole, whole, real, real, real, real, whole)

    @classmethod
    def joined(cls, parts: Sequence[Sums]) -> Sums:
        """Return the sums of all parts."""
        columns = [np.concatenate([getattr(part, name) for part in (cls.nothing(), *parts)]) for name in cls.__slots__]
        order = np.lexsort((columns[-1], columns[1], columns[0]))
        return _merged(*(column[order] for column in columns))

    def coarser(self, times: int) -> Sums:
        """Return the sums over buckets that are so many times as long."""
        columns = [getattr(self, name) for name in self.__slots__]
        return _merged(self.tag, self.bucket // times, *columns[2:])

    def rollup(self, step: int) -> Rollup:
        """Return the figures of one tag."""
        mean, minimum, maximum, last = self.figures()
        return Rollup(self.bucket * step, self.count, self.good, minimum, mean, maximum, last)

    def figures(self) -> tuple[NDArray[np.float64], ...]:
        """Return mean, minimum, maximum and last, [n] each; NaN where nothing was usable."""
        some = self.usable > 0
        mean = np.divide(self.total, self.usable, out=np.full(len(some), np.nan), where=some)
        return mean, *(np.where(some, column, np.nan) for column in (self.minimum, self.maximum, self.last))


def numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values as numbers, NaN where one is none."""
    if values.dtype == object:
        return np.fromiter((_number(value) for value in values), np.float64, len(values))
    return values.astype(np.float64)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (bool, int, float)) else np.nan


def _in_order(tag: NDArray[np.int64], bucket: NDArray[np.int64], time: NDArray[np.int64]) -> bool:
    same = tag[1:] == tag[:-1]
    return bool(((tag[1:] > tag[:-1]) | (same & (bucket[1:] >= bucket[:-1]) & (time[1:] >= time[:-1]))).all())


def _merged(tag: NDArray[np.int64], bucket: NDArray[np.int64], *columns: NDArray[Any]) -> Sums:
    """Return the sums of rows in the order of tags, buckets and time, as columns of a Sums, with each bucket once."""
    n = len(tag)
    if not n:
        return Sums.nothing()
    count, good, used, total, minimum, maximum, last, newest = columns
    begins = np.flatnonzero(np.concatenate(([True], (bucket[1:] != bucket[:-1]) | (tag[1:] != tag[:-1]))))
    at = np.maximum.reduceat(np.where(used > 0, np.arange(n), -1), begins)
    at = np.where(at < 0, begins, at)
    counted, well, known, summed = (np.add.reduceat(column, begins) for column in (count, good, used, total))
    return Sums(
        tag[begins], bucket[begins], counted, well, known, summed,
        np.minimum.reduceat(minimum, begins), np.maximum.reduceat(maximum, begins), last[at], newest[at],
    )  # fmt: skip

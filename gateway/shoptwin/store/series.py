"""What is read from the store: series of samples, figures per bucket of time, evidence for learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import is_good, usable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Samples of one tag in order of source time, and of arrival where that is the same; all columns have length n.

    `values` has the dtype that the device sent (float32 stays float32, a 64-bit counter an integer), float64 where
    it has sent several kinds of floats, object for texts and other mixtures. Where Bad: NaN, 0 or None.
    """

    time: NDArray[np.int64]
    values: NDArray[Any]
    status: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """Figures per bucket of time, length n; buckets in which nothing came are left out. All but counts float64.

    The figures are of the values that were not Bad; NaN where there were none, as for texts.
    """

    time: NDArray[np.int64]
    """Where each bucket begins, a whole multiple of the step, ns UTC."""
    count: NDArray[np.int64]
    """Samples received, Bad ones too."""
    good: NDArray[np.int64]
    """How many of them were Good."""
    minimum: NDArray[np.float64]
    mean: NDArray[np.float64]
    maximum: NDArray[np.float64]
    last: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Observations of one machine and indicator, in order of time: what learning reads. Length n, k names."""

    time: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    """[n, k]; NaN where an observation did not have the name."""
    state: list[str]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums per bucket: what can be put together from parts. A bucket may occur more than once in a row."""

    bucket: NDArray[np.int64]
    count: NDArray[np.int64]
    good: NDArray[np.int64]
    usable: NDArray[np.int64]
    total: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    last: NDArray[np.float64]

    @classmethod
    def of(cls, series: Series, step: int) -> Sums:
        """Return the sums of samples over buckets of `step` ns."""
        n = len(series)
        good, used = is_good(series.status), usable(series.status)
        if series.values.dtype == object:
            values = np.fromiter((_number(value) for value in series.values), np.float64, n)
        else:
            values = series.values.astype(np.float64)
        used &= ~np.isnan(values)
        one = cls(
            series.time // step, np.ones(n, np.int64), good.astype(np.int64), used.astype(np.int64),
            np.where(used, values, 0.0), np.where(used, values, np.inf), np.where(used, values, -np.inf),
            np.where(used, values, np.nan),
        )  # fmt: skip
        return one.merged()

    @classmethod
    def joined(cls, parts: Sequence[Sums]) -> Sums:
        """Return the sums of parts that follow one another."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__)).merged()

    def merged(self) -> Sums:
        """Return the sums with each bucket once."""
        n = len(self.bucket)
        if n == 0:
            return self
        first = np.flatnonzero(np.concatenate(([True], self.bucket[1:] != self.bucket[:-1])))
        newest = np.maximum.reduceat(np.where(self.usable > 0, np.arange(n), -1), first)
        return Sums(
            self.bucket[first],
            np.add.reduceat(self.count, first),
            np.add.reduceat(self.good, first),
            np.add.reduceat(self.usable, first),
            np.add.reduceat(self.total, first),
            np.minimum.reduceat(self.minimum, first),
            np.maximum.reduceat(self.maximum, first),
            np.where(newest >= 0, self.last[newest], np.nan),
        )

    def rollup(self, step: int) -> Rollup:
        """Return the figures."""
        some = self.usable > 0
        mean = np.divide(self.total, self.usable, out=np.full(len(some), np.nan), where=some)
        return Rollup(
            self.bucket * step, self.count, self.good,
            np.where(some, self.minimum, np.nan), mean, np.where(some, self.maximum, np.nan), self.last,
        )  # fmt: skip


def _number(value: object) -> float:
    """Return one value of a mixture as a number, NaN where it is none."""
    return float(value) if isinstance(value, (bool, int, float)) else np.nan

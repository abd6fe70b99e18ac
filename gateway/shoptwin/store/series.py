"""What is read from the store: series of samples, figures per bucket of time, evidence for learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
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

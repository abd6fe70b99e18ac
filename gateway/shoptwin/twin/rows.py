"""The rows of a batch beside what is live: which follow one another, which say nothing new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rows:
    """The samples of a batch that are of known tags, in order of source time within each tag."""

    tag: NDArray[np.int32]
    value: NDArray[np.float64]
    bits: NDArray[np.int64]
    status: NDArray[np.uint32]
    time: NDArray[np.int64]
    index: NDArray[np.int64]
    """Where each stands in the batch."""
    repeated: bool
    """Whether a tag occurs more than once; otherwise the order is that of the batch."""


def but(confirmed: NDArray[np.bool_], index: NDArray[np.int64], size: int) -> NDArray[np.bool_] | None:
    """Return which of a batch's `size` rows are no repetition; None where none is one, which is the usual case."""
    if not confirmed.any():
        return None
    kept = np.ones(size, np.bool_)
    kept[index[confirmed]] = False
    return kept


def follow(rows: Rows, forced: NDArray[np.bool_], current: NDArray[np.bool_], known: NDArray[np.bool_]) -> None:
    """Correct `current` and `known`, in place, for rows that follow another of their tag: that one is live by then."""
    here = np.arange(len(rows.tag))
    again = np.concatenate(([False], rows.tag[1:] == rows.tag[:-1]))
    first = np.maximum.accumulate(np.where(again, 0, here))
    current |= np.maximum.accumulate(np.where(forced, here, -1)) >= first  # after a loss whatever comes is new
    before = here[again] - 1
    same = (
        (rows.time[again] == rows.time[before])
        & (rows.status[again] == rows.status[before])
        & (rows.bits[again] == rows.bits[before])
        & equal(rows.value[again], rows.value[before])
    )
    known[again] = np.where(current[before], same, known[again])


def equal(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell where two columns are equal, NaN being equal to NaN."""
    equal: NDArray[np.bool_] = (a == b) | (np.isnan(a) & np.isnan(b))
    return equal

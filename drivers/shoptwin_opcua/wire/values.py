"""What one answer holds: DataValues in columns, a block a layout, and rows for what is no plain number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shoptwin_opcua.wire.decode import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray


class Block(NamedTuple):
    """Scalars of one built-in type, of which there may be several blocks; every column is [n]. Times as in Row."""

    type: int
    at: NDArray[np.intp]
    """Which of the answer's values these are; ascending."""
    values: NDArray[Any]
    """In the type that they have on the wire."""
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: NDArray[np.int64]

    def where(self, wanted: NDArray[np.bool_]) -> Block:
        """Return these alone; `wanted` is bool [n]."""
        columns: list[NDArray[Any]] = [column[wanted] for column in self[1:]]
        return Block(self.type, *columns)

    def in_rows(self) -> Iterator[tuple[int, Row]]:
        """Yield each with its index, as a row."""
        for index, *value in zip(*(column.tolist() for column in self[1:]), strict=True):
            yield index, Row(self.type, *value)


@dataclass(frozen=True, slots=True)
class Values:
    """All values of one answer; each is in one block, or in `rows` with its index."""

    count: int
    blocks: Sequence[Block] = ()
    rows: Sequence[tuple[int, Row]] = ()
    handles: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    """The client's handles, where the answer is a notification: uint32 [count]."""

    @classmethod
    def of_rows(cls, rows: Iterable[Row], handles: Iterable[int] = ()) -> Values:
        """Return rows as they are: what the plain path gives."""
        numbered = list(enumerate(rows))
        return cls(len(numbered), (), numbered, np.array(list(handles), np.uint32))

    def in_rows(self) -> list[Row]:
        """Return one row a value, in the order of the answer."""
        found = dict(self.rows)
        for block in self.blocks:
            found.update(block.in_rows())
        return [found[index] for index in range(self.count)]


def agree(one: Values, other: Values) -> bool:
    """Tell whether two answers hold the same values, bit for bit; any NaN is as good as another."""
    if one.count != other.count or not np.array_equal(one.handles, other.handles):
        return False
    return all(map(_same, one.in_rows(), other.in_rows()))


def _same(one: Row, other: Row) -> bool:
    if one[0] != other[0] or one[2:] != other[2:] or type(one.value) is not type(other.value):
        return False
    a, b = one.value, other.value
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype) and a.tobytes() == b.tobytes()
    same: bool = bool(a == b or (a != a and b != b))  # noqa: PLR0124 - NaN is what differs from itself
    return same

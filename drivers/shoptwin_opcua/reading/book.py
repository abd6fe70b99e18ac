"""What is known of each watched node, in columns by its client handle: notifications are taken many at a time."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.sdk import StatusCode
from shoptwin_opcua.wire.decode import ARRAY, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin_opcua.wire.values import Values

GONE = frozenset({int(StatusCode.BAD_NODE_ID_UNKNOWN), int(StatusCode.BAD_NODE_ID_INVALID)})
"""What a server says of a node that is not there; a node that comes back is another to it, to be watched anew."""
_WIDE = dict.fromkeys((2, 4, 6, 8), "<i8") | dict.fromkeys((1, 3, 5, 7, 9, 19), "<u8") | dict.fromkeys((10, 11), "<f8")
"""What holds any value of a built-in type exactly, in eight bytes."""
_TOLD = ("type", "value", "status", "source_time", "server_time")
_LINE = np.dtype([
    ("heard", "f8"), ("present", "?"), ("repeats", "?"), ("type", "u1"), ("value", "u8"), ("status", "u4"),
    ("source_time", "i8"), ("server_time", "i8"),
])  # fmt: skip


def kept(row: Row) -> Row:
    """Return what is kept of a row: of an array, which is large, a checksum stands for the value."""
    if not row.type & ARRAY:
        return row
    array = isinstance(row.value, np.ndarray)
    return row._replace(value=zlib.crc32(np.ascontiguousarray(row.value).data) if array else None)


def same(one: Row, other: Row) -> bool:
    """Tell whether two rows that were kept say the same value of the same type; NaN is the same as NaN."""
    old, new = one.value, other.value
    return one.type == other.type and bool(old == new or (old != old and new != new))  # noqa: PLR0124


class Book:
    """One line a handle."""

    def __init__(self) -> None:
        self.lines = np.zeros(0, _LINE)
        """`heard`: when it last came, on the loop's clock; `present`: whether the server has it; `repeats`: it has been
        read, so that the next notification mostly tells the same again; the rest is what it said last."""
        self._rows: list[Row | None] = []
        """What was said last, where `type` is 0."""

    def grow(self, size: int) -> None:
        """Make room for the handles below `size`; a new node is taken to be there."""
        more = np.zeros(max(0, size - len(self._rows)), _LINE)
        more["present"] = True
        self.lines = np.append(self.lines, more)
        self._rows += [None] * len(more)

    def last(self, handle: int) -> Row | None:
        """Return what was kept of what a node said last; None for nothing yet."""
        line = self.lines[handle]
        type_, bits, *rest = (line[name].item() for name in _TOLD)
        if not type_:
            return self._rows[handle]
        value = np.uint64(bits).view(_WIDE[type_]).item()
        return Row(type_, bool(value) if type_ == 1 else value, *rest)

    def note(self, handle: int, row: Row | None) -> None:
        """Keep what a node said."""
        self.lines["type"][handle] = 0
        self._rows[handle] = None if row is None else kept(row)

    def take(self, values: Values, now: float) -> NDArray[np.intp]:
        """Note notifications; return the handle of each, -1 of one that is not ours or says what was read before."""
        known = values.handles < len(self._rows)
        handles = np.where(known, values.handles, 0).astype(np.intp)
        fresh = np.where(known, handles, -1)
        if known.any():
            self._drop_repeats(values, handles, fresh)
            self._write(values, known, handles, now)
        return fresh

    def _drop_repeats(self, values: Values, handles: NDArray[np.intp], fresh: NDArray[np.intp]) -> None:
        doubtful = np.flatnonzero(self.lines["repeats"][handles] & (fresh >= 0))
        rows = values.in_rows() if len(doubtful) else []
        for index in doubtful:
            handle = handles[index]
            if self.lines["repeats"][handle]:  # of several of one node, the first alone
                self.lines["repeats"][handle] = False
                last, row = self.last(handle), kept(rows[index])
                # A time alone proves nothing: some servers stamp by the second, or never anew.
                if last is not None and row.source_time and last[2:4] == row[2:4] and same(last, row):
                    fresh[index] = -1

    def _write(self, values: Values, known: NDArray[np.bool_], handles: NDArray[np.intp], now: float) -> None:
        said = np.zeros(values.count, _LINE)
        said["heard"] = now
        for index, row in values.rows:
            if known[index]:
                said["status"][index] = row.status
                self._rows[handles[index]] = kept(row)
        for block in values.blocks:
            said["type"][block.at] = block.type
            said["value"][block.at] = block.values.astype(_WIDE[block.type]).view("<u8")
            for name in ("status", "source_time", "server_time"):
                said[name][block.at] = getattr(block, name)
        status = said["status"]
        said["present"] = np.logical_and.reduce([status != code for code in GONE])
        self.lines[handles[known]] = said[known]  # of several of one node, the last one stays

"""DataValues decoded many at a time: those that follow each other with the same layout are one numpy array.

A DataValue says by its first byte which of its fields are there (Part 6, 5.2.2.17), and a scalar's type says how long
its value is, so two bytes tell how long a record is. Servers mix types, and leave a time out in a few of a thousand
records: records are taken by runs of one layout, and runs of the same layout are put together. What has no fixed length
(texts, arrays, structures) goes through `decode`, and whichever way a value took, it is the same in the end.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from shoptwin_opcua.wire.decode import EPOCH, FINEST, LAST, SCALARS, STATUS_CODE, Row, data_value
from shoptwin_opcua.wire.values import Block, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COUNT = struct.Struct("<i")
_FIXED = (*range(1, 12), STATUS_CODE)
"""Built-in types of fixed length that are measurements: Boolean to Double."""
_FIELDS = (
    (0x02, "status", "<u4"), (0x04, "source", "<i8"), (0x10, "source_picoseconds", "<u2"), (0x08, "server", "<i8"),
    (0x20, "server_picoseconds", "<u2"),
)  # fmt: skip
"""What follows the value, in this order, where its bit is set."""
_WORTH = 3
"""How many alike one after another make it worth to look for more at once."""
_FIRST_LOOK = 32
"""How many records are looked at then; four times as many each time that the run goes on."""


@cache
def _layout(head: int, lead: int) -> np.dtype[np.void]:
    """Return the layout of a record, by its mask and, in the upper byte, its type; `lead` is 4 with a handle."""
    mask, type_ = head & 0xFF, head >> 8
    fields = [("handle", "<u4")] if lead else []
    fields += [("head", "<u2"), ("value", "u1" if type_ == 1 else SCALARS[type_].format)]
    fields += [(name, format_) for bit, name, format_ in _FIELDS if mask & bit]
    return np.dtype(fields)


_SIZES = {mask | type_ << 8: _layout(mask | type_ << 8, 0).itemsize for mask in range(1, 64, 2) for type_ in _FIXED}
"""Bytes of a record by its head; none where the head does not tell."""


_Pieces = tuple[list[bytes], list[int], list[int]]
"""The runs of one layout: their bytes, the index of the first of each, how many each is."""


def read_values(data: bytes) -> Values:
    """Decode what follows the header of a ReadResponse. Raises ValueError where it breaks off, or is none."""
    try:
        return data_values(data, 4, _COUNT.unpack_from(data, 0)[0])[1]
    except (struct.error, IndexError, RecursionError) as error:
        raise ValueError(f"the answer to a read breaks off: {error}") from error


def data_values(data: bytes, at: int, count: int, lead: int = 0) -> tuple[int, Values]:
    """Decode `count` DataValues from `at` on, each after `lead` bytes (4: its handle); return where they end, and them.

    Raises:
        ValueError, struct.error, IndexError, RecursionError: they are malformed, as in `decode.data_value`.
    """
    count = max(0, count)
    pieces: dict[int, _Pieces] = {}
    rows: list[tuple[int, Row]] = []
    handles: list[tuple[int, int]] = []
    index, last, streak, reach = 0, -1, 0, _FIRST_LOOK
    while index < count:
        mask = data[at + lead]
        head = mask | data[at + lead + 1] << 8 if mask & 1 else 0
        size = _SIZES.get(head)
        if size is None:
            if lead:
                handles.append((index, int.from_bytes(data[at : at + lead], "little")))
            at, row = data_value(data, at + lead)
            rows.append((index, row))
            index += 1
            continue
        size += lead
        run = 1
        streak = streak + 1 if head == last else 0
        if streak >= _WORTH:
            most = min(reach, count - index)
            run = _alike(data, at + lead, size, most, head)
            reach = 4 * reach if run == most else _FIRST_LOOK
        last = head
        end = at + run * size
        piece = pieces.get(head)
        if piece is None:
            piece = pieces[head] = ([], [], [])
        piece[0].append(data[at:end])
        piece[1].append(index)
        piece[2].append(run)
        at, index = end, index + run
    if at > len(data):
        raise ValueError("the values break off")
    return at, _values(count, pieces, rows, lead, handles)


def _alike(data: bytes, at: int, size: int, most: int, head: int) -> int:
    """Count how many records from `at` on, one each `size` bytes, begin with this mask and type; at most `most`."""
    end = at + most * size
    masks, types = data[at:end:size], data[at + 1 : end : size]
    return min(
        len(masks) - len(masks.lstrip(bytes((head & 0xFF,)))), len(types) - len(types.lstrip(bytes((head >> 8,))))
    )


def _values(
    count: int, pieces: dict[int, _Pieces], rows: list[tuple[int, Row]], lead: int, odd: list[tuple[int, int]]
) -> Values:
    handles = np.empty(count if lead else 0, np.uint32)
    for at, handle in odd:
        handles[at] = handle
    blocks = []
    for head, (chunks, firsts, counts) in pieces.items():
        records = np.frombuffer(b"".join(chunks), _layout(head, lead))
        index = _indices(firsts, counts)
        if lead:
            handles[index] = records["handle"]
        blocks.append(_block(head, index, records))
    return Values(count, blocks, rows, handles)


def _indices(firsts: list[int], counts: list[int]) -> NDArray[np.intp]:
    """Return the index of each record of these runs."""
    if len(firsts) == 1:
        return np.arange(firsts[0], firsts[0] + counts[0])
    lengths = np.array(counts)
    ends = lengths.cumsum()
    return np.repeat(np.array(firsts) - ends + lengths, lengths) + np.arange(ends[-1])


def _block(head: int, index: NDArray[np.intp], records: NDArray[np.void]) -> Block:
    mask, type_ = head & 0xFF, head >> 8
    values = records["value"].copy()  # of its own, and aligned: the message is let go
    return Block(
        type_, index, values != 0 if type_ == 1 else values,
        records["status"].copy() if mask & 0x02 else np.zeros(len(records), np.uint32),
        _times(records, "source", mask & 0x04, mask & 0x10), _times(records, "server", mask & 0x08, 0),
    )  # fmt: skip


def _times(records: NDArray[np.void], which: str, given: int, finer: int = 0) -> NDArray[np.int64]:
    """Return ns since 1970, 0 where there is no such time; `finer`: picoseconds count too."""
    if not given:
        return np.zeros(len(records), np.int64)
    times: NDArray[np.int64] = records[which].copy()  # aligned, which what follows is faster on
    times -= EPOCH  # what wraps around lands beyond all that is kept
    impossible = times.view(np.uint64) > LAST // 100
    times *= 100
    if finer:
        times += np.minimum(records[f"{which}_picoseconds"], FINEST) // 100
    impossible |= times < 0
    times[impossible] = 0
    return times

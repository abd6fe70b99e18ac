"""What stands in registers: types and word orders, as a table, and their decoding by the column."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.sdk import ValueKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Order(Enum):
    """How the bytes of a value stand in its registers; A is the most significant. Value: (words reversed, swapped).

    The names are those of 32-bit values. For 64 bits the same is meant: CDAB reverses the words (GHEFCDAB), BADC swaps
    the bytes within each word (BADCFEHG), DCBA does both (HGFEDCBA). For 16 bits only the swap is left (BA).
    """

    ABCD = (False, False)
    CDAB = (True, False)
    BADC = (False, True)
    DCBA = (True, True)

    def indices(self, size: int) -> NDArray[np.intp]:
        """Return, for a value of `size` bytes, where its bytes stand, the most significant first."""
        words_reversed, swapped = self.value
        at = np.arange(size, dtype=np.intp).reshape(-1, 2)
        at = at[::-1] if words_reversed else at
        return (at[:, ::-1] if swapped else at).ravel()


ORDERS: dict[str, Order] = {
    **Order.__members__,
    "AB": Order.ABCD, "BA": Order.BADC,
    "ABCDEFGH": Order.ABCD, "GHEFCDAB": Order.CDAB, "BADCFEHG": Order.BADC, "HGFEDCBA": Order.DCBA,
}  # fmt: skip
"""Every spelling that is understood."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One type: its big-endian numpy dtype on the wire, and the kind of value it becomes."""

    name: str
    dtype: str
    kind: ValueKind

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return np.dtype(self.dtype).itemsize

    @property
    def registers(self) -> int:
        """Registers that it takes."""
        return self.size // 2


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("int16", ">i2", ValueKind.I8),
        Codec("uint16", ">u2", ValueKind.I8),
        Codec("int32", ">i4", ValueKind.I8),
        Codec("uint32", ">u4", ValueKind.I8),
        Codec("int64", ">i8", ValueKind.I8),
        Codec("uint64", ">u8", ValueKind.U8),
        Codec("float32", ">f4", ValueKind.F4),
        Codec("float64", ">f8", ValueKind.F8),
        Codec("bool", ">u2", ValueKind.BOOL),
    )
}
"""Types of registers. A register that is `bool` is true where it is not zero; single bits are masked, see `Bits`."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """m values of one codec: `index` intp[m, size] says where their bytes stand, big end first; `into` their places."""

    dtype: str
    index: NDArray[np.intp]
    into: NDArray[np.intp]

    @classmethod
    def of(cls, codec: Codec, starts: Sequence[int], orders: Sequence[Order], into: Sequence[int]) -> Numbers:
        """Build from where each value starts in the buffer (bytes) and its order."""
        rows = [start + order.indices(codec.size) for start, order in zip(starts, orders, strict=True)]
        return cls(codec.dtype, np.array(rows, np.intp).reshape(-1, codec.size), np.array(into, np.intp))

    def put(self, buffer: NDArray[np.uint8], column: NDArray[Any]) -> None:
        """Decode out of the buffer into a column."""
        column[self.into] = buffer[self.index].view(self.dtype)[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class Bits:
    """m single bits: the byte of the buffer that each stands in, and its mask."""

    index: NDArray[np.intp]
    mask: NDArray[np.uint8]
    into: NDArray[np.intp]

    @classmethod
    def of(cls, at: Sequence[tuple[int, int]], into: Sequence[int]) -> Bits:
        """Build from (byte, number of the bit in it, 0 the least significant)."""
        index = np.array([byte for byte, _ in at], np.intp)
        mask = np.array([1 << bit for _, bit in at], np.uint8)
        return cls(index, mask, np.array(into, np.intp))

    def put(self, buffer: NDArray[np.uint8], column: NDArray[Any]) -> None:
        """Decode out of the buffer into a column."""
        column[self.into] = (buffer[self.index] & self.mask) != 0

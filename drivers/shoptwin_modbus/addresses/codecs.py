"""What stands in registers: types and word orders, as a table, and their decoding by the column."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shoptwin.sdk import ValueKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Raw: TypeAlias = NDArray[np.uint8]
"""m values as bytes, uint8 [m, 2 * registers], C-contiguous; each the most significant byte first."""
Decoded: TypeAlias = NDArray[Any] | tuple[NDArray[Any], NDArray[np.bool_]]
"""Values [m]; or values and a mask bool [m] of those that are none."""


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
    """One type of value, as a device keeps it in registers; a plug-in brings its own."""

    name: str
    """As an address writes it, in lower case."""
    registers: int
    kind: ValueKind
    """What it becomes; not a waveform."""
    decode: Callable[[Raw], Decoded] = field(compare=False, repr=False)
    """Decodes m values at once; what its mask calls no value becomes BadDecodingError. Never raises."""
    limits: tuple[int, int] | None = None
    """The least and the greatest number that it can be, where numbers are whole and their range is known."""

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return 2 * self.registers


def _plain(name: str, dtype: str, kind: ValueKind) -> Codec:
    """Return a type that numpy has as it stands on the wire."""
    whole = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" and kind is not ValueKind.BOOL else None
    limits = (int(whole.min), int(whole.max)) if whole else None
    return Codec(name, np.dtype(dtype).itemsize // 2, kind, lambda raw: raw.view(dtype)[:, 0], limits)


def _decimal(raw: Raw) -> Decoded:
    """Return the numbers whose decimal digits stand in half a byte each; a digit beyond 9 makes no number."""
    digits = np.stack((raw >> 4, raw & 0xF), axis=-1).reshape(len(raw), -1)
    weights = 10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64)
    return digits @ weights, np.any(digits > 9, axis=1)  # noqa: PLR2004 - the largest digit


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        _plain("int16", ">i2", ValueKind.I8),
        _plain("uint16", ">u2", ValueKind.I8),
        _plain("int32", ">i4", ValueKind.I8),
        _plain("uint32", ">u4", ValueKind.I8),
        _plain("int64", ">i8", ValueKind.I8),
        _plain("uint64", ">u8", ValueKind.U8),
        _plain("float32", ">f4", ValueKind.F4),
        _plain("float64", ">f8", ValueKind.F8),
        _plain("bool", ">u2", ValueKind.BOOL),
        Codec("bcd16", 1, ValueKind.I8, _decimal, (0, 10**4 - 1)),
        Codec("bcd32", 2, ValueKind.I8, _decimal, (0, 10**8 - 1)),
    )
}
"""Types of one name. A register that is `bool` is true where it is not zero; single bits are masked, see `Bits`."""


@cache
def bit_field(low: int, high: int) -> Codec:
    """Return the type of an unsigned number in the bits `low` to `high` of a register, 0 the least significant."""
    mask = (1 << high - low + 1) - 1
    return Codec(
        f"bits{low}-{high}", 1, ValueKind.I8, lambda raw: raw.view(">u2")[:, 0].astype(np.int64) >> low & mask,
        (0, mask),
    )  # fmt: skip


@cache
def string(length: int) -> Codec:
    """Return the type of a text of `length` characters, two in a register, the first in the high byte.

    It ends at the first NUL, and blanks at its end are padding. Bytes beyond ASCII are taken for Latin-1.
    """

    def decode(raw: Raw) -> NDArray[Any]:
        texts = np.empty(len(raw), object)
        texts[:] = [row.tobytes().split(b"\0", 1)[0].rstrip(b" ").decode("latin-1") for row in raw[:, :length]]
        return texts

    return Codec(f"string[{length}]", -(-length // 2), ValueKind.STR, decode)


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """m values of one codec: `index` intp[m, size] says where their bytes stand, big end first; `into` their places."""

    codec: Codec
    index: NDArray[np.intp]
    into: NDArray[np.intp]
    run: slice | None
    """Where all of them stand side by side as they are to be decoded, as mostly: nothing need be picked."""

    @classmethod
    def of(cls, codec: Codec, starts: Sequence[int], orders: Sequence[Order], into: Sequence[int]) -> Values:
        """Build from where each value starts in the buffer (bytes) and its order."""
        rows = [start + order.indices(codec.size) for start, order in zip(starts, orders, strict=True)]
        index = np.array(rows, np.intp).reshape(-1, codec.size)
        first, last = (int(index[0, 0]), int(index[-1, -1])) if index.size else (0, -1)
        whole = np.array_equal(index.ravel(), np.arange(first, last + 1))
        return cls(codec, index, np.array(into, np.intp), slice(first, last + 1) if whole else None)

    def put(self, buffer: NDArray[np.uint8], column: NDArray[Any]) -> NDArray[np.intp] | None:
        """Decode out of the buffer into a column; return the places of those that are no values, if there are any."""
        # a copy in any case: a plug-in's decoder may work in place, and others read the same registers
        raw = buffer[self.index] if self.run is None else buffer[self.run].copy().reshape(self.index.shape)
        found = self.codec.decode(raw)
        if not isinstance(found, tuple):
            column[self.into] = found
            return None
        column[self.into], bad = found
        return self.into[bad] if bad.any() else None


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

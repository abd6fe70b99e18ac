"""Columns of numbers to few bytes and back, to the last bit: what a chunk of `twin.db` is made of.

Sensors repeat themselves: their values are multiples of a step (a converter's count, a tenth of a degree) that wander
by a few steps. So floats are written as whole numbers, where a decimal scale gives them back exactly; else as places in
a list of the values that occur, where these are few; else as what changes in the bits from one to the next (Pelkonen et
al., Gorilla, VLDB 2015). Whole numbers are written as they are, as differences, or as the differences of those; then
byte by byte, the low bytes of all values first, and deflated. Each form is exact or is not used. All is little-endian.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SAME, WHOLE, SCALED, LISTED, XOR, RAW = range(6)
"""The form, a column's first byte."""
_ORDERS = 3
"""Whole numbers as they are (0), as differences (1), as differences of differences (2)."""
_LEVEL = 6
_FEW = 4
"""Values that share a place in a list, at least, on the average."""
_MOST = 1 << 16
"""Values in a list."""
_SHORT = 16.0
"""Digits of base two a value, beyond which whole numbers are no smaller than the bits of the floats."""
_DECIMALS = 9
_LARGEST = float(1 << 52)
"""Beyond it not every whole number is a float64."""
_FLOATS = {"f4": "u4", "f8": "u8"}


class DamagedError(ValueError):
    """Bytes are not those of what they should be."""


DAMAGE = (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, struct.error, zlib.error)
"""What reading bytes that rotted may raise."""


def pack(column: NDArray[Any]) -> bytes:
    """Return a column of numbers or flags [n], n > 0, as bytes.

    Raises:
        TypeError: its dtype is none of float32, float64, int64, uint64, int32, uint32, uint8 and bool.
    """
    code = _code(column.dtype)
    column = np.ascontiguousarray(column, f"<{code}")
    raw = column.tobytes()
    size = column.dtype.itemsize
    if raw == raw[:size] * len(column):
        return bytes([SAME]) + raw[:size]
    if code not in _FLOATS:
        return bytes([WHOLE]) + _whole(_bits(column))
    return _floats(column, column.view(f"<{_FLOATS[code]}"))


def _floats(column: NDArray[Any], bits: NDArray[Any]) -> bytes:
    """Return a column of floats, whose bits are given too, in the form that needs the fewest digits."""
    forms = []
    if (scaled := _scaled(column, bits)) is not None:
        order, whole, digits = _ordered(scaled[1])
        forms.append((digits, bytes([SCALED, scaled[0], order]), whole))
    values, place = np.unique(bits, return_inverse=True)
    if _FEW * len(values) <= len(bits) and len(values) < _MOST:
        order, whole, digits = _ordered(place.astype(np.uint64))
        listed = struct.pack("<H", len(values)) + join([_planes(_changed(values))])
        forms.append((digits + 8.0 * len(listed), bytes([LISTED]) + listed + bytes([order]), whole))
    if forms:
        digits, head, whole = min(forms, key=lambda form: form[0])
        if digits < _SHORT * len(bits):
            return head + _planes(whole)
    plain = bytes([XOR]) + _planes(_changed(bits)), bytes([RAW]) + zlib.compress(column.tobytes(), _LEVEL)
    return min(plain, key=len)


def unpack(data: bytes, dtype: Any, n: int) -> NDArray[Any]:  # noqa: ANN401 - whatever numpy takes for a dtype
    """Return the column [n] of that dtype.

    Raises:
        DamagedError: the bytes are not those of such a column.
    """
    code = _code(np.dtype(dtype))
    kind = np.dtype(f"<{code}")
    try:
        form, rest = data[0], data[1:]
        if form == SAME:
            return np.frombuffer(rest, kind, 1).repeat(n).astype(code)
        if form == RAW:
            return np.frombuffer(zlib.decompress(rest), kind, n).astype(code)
        if form == XOR:
            return _unchanged(rest, n, code)
        if form == SCALED:
            return (_unwhole(rest[1:], n).view(np.int64) / _power(rest[0])).astype(code)
        if form == LISTED:
            count, size = struct.unpack_from("<HI", rest)
            values = _unchanged(rest[6 : 6 + size], count, code)
            return values[_unwhole(rest[6 + size :], n).view(np.int64)]
        if form == WHOLE:
            return _narrow(_unwhole(rest, n), code)
    except DAMAGE as error:
        raise DamagedError(f"not a column: {error}") from error
    raise DamagedError(f"a column of a form {form} that is not known")


def join(parts: Iterable[bytes]) -> bytes:
    """Return parts as one, each behind its length (uint32)."""
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def split(data: bytes) -> list[bytes]:
    """Return the parts of what was joined.

    Raises:
        DamagedError: it was not, or it was cut off.
    """
    parts, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise DamagedError("cut off in a length")
        (size,) = struct.unpack_from("<I", data, at)
        if at + 4 + size > len(data):
            raise DamagedError("cut off in a part")
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return parts


def _code(dtype: np.dtype[Any]) -> str:
    code = f"{dtype.kind}{dtype.itemsize}"
    if code not in {"f4", "f8", "i8", "u8", "i4", "u4", "u1", "b1"}:
        raise TypeError(f"a column of {dtype} cannot be packed")
    return code


def _bits(column: NDArray[Any]) -> NDArray[np.uint64]:
    """Return whole numbers as 64 bits, in which differences wrap around and are exact."""
    return column.view("u8") if column.dtype.itemsize == 8 else column.astype(np.int64).view(np.uint64)  # noqa: PLR2004


def _narrow(bits: NDArray[np.uint64], code: str) -> NDArray[Any]:
    return bits.view(code) if code in {"i8", "u8"} else bits.view(np.int64).astype(code)


def _whole(bits: NDArray[np.uint64]) -> bytes:
    """Return whole numbers in the order of differences that has the fewest digits."""
    order, form, _ = _ordered(bits)
    return bytes([order]) + _planes(form)


def _ordered(bits: NDArray[np.uint64]) -> tuple[int, NDArray[np.uint64], float]:
    """Return that order, the numbers as they are then written, and about how many binary digits they have in all."""
    forms = [_zigzag(bits)]
    for _ in range(_ORDERS - 1):
        bits = np.concatenate([bits[:1], bits[1:] - bits[:-1]])
        forms.append(_zigzag(bits))
    digits = [float(np.log2(form.astype(np.float64) + 1.0).sum()) for form in forms]
    order = int(np.argmin(digits))
    return order, forms[order], digits[order]


def _unwhole(data: bytes, n: int) -> NDArray[np.uint64]:
    order, column = data[0], _unzigzag(_unplanes(data[1:], n, 8))
    if order >= _ORDERS:
        raise DamagedError(f"differences of order {order}")
    for _ in range(order):
        column = np.add.accumulate(column)
    return column


def _zigzag(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 0, -1, 1, -2 … as 0, 1, 2, 3 …: small differences of either sign have few bytes."""
    return (bits << np.uint64(1)) ^ (bits.view(np.int64) >> np.int64(63)).view(np.uint64)


def _unzigzag(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (bits >> np.uint64(1)) ^ (~(bits & np.uint64(1)) + np.uint64(1))


def _changed(bits: NDArray[Any]) -> NDArray[np.uint64]:
    """Return what differs between the bits of one value and the next; the first is as it is."""
    return np.concatenate([bits[:1], bits[1:] ^ bits[:-1]]).astype(np.uint64)


def _unchanged(data: bytes, n: int, code: str) -> NDArray[Any]:
    """Return the floats whose changing bits these are."""
    bits = np.bitwise_xor.accumulate(_unplanes(data, n, np.dtype(_FLOATS[code]).itemsize))
    return bits.astype(_FLOATS[code]).view(code)


def _planes(bits: NDArray[np.uint64]) -> bytes:
    """Return how many low bytes there are, and those: the lowest of all values, then the next, deflated."""
    octets = np.ascontiguousarray(bits, "<u8").view(np.uint8).reshape(-1, 8)
    used = int(np.flatnonzero(octets.any(axis=0)).max(initial=-1)) + 1
    return bytes([used]) + zlib.compress(np.ascontiguousarray(octets[:, :used].T).tobytes(), _LEVEL)


def _unplanes(data: bytes, n: int, most: int) -> NDArray[np.uint64]:
    used = data[0]
    if used > most:
        raise DamagedError(f"{used} bytes a value, of {most}")
    planes = np.frombuffer(zlib.decompress(data[1:]), np.uint8).reshape(used, n)
    if used == 1:
        return np.asarray(planes[0], np.uint64)
    width = 4 if used <= 4 else 8  # noqa: PLR2004 - the narrower the quicker
    octets = np.zeros((n, width), np.uint8)
    octets[:, :used] = planes.T
    return np.asarray(octets.view(f"<u{width}").reshape(n), np.uint64)


def _scaled(column: NDArray[Any], bits: NDArray[Any]) -> tuple[int, NDArray[np.uint64]] | None:
    """Return how many decimals, and the whole numbers that these give: column = whole / 10**decimals, to the bit."""
    if not np.isfinite(column).all():
        return None
    wide = column.astype(np.float64)
    for decimals in range(_DECIMALS + 1):
        whole = np.rint(wide * _power(decimals))
        if np.abs(whole).max() >= _LARGEST:
            return None
        exact = whole.astype(np.int64)  # in which -0.0 is 0: then the bits are others
        if ((exact / _power(decimals)).astype(column.dtype).view(bits.dtype) == bits).all():
            return decimals, exact.view(np.uint64)
    return None


def _power(decimals: int) -> float:
    return float(10**decimals)

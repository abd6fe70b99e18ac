"""The wire format of Protocol Buffers, as far as it takes to read: tags, varints, fixed and delimited fields.

https://protobuf.dev/programming-guides/encoding/. A library would know the schema; this knows the bytes, and what is
not asked for is skipped where it lies.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MASK = 2**64 - 1
_MOST_SHIFT = 63
"""A varint has at most ten bytes, of seven bits each."""
_LONGEST_TAG = 2**32
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5

Field = tuple[int, "int | memoryview"]
"""A field's number and what it holds: an unsigned integer (varints and fixed ones alike) or bytes."""


class MalformedError(ValueError):
    """Bytes that are no message."""


def fields(data: memoryview) -> Iterator[Field]:
    """Give the fields of one message, in their order.

    Raises:
        MalformedError: it ends too early, or has what no encoder writes.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if not number or tag >= _LONGEST_TAG:
            raise MalformedError(f"field number {number}")
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif wire == _DELIMITED:
            length, at = _varint(data, at)
            if length > end - at:
                raise MalformedError(f"field {number} ends beyond the message")
            yield number, data[at : at + length]
            at += length
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
            if size > end - at:
                raise MalformedError(f"field {number} ends beyond the message")
            yield number, int.from_bytes(data[at : at + size], "little")
            at += size
        else:  # groups, which proto3 has dropped and Sparkplug never had
            raise MalformedError(f"field {number} is of wire type {wire}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return an unsigned integer of up to 64 bits, and where it ends."""
    value = shift = 0
    try:
        while (byte := data[at]) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if shift > _MOST_SHIFT:
                raise MalformedError("a number of more than ten bytes")
    except IndexError:
        raise MalformedError("a number ends beyond the message") from None
    return (value | byte << shift) & _MASK, at + 1


def text(value: int | memoryview) -> str:
    """Return a string field. Raises MalformedError."""
    if isinstance(value, int):
        raise MalformedError("a number where a text belongs")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("a text that is no UTF-8") from error


def whole(value: int | memoryview) -> int:
    """Return an unsigned integer field. Raises MalformedError."""
    if isinstance(value, int):
        return value
    raise MalformedError("bytes where a number belongs")


def float32(value: int | memoryview) -> float:
    """Return a float field. Raises MalformedError."""
    bits = whole(value)
    if bits >> 32:
        raise MalformedError("a float of more than four bytes")
    number: float = struct.unpack("<f", bits.to_bytes(4, "little"))[0]
    return number


def float64(value: int | memoryview) -> float:
    """Return a double field. Raises MalformedError."""
    number: float = struct.unpack("<d", whole(value).to_bytes(8, "little"))[0]
    return number

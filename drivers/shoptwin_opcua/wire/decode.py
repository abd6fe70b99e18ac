"""OPC UA's binary encoding of DataValues (Part 6, 5.2.2), decoded straight from the bytes of an answer.

asyncua makes several objects a value and keeps times to the microsecond; this makes one tuple and keeps times as they
came. An array of numbers is one numpy view. Nothing here knows asyncua. What is malformed raises ValueError.
"""

from __future__ import annotations

import struct
import uuid
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = 116_444_736_000_000_000
"""1970 in ticks of 100 ns since 1601, which is how OPC UA keeps time."""
LAST = 2**63 - 1
"""The last ns since 1970 that is kept: in the year 2262."""
FINEST = 9999
"""Units of 10 ps; more than that are taken for this (Part 6, 5.2.2.17)."""
UNCERTAIN = 0x4000_0000
BAD = 0x8000_0000
"""The first StatusCode that is Bad (Part 4, 7.39)."""
_DEPTH = 8

BOOLEAN, STRING, DATE_TIME, GUID, _BYTE_STRING, XML, NODE_ID, EXPANDED_NODE_ID = 1, 12, 13, 14, 15, 16, 17, 18
STATUS_CODE, QUALIFIED_NAME, LOCALIZED_TEXT, EXTENSION_OBJECT, DATA_VALUE, VARIANT, DIAGNOSTIC = range(19, 26)
ARRAY, MATRIX = 0x80, 0x40
"""Flags beside the type: one dimension, more than one."""

SCALARS = {
    BOOLEAN: Struct("<?"), 2: Struct("<b"), 3: Struct("<B"), 4: Struct("<h"), 5: Struct("<H"), 6: Struct("<i"),
    7: Struct("<I"), 8: Struct("<q"), 9: Struct("<Q"), 10: Struct("<f"), 11: Struct("<d"),
    DATE_TIME: Struct("<q"), STATUS_CODE: Struct("<I"),
}  # fmt: skip
_DTYPES = {type_: np.dtype(scalar.format) for type_, scalar in SCALARS.items()}
_U2, _U4, _I4, _I8 = Struct("<H"), Struct("<I"), Struct("<i"), Struct("<q")


class Body(NamedTuple):
    """A structure as it came: its encoding's NodeId and its fields, both as bytes (Part 6, 5.2.2.15)."""

    encoding: bytes
    fields: bytes


class Row(NamedTuple):
    """One DataValue. Times are ns since 1970, 0 where the server gave none or one that cannot be."""

    type: int
    """The built-in type (Part 6, 5.1.2), with ARRAY and MATRIX; 0 where there is no value."""
    value: Any
    """None where it is null, or of a type that is no measurement; a Body for a structure."""
    status: int
    source_time: int
    server_time: int


def read_results(data: bytes) -> list[Row]:
    """Decode what follows the header of a ReadResponse."""
    try:
        rows, at = [], 4
        for _ in range(_I4.unpack_from(data, 0)[0]):
            at, row = data_value(data, at)
            rows.append(row)
    except (struct.error, IndexError, RecursionError) as error:
        raise ValueError(f"the answer to a read breaks off: {error}") from error
    if at > len(data):  # what is stepped over was not there
        raise ValueError("the answer to a read breaks off")
    return rows


def data_value(data: bytes, at: int, depth: int = 0) -> tuple[int, Row]:
    """Decode the DataValue at `at`; return where it ends, and it."""
    mask = data[at]
    at += 1
    type_, value, status, source, server = 0, None, 0, 0, 0
    if mask & 0x01:
        at, type_, value = variant(data, at, depth)
    if mask & 0x02:
        status = _U4.unpack_from(data, at)[0]
        at += 4
    if mask & 0x04:
        source = (_I8.unpack_from(data, at)[0] - EPOCH) * 100
        at += 8
        if mask & 0x10:
            source += min(_U2.unpack_from(data, at)[0], FINEST) // 100
            at += 2
        if not 0 < source <= LAST:
            source = 0
    elif mask & 0x10:
        at += 2
    if mask & 0x08:
        server = (_I8.unpack_from(data, at)[0] - EPOCH) * 100
        at += 8
        if not 0 < server <= LAST:
            server = 0
    if mask & 0x20:
        at += 2
    return at, Row(type_, value, status, source, server)


def variant(data: bytes, at: int, depth: int = 0) -> tuple[int, int, Any]:
    """Decode the Variant at `at`; return where it ends, its type with flags, and its value."""
    head = data[at]
    at += 1
    type_ = head & 0x3F
    if not head & ARRAY:
        if (scalar := SCALARS.get(type_)) is not None:
            return at + scalar.size, type_, scalar.unpack_from(data, at)[0]
        at, value = _other(type_, data, at, depth)
        return at, type_, value
    count = _I4.unpack_from(data, at)[0]
    at, values = elements(type_, data, at + 4, count, depth)
    if head & MATRIX:
        dimensions = _I4.unpack_from(data, at)[0]
        sizes = struct.unpack_from(f"<{max(0, dimensions)}i", data, at + 4)
        at += 4 + 4 * len(sizes)
        type_ |= MATRIX if sum(size != 1 for size in sizes) > 1 else 0
    return at, type_ | ARRAY, values


def elements(type_: int, data: bytes, at: int, count: int, depth: int = 0) -> tuple[int, Any]:
    """Decode so many values of a built-in type; return where they end, and a view or a list; None where count < 0."""
    if count < 0:
        return at, None
    if count > len(data) - at:  # nulls take no room: without this, a damaged count would fill the memory with them
        raise ValueError("an array breaks off")
    if (dtype := _DTYPES.get(type_)) is not None:
        return at + count * dtype.itemsize, np.frombuffer(data, dtype, count, at)
    values = []
    for _ in range(count):
        at, value = _other(type_, data, at, depth)
        values.append(value)
    return at, values


def builtin(type_: int, data: bytes, at: int, depth: int = 0) -> tuple[int, Any]:
    """Decode one value of a built-in type; return where it ends, and it."""
    if (scalar := SCALARS.get(type_)) is not None:
        return at + scalar.size, scalar.unpack_from(data, at)[0]
    return _other(type_, data, at, depth)


def _other(type_: int, data: bytes, at: int, depth: int) -> tuple[int, Any]:
    """Decode a value that is no number; None for those that are no measurement, which are only stepped over."""
    if depth > _DEPTH:
        raise ValueError("a value is nested too deep")
    if (text := _TEXTS.get(type_)) is not None:
        return text(data, at)
    if type_ == EXTENSION_OBJECT:
        return _extension_object(data, at)
    if type_ == VARIANT:
        return variant(data, at, depth + 1)[0], None
    if type_ == DATA_VALUE:
        return data_value(data, at, depth + 1)[0], None
    if (skip := _SKIPS.get(type_)) is not None:
        return skip(data, at), None
    if type_ <= 31:  # noqa: PLR2004 - 15, and those that Part 6 keeps for later and bids to take for bytes
        return _bytes(data, at)[0], None
    raise ValueError(f"a value of the unknown type {type_}")


def _bytes(data: bytes, at: int) -> tuple[int, bytes | None]:
    length = _I4.unpack_from(data, at)[0]
    end = at + 4 + max(0, length)
    if end > len(data):
        raise ValueError("a string breaks off")
    return end, None if length < 0 else data[at + 4 : end]


def _string(data: bytes, at: int) -> tuple[int, str | None]:
    at, raw = _bytes(data, at)
    return at, None if raw is None else raw.decode(errors="replace")


def _qualified_name(data: bytes, at: int) -> tuple[int, str | None]:
    return _string(data, at + 2)


def _localized_text(data: bytes, at: int) -> tuple[int, str | None]:
    mask, text = data[at], None
    at += 1
    if mask & 1:
        at, _ = _bytes(data, at)
    if mask & 2:
        at, text = _string(data, at)
    return at, text


def _guid(data: bytes, at: int) -> tuple[int, str]:
    return at + 16, str(uuid.UUID(bytes_le=data[at : at + 16]))


def skip_node_id(data: bytes, at: int) -> int:
    """Return where the NodeId or ExpandedNodeId at `at` ends (Part 6, 5.2.2.9)."""
    head = data[at]
    match head & 0x3F:
        case 0:
            at += 2
        case 1:
            at += 4
        case 2:
            at += 7
        case 3 | 5:
            at, _ = _bytes(data, at + 3)
        case 4:
            at += 19
        case _:
            raise ValueError(f"a NodeId of the unknown encoding {head:#x}")
    if head & 0x80:
        at, _ = _bytes(data, at)
    return at + 4 if head & 0x40 else at


def skip_body(data: bytes, at: int) -> int:
    """Return where an ExtensionObject ends whose type has been read."""
    return _bytes(data, at + 1)[0] if data[at] else at + 1


def _skip_diagnostic(data: bytes, at: int) -> int:
    """Return where the DiagnosticInfo at `at` ends (Part 6, 5.2.2.12)."""
    mask = data[at]
    at += 1 + 4 * (mask & 0x0F).bit_count()
    if mask & 0x10:
        at, _ = _bytes(data, at)
    if mask & 0x20:
        at += 4
    return _skip_diagnostic(data, at) if mask & 0x40 else at


def _extension_object(data: bytes, at: int) -> tuple[int, Body | None]:
    middle = skip_node_id(data, at)
    if data[middle] != 1:  # no body, or one in XML
        return skip_body(data, middle), None
    end, fields = _bytes(data, middle + 1)
    return end, Body(data[at:middle], fields or b"")


_TEXTS: dict[int, Callable[[bytes, int], tuple[int, str | None]]] = {
    STRING: _string, XML: _string, GUID: _guid, QUALIFIED_NAME: _qualified_name, LOCALIZED_TEXT: _localized_text,
}  # fmt: skip
_SKIPS: dict[int, Callable[[bytes, int], int]] = {
    0: lambda _, at: at, NODE_ID: skip_node_id, EXPANDED_NODE_ID: skip_node_id,
    DIAGNOSTIC: _skip_diagnostic,
}  # fmt: skip

"""Parts of values: fields of structures and elements of arrays, decoded from the bytes as they came.

How a structure is laid out is asked of the server (`datatypes`); how layouts are encoded says Part 6, 5.2.6 to 5.2.8:
field after field without names; optional ones announced by a mask, those of a union by the number of the one there is.
Only the way to the field that is asked for is decoded. Nothing here knows asyncua.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shoptwin.sdk import StatusCode
from shoptwin_opcua.wire.decode import ARRAY, EXTENSION_OBJECT, MATRIX, Body, Row, builtin, elements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_U4, _I4 = struct.Struct("<I"), struct.Struct("<i")
_MOST = 2**24
"""Elements of an array; more cannot be in one message."""
Path = tuple[str | int, ...]
Key = tuple[int, Any]
"""A NodeId however it was encoded: namespace and identifier."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `type` is the built-in type by which it is encoded, unless it is a structure of its own."""

    name: str
    type: int
    rank: int = -1
    """-1 for a scalar, else the number of dimensions."""
    of: Structure | None = None
    bit: int = -1
    """Which bit of the mask says that it is there; -1: it always is."""


@dataclass(slots=True, eq=False)
class Structure:
    """A layout. Its fields are filled in when all layouts are known: one may contain arrays of itself."""

    name: str
    fields: Sequence[Field] = ()
    masked: bool = False
    """Whether a mask of optional fields comes first."""
    union: bool = False
    """Whether one of the fields is there alone, whose number comes first; 0 for none."""


class _Inner(NamedTuple):
    """A structure within another one, which comes without a head."""

    layout: Structure
    fields: bytes


class Part(NamedTuple):
    """What a path leads to: a type as in Row, and what is there now, None for nothing."""

    path: Path
    type: int
    value: Any


class _NoSuch(Exception):  # noqa: N818 - it is no error, but says how it ends
    def __init__(self, status: StatusCode) -> None:
        self.status = status


def pick(row: Row, path: Sequence[str | int], known: Mapping[Key, Structure]) -> Row:
    """Return the part of a value that `path` leads to; a Bad row where there is none. `known`: layouts by encoding.

    BadConfigurationError: there is no such field. BadTypeMismatch: a path leads into what has no parts, or whose layout
    the server does not tell. BadNoData: an optional field or an element is not there. BadDecodingError: it breaks off.
    """
    if row.status & StatusCode.BAD:
        return row
    type_, value = row.type, row.value
    try:
        for step in path:
            type_, value = _field(value, step, known) if isinstance(step, str) else _element(type_, value, step)
    except _NoSuch as no:
        return row._replace(type=0, value=None, status=int(no.status))
    except (struct.error, ValueError, IndexError, RecursionError):
        return row._replace(type=0, value=None, status=int(StatusCode.BAD_DECODING_ERROR))
    return row._replace(type=type_, value=value)


def _element(type_: int, value: Any, index: int) -> tuple[int, Any]:  # noqa: ANN401 - as in Row
    if value is None:
        raise _NoSuch(StatusCode.BAD_NO_DATA)
    if not type_ & ARRAY or type_ & MATRIX:
        raise _NoSuch(StatusCode.BAD_TYPE_MISMATCH)
    if index >= len(value):
        raise _NoSuch(StatusCode.BAD_NO_DATA)
    one = value[index]
    return type_ & 0x3F, one.item() if isinstance(one, np.generic) else one


def _field(value: Any, name: str, known: Mapping[Key, Structure]) -> tuple[int, Any]:  # noqa: ANN401 - as in Row
    if value is None:
        raise _NoSuch(StatusCode.BAD_NO_DATA)
    layout, data = _laid_out(value, known)
    if layout is None:
        raise _NoSuch(StatusCode.BAD_TYPE_MISMATCH)
    if not any(field.name == name for field in layout.fields):
        raise _NoSuch(StatusCode.BAD_CONFIGURATION_ERROR)
    found = _walk(layout, data, 0, name)[1]
    if found is None:
        raise _NoSuch(StatusCode.BAD_NO_DATA)
    return found


def parts(row: Row, known: Mapping[Key, Structure], elements: int) -> Iterator[Part]:
    """Yield what can be picked out of a value, in its order, as far as it can be decoded.

    Scalars, also optional ones that are not there now; of arrays the first `elements` elements, each by itself, but
    longer ones that are of no structures as a whole.
    """
    with suppress(struct.error, ValueError, IndexError, RecursionError):
        yield from _parts((), row.type, row.value, known, elements)


def _parts(path: Path, type_: int, value: Any, known: Mapping[Key, Structure], elements: int) -> Iterator[Part]:  # noqa: ANN401 - as in Row
    if type_ & ARRAY:
        several = () if value is None or type_ & MATRIX else value
        if type_ & 0x3F != EXTENSION_OBJECT and len(several) > elements:
            yield Part(path, type_, value)
            return
        for index in range(min(len(several), elements)):
            yield from _parts((*path, index), *_element(type_, several, index), known, elements)
        return
    layout, data = _laid_out(value, known)
    if layout is None:
        if type_ != EXTENSION_OBJECT:
            yield Part(path, type_, value)
        return
    at, there = _there(layout, data, 0)
    for field in layout.fields:
        if field in there:
            at, inner, value = _decode(field, data, at)
            yield from _parts((*path, field.name), inner, value, known, elements)
        elif field.of is None and field.rank < 1:
            yield Part((*path, field.name), field.type, None)


def _there(layout: Structure, data: bytes, at: int) -> tuple[int, Sequence[Field]]:
    """Return the fields that are there, and where the first of them begins."""
    if layout.union:
        number = _U4.unpack_from(data, at)[0]
        return at + 4, layout.fields[number - 1 : number] if number else ()
    if layout.masked:
        mask = _U4.unpack_from(data, at)[0]
        return at + 4, [field for field in layout.fields if field.bit < 0 or mask >> field.bit & 1]
    return at, layout.fields


def _laid_out(value: Any, known: Mapping[Key, Structure]) -> tuple[Structure | None, bytes]:  # noqa: ANN401 - as in Row
    match value:
        case Body():
            return known.get(key_of(value.encoding)), value.fields
        case _Inner():
            return value
    return None, b""


def _walk(layout: Structure, data: bytes, at: int, until: str = "") -> tuple[int, tuple[int, Any] | None]:
    """Decode fields up to the one called `until`, or to the end; return where that is, and what was looked for."""
    at, there = _there(layout, data, at)
    for field in there:
        at, type_, value = _decode(field, data, at)
        if field.name == until:
            return at, (type_, value)
    return at, None


def _decode(field: Field, data: bytes, at: int) -> tuple[int, int, Any]:
    """Decode one field; return where it ends, its type with flags, and its value."""
    if field.rank < 1:
        at, value = _one(field, data, at)
        return at, field.type, value
    if field.rank == 1:
        count = _I4.unpack_from(data, at)[0]
        at += 4
    else:
        sizes, at = _sizes(data, at)
        count = int(np.prod(sizes, dtype=object)) if sizes else 0
    if count > _MOST:
        raise ValueError("an array that cannot be")
    flags = ARRAY | (MATRIX if field.rank > 1 else 0)
    if field.of is None:
        at, values = elements(field.type, data, at, count)
        return at, field.type | flags, values
    several = []
    for _ in range(count):
        at, value = _one(field, data, at)
        several.append(value)
    return at, field.type | flags, several if count >= 0 else None


def _sizes(data: bytes, at: int) -> tuple[list[int], int]:
    count = max(0, _I4.unpack_from(data, at)[0])
    if count > _MOST:
        raise ValueError("an array that cannot be")
    sizes = [max(0, size) for size in struct.unpack_from(f"<{count}i", data, at + 4)]
    return sizes, at + 4 + 4 * count


def _one(field: Field, data: bytes, at: int) -> tuple[int, Any]:
    if field.of is None:
        at, value = builtin(field.type, data, at)
    else:
        end, _ = _walk(field.of, data, at)
        at, value = end, _Inner(field.of, data[at:end])
    if at > len(data):
        raise ValueError("a structure breaks off")
    return at, value


@lru_cache(maxsize=1024)
def key_of(encoded: bytes) -> Key:
    """Return a NodeId as it was encoded (Part 6, 5.2.2.9): servers write the same one in several ways."""
    match encoded[0] & 0x3F:
        case 0:
            return 0, encoded[1]
        case 1:
            return encoded[1], int.from_bytes(encoded[2:4], "little")
        case 2:
            return int.from_bytes(encoded[1:3], "little"), int.from_bytes(encoded[3:7], "little")
        case 3 | 4 | 5:
            start = 3 if encoded[0] & 0x3F == 4 else 7  # noqa: PLR2004 - a GUID has no length
            return int.from_bytes(encoded[1:3], "little"), encoded[start:]
    raise ValueError("a NodeId of an unknown encoding")


def struct_type(layout: Structure | None, builtin_type: int) -> int:
    """Return the type that a field of this layout has: a structure within another is an ExtensionObject like any."""
    return EXTENSION_OBJECT if layout is not None else builtin_type

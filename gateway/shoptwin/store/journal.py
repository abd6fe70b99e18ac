"""A second of all that was sampled, as one blob: what a power cut may not take is written as quickly as it can be.

It is read again when ten minutes are folded into chunks, and by whoever asks for the last ten minutes.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.tag import ValueKind
from shoptwin.store.codec import DAMAGE, DamagedError, join, split
from shoptwin.store.recorded import KINDS, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_HEAD = struct.Struct("<B?I")
"""Kind, whether it was told belatedly, samples."""
_LEVEL = 1
"""The journal is read once and dropped: a third of the time of the usual level, for a tenth more bytes."""
_SAME, _EACH = b"=", b"."
_COLUMNS = (("tag", "<i4"), ("time", "<i8"), ("server", "<i8"), ("received", "<i8"), ("status", "<u4"))


def encode(recorded: Iterable[Recorded]) -> bytes:
    """Return samples as one blob."""
    return zlib.compress(join(_part(part) for part in recorded if len(part)), _LEVEL)


def decode(data: bytes) -> list[Recorded]:
    """Return the samples of a blob, in the order in which they came.

    Raises:
        DamagedError: it is damaged.
    """
    try:
        return [_unpart(part) for part in split(zlib.decompress(data))]
    except DAMAGE as error:
        raise DamagedError(f"a second of the journal is damaged: {error}") from error


def _part(part: Recorded) -> bytes:
    columns = [_column(getattr(part, name), dtype) for name, dtype in _COLUMNS]
    if part.kind is ValueKind.STR:
        values = json.dumps(part.values.tolist(), ensure_ascii=False).encode("utf-8")
    else:
        values = _column(part.values, np.dtype(part.kind.dtype).newbyteorder("<"))
    return _HEAD.pack(KINDS.index(part.kind), part.past, len(part)) + join([*columns, values])


def _unpart(data: bytes) -> Recorded:
    number, past, n = _HEAD.unpack_from(data)
    kind = KINDS[number]
    *columns, values = split(data[_HEAD.size :])
    read: dict[str, NDArray[Any]] = {
        name: _uncolumn(each, dtype, n) for each, (name, dtype) in zip(columns, _COLUMNS, strict=True)
    }
    read["tag"] = read["tag"].astype(np.int64)
    if kind is not ValueKind.STR:
        numbers = _uncolumn(values, np.dtype(kind.dtype).newbyteorder("<"), n)
        return Recorded(kind=kind, **read, values=numbers, past=past)
    texts = np.empty(n, object)
    texts[:] = json.loads(values)
    return Recorded(kind=kind, **read, values=texts, past=past)


def _column(column: NDArray[Any], dtype: Any) -> bytes:  # noqa: ANN401 - whatever numpy takes for a dtype
    """Return a column as its bytes, once where all values are the same: times of a poll, a status that is Good."""
    raw = np.ascontiguousarray(column, dtype).tobytes()
    size = len(raw) // len(column)
    return _SAME + raw[:size] if raw == raw[:size] * len(column) else _EACH + raw


def _uncolumn(data: bytes, dtype: Any, n: int) -> NDArray[Any]:  # noqa: ANN401 - as above
    kind = np.dtype(dtype)
    if data[:1] == _SAME:
        return np.frombuffer(data[1:], kind, 1).astype(kind.newbyteorder("=")).repeat(n)
    if data[:1] == _EACH and len(data) == 1 + n * kind.itemsize:
        return np.frombuffer(data[1:], kind, n).astype(kind.newbyteorder("="))
    raise DamagedError("a column of another length")

"""From decoded values to batches: one column set a kind of value."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.sdk import SampleBatch, StatusCode, ValueKind, Waveform
from shoptwin_opcua import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin_opcua.decode import Row

BAD = int(StatusCode.BAD)
_KINDS = {
    decode.BOOLEAN: ValueKind.BOOL,
    **dict.fromkeys(range(2, 9), ValueKind.I8),
    9: ValueKind.U8,
    10: ValueKind.F4,
    11: ValueKind.F8,
    decode.STATUS_CODE: ValueKind.I8,
    **dict.fromkeys(
        (decode.STRING, decode.XML, decode.GUID, decode.QUALIFIED_NAME, decode.LOCALIZED_TEXT), ValueKind.STR
    ),
}
"""What a scalar of a built-in type becomes. An enumeration comes as Int32."""
_COUNTS = frozenset({2, 3, 4})
"""Arrays of these stay 16-bit counts."""
_BEFORE = datetime(1601, 1, 1)  # noqa: DTZ001 - OPC UA's time is UTC by definition, and only its text is wanted


def kind_of(row: Row) -> ValueKind | None:
    """Tell what a value of this type becomes, None where it is no measurement."""
    if row.type == decode.DATE_TIME:
        return ValueKind.STR
    if row.type & decode.ARRAY:
        numbers = not row.type & decode.MATRIX and 2 <= row.type & 0x3F <= 11  # noqa: PLR2004 - SByte to Double
        return ValueKind.WAVEFORM if numbers else None
    return _KINDS.get(row.type)


class Columns:
    """Collects values of one group and hands them over as batches."""

    def __init__(self) -> None:
        self._columns: dict[ValueKind, tuple[list[int], list[Any], list[int], list[int], list[int]]] = {}
        self.unrated = False
        """Whether an array came whose sampling rate is not known."""

    def add(self, tag: int, wish: ValueKind | None, rate: float | None, row: Row) -> None:
        """Take one value; `rate` in Hz is for an array."""
        type_, value, status, source, server = row
        kind = _KINDS.get(type_)
        if status >= BAD:
            kind, value = ValueKind.F8, np.nan
        elif kind is None or value is None or wish is ValueKind.WAVEFORM:
            kind, value, status = self._unusual(wish, rate, row)
        columns = self._columns.get(kind)
        if columns is None:
            columns = self._columns[kind] = ([], [], [], [], [])
        columns[0].append(tag)
        columns[1].append(value)
        columns[2].append(status)
        columns[3].append(source)
        columns[4].append(server)

    def bad(self, tag: int, status: int) -> None:
        """Say of a tag that it has no value and why."""
        self.add(tag, None, None, decode.Row(0, None, status, 0, 0))

    def batches(self, group: str) -> list[SampleBatch]:
        """Return what was collected, one batch a kind of value."""
        return [
            SampleBatch.of(
                group, kind, tags, values,
                status=status,
                source_time=np.array(source, np.int64),
                server_time=np.array(server, np.int64),
            )
            for kind, (tags, values, status, source, server) in self._columns.items()
        ]  # fmt: skip

    def _unusual(self, wish: ValueKind | None, rate: float | None, row: Row) -> tuple[ValueKind, Any, int]:
        """Return kind, value and status of what is not simply a scalar."""
        kind = kind_of(row)
        if row.value is None and (kind is not None or not row.type):
            return _nothing(StatusCode.BAD_NO_DATA)
        if row.type == decode.DATE_TIME and wish is not ValueKind.WAVEFORM:
            return _date_time(row)
        if kind is not ValueKind.WAVEFORM:
            return _nothing(StatusCode.BAD_TYPE_MISMATCH)
        self.unrated |= rate is None
        return _waveform(row, rate)


def _nothing(status: int) -> tuple[ValueKind, Any, int]:
    return ValueKind.F8, np.nan, status


def _waveform(row: Row, rate: float | None) -> tuple[ValueKind, Any, int]:
    if rate is None:
        return _nothing(StatusCode.BAD_CONFIGURATION_ERROR)
    if not len(row.value):
        return _nothing(StatusCode.BAD_NO_DATA)
    samples = _samples(row)
    if not np.isfinite(samples).all():
        return _nothing(StatusCode.BAD_OUT_OF_RANGE)
    return ValueKind.WAVEFORM, Waveform(samples, rate), row.status


def _samples(row: Row) -> NDArray[Any]:
    """Return an array of its own, int16 or float32: the row's is a view of the whole message."""
    if row.type & 0x3F in _COUNTS:
        return np.array(row.value, np.int16)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes Inf, and that is Bad
        return np.array(row.value, np.float32)


def _date_time(row: Row) -> tuple[ValueKind, Any, int]:
    try:
        text = (_BEFORE + timedelta(microseconds=row.value // 10)).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        return _nothing(StatusCode.BAD_OUT_OF_RANGE)
    return ValueKind.STR, text, row.status

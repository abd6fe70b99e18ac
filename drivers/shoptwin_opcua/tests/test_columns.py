"""Values become batches: one kind each, Bad where they are no value."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.sdk import StatusCode, ValueKind, Waveform
from shoptwin_opcua.reading.columns import Columns
from shoptwin_opcua.wire.decode import ARRAY, DATE_TIME, EPOCH, GUID, MATRIX, NODE_ID, STRING, Row

GOOD = 0


def one(row, wish=None, rate=None):
    """Return kind, value, status of one value."""
    columns = Columns()
    columns.add(3, wish, rate, row)
    (batch,) = columns.batches("g")
    assert batch.tag.tolist() == [3]
    assert batch.values.dtype == batch.kind.dtype
    return batch.kind, batch.values[0], int(batch.status[0])


@pytest.mark.parametrize(
    ("type_", "value", "kind"),
    [
        (1, True, ValueKind.BOOL), (2, -1, ValueKind.I8), (3, 255, ValueKind.I8), (7, 2**32 - 1, ValueKind.I8),
        (8, -(2**63), ValueKind.I8), (9, 2**64 - 1, ValueKind.U8), (10, 0.5, ValueKind.F4), (11, 0.1, ValueKind.F8),
        (STRING, "x", ValueKind.STR), (GUID, "g", ValueKind.STR),
    ],
)  # fmt: skip
def test_kind_follows_the_type(type_, value, kind):
    """The kind of a scalar follows from its type at the server, and its value stays exact."""
    assert one(Row(type_, value, 0x40000000, 1, 2)) == (kind, value, 0x40000000)


@pytest.mark.parametrize(
    ("row", "wish", "rate", "status"),
    [
        (Row(11, 9.0, StatusCode.BAD_SENSOR_FAILURE, 1, 1), None, None, StatusCode.BAD_SENSOR_FAILURE),
        (Row(0, None, GOOD, 1, 1), None, None, StatusCode.BAD_NO_DATA),
        (Row(STRING, None, GOOD, 1, 1), None, None, StatusCode.BAD_NO_DATA),
        (Row(11, float("nan"), GOOD, 1, 1), None, None, StatusCode.BAD_OUT_OF_RANGE),
        (Row(10, float("-inf"), GOOD, 1, 1), None, None, StatusCode.BAD_OUT_OF_RANGE),
        (Row(NODE_ID, None, GOOD, 1, 1), None, None, StatusCode.BAD_TYPE_MISMATCH),
        (Row(11, 1.0, GOOD, 1, 1), ValueKind.WAVEFORM, 100.0, StatusCode.BAD_TYPE_MISMATCH),
        (Row(11 | ARRAY, np.ones(2), GOOD, 1, 1), None, None, StatusCode.BAD_CONFIGURATION_ERROR),
        (Row(11 | ARRAY, np.ones(0), GOOD, 1, 1), None, 100.0, StatusCode.BAD_NO_DATA),
        (Row(11 | ARRAY, None, GOOD, 1, 1), None, 100.0, StatusCode.BAD_NO_DATA),
        (Row(11 | ARRAY, np.array([1, np.inf]), GOOD, 1, 1), None, 100.0, StatusCode.BAD_OUT_OF_RANGE),
        (Row(11 | ARRAY, np.array([1e300]), GOOD, 1, 1), None, 100.0, StatusCode.BAD_OUT_OF_RANGE),
        (Row(11 | ARRAY | MATRIX, np.ones(4), GOOD, 1, 1), None, 100.0, StatusCode.BAD_TYPE_MISMATCH),
        (Row(1 | ARRAY, np.ones(4, bool), GOOD, 1, 1), None, 100.0, StatusCode.BAD_TYPE_MISMATCH),
        (Row(STRING | ARRAY, ["a"], GOOD, 1, 1), None, 100.0, StatusCode.BAD_TYPE_MISMATCH),
        (Row(DATE_TIME, 2**63 - 1, GOOD, 1, 1), None, None, StatusCode.BAD_OUT_OF_RANGE),
    ],
)
def test_what_is_no_value_is_bad(row, wish, rate, status):
    """What cannot be a measurement is Bad with the reason, and its value is not there to be used."""
    kind, value, code = one(row, wish, rate)
    assert (kind, code) == (ValueKind.F4 if row.type == 10 else ValueKind.F8, status)
    assert not np.isfinite(value)


@pytest.mark.parametrize(
    ("type_", "array", "dtype"),
    [(4, np.array([-2, 3], "<i2"), "i2"), (3, np.array([255], "u1"), "i2"), (10, np.array([0.5], "<f4"), "f4"),
     (11, np.array([0.1]), "f4"), (6, np.array([70_000], "<i4"), "f4")],
)  # fmt: skip
def test_arrays_are_waveforms(type_, array, dtype):
    """An array of numbers is a waveform of 16-bit counts or float32, with its rate, and holds on to no message."""
    kind, wave, status = one(Row(type_ | ARRAY, array, GOOD, 1, 1), None, 25_600.0)
    assert (kind, status) == (ValueKind.WAVEFORM, GOOD)
    assert isinstance(wave, Waveform)
    assert wave.rate == 25_600.0
    assert wave.samples.dtype == dtype
    assert wave.samples.tolist() == array.astype(dtype).tolist()
    assert wave.samples.base is None


def test_date_time_is_text():
    """A time as a value is written in ISO 8601."""
    row = Row(DATE_TIME, EPOCH + 10_000_000, GOOD, 1, 1)
    assert one(row) == (ValueKind.STR, "1970-01-01T00:00:01.000Z", GOOD)


def test_one_batch_a_kind():
    """Values of several kinds come out as one batch a kind, in order, with the times of each."""
    columns = Columns()
    for tag, row in enumerate([Row(11, 1.0, 0, 5, 6), Row(8, 7, 0, 7, 8), Row(11, 2.0, 0, 9, 10)]):
        columns.add(tag, None, None, row)
    columns.bad(9, StatusCode.BAD_NODE_ID_UNKNOWN)
    floats, integers = columns.batches("g")
    assert floats.tag.tolist() == [0, 2, 9]
    assert floats.source_time.tolist() == [5, 9, 0]
    assert floats.server_time.tolist() == [6, 10, 0]
    assert integers.values.tolist() == [7]
    assert not Columns().batches("g")

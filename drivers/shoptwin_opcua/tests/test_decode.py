"""Decoding is asyncua's encoding backwards, exact, and survives garbage."""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from shoptwin_opcua.wire.decode import ARRAY, EPOCH, MATRIX, Body, Row, data_value, read_results, variant
from shoptwin_opcua.wire.publication import plainly, quickly

T = ua.VariantType
NUMBERS = {
    T.Boolean: st.booleans(), T.SByte: st.integers(-128, 127), T.Byte: st.integers(0, 255),
    T.Int16: st.integers(-(2**15), 2**15 - 1), T.UInt16: st.integers(0, 2**16 - 1),
    T.Int32: st.integers(-(2**31), 2**31 - 1), T.UInt32: st.integers(0, 2**32 - 1),
    T.Int64: st.integers(-(2**63), 2**63 - 1), T.UInt64: st.integers(0, 2**64 - 1),
    T.Float: st.floats(width=32), T.Double: st.floats(),
}  # fmt: skip
TEXTS = {
    T.String: st.none() | st.text(), T.Guid: st.uuids(),
    T.LocalizedText: st.builds(ua.LocalizedText, st.none() | st.text(), st.none() | st.text()),
    T.QualifiedName: st.builds(ua.QualifiedName, st.text(), st.integers(0, 100)),
}  # fmt: skip
SKIPPED = {
    T.ByteString: st.binary(), T.NodeId: st.builds(ua.NodeId, st.text(min_size=1), st.integers(0, 9)),
    T.ExtensionObject: st.builds(ua.EUInformation, st.text(), st.integers(0, 9)),
}  # fmt: skip


def pair(types):
    return st.sampled_from(list(types)).flatmap(lambda t: st.tuples(st.just(t), types[t]))


def plain(value):
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, ua.QualifiedName):
        return value.Name
    return str(value) if hasattr(value, "hex") and not isinstance(value, float) else value


def same(one, other):
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@given(pair(NUMBERS | TEXTS))
def test_scalars(typed):
    """A scalar comes out as it went in, 64-bit integers exact, NaN as NaN."""
    type_, value = typed
    data = variant_to_binary(ua.Variant(value, type_))
    end, got, decoded = variant(data + b"tail", 0)
    assert (end, got) == (len(data), type_.value)
    assert same(decoded, plain(value))


@given(st.sampled_from(list(NUMBERS)).flatmap(lambda t: st.tuples(st.just(t), st.lists(NUMBERS[t]))))
def test_arrays(typed):
    """An array of numbers is an array of the same numbers."""
    type_, values = typed
    data = variant_to_binary(ua.Variant(values, type_, is_array=True))
    end, got, decoded = variant(data, 0)
    assert (end, got) == (len(data), type_.value | ARRAY)
    assert np.array_equal(decoded, np.array(values, decoded.dtype), equal_nan=decoded.dtype.kind == "f")


@given(pair(SKIPPED), st.booleans())
def test_the_rest_is_stepped_over(typed, many):
    """What is no measurement has no value, a structure is its bytes, and what follows is found."""
    type_, value = typed
    data = variant_to_binary(ua.Variant([value, value] if many else value, type_))
    end, got, decoded = variant(data + b"tail", 0)
    assert end == len(data)
    assert got & 0x3F == type_.value
    structure = Body(b"\x01\x00\x79\x03", struct_to_binary(value)) if type_ is T.ExtensionObject else None
    assert decoded == ([structure, structure] if many else structure)


def test_matrix_is_told_from_a_row():
    """More than one dimension is flagged; one dimension, and n times 1, is an array like any."""
    flat = variant_to_binary(ua.Variant([1.0, 2.0], T.Double, [2]))
    assert variant(flat, 0)[1] == T.Double.value | ARRAY
    square = variant_to_binary(ua.Variant([[1.0, 2.0], [3.0, 4.0]], T.Double, [2, 2]))
    end, type_, values = variant(square, 0)
    assert (end, type_) == (len(square), T.Double.value | ARRAY | MATRIX)
    assert values.tolist() == [1, 2, 3, 4]


moments = st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2262, 1, 1)).map(lambda m: m.replace(tzinfo=UTC))  # noqa: DTZ001 - Hypothesis wants them naive


def nanoseconds(moment):
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


@given(st.none() | pair(NUMBERS), st.none() | st.integers(0, 2**32 - 1), moments, moments)
def test_data_values(typed, status, source, server):
    """Value, status and both times come as they were sent, whichever of them are there."""
    value = ua.DataValue(
        ua.Variant(typed[1], typed[0]) if typed else None,
        ua.StatusCode(status) if status is not None else None,
        source,
        server,
    )
    data = struct_to_binary(value)
    end, row = data_value(data + b"tail", 0)
    assert end == len(data)
    assert row.type == (typed[0].value if typed else 0)
    assert same(row.value, typed[1] if typed else None)
    assert row.status == (status or 0)
    assert row.source_time == (nanoseconds(source) if source else 0)
    assert row.server_time == (nanoseconds(server) if server else 0)


def test_picoseconds_follow_their_time():
    """Picoseconds stand behind the time they belong to (asyncua puts them elsewhere) and count towards its ns."""
    time = struct.pack("<q", EPOCH + 1)
    data = b"\x3e" + struct.pack("<I", 0x40000000) + time + struct.pack("<H", 9999) + time + struct.pack("<H", 5)
    assert data_value(data, 0) == (len(data), Row(0, None, 0x40000000, 199, 100))


@pytest.mark.parametrize(
    ("ticks", "time"),
    [(EPOCH + 1, 100), (0, 0), (1, 0), (-1, 0), (EPOCH, 0), (2_650_467_743_999_999_999, 0), (2**63 - 1, 0)],
)
def test_time_is_exact_or_none(ticks, time):
    """A time is exact to 100 ns; 1601, before 1970 and the year 9999 are no times that a device took."""
    assert data_value(b"\x04" + struct.pack("<q", ticks), 0)[1].source_time == time


def answer(values, *, kind=ua.ReadResponse):
    """Return the body of a ReadResponse after its header."""
    response = kind()
    response.Results = values
    head = len(struct_to_binary(response.ResponseHeader)) + 4
    return struct_to_binary(response)[head:]


@given(st.lists(pair(NUMBERS | TEXTS | SKIPPED), max_size=5), st.data())
def test_an_answer_that_breaks_off_is_told(typed, data):
    """The whole answer gives all values; each beginning of it raises ValueError."""
    body = answer([ua.DataValue(ua.Variant(value, type_)) for type_, value in typed])
    assert len(read_results(body)) == len(typed)
    end = data.draw(st.integers(0, len(body) - 5))
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        read_results(body[:end])


@given(st.binary(max_size=200))
def test_garbage_raises_value_error_alone(data):
    """Whatever bytes come, decoding ends, with values or ValueError."""
    for decoder in (read_results, plainly, quickly):
        with suppress(ValueError):
            decoder(data)


def test_nested_too_deep_is_refused():
    """Variants within variants do not exhaust the stack."""
    with pytest.raises(ValueError, match="deep"):
        read_results(b"\x01\0\0\0\x01" + b"\x18" * 10_000)


@pytest.mark.parametrize("element", [0, 1, 12, 24])
def test_a_count_beyond_the_message_is_refused(element):
    """An array that says it is longer than the message is garbage at once, even one of nulls, which are 0 bytes."""
    with pytest.raises(ValueError, match="breaks off"):
        read_results(b"\x01\0\0\0\x01" + bytes([element | 0x80]) + b"\xff\xff\xff\x7f" + bytes(30))


def notification(*values, status=None):
    """Return the body of a PublishResponse after its header, as asyncua writes it."""
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 7
    response.Parameters.AvailableSequenceNumbers = [1, 2]
    message = response.Parameters.NotificationMessage
    message.SequenceNumber = 3
    items = [ua.MonitoredItemNotification(handle, value) for handle, value in values]
    if items:
        message.NotificationData.append(ua.DataChangeNotification(MonitoredItems=items))
    if status is not None:
        message.NotificationData.append(ua.StatusChangeNotification(Status=ua.StatusCode(status)))
    head = len(struct_to_binary(response.ResponseHeader)) + 4
    return struct_to_binary(response)[head:]


@pytest.mark.parametrize("publication", [plainly, quickly])
def test_notifications(publication):
    """A notification gives handles and values in order; the end of a subscription and a keep-alive are told apart."""
    got = publication(notification((5, ua.DataValue(ua.Variant(1.5))), (4, ua.DataValue(ua.Variant("x")))))
    assert (got.subscription, got.sequence, got.ended, got.keep_alive) == (7, 3, None, False)
    (values,) = got.values
    assert values.handles.tolist() == [5, 4]
    assert values.in_rows() == [Row(11, 1.5, 0, 0, 0), Row(12, "x", 0, 0, 0)]
    assert publication(notification()).keep_alive
    assert publication(notification(status=0x800A0000)).ended == 0x800A0000

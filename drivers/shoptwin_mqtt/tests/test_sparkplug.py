"""Payloads of Sparkplug B, against the protobuf library."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import StatusCode, ValueKind
from shoptwin_mqtt.protobuf import MalformedError, fields
from shoptwin_mqtt.sparkplug import decode, value_of
from shoptwin_mqtt.values import Wish

BAD = StatusCode.BAD_DECODING_ERROR
MISMATCH, NO_DATA = StatusCode.BAD_TYPE_MISMATCH, StatusCode.BAD_NO_DATA
NOW = 1_795_348_800_000


@pytest.fixture
def read(payload):
    """Give what encodes one metric with the library and decodes it with the driver: `read(datatype=3, int_value=1)`."""

    def make(type_=0, rate=None, kind=None, **metric):
        [one] = decode(payload({"name": "m", **metric}, seq=0).SerializeToString()).metrics
        return value_of(one, type_, Wish(kind, rate))

    return make


@pytest.mark.parametrize(
    ("type_", "metric", "kind", "value"),
    [
        (1, {"int_value": 0xFF}, ValueKind.I8, -1), (1, {"int_value": 0xFFFFFFFF}, ValueKind.I8, -1),
        (1, {"int_value": 0x7F}, ValueKind.I8, 127), (2, {"int_value": 0x8000}, ValueKind.I8, -32768),
        (2, {"int_value": 0xFFFF8000}, ValueKind.I8, -32768), (3, {"int_value": 0x80000000}, ValueKind.I8, -(2**31)),
        (3, {"long_value": 2**64 - 2}, ValueKind.I8, -2), (4, {"long_value": 2**63}, ValueKind.I8, -(2**63)),
        (4, {"long_value": 2**63 - 1}, ValueKind.I8, 2**63 - 1), (5, {"int_value": 0xFF}, ValueKind.I8, 255),
        (6, {"int_value": 0xFFFF}, ValueKind.I8, 65535), (7, {"int_value": 0xFFFFFFFF}, ValueKind.I8, 2**32 - 1),
        (7, {"long_value": 0xFFFFFFFF}, ValueKind.I8, 2**32 - 1),
        (8, {"long_value": 2**64 - 1}, ValueKind.U8, 2**64 - 1),
        (9, {"float_value": 21.5}, ValueKind.F4, 21.5), (10, {"double_value": 0.1}, ValueKind.F8, 0.1),
        (9, {"double_value": 0.1}, ValueKind.F8, 0.1), (11, {"boolean_value": True}, ValueKind.BOOL, True),
        (11, {"boolean_value": False}, ValueKind.BOOL, False), (12, {"string_value": "läuft"}, ValueKind.STR, "läuft"),
        (14, {"string_value": "t"}, ValueKind.STR, "t"), (15, {"string_value": "u"}, ValueKind.STR, "u"),
        (13, {"long_value": NOW}, ValueKind.STR, "2026-11-22T12:00:00.000Z"),
        (0, {"float_value": 21.5}, ValueKind.F4, 21.5), (0, {"string_value": "t"}, ValueKind.STR, "t"),
    ],
)  # fmt: skip
def test_types(read, type_, metric, kind, value):
    """Each type is what its number says, signed or not, whether the metric or its birth names the type."""
    for found in (read(type_, **metric), read(datatype=type_, **metric)):
        assert (found.kind, found.value, found.status) == (kind, value, StatusCode.GOOD)


@pytest.mark.parametrize(
    ("type_", "metric", "status"),
    [
        (3, {"is_null": True}, NO_DATA), (3, {}, NO_DATA), (3, {"string_value": "1"}, BAD), (9, {"int_value": 1}, BAD),
        (11, {"int_value": 1}, BAD), (12, {"bytes_value": b"x"}, BAD), (16, {"dataset_value": {}}, MISMATCH),
        (17, {"bytes_value": b"x"}, MISMATCH),
        (19, {"bytes_value": b"x"}, MISMATCH), (33, {"bytes_value": b"x"}, MISMATCH),
        (99, {"int_value": 1}, MISMATCH), (30, {"bytes_value": b"123"}, BAD), (30, {"int_value": 1}, BAD),
        (30, {"bytes_value": b"1234"}, StatusCode.BAD_CONFIGURATION_ERROR), (30, {"bytes_value": b""}, NO_DATA),
        (13, {"long_value": 2**64 - 1}, StatusCode.BAD_OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_no_value(read, type_, metric, status):
    """What is null, of another type than it says, or no measurement is Bad, and the status says why."""
    assert read(type_, **metric).status == status


def test_unknown_type(read):
    """An integer whose type nobody has told is no value at all: it could be signed or not."""
    assert read(int_value=1) is None
    assert read(long_value=1) is None


@pytest.mark.parametrize(
    ("type_", "dtype", "kept"),
    [(22, "<i1", "i2"), (23, "<i2", "i2"), (24, "<i4", "f4"), (25, "<i8", "f4"), (26, "<u1", "i2"), (27, "<u2", "f4"),
     (28, "<u4", "f4"), (29, "<u8", "f4"), (30, "<f4", "f4"), (31, "<f8", "f4")],
)  # fmt: skip
def test_arrays(read, type_, dtype, kept):
    """An array of numbers is a waveform of the tag's rate."""
    samples = np.array([1, 2, 100], dtype)
    found = read(type_, bytes_value=samples.tobytes(), rate=1000.0)
    assert found.kind is ValueKind.WAVEFORM
    assert found.value.samples.dtype == np.dtype(kept)
    assert found.value.samples.tolist() == [1, 2, 100]
    assert read(9, float_value=1.0, kind=ValueKind.WAVEFORM, rate=1.0).status == MISMATCH


@pytest.mark.parametrize(
    ("quality", "status"),
    [(0, StatusCode.BAD), (192, StatusCode.GOOD),
    (500, StatusCode.UNCERTAIN_LAST_USABLE_VALUE), (7, StatusCode.UNCERTAIN)],
)  # fmt: skip
def test_quality(read, quality, status):
    """The property Quality decides how far a value can be trusted."""
    found = read(9, float_value=1.0, properties={"keys": ["unit", "Quality"], "values": [
        {"type": 12, "string_value": "degC"}, {"type": 3, "int_value": quality}]})  # fmt: skip
    assert found.status == status


def test_times(payload):
    """A metric has its own time, or else that of its payload; that of an unset clock is none."""
    sent = payload({"name": "a", "timestamp": NOW + 1}, {"name": "b"}, {"name": "c", "timestamp": 12}, timestamp=NOW)
    assert [m.time for m in decode(sent.SerializeToString()).metrics] == [(NOW + 1) * 10**6, NOW * 10**6, 0]


uints = st.integers(0, 2**64 - 1)
metrics = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(st.characters(exclude_categories=["Cs"]), max_size=8), "alias": uints, "timestamp": uints,
        "datatype": st.integers(0, 40), "is_historical": st.booleans(), "is_null": st.booleans(),
        "metadata": st.just({"content_type": "x", "description": "y" * 200}), "is_transient": st.booleans(),
    },
).flatmap(lambda m: st.one_of(
    st.just(m),
    st.integers(0, 2**32 - 1).map(lambda v: m | {"int_value": v}), uints.map(lambda v: m | {"long_value": v}),
    st.floats(width=32).map(lambda v: m | {"float_value": v}), st.floats().map(lambda v: m | {"double_value": v}),
    st.booleans().map(lambda v: m | {"boolean_value": v}), st.binary(max_size=20).map(lambda v: m | {"bytes_value": v}),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9).map(lambda v: m | {"string_value": v}),
))  # fmt: skip
FIELDS = {10: "int_value", 11: "long_value", 12: "float_value", 13: "double_value", 14: "boolean_value",
          15: "string_value", 16: "bytes_value"}  # fmt: skip


def plain(metric):
    """Return a metric's value as the library would, by its field."""
    match metric.field:
        case 12:
            return struct.unpack("<f", metric.raw.to_bytes(4, "little"))[0]
        case 13:
            return struct.unpack("<d", metric.raw.to_bytes(8, "little"))[0]
        case 15:
            return str(metric.raw, "utf-8")
        case 16:
            return bytes(metric.raw)
        case _:
            return metric.raw


@given(told=st.lists(metrics, max_size=4), seq=st.none() | uints)
def test_as_the_library_encodes(payload, told, seq):
    """Whatever the protobuf library encodes is decoded to the same fields."""
    message = payload(*told, seq=seq, uuid="u", body=b"b")
    found = decode(message.SerializeToString())
    assert found.seq == seq
    assert len(found.metrics) == len(told)
    for mine, theirs in zip(found.metrics, message.metrics, strict=True):
        assert (mine.name, mine.alias) == (theirs.name, theirs.alias if theirs.HasField("alias") else None)
        assert (mine.type, mine.null, mine.historical) == (theirs.datatype, theirs.is_null, theirs.is_historical)
        field = theirs.WhichOneof("value")
        assert FIELDS.get(mine.field) == field
        if field:
            np.testing.assert_equal(plain(mine), getattr(theirs, field))
        value_of(mine, 0, Wish())


@given(data=st.binary(max_size=60))
def test_garbage_does_no_harm(payload, data):
    """Of any bytes the outcome is a payload or MalformedError, and what the driver refuses the library refuses too."""
    try:
        found = decode(data)
        for metric in found.metrics:
            value_of(metric, 3, Wish())
    except MalformedError as error:
        if "wire type" in str(error) or "belongs" in str(error):
            return  # groups, and fields of another wire type, which the library keeps as unknown ones
        with pytest.raises(DecodeError):
            type(payload()).FromString(data)


@given(told=metrics, data=st.data())
def test_cut_messages(payload, told, data):
    """A message that ends too early is refused, or is a whole shorter one; it never raises anything else."""
    whole = payload(told, seq=1).SerializeToString()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        decode(cut)
    except MalformedError:
        with pytest.raises(DecodeError):
            type(payload()).FromString(cut)


@pytest.mark.parametrize(
    "data", [b"\x00\x00", b"\x08", b"\x08" + b"\xff" * 11, b"\x0b", b"\x09\x00", b"\x0a\x05ab", b"\x0f"]
)
def test_no_message(data):
    """Field 0, numbers without end, groups and fields that reach beyond the end are refused."""
    with pytest.raises(MalformedError):
        list(fields(memoryview(data)))

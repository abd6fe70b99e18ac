"""The fast path gives what the plain path gives, value for value, or fails as it does."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shoptwin.sdk import NotConnected, StatusCode, ValueKind
from shoptwin_opcua.address import parse
from shoptwin_opcua.errors import translated
from shoptwin_opcua.reading.columns import Columns, Places
from shoptwin_opcua.space.resolve import Target
from shoptwin_opcua.wire import publication
from shoptwin_opcua.wire.decode import EPOCH, LAST, SCALARS, read_results
from shoptwin_opcua.wire.fast import read_values
from shoptwin_opcua.wire.paths import FAST, Paths
from shoptwin_opcua.wire.values import Values, agree

SLOWLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A box on which others are at work draws messages slowly."""
NUMBERS = [type_ for type_ in SCALARS if type_ != 13]
TICKS = st.sampled_from(
    [0, 1, -1, -(2**63), 2**63 - 1, EPOCH, EPOCH - 1, EPOCH + 1, EPOCH + LAST // 100]
) | st.integers(EPOCH, EPOCH + LAST // 100 + 2)
FINE = st.sampled_from([0, 99, 100, 807, 9999, 10_000, 65_535])
MASKS = st.integers(0, 63) | st.sampled_from([0x0D, 0x0F, 0x1D, 0x3F, 0x4D, 0x8D])
FIELDS = st.sampled_from(["", "", "", "#[0]", "#[1]", "#Speed"])
STATUSES = st.sampled_from([0, 0x40000000, 0x40920000, 0x80000000, 0x800F0000, 0xFFFFFFFF])


@st.composite
def numbers(draw):
    """Return a DataValue with a number, its bytes drawn as they are, so NaN of all kinds and odd booleans too."""
    mask, type_ = draw(MASKS), draw(st.sampled_from(NUMBERS))
    value = bytes([type_]) + draw(st.binary(min_size=SCALARS[type_].size, max_size=SCALARS[type_].size))
    return data_value(mask, value, draw(STATUSES), draw(TICKS), draw(FINE), draw(TICKS))


@st.composite
def oddities(draw):
    """Return a DataValue whose length only its content tells."""
    text = draw(st.text(max_size=5)).encode()
    string = struct.pack("<i", len(text)) + text
    value = draw(
        st.sampled_from(
            [
                b"\x0c" + string, b"\x0c\xff\xff\xff\xff", b"\x8b\x02\0\0\0" + bytes(16), b"\x0d" + bytes(8),
                b"\x15\x02" + string, b"\x16\x01\0\0\0" + b"\x01" + string, b"\0",
                b"\xcb\x01\0\0\0" + bytes(12),
                b"\x18\x0b" + bytes(8), b"\x8c\x01\0\0\0" + string, b"\x0e" + bytes(16),
            ]
        )
    )  # fmt: skip
    return data_value(draw(st.integers(0, 63)), value, draw(STATUSES), draw(TICKS), 3, draw(TICKS))


def data_value(mask, value, status, source, fine, server):  # noqa: PLR0917 - its fields, in their order
    """Return the encoding of a DataValue; what the mask leaves out is left out."""
    parts = [(1, value), (2, struct.pack("<I", status)), (4, struct.pack("<q", source)), (16, struct.pack("<H", fine)),
             (8, struct.pack("<q", server)), (32, struct.pack("<H", fine))]  # fmt: skip
    return bytes([mask]) + b"".join(part for bit, part in parts if mask & bit)


runs = st.tuples(numbers() | oddities(), st.sampled_from([1, 1, 2, 3, 5, 40, 200])).map(lambda run: [run[0]] * run[1])
messages = st.lists(runs | numbers().map(lambda one: [one]), max_size=5).map(
    lambda runs: [v for run in runs for v in run]
)
wishes = st.sampled_from([None, None, None, ValueKind.WAVEFORM])


def answer(values):
    """Return what follows the header of a ReadResponse."""
    return struct.pack("<i", len(values)) + b"".join(values) + b"\xff\xff\xff\xff"


def plainly(data):
    return Values.of_rows(read_results(data))


def outcome(decode, data):
    """Return what a path makes of an answer, or the error that the runtime gets."""
    try:
        with translated("opc.tcp://plc:4840"):
            return decode(data)
    except NotConnected as error:
        return type(error), error.code


def same(one, other):
    return agree(one, other) if isinstance(one, Values) and isinstance(other, Values) else one == other


@example([data_value(0x1D, b"\x01\x02", 0, EPOCH + LAST // 100, fine, EPOCH) for fine in (0, 700, 800, 65_535)])
@SLOWLY
@given(messages)
def test_both_paths_give_the_same_values(values):
    """Whatever types, fields and orders come, both paths give the same values, times and status codes."""
    data = answer(values)
    fast = read_values(data)
    assert fast.count == len(values)
    assert agree(fast, plainly(data))


@SLOWLY
@given(messages, st.data())
def test_both_paths_fail_alike(values, data):
    """Of an answer that breaks off, or with a damaged byte, both paths make the same: values, or the same error."""
    whole = bytearray(answer(values))
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert same(outcome(read_values, broken), outcome(plainly, broken))


@SLOWLY
@given(st.binary(max_size=300))
def test_garbage_is_garbage_to_both(data):
    """Bytes that are no answer at all fail, or do not, on both paths alike."""
    assert same(outcome(read_values, data), outcome(plainly, data))


@SLOWLY
@given(messages, st.data())
def test_both_paths_give_the_same_batches(values, data):
    """Batches are the same by either path: kinds in the same order, values, types and order within; NaN is Bad."""
    targets = [
        Target(
            100 + i,
            parse(f"i={i}{data.draw(FIELDS)}"),
            data.draw(wishes),
            None,
            data.draw(st.sampled_from([None, 50.0])),
        )
        for i in range(len(values))
    ]
    for target in targets:
        if target.parted and data.draw(st.booleans()):
            target.others.append(Target(1000 + target.tag, parse("i=1#[0]"), None, None, None))
    places = Places(targets)
    skipped = data.draw(st.sets(st.integers(0, max(0, len(values) - 1)), max_size=3))
    at = np.array([-1 if i in skipped else i for i in range(len(values))], np.intp)
    found = []
    for path in (read_values, plainly):
        columns = Columns()
        columns.bad(99, StatusCode.BAD_NODE_ID_UNKNOWN)
        for _ in range(2):
            columns.extend(places, path(answer(values)), at)
        found.append((columns.unrated, [shown(batch) for batch in columns.batches("g")]))
    assert found[0] == found[1]


def shown(batch):
    """Return a batch as something that can be compared."""
    columns = (batch.tag, batch.values, batch.status, batch.source_time, batch.server_time)
    assert all(column.flags.owndata or column.base.flags.owndata for column in columns)
    values = [v if batch.kind.numeric or isinstance(v, str) else v.samples.tobytes() for v in batch.values.tolist()]
    return (
        batch.group, batch.kind, [str(column.dtype) for column in columns], batch.tag.tolist(), list(map(repr, values)),
        *(column.tolist() for column in columns[2:]),
    )  # fmt: skip


RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text("utf-8"))
"""Answers of node-opcua and of asyncua's server, as they came after their headers."""


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: f"{one['server']}-{one['answer']}")
def test_recorded_answers(one):
    """What servers really send is decoded the same by both paths, whole and cut anywhere."""
    data = base64.b64decode(one["bytes"])
    fast, plain = (read_values, plainly) if one["answer"] == "Read" else (publication.quickly, publication.plainly)
    answers = Paths(fast, plain, agree if one["answer"] == "Read" else publication.same)
    answers.decode(data)
    assert answers.path == FAST
    for end in range(len(data)):
        assert fails(fast, data[:end]) == fails(plain, data[:end])


def fails(decode, data):
    try:
        decode(data)
    except ValueError:
        return True
    return False


@SLOWLY
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), numbers() | oddities()), max_size=20), st.data())
def test_notifications_are_the_same(changes, data):
    """Notifications give the same handles and values by both paths, and fail alike where they are cut or damaged."""
    body = struct.pack("<i", len(changes)) + b"".join(struct.pack("<I", handle) + one for handle, one in changes)
    whole = bytearray(
        struct.pack("<IiI?IQi", 7, 1, 3, False, 3, EPOCH, 1)
        + b"\x01\0\x2b\x03\x01"
        + struct.pack("<i", len(body))
        + body
    )
    for _ in range(data.draw(st.integers(0, 2))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    message = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    quick, plain = (outcome(decode, message) for decode in (publication.quickly, publication.plainly))
    if isinstance(plain, publication.Publication) and isinstance(quick, publication.Publication):
        assert publication.same(quick, plain) is not False
    else:
        assert quick == plain

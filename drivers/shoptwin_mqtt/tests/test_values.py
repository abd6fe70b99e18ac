"""What payloads mean: values, kinds, qualities, times."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import SampleBatch, StatusCode, ValueKind, Waveform
from shoptwin_mqtt import pointer
from shoptwin_mqtt.values import UnreadableError, Wish, document, time_at, value_at

GOOD, NO_DATA, RANGE = StatusCode.GOOD, StatusCode.BAD_NO_DATA, StatusCode.BAD_OUT_OF_RANGE
MISMATCH = StatusCode.BAD_TYPE_MISMATCH
SECOND = 10**9
NOON = 1_795_348_800 * SECOND
"""2026-11-22T12:00:00Z"""


def read(payload, place="", **wish):
    return value_at(document(payload), pointer.parse(place), Wish(**wish))


@pytest.mark.parametrize(
    ("payload", "kind", "value"),
    [
        (b"21", ValueKind.F8, 21.0), (b"21.5", ValueKind.F8, 21.5), (b" -1e3\n", ValueKind.F8, -1000.0),
        (b"+21.5", ValueKind.F8, 21.5), (b'"21.5"', ValueKind.F8, 21.5), (b'" 21 "', ValueKind.F8, 21.0),
        (b".5", ValueKind.F8, 0.5), (b"-.5e1", ValueKind.F8, -5.0), (b'"5."', ValueKind.F8, 5.0),
        (b".", ValueKind.STR, "."), (b",5", ValueKind.STR, ",5"), (b"5,", ValueKind.STR, "5,"),
        (b'"a\\ud800b"', ValueKind.STR, "a\ufffdb"), (b'"\\ud83d\\ude00"', ValueKind.STR, "\U0001f600"),
        (b"true", ValueKind.BOOL, True), (b"ON", ValueKind.STR, "ON"), (b'"ON"', ValueKind.STR, "ON"),
        (b"0042", ValueKind.STR, "0042"), (b"21,5", ValueKind.STR, "21,5"), (b"21.5 C", ValueKind.STR, "21.5 C"),
        ("läuft".encode(), ValueKind.STR, "läuft"), (b"{broken", ValueKind.STR, "{broken"),
        (str(2**53).encode(), ValueKind.F8, float(2**53)), (str(2**53 + 1).encode(), ValueKind.I8, 2**53 + 1),
        (str(-(2**63)).encode(), ValueKind.I8, -(2**63)), (str(2**64 - 1).encode(), ValueKind.U8, 2**64 - 1),
        (b'"18446744073709551615"', ValueKind.U8, 2**64 - 1), (b"\xef\xbb\xbf21.5", ValueKind.F8, 21.5),
        ('"٤٢"'.encode(), ValueKind.STR, "٤٢"),
    ],
)  # fmt: skip
def test_plain_values(payload, kind, value):
    """A payload that is the value itself becomes a number, a truth or a text; whole numbers stay exact."""
    found = read(payload)
    assert (found.kind, found.value, found.status) == (kind, value, GOOD)
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("payload", "place", "status"),
    [
        (b"", "", NO_DATA), (b"null", "", NO_DATA), (b"{}", "/a", NO_DATA), (b'{"a": null}', "/a", NO_DATA),
        (b"[1]", "/1", NO_DATA), (b"21", "/a", NO_DATA), (b"{}", "", MISMATCH), (b'{"a": {}}', "/a", MISMATCH),
        (b'["a"]', "", MISMATCH), (b"[true]", "", MISMATCH), (b"[[1]]", "", MISMATCH), (b"[1, null]", "", MISMATCH),
        (b"[]", "", NO_DATA), (b"[1, 2]", "", StatusCode.BAD_CONFIGURATION_ERROR),
        (str(2**64).encode(), "", RANGE), (str(-(2**63) - 1).encode(), "", RANGE),
        (b"broken", "/a", StatusCode.BAD_DECODING_ERROR), (b"9" * 300 + b"e", "/a", StatusCode.BAD_DECODING_ERROR),
    ],
)  # fmt: skip
def test_no_value(payload, place, status):
    """Where there is no value the tag is Bad, and the status says why."""
    found = read(payload, place)
    assert found.status == status
    assert math.isnan(found.value)


def test_not_a_number_is_bad_alone():
    """NaN and Infinity, as Python's json writes them, are Bad in the batch, and the rest of the payload is read."""
    payload = json.dumps({"a": math.nan, "b": math.inf, "c": 1.5}).encode()
    values = [read(payload, f"/{key}") for key in "abc"]
    batch = SampleBatch.of("g", ValueKind.F8, [0, 1, 2], [v.value for v in values])
    assert batch.status.tolist() == [RANGE, RANGE, GOOD]


@pytest.mark.parametrize("payload", [b"\xff\xfe\x00", b"\x80abc", b"\xf0\x28\x8c\x28"])
def test_bytes_are_unreadable(payload):
    """What is neither JSON nor text is said to be so."""
    with pytest.raises(UnreadableError):
        document(payload)


@pytest.mark.parametrize("payload", [b"[" * 100_000, b'{"a":' * 50_000, b"1" * 10_000])
def test_hostile_payloads(payload):
    """Nesting without end and numbers of thousands of digits are not decoded, and do no harm."""
    assert read(payload, "/a").status == StatusCode.BAD_DECODING_ERROR


def test_waveforms():
    """A list of numbers is a waveform of the tag's rate; what float32 cannot hold makes it Bad."""
    found = read(b'{"w": [1, -2.5, 3]}', "/w", rate=2560.0)
    assert found.kind is ValueKind.WAVEFORM
    assert isinstance(found.value, Waveform)
    assert found.value.rate == 2560
    assert found.value.samples.dtype == np.float32
    assert found.value.samples.tolist() == [1, -2.5, 3]
    assert read(b"[1, NaN]", rate=1.0).status == RANGE
    assert read(b"[1, 1e300]", rate=1.0).status == RANGE
    assert read(b"[1" + b"0" * 400 + b"]", rate=1.0).status == RANGE
    assert read(b"1.5", kind=ValueKind.WAVEFORM, rate=1.0).status == MISMATCH


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22T13:00:00+01:00", NOON), ("2026-11-22T12:00:00.5Z", NOON + SECOND // 2),
        ("2026-11-22T12:00:00.000000789+00:00", NOON), (NOON // SECOND, NOON), (NOON / SECOND, NOON),
        (NOON // 10**6, NOON), (NOON // 1000, NOON), (NOON, NOON), (str(NOON // SECOND), NOON),
        (NOON / SECOND + 0.25, NOON + SECOND // 4), (10**11 - 1, 0),
        ("2026-11-22T12:00:00", 0), ("12:00", 0), ("yesterday", 0), ("1970-01-01T00:00:07Z", 0), (7, 0), (-NOON, 0),
        (True, 0), (None, 0), ([], 0), ({}, 0), (math.inf, 0), (10**30, 0), ("0001-01-01T00:00:00Z", 0),
    ],
)  # fmt: skip
def test_times(told, time):
    """A time is ISO 8601 with a zone, or a number by whose size its unit is told; what cannot be one is none."""
    assert time_at({"t": told}, ("t",)) == time


@pytest.mark.parametrize("found", [21.5, "text", [], document(b"plain")])
def test_no_place_for_a_time(found):
    """Where a payload has no such place there is no time."""
    assert time_at(found, ("t",)) == 0
    assert time_at(found, None) == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10,
)  # fmt: skip


@given(
    payload=st.binary(max_size=40) | json_values.map(lambda v: json.dumps(v).encode()),
    place=st.sampled_from(["", "/a", "/0"]),
)
def test_any_payload_is_a_value_or_bad(payload, place):
    """Whatever comes, the outcome fits into a batch of its kind, and a payload of bytes is Unreadable at worst."""
    try:
        found = read(payload, place, rate=1.0)
        time_at(document(payload), ("a",))
    except UnreadableError:
        return
    batch = SampleBatch.of("g", found.kind, [1], [found.value], status=found.status)
    if found.kind in {ValueKind.I8, ValueKind.U8, ValueKind.BOOL, ValueKind.STR}:
        assert batch.values[0] == found.value


@given(number=st.integers(-(2**70), 2**70))
def test_whole_numbers_are_exact_or_bad(number):
    """No whole number becomes another one on its way, whichever kind it has."""
    found = read(str(number).encode())
    assert found.status == RANGE or int(found.value) == number
    assert (found.status == RANGE) == (not -(2**63) <= number < 2**64)

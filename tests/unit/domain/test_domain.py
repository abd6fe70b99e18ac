"""The shared types and pure functions."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.domain import quality
from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.errors import ConfigError, NotConnected
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import Limits, Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    format_duration,
    from_datetime,
    iso,
    parse_duration,
    parse_time,
)


def tag(name: str) -> Tag:
    return Tag(name, name, "m", Role.OTHER)


def test_the_severity_of_a_status_code_is_in_its_two_highest_bits() -> None:
    """Good, Uncertain and Bad are told apart by severity alone, for codes of any server."""
    codes = [StatusCode.GOOD, 0x0000_0400, StatusCode.UNCERTAIN, StatusCode.BAD_TIMEOUT, 0xC000_0000]
    assert quality.is_good(codes).tolist() == [True, True, False, False, False]
    assert quality.is_bad(codes).tolist() == [False, False, False, True, True]
    assert quality.usable(codes).tolist() == [True, True, True, False, False]


def test_status_codes_are_named_as_opc_ua_spells_them() -> None:
    """Our own codes have their names; a stranger's code is named by severity and number."""
    assert quality.name(StatusCode.BAD_NOT_CONNECTED) == "BadNotConnected"
    assert quality.name(0x8012_0000) == "Bad(0x80120000)"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_becomes_bad_when_it_is_decoded(value: float) -> None:
    """NaN and Inf are BadOutOfRange, and what was Bad before keeps its own reason."""
    batch = SampleBatch.of("g", ValueKind.F4, [1, 2, 3], [1.0, value, value], status=[0, 0, StatusCode.BAD_TIMEOUT])
    assert batch.status.tolist() == [0, StatusCode.BAD_OUT_OF_RANGE, StatusCode.BAD_TIMEOUT]


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    """What no file, terminal and JSON can hold ends where texts enter; all other texts stay as they are."""
    batch = SampleBatch.of("g", ValueKind.STR, [0, 1, 2, 3], ["a\ud800b", "ä\U0001f600", None, "\udfff\ud800"])
    assert batch.values.tolist() == ["a?b", "ä\U0001f600", None, "??"]


def test_a_batch_refuses_columns_of_different_lengths() -> None:
    """A value too few is an error of the driver, told at once."""
    with pytest.raises(ValueError, match="3 tags but 2 values"):
        SampleBatch.of("g", ValueKind.F8, [1, 2, 3], [1.0, 2.0])
    with pytest.raises(ValueError, match="a column of 2 beside 3 tags"):
        SampleBatch.of("g", ValueKind.F8, [1, 2, 3], [1.0, 2.0, 3.0], status=[0, 0])


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1))
def test_a_64_bit_counter_stays_exact(signed: int, unsigned: int) -> None:
    """Integers of 64 bits go through a batch without loss."""
    assert int(SampleBatch.of("g", ValueKind.I8, [0], [signed]).values[0]) == signed
    assert int(SampleBatch.of("g", ValueKind.U8, [0], [unsigned]).values[0]) == unsigned


def test_waveforms_stay_single_values_even_when_all_have_the_same_length() -> None:
    """Two bursts of equal length are two values, not a matrix."""
    waves = [Waveform(np.zeros(4, np.int16), 100.0), Waveform(np.ones(4, np.int16), 100.0, 0.5)]
    batch = SampleBatch.of("g", ValueKind.WAVEFORM, [0, 1], waves)
    assert batch.values.shape == (2,)
    assert batch.values[1].physical().tolist() == [0.5] * 4
    assert batch.values[1].seconds == 0.04


def test_a_missing_source_time_is_the_time_of_receipt() -> None:
    """What the device stamped stays; what it did not is stamped by us."""
    batch = SampleBatch.of("g", ValueKind.F8, [0, 1], [1.0, 2.0], source_time=[7, 0]).received(99)
    assert batch.source_time.tolist() == [7, 99]
    assert batch.receive_time == 99


def test_a_tag_keeps_its_index_over_a_reload_and_a_hole_is_never_given_away() -> None:
    """A tag that stays keeps its place, one that went leaves a hole, one that comes back finds its own."""
    table = TagTable([tag("a"), tag("b")])
    table.replace([tag("b"), tag("c")])
    assert [(i, t.id) for i, t in table] == [(1, "b"), (2, "c")]
    assert len(table) == 3
    with pytest.raises(KeyError):
        table.index("a")
    table.replace([tag("a"), tag("b"), tag("c")])
    assert table.index("a") == 0


def test_limits_are_true_where_at_least_one_is_set() -> None:
    """A limit of zero is a limit."""
    assert not Limits()
    assert Limits(lo=0.0)


@pytest.mark.parametrize(
    ("text", "ns"),
    [("500ms", SECOND // 2), ("10s", 10 * SECOND), ("5m", 5 * MINUTE), ("5min", 5 * MINUTE), ("1h30m", HOUR * 3 // 2),
     ("7d", 7 * DAY), ("0.5 s", SECOND // 2)],
)  # fmt: skip
def test_durations_are_read_as_people_write_them(text: str, ns: int) -> None:
    """Milliseconds to weeks, alone or several in a row."""
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "10", "s", "10 parsecs", "-5s", "5s later", "1h x 5m"])
def test_what_is_no_duration_is_refused_with_the_cure(text: str) -> None:
    """The error shows how to write one."""
    with pytest.raises(ValueError, match=r"write (500ms, 10s|10s for seconds)"):
        parse_duration(text)


def test_durations_are_written_with_their_two_largest_units() -> None:
    """Short ones in seconds, long ones in two units."""
    assert [format_duration(t) for t in (SECOND // 2, 42 * SECOND, 125 * MINUTE, 26 * HOUR, HOUR)] == [
        "0.5 s", "42 s", "2 h 5 min", "1 d 2 h", "1 h",
    ]  # fmt: skip


@given(st.integers(0, 4_000_000_000_000))
def test_times_survive_being_written_and_read(ms: int) -> None:
    """A time in milliseconds is the same after writing and reading."""
    assert parse_time(iso(ms * 10**6)) == ms * 10**6


def test_a_time_without_zone_is_refused() -> None:
    """A naive time is an error that says how to end it."""
    with pytest.raises(ValueError, match="end it with Z"):
        parse_time("2026-11-22T06:00:00")
    with pytest.raises(ValueError, match="no time zone"):
        from_datetime(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_an_error_says_what_and_the_cure_and_carries_its_exit_code() -> None:
    """The text has message and hint; each class has its exit code."""
    assert str(NotConnected("plc1 is away", "check the cable")) == "plc1 is away. check the cable"
    assert ConfigError("x").exit_code == 78

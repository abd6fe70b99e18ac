"""Columns to bytes and back: exact whatever the numbers are, and small where sensors are as sensors are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from shoptwin.store.codec import join, pack, split, unpack

DTYPES = ("f4", "f8", "i8", "u8", "i4", "u4", "u1", "?")


def there_and_back(column: np.ndarray) -> bytes:
    """Return the packed column, having seen that it gives back the same bits and dtype."""
    data = pack(column)
    found = unpack(data, column.dtype, len(column))
    assert found.dtype == column.dtype
    assert found.tobytes() == column.tobytes()
    return data


columns = some.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, some.integers(1, 60)))
stepped = some.builds(
    lambda dtype, step, places, low: (low + np.array(places) * step).astype(dtype),
    some.sampled_from(["f4", "f8"]), some.sampled_from([0.1, 0.25, 1e-3, 0.0244140625, 3.0, 1 / 3]),
    some.lists(some.integers(-50, 50), min_size=1, max_size=300), some.sampled_from([0.0, -40.0, 1e6]),
)  # fmt: skip


@given(columns)
@example(np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], "f4"))
@example(np.frombuffer(b"\x01\x00\xa0\x7f\x02\x00\xa0\x7f", "<f4"))  # two NaN that differ in what they carry
@example(np.array([0.0, -0.0], "f4"))
@example(np.array([0, 2**64 - 1, 1, 2**63], "u8"))
@example(np.array([-(2**63), 2**63 - 1, 0], "i8"))
def test_every_column_comes_back(column: np.ndarray) -> None:
    """Any numbers and flags come back to the bit: NaN with what it carries, both zeros, the ends of each range."""
    there_and_back(column)


@given(stepped)
def test_every_reading_comes_back(column: np.ndarray) -> None:
    """What sensors give, multiples of a step about a level, comes back to the bit."""
    there_and_back(column)


RNG = np.random.default_rng(1)
TEN_MINUTES = 600
SECONDS = 1_700_000_000 * 10**9 + np.arange(TEN_MINUTES) * 10**9


@pytest.mark.parametrize(
    ("column", "most"),
    [
        (np.full(TEN_MINUTES, 21.5, "f4"), 0.01),
        (np.round(40 + np.cumsum(RNG.normal(0, 0.05, TEN_MINUTES)), 1).astype("f4"), 0.4),
        ((20 + 0.25 * RNG.integers(-3, 4, TEN_MINUTES)).astype("f4"), 0.7),
        ((RNG.integers(2000, 2060, TEN_MINUTES) * np.float32(0.0123) + np.float32(3.3)).astype("f4"), 1.2),
        (RNG.normal(50, 1, TEN_MINUTES).astype("f4"), 3.1),
        (np.cumsum(RNG.integers(0, 2, TEN_MINUTES)), 0.3),
        (RNG.random(TEN_MINUTES) < 0.02, 0.15),
        (SECONDS, 0.15),
        (SECONDS + RNG.normal(0, 3e5, TEN_MINUTES).astype("i8"), 3.3),
    ],
    ids=["same", "drift", "noise", "converter", "white", "counter", "flag", "times", "times-late"],
)
def test_what_sensors_give_is_small(column: np.ndarray, most: float) -> None:
    """Ten minutes at 1 Hz take at most so many bytes a value."""
    assert len(there_and_back(column)) <= most * len(column)


def test_what_cannot_be_packed() -> None:
    """Texts and half floats are refused."""
    for column in (np.array(["a"], object), np.array([1.0], "f2")):
        with pytest.raises(TypeError, match="cannot be packed"):
            pack(column)


@given(columns, some.data())
def test_damaged_bytes_are_refused_or_are_other_numbers(column: np.ndarray, data: some.DataObject) -> None:
    """Bytes that were cut off or changed raise ValueError, or give a column of that length; never anything else."""
    packed = bytearray(pack(column))
    at = data.draw(some.integers(0, len(packed) - 1))
    damaged = bytes(packed[:at]) if data.draw(some.booleans()) else bytes(packed[:at] + b"\x5a" + packed[at + 1 :])
    try:
        found = unpack(damaged, column.dtype, len(column))
    except ValueError:
        return
    assert (found.dtype, len(found)) == (column.dtype, len(column))


@given(some.lists(some.binary(max_size=20)))
def test_parts(parts: list[bytes]) -> None:
    """Parts that were joined come apart as they were; cut off, they are refused."""
    joined = join(parts)
    assert split(joined) == parts
    if joined:
        with pytest.raises(ValueError, match="cut off"):
            split(joined[:-1])

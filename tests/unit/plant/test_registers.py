from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import ConfigError, StatusCode, ValueKind
from shoptwin_plant.clock import PlantClock
from shoptwin_plant.model import PlantTag, Setup, Update
from shoptwin_plant.registers import Registers

CLOCK = PlantClock(1_700_000_000_123_000_000, 1_700_000_001_456_000_000, 2.5)


class Machine:
    """A machine that is nothing but its tags."""

    setup = Setup()

    def __init__(self, name: str, *tags: PlantTag) -> None:
        self.name, self.tags = name, tags

    def advance(self, _now: int) -> tuple[()]:
        """Never has news."""
        return ()

    def due(self, _now: int) -> None:
        """Never has news."""


def number(registers: Registers, at: int, code: str) -> float:
    """Return the number that stands at a register, high word first."""
    words = registers.read(at, struct.calcsize(code) // 2)
    return struct.unpack(f">{code}", struct.pack(f">{len(words)}H", *words))[0]


COUNTER = PlantTag("count", "count", kind=ValueKind.U8)
LEVEL = PlantTag("level", "other")
STATE = PlantTag("state", "state", kind=ValueKind.U8)
WAVE = PlantTag("acc", "waveform", kind=ValueKind.WAVEFORM, rate=100.0, samples=4)


def test_each_machine_begins_at_a_hundred_and_waveforms_take_no_registers() -> None:
    """Addresses follow one another by the size of the type; a machine of waveforms alone takes no block."""
    registers = Registers([Machine("a", WAVE, COUNTER, STATE, LEVEL), Machine("w", WAVE), Machine("b", LEVEL)], CLOCK)
    assert registers.address("a", "acc") == ""
    assert registers.address("a", "count") == "holding:100:uint32"
    assert registers.address("a", "state") == "holding:102:uint16"
    assert registers.address("a", "level") == "holding:103:float32"
    assert registers.address("b", "level") == "holding:200:float32"
    assert registers.blocks == [(0, 16), (100, 5), (200, 2)]


def test_the_clock_stands_at_the_start() -> None:
    """Epoch and origin in ms, the rate as a float32."""
    registers = Registers([Machine("a", LEVEL)], CLOCK)
    assert number(registers, 0, "Q") == 1_700_000_000_123
    assert number(registers, 4, "Q") == 1_700_000_001_456
    assert number(registers, 12, "f") == 2.5


@given(st.floats(width=32), st.integers(0, 2**40), st.integers(0, 2**20))
def test_numbers_survive_the_words(level: float, count: int, state: int) -> None:
    """A float32 reads back as it was; counters wrap as a register's do."""
    registers = Registers([Machine("a", LEVEL, COUNTER, STATE)], CLOCK)
    assert math.isnan(number(registers, 100, "f"))
    registers.put("a", [Update("level", level, 0), Update("count", count, 0), Update("state", state, 0)])
    there = number(registers, 100, "f")
    assert there == level or (math.isnan(there) and math.isnan(level))
    assert number(registers, 102, "I") == count % 2**32
    assert number(registers, 104, "H") == state % 2**16


def test_what_is_bad_is_nan_and_what_is_too_large_is_infinite() -> None:
    """Modbus has no quality and float32 a range; neither ends the plant."""
    registers = Registers([Machine("a", LEVEL)], CLOCK)
    registers.put("a", [Update("level", 1e300, 0)])
    assert number(registers, 100, "f") == math.inf
    registers.put("a", [Update("level", 1.0, 0, StatusCode.BAD_NO_DATA)])
    assert math.isnan(number(registers, 100, "f"))


def test_more_tags_than_registers_are_refused() -> None:
    """Modbus has 65536 registers."""
    machines = [Machine(f"m{i}", *(PlantTag(f"t{k}", "other") for k in range(500))) for i in range(70)]
    with pytest.raises(ConfigError, match="more registers than Modbus has"):
        Registers(machines, CLOCK)

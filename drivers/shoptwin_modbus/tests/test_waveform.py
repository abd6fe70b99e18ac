"""Waveforms: of one measurement or not taken at all; never one that was taken before, and fair turns."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.sdk import Group, NotConnected, Point, StatusCode
from shoptwin.testing import readings
from shoptwin_modbus.addresses.address import Table, parse_address
from shoptwin_modbus.line import Line
from shoptwin_modbus.planning import Reach, Span
from shoptwin_modbus.poll.waveform import Waveforms
from shoptwin_modbus.target import ModbusSettings
from shoptwin_modbus.wire.replies import Refused

GOOD, UNKNOWN = StatusCode.GOOD, StatusCode.BAD_NODE_ID_UNKNOWN
SEQ = "holding:1000:int16[300]:seq=holding:998"
DATA = range(1000, 1300)


def group_of(*texts: str, rate: float | None = 25_600.0, period: float = 1000.0) -> Group:
    """Return a group whose tags count from 0; the period is in seconds."""
    points = tuple(Point(i, parse_address(text), None, rate) for i, text in enumerate(texts))
    return Group("g", "d", round(period * 1e9), points)


class Reader:
    """Polls waveforms over a real connection."""

    def __init__(self, wire, timing):
        self._wire = wire
        self._timing = timing
        self.asked = []

    async def ask(self, block):
        """Ask the device; a block stands for one span, whatever it was planned for."""
        assert (block.first, block.last) == (0, 1)
        self.asked.append((block.table.value, block.start, block.size))
        return await self._wire.ask(block, self._timing)

    async def poll(self, waves: Waveforms):
        """Return (samples or None, status) of each tag that has something new."""
        self.asked.clear()
        batch = await waves.take(self.ask)
        found = readings([] if batch is None else [batch])
        assert all(len(each) == 1 for each in found.values())
        return {
            tag: (None if each.value is None else each.value.samples.tolist(), each.status)
            for tag, [each] in found.items()
        }


@pytest.fixture
async def reader(settings):
    """Return a reader that is connected to the device."""
    line, timing = Line(settings.target), replace(settings.timing, timeout=1.0)
    wire = line.join(settings.target)
    await wire.dial(timing)
    yield Reader(wire, timing)
    line.leave(wire)


async def test_a_waveform_is_taken_once(device, reader):
    """A waveform is read in consecutive blocks, its number before and after, and not again until that changes."""
    waves = Waveforms(group_of(SEQ), 1, Reach())
    device.put(998, 7)
    device.put(1000, *range(300))
    assert await reader.poll(waves) == {0: (list(range(300)), GOOD)}
    assert reader.asked == [(3, 998, 1), (3, 1000, 125), (3, 1125, 125), (3, 1250, 50), (3, 998, 1)]
    assert await reader.poll(waves) == {}
    assert reader.asked == [(3, 998, 1)]
    device.put(998, 8)
    device.put(1000, *range(300, 600))
    assert await reader.poll(waves) == {0: (list(range(300, 600)), GOOD)}
    assert waves.torn == 0


async def test_marks_near_each_other_share_a_request(device, reader):
    """A sequence number and a flag that stand close are read at once; what is not ready is left alone."""
    waves = Waveforms(group_of("input:1000:int16[300]:seq=holding:990:uint32:ready=holding:998:bit2"), 1, Reach())
    device.put(990, 1, 2, *[0] * 7)
    device.put(1000, *range(300))
    assert await reader.poll(waves) == {}
    assert reader.asked == [(3, 990, 9)]
    device.put(998, 4)
    assert await reader.poll(waves) == {0: (list(range(300)), GOOD)}


@pytest.mark.parametrize("ready", ["coil:5", "discrete:5", "holding:997", "holding:997:bits2-3", "holding:997:bit3"])
async def test_every_kind_of_flag(device, reader, ready):
    """A coil, an input, a register or a part of it tells that the samples are complete."""
    waves = Waveforms(group_of(f"{SEQ}:ready={ready}"), 1, Reach())
    device.put(997, 0, 1)
    device.put(1000, *range(300))
    device.bits[1] = {5: False}
    assert await reader.poll(waves) == {}
    device.put(997, 8)
    device.bits[1] = {5: True}
    assert await reader.poll(waves) == {0: (list(range(300)), GOOD)}


@pytest.mark.parametrize("where", [998, 997])
async def test_a_torn_waveform_is_dropped_whole(device, reader, where):
    """A waveform whose number changes, or whose flag falls, while it is read is dropped and counted, and read anew."""
    waves = Waveforms(group_of(f"{SEQ}:ready=holding:997"), 1, Reach())
    device.put(997, 1, 1)
    device.put(1000, *[1] * 300)

    def update(unit, function, start, count):
        pdu = device.answer(unit, function, start, count)
        if start == 1125:  # while the second of three blocks is read
            device.before = None
            device.put(where, 2 if where == 998 else 0)
            device.put(1000, *[2] * 300)
        return pdu

    device.before = update
    assert await reader.poll(waves) == {}
    assert waves.torn == 1
    device.put(997, 1, 2)
    assert await reader.poll(waves) == {0: ([2] * 300, GOOD)}
    assert waves.torn == 1


class Transmitter:
    """A transmitter that measures again and again: an update falls before each of the requests in `updates`.

    An `instant` one swaps samples and number at one stroke; any other takes several requests to fill its registers,
    with the flag down.
    """

    def __init__(self, updates, *, instant):
        self.measurement = 1
        self.samples = [1] * len(DATA)
        self.ready = True
        self._updates = set(updates)
        self._instant = instant
        self.asked = 0
        self._filled = len(DATA)

    async def ask(self, block):
        """Answer a request."""
        self.asked += 1
        if self.asked in self._updates and self.ready:
            if self._instant:
                self.measurement += 1
                self.samples = [self.measurement] * len(DATA)
            else:
                self.ready, self._filled = False, 0
        elif not self.ready:
            self._fill()
        words = {997: int(self.ready), 998: self.measurement} | dict(zip(DATA, self.samples, strict=True))
        return struct.pack(f">{block.size}H", *(words[at] for at in range(block.start, block.stop)))

    def _fill(self):
        upto = min(self._filled + 130, len(DATA))
        self.samples[self._filled : upto] = [self.measurement + 1] * (upto - self._filled)
        self._filled = upto
        if upto == len(DATA):
            self.ready, self.measurement = True, self.measurement + 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), max_size=12), st.booleans(), st.integers(40, 125), st.sampled_from([0.0, 1000.0]))
async def test_what_is_delivered_is_of_one_measurement(updates, instant, largest, period):
    """Whenever a transmitter updates, no waveform mixes two measurements, and each is delivered once and in order."""
    device = Transmitter(updates, instant=instant)
    marks = SEQ if instant else f"{SEQ}:ready=holding:997"
    waves = Waveforms(group_of(marks, period=period), 1, Reach(largest))
    taken = []
    while device.asked < 90:
        if (batch := await waves.take(device.ask)) is not None:
            [wave] = batch.values
            assert len(set(wave.samples.tolist())) == 1
            taken.append(wave.samples[0])
    assert all(one < other for one, other in pairwise(taken))
    assert taken[-1] == device.measurement
    assert waves.torn <= len(set(updates))


@pytest.mark.parametrize(
    ("text", "values", "dtype"),
    [
        ("int16[4]", (-32768, -1, 0, 32767), np.int16),
        ("int16[4]:BA", (-32768, -1, 0, 32767), np.int16),
        ("uint16[3]", (0, 32768, 65535), np.float32),
        ("int32[3]:CDAB", (-(2**23), 5, 2**23), np.float32),
        ("float32[3]", (0.5, -1e30, 0.25), np.float32),
        ("float32[3]:DCBA", (0.5, -1e30, 0.25), np.float32),
    ],
)
async def test_types_of_samples(device, reader, text, values, dtype):
    """int16 stays as it is; other samples become float32; in any order."""
    name, _, order = text.partition(":")
    code = {"int16": "h", "uint16": "H", "int32": "i", "float32": "f"}[name.partition("[")[0]]
    raw = struct.pack(f">{len(values)}{code}", *values)
    words = struct.unpack(f"{'<' if order in {'BA', 'DCBA'} else '>'}{len(raw) // 2}H", raw)
    if order in {"CDAB", "DCBA"}:
        words = tuple(word for pair in zip(words[1::2], words[::2], strict=True) for word in pair)
    device.put(10, *words)
    batch = await Waveforms(group_of(f"holding:10:{text}"), 1, Reach()).take(reader.ask)
    [wave] = batch.values
    assert wave.samples.dtype == dtype
    assert wave.samples.tolist() == np.array(values, dtype).tolist()
    assert wave.rate == 25_600.0
    assert len(reader.asked) == 1


async def test_blocks_end_with_a_sample(device, reader):
    """A device that serves seven registers at once is asked for three float32 samples each time."""
    device.floats(0, *range(7))
    device.put(99, 1)
    waves = Waveforms(group_of("holding:0:float32[7]:seq=holding:99"), 1, Reach(7))
    assert await reader.poll(waves) == {0: (list(range(7)), GOOD)}
    assert reader.asked[1:-1] == [(3, 0, 6), (3, 6, 6), (3, 12, 2)]


async def test_without_a_number_the_same_samples_are_nothing_new(device, reader):
    """A waveform that has no sequence number is new when its samples differ from those taken before."""
    waves = Waveforms(group_of("holding:0:int16[300]:ready=coil:5", "holding:0:int16[9]"), 1, Reach())
    device.put(0, *range(300))
    device.bits[1] = {5: True}
    assert await reader.poll(waves) == {0: (list(range(300)), GOOD)}
    assert await reader.poll(waves) == {1: (list(range(9)), GOOD)}
    assert await reader.poll(waves) == {}
    device.put(8, 88)
    assert await reader.poll(waves) == {1: ([*range(8), 88], GOOD)}


async def test_a_refused_part_is_bad_until_it_is_read(device, reader):
    """A waveform that cannot be read whole is Bad in each poll, then taken even if its number is that of before."""
    waves = Waveforms(group_of(SEQ, "holding:2000:int16[5]"), 1, Reach())
    device.put(998, 1)
    device.put(1000, *range(300))
    device.put(2000, *range(5))
    assert await reader.poll(waves) == {0: (list(range(300)), GOOD)}
    del device.registers[1][1200]
    device.put(998, 2)
    assert await reader.poll(waves) == {1: (list(range(5)), GOOD)}
    for _ in range(3):
        assert await reader.poll(waves) == {0: (None, UNKNOWN)}
    device.put(1200, 200)
    device.put(998, 1)
    assert await reader.poll(waves) == {0: (list(range(300)), GOOD)}
    del device.registers[1][998]
    assert await reader.poll(waves) == {}  # the other's turn, whose samples are the same
    assert await reader.poll(waves) == {0: (None, UNKNOWN)}


async def test_a_silent_unit_is_asked_once_a_poll(device, reader):
    """All waveforms of a unit that does not answer are Bad after one request; another unit's is read."""
    texts = (f"{SEQ}@2", "holding:0:int16[5]@2", "holding:0:int16[5]@3")
    waves = Waveforms(group_of(*texts), 1, Reach())
    device.silent.add(2)
    device.put(0, *range(5), unit=3)
    timeout = StatusCode.BAD_TIMEOUT
    assert await reader.poll(waves) == {0: (None, timeout), 1: (None, timeout), 2: (list(range(5)), GOOD)}
    assert len(reader.asked) == 2


async def test_a_lost_connection_is_raised(device, reader):
    """A connection that is lost in the middle is the runtime's business."""
    waves = Waveforms(group_of(SEQ), 1, Reach())
    await device.stop()
    await asyncio.sleep(0.05)
    with pytest.raises(NotConnected):
        await reader.poll(waves)


@pytest.mark.parametrize(
    ("text", "rate", "reach"),
    [
        (SEQ, None, Reach()),
        ("holding:0:int16[50]", 100.0, Reach(40)),
        (SEQ, 100.0, Reach(avoid=(Span(1, Table.HOLDING, 1150, 1151),))),
        (SEQ, 100.0, Reach(avoid=(Span(1, Table.HOLDING, 998, 999),))),
    ],
)
async def test_what_cannot_be_read_is_not_asked_for(reader, text, rate, reach):
    """No rate, nothing to tell a torn one by, or an address to avoid: BadConfigurationError, and no request."""
    waves = Waveforms(group_of(text, rate=rate), 1, reach)
    assert await reader.poll(waves) == {0: (None, StatusCode.BAD_CONFIGURATION_ERROR)}
    assert await reader.poll(waves) == {0: (None, StatusCode.BAD_CONFIGURATION_ERROR)}
    assert reader.asked == []
    assert waves.units == frozenset()


async def test_samples_that_are_no_numbers_are_bad(device, reader):
    """A waveform with NaN in it is Bad, and not read again until there is a new one."""
    waves = Waveforms(group_of("holding:0:float32[3]:seq=holding:10"), 1, Reach())
    device.floats(0, 1.0, float("nan"), 2.0)
    device.put(10, 1)
    assert await reader.poll(waves) == {0: (None, StatusCode.BAD_OUT_OF_RANGE)}
    assert await reader.poll(waves) == {}
    device.floats(0, 1.0, 1.5, 2.0)
    device.put(10, 2)
    assert await reader.poll(waves) == {0: ([1.0, 1.5, 2.0], GOOD)}


async def test_waveforms_take_turns(device, reader):
    """Of several that are always new, each poll reads one, and each comes up equally often."""
    texts = [f"holding:{1000 * i}:int16[200]:seq=holding:{1000 * i + 999}" for i in range(3)]
    waves = Waveforms(group_of(*texts), 1, Reach())
    seen = []
    for turn in range(6):
        for i in range(3):
            device.put(1000 * i, *[turn] * 200)
            device.put(1000 * i + 999, turn)
        [tag] = await reader.poll(waves)
        seen.append(tag)
    assert seen == [0, 1, 2] * 2


async def test_a_long_waveform_is_read_over_several_polls(device, reader):
    """A poll spends half its period on a waveform, and one request at least; the rest follows, and tears if it must."""
    waves = Waveforms(group_of(SEQ, "holding:0:int16[5]", period=0.0), 1, Reach())
    device.put(0, *range(5))
    device.put(998, 1)
    device.put(1000, *[1] * 300)
    assert [await reader.poll(waves) for _ in range(3)] == [{}, {}, {0: ([1] * 300, GOOD)}]
    assert await reader.poll(waves) == {1: (list(range(5)), GOOD)}
    device.put(998, 2)
    assert await reader.poll(waves) == {}
    device.put(998, 3)
    device.put(1000, *[3] * 300)
    assert [await reader.poll(waves) for _ in range(3)] == [{}, {}, {0: ([3] * 300, GOOD)}]
    assert waves.torn == 1


async def test_a_poll_of_waveforms_ends_in_time():
    """However slowly a device answers, a poll goes on with the other tags after half its period."""
    waves = Waveforms(group_of("holding:0:int16[8192]:seq=holding:9999", period=0.2), 1, Reach())

    async def slow(block):
        await asyncio.sleep(0.02)
        return bytes(2 * block.size)

    clock = asyncio.get_running_loop().time
    began = clock()
    assert await waves.take(slow) is None
    assert clock() - began < 0.2


async def test_a_group_without_waveforms_asks_for_nothing():
    """A group without waveforms costs nothing."""

    async def never(block):
        raise Refused(block.start)

    waves = Waveforms(group_of("holding:0:int16"), 1, Reach())
    assert await waves.take(never) is None
    assert waves.units == frozenset()


async def test_waveforms_and_other_tags_of_a_foreign_server(plugin, foreign):
    """Beside tags of all kinds, registers of pyModbusTCP are a waveform, left out until there is a new one."""
    samples = [round(8000 * np.sin(i / 7)) for i in range(2048)]
    foreign.data_bank.set_input_registers(1000, [sample & 0xFFFF for sample in samples])
    foreign.data_bank.set_input_registers(998, [41])
    foreign.data_bank.set_coils(5, [True])
    foreign.data_bank.set_holding_registers(10, [0x1234, 0x12AB, *struct.unpack(">4H", b"PUMP 3\0\0")])
    group = group_of(
        "holding:10:bcd16", "holding:11:bcd16", "holding:12:string[8]", "holding:10:bits8-15",
        "input:1000:int16[2048]:seq=input:998:ready=coil:5",
    )  # fmt: skip
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{foreign.port}", max_block=100))
    await connection.connect()
    found = readings(await connection.read(group))
    assert [(found[tag][0].value, found[tag][0].status) for tag in range(4)] == [
        (1234, GOOD), (0, StatusCode.BAD_DECODING_ERROR), ("PUMP 3", GOOD), (0x12, GOOD),
    ]  # fmt: skip
    assert found[4][0].value.samples.tolist() == samples
    assert sorted(readings(await connection.read(group))) == [0, 1, 2, 3]
    foreign.data_bank.set_input_registers(998, [42])
    assert readings(await connection.read(group))[4][0].value.rate == 25_600.0
    assert connection.talk().torn == 0
    await connection.aclose()


async def test_a_device_that_hangs_up_on_waveforms_still_serves_the_rest(plugin, device, settings):
    """A connection that is lost while a waveform is read makes that Bad; the tags beside it are Good in each poll."""
    device.put(0, 7)
    device.put(998, 1)
    device.put(1000, *range(300))

    def hang_up(unit, function, start, count):
        if start != 1125:
            return device.answer(unit, function, start, count)
        for writer in list(device._writers):
            writer.transport.abort()
        return None

    device.before = hang_up
    connection = plugin.open(settings)
    await connection.connect()
    group = group_of("holding:0:int16", SEQ)
    for _ in range(3):
        found = readings(await connection.read(group))
        assert [(found[tag][0].value, found[tag][0].status) for tag in (0, 1)] == [
            (7, GOOD), (None, StatusCode.BAD_NOT_CONNECTED),
        ]  # fmt: skip
    device.before = None
    assert readings(await connection.read(group))[1][0].value.samples.tolist() == list(range(300))
    await device.stop()
    with pytest.raises(NotConnected):
        await connection.read(group_of(SEQ))
    await connection.aclose()

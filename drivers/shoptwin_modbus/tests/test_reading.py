"""Reading from a device: blocks, gaps, holes, and what is learned about a map."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from shoptwin.sdk import NotConnected, StatusCode, Timeout
from shoptwin.testing import group_of, readings
from shoptwin_modbus.poll import terrain
from shoptwin_modbus.poll import turn as turns
from shoptwin_modbus.target import ModbusSettings

GOOD = StatusCode.GOOD
UNKNOWN = StatusCode.BAD_NODE_ID_UNKNOWN
WRONG = StatusCode.BAD_CONFIGURATION_ERROR
MILLISECOND = 1_000_000


def words(count, start=0, step=1):
    """Return the addresses of `count` int16 registers."""
    return [f"holding:{start + i * step}:int16" for i in range(count)]


async def test_contiguous_tags_share_requests(device, poll):
    """Two hundred registers take two requests; kinds and tables share what they can."""
    device.put(0, *range(200))
    assert await poll(*words(200)) == [(i, GOOD) for i in range(200)]
    assert device.requests == [(1, 3, 0, 125), (1, 3, 125, 75)]
    device.requests.clear()
    device.bits[1] = {i: i % 3 == 0 for i in range(20)}
    mixed = await poll("holding:0:int16", "holding:1:bit0", "holding:2:float32", "coil:3", "coil:19")
    assert [value for value, _ in mixed][3:] == [True, False]
    assert device.requests == [(1, 1, 3, 17), (1, 3, 0, 4)]


async def test_gaps_are_bridged_up_to_max_gap(device, poll):
    """Sixteen unneeded registers are read through, seventeen are not."""
    device.put(0, *range(60))
    await poll("holding:0:int16", "holding:17:int16", "holding:35:int16")
    assert device.requests == [(1, 3, 0, 18), (1, 3, 35, 1)]


async def test_hole_is_isolated_in_the_same_poll(device, poll):
    """One address that is not there is Bad; the others of its block are read in that very poll, and cheaply after."""
    device.put(0, *range(125))
    del device.registers[1][77]
    for turn in range(3):
        device.requests.clear()
        found = await poll(*words(125))
        assert found.pop(77)[1] == UNKNOWN
        assert found == [(i, GOOD) for i in range(125) if i != 77]
        assert len(device.requests) <= (16 if turn == 0 else 2)


async def test_unreadable_gap_is_learned(device, poll):
    """A gap that may not be read through costs three requests once; from then on each side has its own."""
    device.put(0, *range(10))
    device.put(15, *range(10))
    for requests in (3, 2, 2):
        device.requests.clear()
        found = await poll(*words(10), *words(10, 15))
        assert found == [(i, GOOD) for i in range(10)] * 2
        assert len(device.requests) == requests


async def test_small_devices_are_learned(device, poll):
    """A device that serves no more than 40 registers at once is read whole from the first poll on."""
    device.largest = 40
    device.put(0, *range(125))
    for _ in range(4):
        device.requests.clear()
        assert await poll(*words(125)) == [(i, GOOD) for i in range(125)]
    assert len(device.requests) <= 6


async def test_holes_of_one_group_help_another(device, poll):
    """What was learned about the map holds for each group of the connection."""
    device.put(0, *range(50))
    del device.registers[1][20]
    await poll(*words(50), name="one")
    device.requests.clear()
    found = await poll(*words(50), name="two")
    assert found[20][1] == UNKNOWN
    assert len(device.requests) == 2


async def test_hole_is_asked_for_again(device, plugin, connection, monkeypatch):
    """A hole is asked for again after many polls, at no cost to its neighbours, and is Good as soon as it is served."""
    monkeypatch.setattr(terrain, "PROBE_POLLS", 5)
    device.put(0, *range(10))
    del device.registers[1][4]
    group = group_of(plugin, words(10), period=20 * MILLISECOND)

    async def statuses():
        device.requests.clear()
        found = readings(await connection.read(group))
        assert all(found[i][0].status == GOOD for i in range(10) if i != 4)
        await asyncio.sleep(0.02)
        return found[4][0].status

    assert await statuses() == UNKNOWN
    probes = 0
    for _ in range(20):
        assert await statuses() == UNKNOWN
        probes += device.requests.count((1, 3, 4, 1))
        assert 2 <= len(device.requests) <= 3
    assert 2 <= probes <= 4
    device.put(4, 44)
    polls = [await statuses() for _ in range(10)]
    assert GOOD in polls
    assert len(device.requests) == 1


@pytest.mark.parametrize("answer", [None, bytes([0x83, 4]), bytes([0x83])], ids=["silence", "failure", "garbled"])
async def test_hole_that_is_answered_otherwise(device, plugin, monkeypatch, answer):
    """A hole that gets no reply, or an odd one, waits for its time like any other, and holds up no poll."""
    monkeypatch.setattr(terrain, "PROBE_POLLS", 5)
    device.put(0, *range(10))
    del device.registers[1][4]
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", timeout="50ms"))
    await connection.connect()
    group = group_of(plugin, words(10), period=20 * MILLISECOND)
    await connection.read(group)
    device.before = lambda *of: answer if of[2:] == (4, 1) else device.answer(*of)
    device.requests.clear()
    clock = asyncio.get_running_loop().time
    began = clock()
    for _ in range(20):
        found = readings(await connection.read(group))
        assert [found[i][0].status for i in range(10) if i != 4] == [GOOD] * 9
        assert found[4][0].status != GOOD
        await asyncio.sleep(0.02)
    assert 2 <= device.requests.count((1, 3, 4, 1)) <= 2 + (clock() - began) / 0.1
    await connection.aclose()


async def test_nothing_but_holes_still_notices_a_lost_device(device, poll):
    """A device of which nothing can be read is still asked in each poll, so that its loss is noticed."""
    for _ in range(3):
        assert [status for _, status in await poll("holding:1:int16", "holding:9:int16")] == [UNKNOWN] * 2
    await device.stop()
    with pytest.raises((NotConnected, Timeout)):
        await poll("holding:1:int16", "holding:9:int16")


async def test_narrowing_takes_as_many_polls_as_it_must(device, poll, monkeypatch):
    """Where there is no time to narrow down in one poll, the next ones go on with it, and nothing wrong is Good."""
    monkeypatch.setattr(turns, "NARROW_FOR", -1.0)
    device.put(0, *range(100))
    for address in range(0, 100, 3):
        del device.registers[1][address]
    for _ in range(12):
        device.requests.clear()
        found = await poll(*words(100))
        assert all(status != GOOD or value == i for i, (value, status) in enumerate(found))
    assert [status for _, status in found] == [UNKNOWN if i % 3 == 0 else GOOD for i in range(100)]
    assert len(device.requests) <= 36


async def test_narrowing_comes_after_all_else(device, poll):
    """What is refused is narrowed down when all else of the poll was read, so that it cannot take the time of that."""
    device.put(0, *range(8))
    del device.registers[1][3]
    device.put(200, 7)
    device.put(0, 8, unit=2)
    found = await poll(*words(8), "holding:200:int16", "holding:0:int16@2")
    assert found == [*((i, GOOD) if i != 3 else (0, UNKNOWN) for i in range(8)), (7, GOOD), (8, GOOD)]
    assert device.requests[:3] == [(1, 3, 0, 8), (1, 3, 200, 1), (2, 3, 0, 1)]
    assert device.requests[3:5] == [(1, 3, 0, 4), (1, 3, 0, 2)]


async def test_a_map_full_of_holes_is_read_in_the_first_poll(device, poll):
    """However many addresses of a block are refused, the good ones are read in that very poll."""
    device.put(0, *range(125))
    for address in range(0, 125, 2):
        del device.registers[1][address]
    found = await poll(*words(125))
    assert [status for _, status in found] == [UNKNOWN if i % 2 == 0 else GOOD for i in range(125)]


async def test_addresses_to_avoid_are_never_touched(device, plugin):
    """What is to be avoided is not read, not even as a gap or around a hole; a tag that stands there is Bad alone."""
    device.put(0, *range(40))
    del device.registers[1][12]
    connection = plugin.open(
        ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", avoid=("holding:10", "holding:20-29", "coil:0-9@2"))
    )
    await connection.connect()
    texts = [*(f"holding:{a}:int16" for a in (9, 11, 12, 31)), "holding:19:int32", "coil:3@2"]
    for _ in range(3):
        found = readings(await connection.read(group_of(plugin, texts)))
        assert [found[i][0].status for i in range(6)] == [GOOD, GOOD, UNKNOWN, GOOD, WRONG, WRONG]
        assert [found[i][0].value for i in (0, 1, 3)] == [9, 11, 31]
    touched = {a for _, _, start, count in device.requests for a in range(start, start + count)}
    assert touched.isdisjoint({10, *range(20, 30)})
    assert {unit for unit, *_ in device.requests} == {1}
    await connection.aclose()


@pytest.mark.parametrize("avoid", ["holding", "holding:9-3", "holding:1@300", "holding:70000"])
def test_what_to_avoid_is_checked_at_load(avoid):
    """A mistake in `avoid` is told when the configuration is read."""
    with pytest.raises(ValueError, match=f"avoid: '{avoid}'"):
        ModbusSettings(url="tcp://127.0.0.1", avoid=(avoid,))


async def test_nothing_but_what_must_not_be_read(device, plugin):
    """A device of which nothing may be read is asked for nothing, and is not lost for that."""
    url = f"tcp://127.0.0.1:{device.port}"
    connection = plugin.open(ModbusSettings(url=url, avoid=("holding:0-9",), max_block=4))
    await connection.connect()
    for _ in range(4):
        found = readings(await connection.read(group_of(plugin, ["holding:3:int16", "holding:100:string[20]"])))
        assert [found[i][0].status for i in range(2)] == [WRONG] * 2
    assert device.requests == []
    await connection.aclose()


async def test_foreign_server(foreign, plugin):
    """Values that pyModbusTCP serves are read, out of all four tables."""
    foreign.data_bank.set_holding_registers(10, [0x47F1, 0x2059])
    foreign.data_bank.set_input_registers(3, [0xFFFE])
    foreign.data_bank.set_coils(7, [True, False, True])
    foreign.data_bank.set_discrete_inputs(1999, [True])
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{foreign.port}"))
    await connection.connect()
    texts = ["holding:10:float32", "input:3:int16", "coil:7", "coil:8", "coil:9", "discrete:1999", "discrete:0"]
    found = readings(await connection.read(group_of(plugin, texts)))
    assert abs(found[0][0].value - 123456.7) < 0.01
    assert [found[i][0].value for i in range(1, 7)] == [-2, True, False, True, True, False]
    await connection.aclose()


async def test_values_that_share_registers_are_never_of_two_replies(poll, device):
    """Where two values overlap and the device does not serve both at once, neither is put together from two replies."""
    now = itertools.count(1)
    device.put(0, *[0] * 8)
    device.largest = 4

    def moving(unit, function, start, count):
        device.put(0, *[next(now)] * 8)
        return device.answer(unit, function, start, count)

    device.before = moving
    for _ in range(3):
        found = await poll("holding:0:uint64", "holding:2:uint64", "holding:3:uint16")
        for value, status in found[:2]:
            assert status or len({value >> 16 * i & 0xFFFF for i in range(4)}) == 1
    assert [status for _, status in found] == [0, 0, 0]

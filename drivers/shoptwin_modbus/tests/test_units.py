"""A breaker for each unit: the bookkeeping by itself, and ten units on one line of which one is dead."""

from __future__ import annotations

import asyncio
import time

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import StatusCode, Timeout
from shoptwin.testing import group_of, readings
from shoptwin_modbus.poll.units import ALIVE, FIRST_REST, LONGEST_REST, PROBE_SHARE, STRIKES, Units
from shoptwin_modbus.target import ModbusSettings

TIMEOUT = StatusCode.BAD_TIMEOUT
FAILURE = StatusCode.BAD_DEVICE_FAILURE


def rests(cost, probes=12):
    """Return for how long a unit that never answers rests after each probe, beside one that lives."""
    units, now, found = Units(), 0.0, []
    for turn in range(STRIKES - 1 + probes):
        units.answered(1, now)
        units.failed(2, now, TIMEOUT, silent=True, cost=cost)
        if turn < STRIKES - 1:
            assert not units.rests(2, now)
            assert not units.open(2)
            continue
        assert units.open(2)
        before = now
        while units.rests(2, now):
            units.answered(1, now)
            now += 0.5
        found.append(now - before)
    return found


def test_a_dead_unit_rests_ever_longer():
    """After three silent turns a unit rests, twice as long each time, up to a minute."""
    found = rests(cost=0.0)
    assert found[:4] == [FIRST_REST, 2, 4, 8]
    assert max(found) == LONGEST_REST


@pytest.mark.parametrize("cost", [0.15, 0.6, 1.5, 3.0])
def test_probes_have_a_budget(cost):
    """From the first one on, probes of a dead unit take no more than a twentieth of the line's time."""
    assert all(cost <= rest / PROBE_SHARE * 1.001 for rest in rests(cost))
    assert rests(cost)[-1] == LONGEST_REST


def test_one_answer_ends_it():
    """A unit that answers is as good as new."""
    units = Units()
    units.answered(1, 0.0)
    for _ in range(5):
        units.failed(2, 0.0, TIMEOUT, silent=True)
    assert units.rests(2, 0.5)
    units.answered(2, 0.5)
    assert not units.rests(2, 0.5)
    assert units.failures(2) == 0
    units.failed(2, 1.0, TIMEOUT, silent=True)
    assert not units.rests(2, 1.0)


def test_alone_a_silent_unit_does_not_rest():
    """Without living neighbours it is asked each time: the runtime paces that, and no one else waits for it."""
    units = Units()
    for _ in range(9):
        units.failed(2, 0.0, TIMEOUT, silent=True)
    assert not units.rests(2, 0.0)
    assert units.dead([2])
    units.answered(1, 0.0)
    assert units.rests(2, 0.0)
    assert not units.rests(2, ALIVE + 1)


def test_a_failing_unit_rests_even_alone():
    """A unit that replies, but never with anything useful, is left alone and keeps its status; it is not lost."""
    units = Units()
    for _ in range(STRIKES):
        units.failed(2, 0.0, FAILURE, silent=False)
    assert units.rests(2, 0.5)
    assert units.status(2) == FAILURE
    assert not units.dead([2])
    assert not units.none_answers([2])
    assert not units.rests(2, FIRST_REST)


@pytest.fixture
async def nine(cable):
    """Serve units 1 to 9 on the cable, register 0 being the unit's number; unit 10 is dead. Yield what was asked."""
    asked = []

    def heard(sending, data):
        if not sending:
            asked.append(data[0])
        return b"" if sending and data[0] == 10 else data  # it would refuse

    devices = [SimDevice(u, simdata=SimData(0, values=[u] * 100, datatype=DataType.REGISTERS)) for u in range(1, 10)]
    server = ModbusSerialServer(devices, port=cable.there, baudrate=115_200, trace_packet=heard)
    await server.serve_forever(background=True)
    yield asked
    await server.shutdown()


def of_unit(cable, unit, **more):
    """Return the settings of one of ten devices on the cable."""
    url = f"rtu://{cable.here}?baud=115200&parity=N"
    return ModbusSettings(url=url, unit=unit, timeout="200ms", turnaround="20ms", **more)


async def test_one_dead_device_among_ten(cable, plugin, nine):
    """Of ten devices on a line one is dead: once its breaker is open, the others are read as if it were not there."""
    connections = [plugin.open(of_unit(cable, unit)) for unit in range(1, 11)]
    group = group_of(plugin, ["holding:0:int16"])
    for connection in connections:
        await connection.connect()

    async def poll(connection, unit):
        try:
            [reading] = readings(await connection.read(group))[0]
        except Timeout:
            assert unit == 10
        else:
            assert (reading.value, reading.status) == ((unit, 0) if unit < 10 else (0, TIMEOUT))

    async def polls(count):
        for _ in range(count):
            await asyncio.gather(*(poll(connection, unit) for unit, connection in enumerate(connections, 1)))

    await polls(STRIKES)
    assert nine.count(10) == STRIKES
    await asyncio.sleep(0.05)
    nine.clear()
    clock = asyncio.get_running_loop().time
    began = clock()
    await polls(5)
    assert clock() - began < 1.5, "a probe of the dead unit every 4.4 s at most, and none so soon"
    assert nine.count(10) == 0
    assert [nine.count(unit) for unit in range(1, 10)] == [5] * 9
    assert connections[9].talk().parts == {"unit 10": False}
    assert connections[0].talk().parts == {"unit 1": True}
    for connection in connections:
        await connection.aclose()


async def test_fair_turns(cable, plugin, nine):
    """A device with fifty requests a poll does not hold the line for all of them: another gets its turn in between."""
    long, short = plugin.open(of_unit(cable, 1, max_gap=0)), plugin.open(of_unit(cable, 2))
    await long.connect()
    await short.connect()
    reading = asyncio.ensure_future(long.read(group_of(plugin, [f"holding:{2 * i}:int16" for i in range(50)])))
    while not nine:
        await asyncio.sleep(0)
    for turn in range(1, 4):
        await short.read(group_of(plugin, ["holding:0:int16"]))
        assert nine.count(1) <= 2 * turn + 1
    await reading
    assert nine.count(1) == 50
    await long.aclose()
    await short.aclose()


async def test_silence_to_one_block_on_a_line(cable, plugin):
    """On a line, too, a block to which a unit says nothing is Bad alone: the unit is brought into step and read on."""
    last = []

    def heard(sending, data):
        if not sending:
            last[:] = data[2:6]
        return b"" if sending and int.from_bytes(bytes(last[:2])) == 40 else data

    device = SimDevice(1, simdata=SimData(0, values=list(range(100)), datatype=DataType.REGISTERS))
    server = ModbusSerialServer([device], port=cable.there, baudrate=115_200, trace_packet=heard)
    await server.serve_forever(background=True)
    connection = plugin.open(of_unit(cable, 1))
    await connection.connect()
    group = group_of(plugin, [f"holding:{i}:int16" for i in (0, 40, 60, 61, 90)])
    for _ in range(4):
        found = readings(await connection.read(group))
        assert [found[i][0].status for i in range(5)] == [0, TIMEOUT, 0, 0, 0]
        assert [found[i][0].value for i in (0, 2, 3, 4)] == [0, 60, 61, 90]
    await connection.aclose()
    await server.shutdown()


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize(
    "counts", [{1: 10}, {1: 2, 2: 2, 3: 2, 4: 2, 5: 2}, {1: 1, 2: 7, 3: 1, 4: 1}], ids=["one", "five", "one large"]
)
async def test_more_than_a_poll_has_time_for(plugin, device, monkeypatch, counts, in_flight):
    """A poll ends in time even if the device is too slow for it, and the next one begins with what was left."""
    monkeypatch.setattr("shoptwin_modbus.poll.turn.LATEST", 0.12)
    addresses = [f"holding:{1000 * i}:uint16@{unit}" for unit, count in counts.items() for i in range(count)]
    for unit in range(1, 6):
        device.registers[unit] = dict.fromkeys(range(0, 10_000, 1000), 7)
    answer = device.answer

    def slow(*request):
        time.sleep(0.03)  # of a device that does one thing after the other
        return answer(*request)

    device.before = slow
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", in_flight=in_flight))
    await connection.connect()
    group, good = group_of(plugin, addresses), set()
    for _ in range(5):
        [batch] = await connection.read(group)
        assert set(batch.status.tolist()) == {StatusCode.GOOD, StatusCode.BAD_TIMEOUT}
        good |= set(batch.tag[batch.status == 0].tolist())
    assert good == set(range(10))
    await connection.aclose()

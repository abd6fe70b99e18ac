"""A breaker for each unit: the bookkeeping by itself, and ten units on one line of which one is dead."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import StatusCode, Timeout
from shoptwin.testing import group_of, readings
from shoptwin_modbus.poll.units import ALIVE, FIRST_REST, LONGEST_REST, PROBE_SHARE, STRIKES, Units
from shoptwin_modbus.target import ModbusSettings
from shoptwin_modbus.wire.turns import PASSED, Turns

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


@pytest.mark.parametrize(("dead", "cost"), [(1, 1.5), (9, 1.5), (24, 1.5), (9, 0.1), (3, 20.0)])
def test_the_budget_is_one_for_all(dead, cost):
    """However many units are dead, probes of all of them together take no more than a twentieth of the line's time."""
    units, now, spent = Units(), 0.0, 0.0
    for unit in range(2, dead + 2):
        for _ in range(STRIKES):
            units.failed(unit, now, TIMEOUT, silent=True, cost=cost)
    begun, probed = now + 2 * PROBE_SHARE * dead * cost, set()
    while now < begun + 40 * PROBE_SHARE * dead * cost:
        units.answered(1, now)
        for unit in range(2, dead + 2):
            if not units.rests(unit, now):
                units.failed(unit, now, TIMEOUT, silent=True, cost=cost)
                if now >= begun:
                    spent += cost
                    probed.add(unit)
        now += 1.0
    assert spent <= (now - begun) / PROBE_SHARE * 1.05
    assert len(probed) == dead


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


async def test_a_poll_ends_whatever_is_under_way(plugin, device, monkeypatch):
    """A request that takes longer than a poll may ends with it: the rest is delivered, and it comes first next time."""
    monkeypatch.setattr("shoptwin_modbus.poll.turn.DEADLINE", 0.4)
    device.put(0, 7)
    device.put(1000, 8)
    device.put(2000, 9)
    device.before = lambda *of: None if of[2] == 1000 else device.answer(*of)
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", timeout="10s"))
    await connection.connect()
    group = group_of(plugin, [f"holding:{i}:int16" for i in (0, 1000, 2000)])
    async with asyncio.timeout(5):
        found = readings(await connection.read(group))
    assert [(found[i][0].value, found[i][0].status) for i in range(3)] == [(7, 0), (0, TIMEOUT), (0, TIMEOUT)]
    device.before = None
    device.requests.clear()
    found = readings(await connection.read(group))
    assert [found[i][0].value for i in range(3)] == [7, 8, 9]
    assert [start for _, _, start, _ in device.requests] == [1000, 2000, 0]
    await connection.aclose()


async def test_a_queue_is_no_silence(plugin, scripted, monkeypatch):
    """A device whose turn on the line does not come in time is Bad for that poll, but neither lost nor silent."""
    peer = await scripted(rtu=True)
    url = f"rtu+tcp://127.0.0.1:{peer.port}"
    one, other = (plugin.open(ModbusSettings(url=url, unit=unit, timeout="3s", turnaround="0s")) for unit in (1, 2))
    await one.connect()
    await other.connect()
    group = group_of(plugin, ["holding:0:int16"])
    holding = asyncio.ensure_future(one.read(group))
    await peer.request()
    monkeypatch.setattr("shoptwin_modbus.poll.turn.DEADLINE", 0.3)
    for _ in range(5):
        assert readings(await other.read(group))[0][0].status == TIMEOUT
    assert other.talk().requests == 0
    assert other.talk().parts == {"unit 2": True}
    peer.send(bytes([1, 3, 2, 0, 5]))
    assert readings(await holding)[0][0].value == 5
    await one.aclose()
    await other.aclose()


async def test_a_living_unit_does_not_wait_for_each_dead_one(plugin, scripted):
    """Of ten devices on a line nine are off: the tenth waits for one of them at most before each of its requests."""
    peer, asked = await scripted(rtu=True), []

    async def serve():
        while True:
            unit = (await peer.heard.get())[0]
            asked.append(unit)
            if unit == 1:
                peer.send(bytes([1, 3, 2, 0, 5]))

    url = f"rtu+tcp://127.0.0.1:{peer.port}"
    connections = [
        plugin.open(ModbusSettings(url=url, unit=unit, timeout="50ms", turnaround="10ms")) for unit in range(1, 11)
    ]
    serving, group = asyncio.ensure_future(serve()), group_of(plugin, ["holding:0:int16"])
    for connection in connections:
        await connection.connect()
    assert readings(await connections[0].read(group))[0][0].value == 5
    asked.clear()
    dead = [asyncio.ensure_future(connection.read(group)) for connection in connections[1:]]
    while not asked:
        await asyncio.sleep(0.01)
    for _ in range(5):
        assert readings(await connections[0].read(group))[0][0].value == 5
    assert [unit == 1 for unit in asked][:10] == [False, True] * 5
    await asyncio.gather(*dead, return_exceptions=True)
    assert set(asked) == set(range(1, 11))
    serving.cancel()
    for connection in connections:
        await connection.aclose()


async def test_those_who_wait_long_get_their_turn():
    """Requests to units that may not answer are passed by others, but by no more than a few."""
    turns, order = Turns(1), []

    async def use(name, *, doubtful):
        await turns.acquire(doubtful=doubtful)
        order.append(name)
        await asyncio.sleep(0)
        turns.release()

    async with asyncio.TaskGroup() as group:
        await turns.acquire()
        group.create_task(use("doubtful", doubtful=True))
        given_up = group.create_task(use("given up", doubtful=True))
        await asyncio.sleep(0)
        for i in range(10):
            group.create_task(use(i, doubtful=False))
        await asyncio.sleep(0)
        given_up.cancel()
        turns.release()
    assert order == [*range(PASSED), "doubtful", *range(PASSED, 10)]
    async with asyncio.timeout(5):
        await turns.acquire()


async def test_one_strike_a_poll(plugin, device):
    """A device that fails strikes once a poll, however many waveforms it is asked for."""
    device.before = lambda unit, function, start, count: bytes([function | 0x80, 4])  # noqa: ARG005 - as it is asked
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}"))
    await connection.connect()
    texts = [f"holding:{1000 * i}:int16[500]:seq=holding:{1000 * i - 1}" for i in range(1, 10)]
    group = group_of(plugin, ["holding:0:int16", *texts])
    group = replace(group, points=tuple(replace(point, rate=1000.0) for point in group.points))
    for turn in range(1, STRIKES + 1):
        await connection.read(group)
        assert connection.talk().parts == {"unit 1": turn < STRIKES}
    await connection.aclose()


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

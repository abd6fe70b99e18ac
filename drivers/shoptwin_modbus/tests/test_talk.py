"""What a connection tells of its talk with the device, and what it remembers across restarts."""

from __future__ import annotations

import asyncio
import json

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import Group, Hole, Point, StatusCode, Talk, Timeout
from shoptwin.testing import free_port, group_of, readings
from shoptwin_modbus.plugin import ModbusPlugin
from shoptwin_modbus.target import ModbusSettings

GOOD = StatusCode.GOOD
SECOND = 1_000_000_000
UNKNOWN = StatusCode.BAD_NODE_ID_UNKNOWN
FIFTY = [f"holding:{i}:int16" for i in range(50)]


@pytest.fixture
def gapped():
    """Return pyModbusTCP's server with a map that lacks registers 20 and 33; `asked` is what for, as (start, count)."""
    server = pytest.importorskip("pyModbusTCP.server", reason="pyModbusTCP is not installed (pip install pyModbusTCP)")
    asked = []

    class Gapped(server.DataBank):
        """A device that refuses whatever touches an address that it does not have."""

        missing = frozenset({20, 33})

        def get_holding_registers(self, address, number=1, srv_info=None):  # noqa: ARG002 - its signature
            """Return registers, each its own address."""
            asked.append((address, number))
            wanted = range(address, address + number)
            return None if self.missing.intersection(wanted) else list(wanted)

    running = server.ModbusServer(host="127.0.0.1", port=free_port(), no_block=True, data_bank=Gapped())
    running.start()
    running.asked = asked
    yield running
    running.stop()


async def opened(server, memory=None, **more):
    """Return a connection as after a restart: of a driver that knows nothing but what is recalled."""
    connection = ModbusPlugin().open(ModbusSettings(url=f"tcp://127.0.0.1:{server.port}", **more))
    if memory is not None:
        connection.recall(memory)
    await connection.connect()
    return connection


async def statuses(plugin, connection, texts=FIFTY, name="group"):
    """Read, and return the status of each tag."""
    found = readings(await connection.read(group_of(plugin, texts, name=name)))
    return [found[i][0].status for i in range(len(texts))]


async def test_holes_outlive_a_restart(gapped, plugin):
    """What a device refuses is not found out anew by the next connection, however many polls it makes."""
    expected = [UNKNOWN if i in {20, 33} else GOOD for i in range(50)]
    first = await opened(gapped)
    assert first.memory() is None
    for _ in range(2):
        assert await statuses(plugin, first) == expected
    memory = first.memory()
    assert memory is not None
    assert json.loads(memory)["holes"] == {"holding:20@1": UNKNOWN, "holding:33@1": UNKNOWN}
    assert first.memory() is None
    await first.aclose()
    gapped.asked.clear()
    second = await opened(gapped, memory)
    for _ in range(5):
        assert await statuses(plugin, second) == expected
    assert gapped.asked == [(0, 20), (21, 12), (34, 16)] * 5
    assert second.memory() is None
    await second.aclose()


async def test_what_nobody_asks_for_is_not_kept(gapped, plugin):
    """A hole of a tag that is gone is forgotten once every group has been read."""
    first = await opened(gapped)
    await statuses(plugin, first)
    memory = first.memory()
    await first.aclose()
    second = await opened(gapped, memory)
    for name in ("one", "two", "one"):
        texts = FIFTY[:25] if name == "one" else FIFTY[40:]
        await statuses(plugin, second, texts, name)
    assert json.loads(second.memory())["holes"] == {"holding:20@1": UNKNOWN}
    assert second.talk().holes == (Hole("holding:20", UNKNOWN),)
    await second.aclose()


async def test_memory_of_others_is_ignored(gapped, plugin):
    """Text that is no memory of this driver's changes nothing."""
    connection = await opened(gapped, "what is this?")
    assert (await statuses(plugin, connection)).count(GOOD) == 48
    await connection.aclose()


async def test_holes_are_told_as_they_are_configured(device, plugin):
    """Holes are listed as one would write them; only those of other units bear a unit."""
    device.put(0, *range(10))
    device.put(0, *range(10), unit=7)
    connection = await opened(device)
    texts = ["holding:0:int16", "holding:120:int16", "holding:120:float64@7", "holding:0:int16@7", "coil:3"]
    for _ in range(3):
        await statuses(plugin, connection, texts)
    told = {hole.address: hole.status for hole in connection.talk().holes}
    assert told == {"holding:120": UNKNOWN, "holding:120-123@7": UNKNOWN, "coil:3": UNKNOWN}
    await connection.aclose()


async def test_how_long_requests_take(plugin, scripted):
    """It is told how long each request takes that brings data: on a line without the wait for other devices."""
    peer = await scripted(rtu=True)
    url = f"rtu+tcp://127.0.0.1:{peer.port}"
    one, other = (plugin.open(ModbusSettings(url=url, unit=unit, timeout="9s", turnaround="0s")) for unit in (1, 2))
    await one.connect()
    await other.connect()
    group = group_of(plugin, ["holding:0:int16"])
    reading = [asyncio.ensure_future(one.read(group))]
    await peer.request()
    reading.append(asyncio.ensure_future(other.read(group)))
    await asyncio.sleep(0.5)
    peer.send(bytes([1, 3, 2, 0, 5]))
    await peer.request()
    peer.send(bytes([2, 3, 2, 0, 6]))
    await asyncio.gather(*reading)
    [first], [second] = one.talk().took, other.talk().took
    assert first >= 0.5
    assert second < first
    await one.aclose()
    assert one.talk().took == (first,)
    await other.aclose()


async def test_what_goes_over_the_wire_is_counted(device, plugin):
    """Requests, bytes with their frames, exceptions by code, time-outs and damaged replies are counted."""
    device.put(0, *range(10))
    connection = await opened(device, timeout="200ms")
    assert connection.talk() == Talk()
    await statuses(plugin, connection, FIFTY[:10])
    assert connection.talk() == Talk(1, 12, 29, parts={"unit 1": True})
    device.before = lambda *_: bytes([0x83, 4])
    await statuses(plugin, connection, FIFTY[:10])
    assert connection.talk() == Talk(2, 24, 38, exceptions={"4": 1}, parts={"unit 1": True})
    device.before = lambda *of: device.answer(*of)[:-2]
    await statuses(plugin, connection, FIFTY[:10])
    assert connection.talk().garbled == 1
    device.before = lambda *_: None
    await statuses(plugin, connection, FIFTY[:10])
    talk = connection.talk()
    assert (talk.requests, talk.bytes_sent, talk.timeouts, talk.garbled) == (4, 48, 1, 1)
    await connection.aclose()
    assert connection.talk() == talk
    device.before = None
    await connection.connect()
    await statuses(plugin, connection, FIFTY[:10])
    assert connection.talk().requests == 5
    await connection.aclose()


async def test_devices_on_one_line_count_for_themselves(cable, plugin):
    """Of a line that several devices share, each counts its own requests and bytes alone."""
    devices = [SimDevice(u, simdata=SimData(0, values=[u] * 20, datatype=DataType.REGISTERS)) for u in (1, 2)]
    server = ModbusSerialServer(devices, port=cable.there, baudrate=115_200)
    await server.serve_forever(background=True)
    url = f"rtu://{cable.here}?baud=115200&parity=N"
    first, second = (plugin.open(ModbusSettings(url=url, unit=unit, timeout="500ms")) for unit in (1, 2))
    await first.connect()
    await second.connect()
    one, two = group_of(plugin, FIFTY[:1]), group_of(plugin, FIFTY[:10])
    await asyncio.gather(first.read(one), *(second.read(two) for _ in range(3)))
    assert first.talk() == Talk(1, 8, 7, parts={"unit 1": True})
    assert second.talk() == Talk(3, 24, 75, parts={"unit 2": True})
    await first.aclose()
    await second.aclose()
    await server.shutdown()


async def test_units_and_their_breakers(device, plugin):
    """Each unit that is asked is told, and whether it answers or its breaker is open."""
    device.put(0, 5)
    device.silent = {7}
    connection = await opened(device, timeout="100ms")
    texts = ["holding:0:int16", "holding:0:int16@7"]
    told = []
    for _ in range(4):
        await statuses(plugin, connection, texts)
        told.append(connection.talk().parts["unit 7"])
    assert told == [True, True, False, False]
    assert connection.talk().parts == {"unit 1": True, "unit 7": False}
    await connection.aclose()


async def test_torn_waveforms_are_counted(device, plugin):
    """A waveform that changes while it is read is dropped, and counted."""
    device.put(90, 0)
    device.put(100, *range(300))
    serve = device.answer

    def torn(*of):
        device.put(90, device.registers[1][90] + 1)
        return serve(*of)

    device.before = torn
    connection = await opened(device)
    address = plugin.parse_address("holding:100:int16[300]:seq=holding:90")
    group = Group("group", "device", 10 * SECOND, (Point(0, address, rate=100.0),))
    assert list(await connection.read(group)) == []
    assert connection.talk().torn == 1
    device.before = None
    [batch] = await connection.read(group)
    assert batch.values[0].samples.tolist() == list(range(300))
    await connection.aclose()


async def test_a_waveform_beside_a_block_without_a_reply(device, plugin):
    """A unit that says nothing to one address is asked for its waveforms all the same."""
    device.put(0, 5)
    device.put(100, *range(50))
    device.before = lambda *of: None if of[2] == 300 else device.answer(*of)
    connection = await opened(device, timeout="100ms")
    wave = Point(2, plugin.parse_address("holding:100:int16[50]"), rate=100.0)
    points = [Point(i, plugin.parse_address(text)) for i, text in enumerate(("holding:0:int16", "holding:300:int16"))]
    found = readings(await connection.read(Group("group", "device", SECOND, (*points, wave))))
    assert [found[i][0].status for i in range(3)] == [GOOD, StatusCode.BAD_TIMEOUT, GOOD]
    await connection.aclose()


async def test_a_waveform_of_a_dead_unit(device, plugin):
    """A device with nothing but a waveform that falls silent is Bad at first, and then lost, as any other."""
    device.silent = {1}
    connection = await opened(device, timeout="50ms")
    wave = Point(0, plugin.parse_address("holding:100:int16[50]"), rate=100.0)
    group = Group("group", "device", SECOND, (wave,))
    for _ in range(2):
        assert readings(await connection.read(group))[0][0].status == StatusCode.BAD_TIMEOUT
    with pytest.raises(Timeout):
        await connection.read(group)
    assert len(device.requests) == 3
    await connection.aclose()

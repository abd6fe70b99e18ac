"""Serial lines: pymodbus's RTU server, or a device that misbehaves, at the other end of a pty pair."""

from __future__ import annotations

import asyncio
import os
import struct
import termios

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import NotConnected, StatusCode, Timeout
from shoptwin.testing import group_of, readings
from shoptwin_modbus.target import ModbusSettings


def url(cable):
    """Return the URL of our end."""
    return f"rtu://{cable.here}?baud=115200&parity=N"


def settings(cable, unit=1, timeout="300ms", **more):
    """Return settings for a unit on the cable."""
    return ModbusSettings(url=url(cable), unit=unit, timeout=timeout, **{"turnaround": "50ms", **more})


@pytest.fixture
async def units(cable):
    """Serve units 1 and 2 on the cable: ten registers each, 10 u + i."""
    devices = [
        SimDevice(u, simdata=SimData(0, values=[10 * u + i for i in range(10)], datatype=DataType.REGISTERS))
        for u in (1, 2)
    ]
    server = ModbusSerialServer(
        devices, port=cable.there, baudrate=115_200,
        trace_packet=lambda sending, data: b"" if sending and data[0] == 9 else data,  # it would refuse
    )  # fmt: skip
    await server.serve_forever(background=True)
    yield server
    await server.shutdown()


async def values(connection, group):
    """Return (value, status) of each tag."""
    found = readings(await connection.read(group))
    return [(each[0].value, each[0].status) for _, each in sorted(found.items())]


TEN = [f"holding:{i}:int16" for i in range(10)]


@pytest.mark.usefixtures("units")
async def test_two_devices_share_a_port(cable, plugin):
    """Two devices on one port read at the same time, one request after the other, and the last to go closes it."""
    first, second = plugin.open(settings(cable)), plugin.open(settings(cable, 2))
    await first.connect()
    await second.connect()
    group = group_of(plugin, TEN)
    for _ in range(5):
        one, two = await asyncio.gather(values(first, group), values(second, group))
        assert one == [(10 + i, 0) for i in range(10)]
        assert two == [(20 + i, 0) for i in range(10)]
    await first.aclose()
    assert await values(second, group) == [(20 + i, 0) for i in range(10)]
    await second.aclose()
    await second.aclose()
    again = plugin.open(settings(cable))
    await again.connect()
    assert await values(again, group) == [(10 + i, 0) for i in range(10)]
    await again.aclose()


@pytest.mark.usefixtures("units")
async def test_one_port_has_one_baud_rate(cable, plugin):
    """A second device with other parameters on the same port is refused with the cure."""
    first = plugin.open(settings(cable))
    await first.connect()
    other = plugin.open(ModbusSettings(url=f"rtu://{cable.here}?baud=9600&parity=N"))
    with pytest.raises(NotConnected) as caught:
        await other.connect()
    assert "same baud" in caught.value.hint
    await other.aclose()
    assert await values(first, group_of(plugin, TEN[:1])) == [(10, 0)]
    await first.aclose()


@pytest.mark.usefixtures("units")
async def test_port_in_use_by_another_program(cable, plugin):
    """A port that another program holds is NotConnected, and says so."""
    import serial  # noqa: PLC0415 - tests of the driver do not depend on it otherwise

    with serial.Serial(cable.here, exclusive=True):
        connection = plugin.open(settings(cable))
        with pytest.raises(NotConnected) as caught:
            await connection.connect()
        assert "in use" in caught.value.message
        assert "other program" in caught.value.hint


@pytest.mark.usefixtures("units")
async def test_dead_unit_on_the_line(cable, plugin):
    """A unit that is not there is Bad, costs three time-outs, and then rests while its neighbours are read."""
    connection = plugin.open(settings(cable))
    await connection.connect()
    group = group_of(plugin, ["holding:0:int16", "holding:0:int16@9", "holding:3:int16@2"])
    clock, took = asyncio.get_running_loop().time, []
    for _ in range(8):
        began = clock()
        assert await values(connection, group) == [(10, 0), (0, StatusCode.BAD_TIMEOUT), (23, 0)]
        took.append(clock() - began)
    assert min(took[:3]) > 0.15
    assert max(took[3:]) < 0.15
    await connection.aclose()


@pytest.mark.usefixtures("units")
async def test_dead_device_leaves_its_neighbour_alone(cable, plugin):
    """A device of its own on the same port that is dead raises Timeout, at no cost to the other once that is known."""
    living, dead = plugin.open(settings(cable)), plugin.open(settings(cable, 9))
    await living.connect()
    await dead.connect()
    group = group_of(plugin, TEN[:1])
    await values(living, group)
    assert await values(dead, group) == [(0, StatusCode.BAD_TIMEOUT)]
    assert await values(dead, group) == [(0, StatusCode.BAD_TIMEOUT)]
    for _ in range(3):
        with pytest.raises(Timeout):
            await dead.read(group)
    clock = asyncio.get_running_loop().time
    began = clock()
    for _ in range(5):
        with pytest.raises(Timeout):
            await dead.read(group)
        assert await values(living, group) == [(10, 0)]
    assert clock() - began < 0.5
    await dead.aclose()
    await living.aclose()


@pytest.mark.usefixtures("units")
async def test_cable_pulled(cable, plugin):
    """When the port vanishes, reading raises NotConnected, and so does connecting anew."""
    connection = plugin.open(settings(cable))
    await connection.connect()
    group = group_of(plugin, TEN)
    await values(connection, group)
    cable.process.terminate()
    await cable.process.wait()
    with pytest.raises(NotConnected):
        await connection.read(group)
    await connection.aclose()
    with pytest.raises(NotConnected):
        await connection.connect()
    await connection.aclose()


class Slave:
    """The other end of a cable, as bytes."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        termios.tcflush(self._file, termios.TCIOFLUSH)

    async def request(self) -> bytes:
        """Wait for a request of eight bytes."""
        raw = b""
        async with asyncio.timeout(5):
            while len(raw) < 8:
                try:
                    raw += os.read(self._file, 8 - len(raw))
                except BlockingIOError:
                    await asyncio.sleep(0.002)
        return raw

    def send(self, payload: bytes) -> None:
        """Send a frame; its CRC is added."""
        os.write(self._file, payload + FramerRTU.compute_CRC(payload).to_bytes(2, "big"))

    async def answer(self, *words: int) -> int:
        """Answer a request with the first of these registers, as many as it asks for; return how many that is."""
        request = await self.request()
        count = int.from_bytes(request[4:6], "big")
        self.send(request[:2] + struct.pack(f">B{count}H", 2 * count, *words[:count]))
        return count

    def close(self) -> None:
        """Let go."""
        os.close(self._file)


@pytest.fixture
def slave(cable):
    """Return the other end of the cable."""
    slave = Slave(cable.there)
    yield slave
    slave.close()


async def test_late_reply_is_drained(cable, slave, plugin):
    """A reply that comes a little after its time-out is thrown away, not taken for the answer to the next request."""
    connection = plugin.open(settings(cable, timeout="100ms"))
    await connection.connect()
    group = group_of(plugin, TEN[:1])

    async def serve():
        await slave.request()
        await asyncio.sleep(0.12)
        slave.send(bytes.fromhex("0103020001"))
        assert [await slave.answer(2, 3) for _ in range(2)] == [2, 1]  # another length first

    serving = asyncio.ensure_future(serve())
    assert await values(connection, group) == [(0, StatusCode.BAD_TIMEOUT)]
    assert await values(connection, group) == [(2, 0)]
    await serving
    await connection.aclose()


async def test_cancelled_request_is_waited_out(cable, slave, plugin):
    """A reply to a request that was given up is not taken for the answer to the next one."""
    connection = plugin.open(settings(cable, timeout="300ms"))
    await connection.connect()
    given_up = asyncio.ensure_future(connection.read(group_of(plugin, TEN[:1])))
    await slave.request()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    reading = asyncio.ensure_future(values(connection, group_of(plugin, TEN[5:6])))
    await asyncio.sleep(0.1)
    slave.send(bytes.fromhex("0103020001"))
    assert [await slave.answer(6, 7) for _ in range(2)] == [2, 1]
    assert await reading == [(6, 0)]
    await connection.aclose()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(lambda slave, _: os.write(slave._file, bytes.fromhex("0103020001ffff")), id="wrong CRC"),
        pytest.param(lambda slave, _: slave.send(bytes.fromhex("0203020001")), id="another unit"),
        pytest.param(lambda slave, _: slave.send(bytes.fromhex("0104020001")), id="another function"),
        pytest.param(lambda slave, _: slave.send(bytes.fromhex("01030400010002")), id="another length"),
        pytest.param(lambda slave, request: os.write(slave._file, request), id="echo alone"),
        pytest.param(lambda slave, _: os.write(slave._file, b"\xff\x00" * 30), id="noise"),
    ],
)
async def test_what_is_no_answer_is_bad(cable, slave, plugin, sent):
    """A frame with a wrong CRC, unit, function or length, an echo or noise is Bad, and the next poll is right."""
    connection = plugin.open(settings(cable, timeout="100ms"))
    await connection.connect()
    group = group_of(plugin, TEN[:1])
    reading = asyncio.ensure_future(values(connection, group))
    sent(slave, await slave.request())
    [(_, status)] = await reading
    assert status in {StatusCode.BAD_TIMEOUT, StatusCode.BAD_DECODING_ERROR}
    reading = asyncio.ensure_future(values(connection, group))
    assert [await slave.answer(5, 6) for _ in range(2)] == [2, 1]
    assert await reading == [(5, 0)]
    await connection.aclose()

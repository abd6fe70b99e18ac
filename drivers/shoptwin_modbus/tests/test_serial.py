"""Serial lines: pymodbus's RTU server, or a device that misbehaves, at the other end of a pty pair."""

from __future__ import annotations

import asyncio
import os
import struct
import termios

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import NotConnected, StatusCode, Timeout
from shoptwin.testing import group_of, readings
from shoptwin_modbus.addresses.address import Table
from shoptwin_modbus.planning import Block
from shoptwin_modbus.target import ModbusSettings, Rs485, Target, Timing
from shoptwin_modbus.wire.frames import sealed
from shoptwin_modbus.wire.wire import Wire


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
@pytest.mark.parametrize("turns", range(5))
async def test_connecting_is_cancelled(cable, plugin, turns):
    """However far the opening of a port has come when it is cancelled, the port is free for the next one."""
    connection = plugin.open(settings(cable))
    connecting = asyncio.ensure_future(connection.connect())
    for _ in range(turns):
        await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await connection.aclose()
    for _ in range(4):
        await asyncio.sleep(0)
    again = plugin.open(settings(cable))
    await again.connect()
    assert await values(again, group_of(plugin, TEN[:1])) == [(10, 0)]
    await again.aclose()


@pytest.mark.usefixtures("units")
async def test_port_in_use_by_another_program(cable, plugin):
    """A port that another program holds is NotConnected, and says so."""
    import serial  # noqa: PLC0415 - tests of the driver do not depend on it otherwise

    with serial.Serial(cable.here, exclusive=True):
        connection = plugin.open(settings(cable))
        with pytest.raises(NotConnected) as caught:
            await connection.connect()
        assert "in use" in caught.value.message
        assert "systemctl stop shoptwin" in caught.value.hint
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
        with pytest.raises(Timeout) as caught:
            await dead.read(group)
        assert caught.value.again_in is not None, "it says when it is asked again, so that no backoff comes on top"
        assert 0 < caught.value.again_in < 60
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
    """The other end of a cable, as bytes: ten registers of unit 1, and whatever misbehaviour is asked for."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        termios.tcflush(self._file, termios.TCIOFLUSH)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, self._read)
        self._heard = b""
        self.registers = list(range(10))
        self.requests: list[bytes] = []
        self.hook = None
        """Takes a request and its right reply, and returns (seconds, bytes) to send instead; used once."""

    def _read(self) -> None:
        self._heard += os.read(self._file, 512)
        while len(self._heard) >= 8:
            request, self._heard = self._heard[:8], self._heard[8:]
            self.requests.append(request)
            start, count = struct.unpack(">HH", request[2:6])
            words = struct.pack(f">{count}H", *self.registers[start : start + count])
            reply = sealed(request[:2] + bytes([2 * count]) + words)
            hook, self.hook = self.hook, None
            for delay, data in hook(request, reply) if hook else [(0, reply)]:
                self._loop.call_later(delay, self.send, data)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        os.write(self._file, data)

    def close(self) -> None:
        """Let go."""
        self._loop.remove_reader(self._file)
        os.close(self._file)


@pytest.fixture
async def slave(cable):
    """Return the other end of the cable."""
    slave = Slave(cable.there)
    yield slave
    slave.close()


async def test_late_reply_is_drained(cable, slave, plugin):
    """A reply that comes a little after its time-out is thrown away, not taken for the answer to the next request."""
    connection = plugin.open(settings(cable, timeout="100ms"))
    await connection.connect()
    group = group_of(plugin, TEN[:2])
    slave.hook = lambda _, reply: [(0.12, reply)]
    assert await values(connection, group) == [(0, StatusCode.BAD_TIMEOUT)] * 2
    slave.registers = [5] * 10
    assert await values(connection, group) == [(5, 0)] * 2
    await connection.aclose()


async def test_cancelled_request_is_waited_out(cable, slave, plugin):
    """A reply to a request that was given up is not taken for the answer to the next one."""
    connection = plugin.open(settings(cable, timeout="200ms"))
    await connection.connect()
    slave.hook = lambda _, reply: [(0.1, reply)]
    given_up = asyncio.ensure_future(connection.read(group_of(plugin, TEN[:1])))
    async with asyncio.timeout(2):
        while not slave.requests:
            await asyncio.sleep(0.01)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert await values(connection, group_of(plugin, TEN[5:6])) == [(5, 0)]
    await connection.aclose()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(lambda _, reply: [(0, reply[:-1] + bytes([reply[-1] ^ 1]))], id="wrong CRC"),
        pytest.param(lambda _, __: [(0, sealed(bytes.fromhex("0203020001")))], id="another unit"),
        pytest.param(lambda _, __: [(0, sealed(bytes.fromhex("0104020001")))], id="another function"),
        pytest.param(lambda _, __: [(0, sealed(bytes.fromhex("01030400010002")))], id="another length"),
        pytest.param(lambda request, _: [(0, request)], id="echo alone"),
        pytest.param(lambda _, __: [(0, b"\xff\x00" * 30)], id="noise"),
        pytest.param(lambda _, reply: [(0, reply + sealed(bytes.fromhex("0103020009")))], id="two replies at once"),
        pytest.param(lambda _, reply: [(0, reply[:4])], id="cut off"),
    ],
)
async def test_what_is_no_answer_is_bad(cable, slave, plugin, sent):
    """A frame with a wrong CRC, unit, function or length, an echo or noise is Bad, and the next poll is right."""
    connection = plugin.open(settings(cable, timeout="100ms"))
    await connection.connect()
    group = group_of(plugin, TEN[5:6])
    slave.hook = sent
    [(_, status)] = await values(connection, group)
    assert status in {StatusCode.BAD_TIMEOUT, StatusCode.BAD_DECODING_ERROR}
    assert await values(connection, group) == [(5, 0)]
    await connection.aclose()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(lambda request, reply: [(0, request), (0.02, reply)], id="echo"),
        pytest.param(lambda request, reply: [(0, request + reply)], id="echo in one piece"),
        pytest.param(lambda request, reply: [(0, request[:3]), (0.02, request[3:] + reply)], id="echo in pieces"),
        pytest.param(lambda _, reply: [(0.02 * i, reply[i : i + 1]) for i in range(len(reply))], id="byte by byte"),
        pytest.param(lambda _, reply: [(0, sealed(bytes.fromhex("0703020001")) + reply)], id="behind another unit's"),
        pytest.param(lambda _, reply: [(0, reply + b"\0")], id="with a byte of noise behind it"),
    ],
)
async def test_what_is_an_answer_is_good(cable, slave, plugin, sent):
    """A reply behind an echo, in pieces, behind that of another unit or before a switching pulse is taken."""
    connection = plugin.open(settings(cable, timeout="300ms"))
    await connection.connect()
    group = group_of(plugin, TEN[5:6])
    for _ in range(2):
        slave.hook = sent
        assert await values(connection, group) == [(5, 0)]
    assert len(slave.requests) == 2
    await connection.aclose()


async def test_several_lines(cable, lay, tmp_path, plugin):
    """Two lines are read at the same time: a unit that is silent on one does not hold up the other."""
    (tmp_path / "other").mkdir()
    async with lay(tmp_path / "other") as other:
        here, there = Slave(cable.there), Slave(other.there)
        quick, slow = plugin.open(settings(cable)), plugin.open(settings(other, timeout="1s"))
        await quick.connect()
        await slow.connect()
        there.hook = lambda _, __: []
        group, clock = group_of(plugin, TEN[5:6]), asyncio.get_running_loop().time
        waiting = asyncio.ensure_future(values(slow, group))
        began = clock()
        for _ in range(5):
            assert await values(quick, group) == [(5, 0)]
        assert clock() - began < 0.8
        assert await waiting == [(0, StatusCode.BAD_TIMEOUT)]
        await quick.aclose()
        await slow.aclose()
        here.close()
        there.close()


async def test_adapter_is_found_again(lay, tmp_path):
    """A pulled adapter is NotConnected with its cure, within a request too, and found again when it is back."""
    target = Target("rtu", path=str(tmp_path / "here"), baud=115_200, parity="N")
    timing, block = Timing(5, turnaround=0.05), Block(1, Table.HOLDING, 5, 6, 0, 1)
    wire = Wire(target)
    for _ in range(2):
        async with lay(tmp_path) as cable:
            slave = Slave(cable.there)
            assert await wire.ask(block, timing, None) == b"\0\5"
            slave.hook = lambda _, __: []
            asking = asyncio.ensure_future(wire.ask(block, timing))
            async with asyncio.timeout(2):
                while len(slave.requests) < 2:
                    await asyncio.sleep(0.01)
            slave.close()
        with pytest.raises(NotConnected, match="is gone") as caught:
            await asking
        assert "by-id" in caught.value.hint
        with pytest.raises(NotConnected, match="does not exist"):
            await wire.dial(timing)
    wire.close()


async def test_rs485_is_refused_by_a_port_that_has_none(cable, plugin):
    """A port that cannot switch an RS-485 line is NotConnected with the cure, and is not left open."""
    connection = plugin.open(settings(cable, rs485=Rs485()))
    with pytest.raises(NotConnected, match="RS-485") as caught:
        await connection.connect()
    assert "leave out rs485" in caught.value.hint
    await connection.aclose()
    without = plugin.open(settings(cable))
    await without.connect()
    await without.aclose()


async def test_rs485_is_set_as_configured(cable, monkeypatch):
    """What the table says reaches the port's driver (TIOCSRS485): levels of RTS, delays in ms, and hearing itself."""
    import serial.serialposix  # noqa: PLC0415 - as above

    told = []
    ioctl = serial.serialposix.fcntl.ioctl

    def driver(fd, request, *rest):  # a pty has no such driver
        if request not in {0x542E, 0x542F}:
            return ioctl(fd, request, *rest)
        if request == 0x542F:
            told.append(list(rest[0])[:3])
        return 0

    monkeypatch.setattr(serial.serialposix.fcntl, "ioctl", driver)
    rs485 = Rs485(rts_on_send=False, delay_before_send="1ms", delay_after_send="3ms", loopback=True)
    wire = Wire(Target("rtu", path=cable.here, parity="N", rs485=rs485))
    await wire.dial(Timing(1))
    wire.close()
    enabled, rts_after_send, receives_itself = 1, 4, 16
    assert told == [[enabled | rts_after_send | receives_itself, 1, 3]]

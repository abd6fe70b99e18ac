"""Devices that take several requests at once: how many, in any order, and what one bad block does to the others."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest

from shoptwin.sdk import AuthFailed, NotConnected, StatusCode
from shoptwin.testing import group_of, readings
from shoptwin_modbus.target import ModbusSettings
from shoptwin_modbus.wire.wire import Wire

GOOD = StatusCode.GOOD
SPREAD = [f"holding:{i}:int16" for i in range(0, 400, 10)]


class Concurrent:
    """A Modbus TCP server that works on each request by itself, so that replies overtake one another."""

    def __init__(self) -> None:
        self.silent_to: set[int] = set()
        self.missing: set[int] = set()
        self.under_way = 0
        self.most = 0
        self.requests: list[int] = []
        self.connections = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._chance = random.Random(7)

    async def start(self) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Go away."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                frame = await reader.readexactly(12)
                task = asyncio.create_task(self._answer(frame, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def _answer(self, frame: bytes, writer: asyncio.StreamWriter) -> None:
        tid, _, _, unit, function, start, count = struct.unpack(">HHHBBHH", frame)
        self.requests.append(start)
        wanted = range(start, start + count)
        if self.silent_to.intersection(wanted):
            return
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.hold.wait()
        await asyncio.sleep(self._chance.uniform(0.001, 0.01))
        self.under_way -= 1
        if self.missing.intersection(wanted):
            pdu = bytes([function | 0x80, 2])
        else:
            pdu = struct.pack(f">BB{count}H", function, 2 * count, *wanted)
        if not writer.is_closing():
            writer.write(struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu)


@pytest.fixture
async def server():
    """Return a server that works on requests side by side."""
    server = Concurrent()
    server.port = await server.start()
    yield server
    await server.stop()


@pytest.fixture
def opened(server, plugin):
    """Return what opens a connection that takes so many requests at once."""

    async def opened(in_flight, *, patience="5s"):
        connection = plugin.open(
            ModbusSettings(url=f"tcp://127.0.0.1:{server.port}", in_flight=in_flight, max_gap=0, timeout=patience)
        )
        await connection.connect()
        return connection

    return opened


async def read(plugin, connection, addresses=SPREAD):
    """Read; return (value, status) of each."""
    found = readings(await connection.read(group_of(plugin, addresses)))
    return [(found[i][0].value, found[i][0].status) for i in range(len(addresses))]


ALL = [(i, GOOD) for i in range(0, 400, 10)]


@pytest.mark.parametrize("in_flight", [1, 4, 16])
async def test_as_many_as_declared(server, plugin, opened, in_flight):
    """A device is asked for as many blocks at once as it is declared to take, and every value is its own."""
    connection = await opened(in_flight)
    for _ in range(2):
        assert await read(plugin, connection) == ALL
    assert server.most == in_flight
    assert len(server.requests) == 80
    assert server.connections == 1
    await connection.aclose()


async def test_a_refused_block_among_others(server, plugin, opened):
    """A block that is refused is narrowed down in the same poll, and asked for once more for no other reason."""
    server.missing = {101}
    connection = await opened(4)
    texts = [*SPREAD, "holding:101:int16", "holding:102:int16"]
    for _ in range(2):
        server.requests.clear()
        found = await read(plugin, connection, texts)
        assert found[:40] == ALL
        assert found[40][1] == StatusCode.BAD_NODE_ID_UNKNOWN
        assert found[41] == (102, GOOD)
    assert len(server.requests) == 41
    await connection.aclose()


async def test_a_block_without_a_reply_among_others(server, plugin, opened):
    """A block to which the device says nothing is Bad alone: what was under way beside it is read in the same poll."""
    server.silent_to = {200}
    connection = await opened(4, patience="300ms")
    for _ in range(3):
        found = await read(plugin, connection)
        assert found.pop(20) == (0, StatusCode.BAD_TIMEOUT)
        assert found == [each for each in ALL if each[0] != 200]
    server.silent_to = set()
    assert await read(plugin, connection) == ALL
    await connection.aclose()


async def test_as_many_silences_as_requests_under_way(server, plugin, opened):
    """Where all that is under way gets no reply, what was still to be asked for is read in the same poll."""
    server.silent_to = {10, 20}
    connection = await opened(2, patience="300ms")
    found = await read(plugin, connection)
    assert [value for value, status in found if status == GOOD] == [i for i, _ in ALL if i not in {10, 20}]
    await connection.aclose()


async def test_a_connection_that_breaks_with_many_under_way(server, plugin, opened):
    """When the connection breaks, the poll ends at once with NotConnected, whatever was under way."""
    connection = await opened(8)
    await read(plugin, connection)
    server.hold.clear()
    reading = asyncio.ensure_future(read(plugin, connection))
    while not server.under_way:
        await asyncio.sleep(0.001)
    async with asyncio.timeout(0.2):
        await connection.aclose()
        with pytest.raises(NotConnected):
            await reading


async def test_a_poll_that_is_cancelled_leaves_nothing_behind(server, plugin, opened):
    """Cancelling a poll ends all that is under way; the next one is right."""
    connection = await opened(8)
    await read(plugin, connection)
    server.hold.clear()
    reading = asyncio.ensure_future(read(plugin, connection))
    while not server.under_way:
        await asyncio.sleep(0.001)
    server.hold.set()
    while server.under_way < 8:
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert reading.cancelled()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("blocks of")]
    assert await read(plugin, connection) == ALL
    await connection.aclose()


async def test_a_refused_login_among_others(plugin, device, monkeypatch):
    """Where a connection that is made anew is refused for good, that is said as such, however many requests wait."""
    device.put(0, *range(2000))
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", in_flight=4))
    await connection.connect()
    ask, asked = Wire.ask, []

    async def refused(wire, block, *rest, **more):
        asked.append(block)
        if len(asked) > 2:
            raise AuthFailed("the device refused us")
        return await ask(wire, block, *rest, **more)

    monkeypatch.setattr(Wire, "ask", refused)
    with pytest.raises(AuthFailed):
        await connection.read(group_of(plugin, [f"holding:{i}:uint16" for i in range(0, 2000, 20)]))
    await connection.aclose()

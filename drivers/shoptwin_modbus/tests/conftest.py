"""Servers and cables for the driver's tests: pyModbusTCP's server, and a device that does what it is told to."""

from __future__ import annotations

import asyncio
import shutil
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.testing import free_port, group_of, readings
from shoptwin_modbus.plugin import ModbusPlugin
from shoptwin_modbus.target import ModbusSettings
from shoptwin_modbus.wire.frames import sealed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def plugin() -> ModbusPlugin:
    """Return a driver with no memory of other tests."""
    return ModbusPlugin()


Answer = Callable[[int, int, int, int], "bytes | None"]
"""(unit, function, start, count) -> the reply's function code and data, or None for silence."""


class Device:
    """A Modbus TCP server written for tests: registers by (unit, address), and whatever misbehaviour is asked for."""

    def __init__(self) -> None:
        self.registers: dict[int, dict[int, int]] = {1: {}}
        self.bits: dict[int, dict[int, bool]] = {1: {}}
        self.largest = 125
        self.requests: list[tuple[int, int, int, int]] = []
        self.silent: set[int] = set()
        self.before: Answer | None = None
        self.hangs_up: Callable[[int, int, int, int], bool] = lambda *_: False
        """Of which requests it closes the connection instead of a reply."""
        self.replies = 1 << 30
        """After how many it closes a connection."""
        self.mangle: Callable[[bytes], bytes] = bytes
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def put(self, start: int, *words: int, unit: int = 1) -> None:
        """Put registers."""
        self.registers.setdefault(unit, {}).update({start + i: word for i, word in enumerate(words)})

    def floats(self, start: int, *values: float, unit: int = 1) -> None:
        """Put float32 values, ABCD."""
        words = struct.unpack(f">{2 * len(values)}H", struct.pack(f">{len(values)}f", *values))
        self.put(start, *words, unit=unit)

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Go away, connections and all."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    def answer(self, unit: int, function: int, start: int, count: int) -> bytes | None:
        """Answer as a device does."""
        if unit in self.silent:
            return None
        if function > 4:
            return bytes([function | 0x80, 1])
        table: dict[int, Any] = self.bits.get(unit, {}) if function in {1, 2} else self.registers.get(unit, {})
        wanted = [table.get(a) for a in range(start, start + count)]
        if count > self.largest:
            return bytes([function | 0x80, 3])
        if any(value is None for value in wanted):
            return bytes([function | 0x80, 2])
        if function in {1, 2}:
            data = bytearray(-(-count // 8))
            for i, value in enumerate(wanted):
                data[i // 8] |= bool(value) << i % 8
            return bytes([function, len(data)]) + bytes(data)
        return struct.pack(f">BB{count}H", function, 2 * count, *wanted)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        replied = 0
        with suppress(OSError, asyncio.IncompleteReadError):
            while replied < self.replies:
                header = await reader.readexactly(7)
                tid, _, length, unit = struct.unpack(">HHHB", header)
                body = await reader.readexactly(length - 1)
                if len(body) == 5:
                    function, start, count = struct.unpack(">BHH", body)
                else:
                    function, start, count = body[0], 0, 0  # of 43/14
                self.requests.append((unit, function, start, count))
                if self.hangs_up(unit, function, start, count):
                    break
                pdu = (self.before or self.answer)(unit, function, start, count)
                if pdu is not None:
                    writer.write(self.mangle(struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu))
                    await writer.drain()
                    replied += 1
            await asyncio.sleep(0.005)  # so that the next request is on its way
        self._writers.discard(writer)
        writer.close()


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    """Return a device that listens on its port."""
    device = Device()
    await device.start()
    yield device
    await device.stop()


@pytest.fixture
def settings(device: Device) -> ModbusSettings:
    """Return the settings for the device, impatient."""
    return ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", timeout="300ms")


@pytest.fixture
async def connection(plugin, settings):
    """Return a connection to the device."""
    connection = plugin.open(settings)
    await connection.connect()
    yield connection
    await connection.aclose()


@pytest.fixture
def poll(plugin, connection):
    """Return what polls addresses: a function to (value, status) of each, in order."""
    groups = {}

    async def poll(*addresses, name="group"):
        group = groups.setdefault((name, addresses), group_of(plugin, addresses, name=name))
        found = readings(await connection.read(group))
        assert sorted(found) == list(range(len(addresses)))
        assert all(len(each) == 1 for each in found.values())
        return [(found[i][0].value, found[i][0].status) for i in range(len(addresses))]

    return poll


class Peer:
    """A server whose replies a test sends itself: `heard` has the requests; over TCP and, without headers, as RTU."""

    def __init__(self, *, rtu: bool) -> None:
        self._rtu = rtu
        self.port = 0
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.connections = 0
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            self._server.close()
        self.hang_up()
        await asyncio.gather(*self._serving)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()

    async def request(self) -> bytes:
        """Return the next request."""
        async with asyncio.timeout(5):
            return await self.heard.get()

    def send(self, *frames: bytes) -> None:
        """Send bytes, each as a piece of its own kind; on a line a checksum is added to each."""
        self.raw(b"".join(sealed(frame) if self._rtu else frame for frame in frames))

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self._writer is not None
        self._writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.connections += 1
        self._writer = writer
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                self.heard.put_nowait(await reader.readexactly(8 if self._rtu else 12))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """Return what starts servers whose replies the test sends itself."""
    peers = []

    async def start(*, rtu: bool = False) -> Peer:
        peer = Peer(rtu=rtu)
        await peer.start()
        peers.append(peer)
        return peer

    yield start
    for peer in peers:
        await peer.stop()


@dataclass
class Cable:
    """A serial cable: what one end sends the other receives."""

    here: str
    there: str
    process: asyncio.subprocess.Process = field(repr=False)


@asynccontextmanager
async def laid(folder: Path) -> AsyncIterator[Cable]:
    """Lay a cable by socat, a pty pair whose ends are `here` and `there` in a folder too."""
    if not shutil.which("socat"):
        pytest.skip("socat is not installed (package socat)")
    here, there = folder / "here", folder / "there"
    process = await asyncio.create_subprocess_exec(
        "socat", f"pty,raw,echo=0,link={here}", f"pty,raw,echo=0,link={there}"
    )
    async with asyncio.timeout(5):
        while not (here.exists() and there.exists()):
            await asyncio.sleep(0.01)
    yield Cable(str(here.resolve()), str(there.resolve()), process)
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


@pytest.fixture
def lay() -> Callable[[Path], AbstractAsyncContextManager[Cable]]:
    """Return what lays further cables."""
    return laid


@pytest.fixture
async def cable(tmp_path: Path) -> AsyncIterator[Cable]:
    """Return a cable."""
    async with laid(tmp_path) as cable:
        yield cable


@pytest.fixture
def port() -> int:
    """Return a port where nothing listens."""
    return free_port()


@pytest.fixture
def foreign() -> Iterator[Any]:
    """Return a pyModbusTCP server: a Modbus stack that no one here wrote, nor the authors of our client's."""
    server = pytest.importorskip("pyModbusTCP.server", reason="pyModbusTCP is not installed (pip install pyModbusTCP)")
    running = server.ModbusServer(host="127.0.0.1", port=free_port(), no_block=True)
    running.start()
    yield running
    running.stop()

"""A watcher on the wire between a Modbus TCP client and its server, which counts the functions that were asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

READING = frozenset({1, 2, 3, 4, 43})
"""The only Modbus functions that Shoptwin may ever ask for: the four reads, and device identification (43/14)."""

_IDENTIFICATION = 14
"""The one kind of function 43 that reads; another (13, CANopen) can write."""

_MBAP = 7
"""Bytes of the header: transaction, protocol, length (2 each), unit (1); the length counts from the unit on."""


class RequestScanner:
    """Cuts a stream of bytes from a Modbus TCP client into requests; a pure machine, fed as the bytes come."""

    def __init__(self) -> None:
        self._pending = b""
        self.broken = False
        """The stream was not Modbus TCP: what follows cannot be told."""

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return the requests now complete, each as (unit, function, the rest of its data)."""
        self._pending += data
        found: list[tuple[int, int, bytes]] = []
        while not self.broken and len(self._pending) > _MBAP:
            protocol = int.from_bytes(self._pending[2:4], "big")
            length = int.from_bytes(self._pending[4:6], "big")
            if protocol or not 2 <= length <= 254:  # noqa: PLR2004 - unit and function; the longest ADU is 260 bytes
                self.broken = True
                break
            end = 6 + length
            if len(self._pending) < end:
                break
            found.append((self._pending[6], self._pending[7], self._pending[8:end]))
            self._pending = self._pending[end:]
        return found


def reads(request: tuple[int, int, bytes]) -> bool:
    """Tell whether a request (unit, function, data) is one of the reading services."""
    _, function, data = request
    return function in READING and (function != 43 or data[:1] == bytes([_IDENTIFICATION]))  # noqa: PLR2004 - 43/14


class ModbusWatch:
    """A TCP proxy on 127.0.0.1 before a Modbus TCP server. Whatever passes is passed on unchanged, and counted.

    async with ModbusWatch(server_port) as watch:
        ...  # read from watch.port
    assert not watch.violations and not watch.broken
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1", port: int = 0) -> None:
        self.functions: Counter[int] = Counter()
        """How often each function code was asked for."""
        self.requests: list[tuple[int, int, bytes]] = []
        """Each request as (unit, function, data), the last 10,000 of them."""
        self.violations: list[tuple[int, int, bytes]] = []
        """Requests for anything but reading; must stay empty."""
        self.broken = 0
        """Connections whose bytes were not Modbus TCP."""
        self.connections = 0
        self.port = port
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection that runs through here now."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections += 1
        with suppress(OSError, asyncio.CancelledError):
            try:
                await self._relay(reader, writer)
            finally:
                writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        back = asyncio.create_task(_pump(up_reader, writer), name="modbus watch")
        scanner = RequestScanner()
        try:
            while data := await reader.read(4096):
                self._count(scanner, data)
                up_writer.write(data)
                await up_writer.drain()
        finally:
            back.cancel()
            up_writer.close()
            await asyncio.gather(back, return_exceptions=True)

    def _count(self, scanner: RequestScanner, data: bytes) -> None:
        was_broken = scanner.broken
        for request in scanner.feed(data):
            self.functions[request[1]] += 1
            self.requests.append(request)
            if not reads(request):
                self.violations.append(request)
        del self.requests[:-10_000]
        self.broken += scanner.broken and not was_broken


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends, then end the other side too."""
    with suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    writer.close()

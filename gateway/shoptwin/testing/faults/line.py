"""Proxies before a slave on a serial line: the client's side is a pseudo terminal, or the TCP port of a converter."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import suppress
from typing import TYPE_CHECKING

from shoptwin.testing.faults.proxy import Assumption, Bounds, Channel, FaultProxy
from shoptwin.testing.faults.shapes import Way, crc

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 4096


class Slave:
    """The serial side: frames end where the line is silent, and a slave's stack answers them or does not."""

    def __init__(self, answer: Callable[[bytes], bytes | None], silence: float, latency: float) -> None:
        self._answer = answer
        self._silence = silence
        self._latency = latency
        self._pending = b""
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, data: bytes, reply: Callable[[bytes], None]) -> None:
        """Take bytes from the line; `reply` is called with the answer once it is there."""
        if self._timer is not None:
            self._timer.cancel()
        self._pending += data
        if self._pending == data and len(data) > 4 and crc(data[:-2]) == data[-2:]:  # noqa: PLR2004 - whole, and alone so far
            self._end(reply)
        else:
            self._timer = asyncio.get_running_loop().call_later(self._silence, self._end, reply)

    def _end(self, reply: Callable[[bytes], None]) -> None:
        frame, self._pending = self._pending, b""
        if (answer := self._answer(frame)) is not None:
            asyncio.get_running_loop().call_later(self._latency, reply, answer)


class LineFaultProxy(FaultProxy):
    """Before a slave on a line, whose stack is given as a function from a frame to its reply, or None for silence.

    `latency`: seconds that it thinks about each request.
    """

    def __init__(self, answer: Callable[[bytes], bytes | None], assumed: Assumption, *, latency: float = 0.003) -> None:
        super().__init__(assumed)
        self._slave = Slave(answer, assumed.gap / 2, latency)

    def heard(self, data: bytes) -> None:
        """Take a request from the client; the driver sends each at once, so that what comes together is one."""
        bounds = Bounds(self.assumed, data)

        def reply(frame: bytes) -> None:
            self.forward(Way.REPLY, frame, self.current(), bounds)

        line = Channel(lambda data: self._slave.hear(data, reply), lambda: None)
        self.forward(Way.REQUEST, data, line, bounds)


class PtyFaultProxy(LineFaultProxy):
    """The client's side is a pseudo terminal."""

    async def start(self) -> None:
        """Open the terminal."""
        self._here, self._there = os.openpty()
        tty.setraw(self._there)  # and held open: it must not hang up when the client does
        os.set_blocking(self._here, False)
        self._channel = Channel(self._write, lambda: None)
        self.url = f"rtu://{os.ttyname(self._there)}?baud=115200&parity=N"
        asyncio.get_running_loop().add_reader(self._here, lambda: self.heard(os.read(self._here, _AT_ONCE)))

    async def stop(self) -> None:
        """Close it."""
        asyncio.get_running_loop().remove_reader(self._here)
        await super().stop()
        os.close(self._here)
        os.close(self._there)

    def current(self) -> Channel | None:
        """Return the way to the terminal."""
        return self._channel

    def _write(self, data: bytes) -> None:
        os.write(self._here, data)


class ConverterFaultProxy(LineFaultProxy):
    """The client's side is a TCP port, as of a converter; a reply goes to whichever client is connected last."""

    _server: asyncio.Server
    _client: Channel | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"rtu+tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Cut everything."""
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await super().stop()

    def current(self) -> Channel | None:
        """Return the way to the client that came last."""
        return self._client

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        mine = self._client = Channel(writer.write, writer.transport.abort)
        with suppress(OSError):
            while data := await reader.read(_AT_ONCE):
                self.heard(data)
        if self._client is mine:
            self._client = None
        self._writers.discard(writer)
        writer.close()

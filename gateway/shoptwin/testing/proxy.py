"""A TCP proxy that looks on: what passes is passed on unchanged, and told to whoever understands the protocol."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
_AT_ONCE = 65536


class Scanner(Protocol[T_co]):
    """Cuts a client's stream of bytes into requests; a pure machine, one a connection, fed as the bytes come."""

    broken: bool
    """The stream was not of this protocol: what follows cannot be told."""

    def feed(self, data: bytes) -> Sequence[T_co]:
        """Return the requests that are now complete."""


class WireWatch(Generic[T]):
    """A proxy on 127.0.0.1 before a server; an asynchronous context manager. A protocol's watch says how to scan."""

    def __init__(self, target_port: int, target_host: str = "127.0.0.1", port: int = 0) -> None:
        self.broken = 0
        """Connections whose bytes were not of the protocol."""
        self.connections = 0
        self.port = port
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()

    def scanner(self) -> Scanner[T]:
        """Return what scans one connection."""
        raise NotImplementedError(f"{type(self).__name__} must say how")

    def seen(self, requests: Sequence[T]) -> None:
        """Take note of requests that have passed."""
        raise NotImplementedError(f"{type(self).__name__} must say how")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection that runs through here now."""
        for task in self._tasks:
            task.cancel()

    async def say(self, data: bytes) -> None:
        """Send bytes to every client, as if the server had, unasked."""
        for writer in self._clients:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self._clients.add(writer)
        with suppress(OSError, asyncio.CancelledError):
            try:
                await self._relay(reader, writer)
            finally:
                self._clients.discard(writer)
                writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        back = asyncio.create_task(_pump(up_reader, writer), name="wire watch")
        scanner = self.scanner()
        try:
            while data := await reader.read(_AT_ONCE):
                was_broken = scanner.broken
                self.seen(scanner.feed(data))
                self.broken += scanner.broken and not was_broken
                up_writer.write(data)
                await up_writer.drain()
        finally:
            back.cancel()
            up_writer.close()
            await asyncio.gather(back, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends, then end the other side too."""
    with suppress(OSError):
        while data := await reader.read(_AT_ONCE):
            writer.write(data)
            await writer.drain()
    writer.close()

"""Seeded rounds of faults between an OPC UA client and its server, and the proxy that lets them happen on the wire.

A round has a name, `subscribe/none/stall/17` (mode, security, kind, seed), from which all that it does is drawn:

    async with OpcUaFaultProxy(server_port) as proxy:
        ...                                  # acquire from opc.tcp://127.0.0.1:{proxy.port}
        await proxy.happen(Round.parse("subscribe/none/stall/17"), Times(...))

TCP loses no bytes within a stream. So without security whole messages are lost, as by a device between that parses
them, or all that comes after some byte; what is signed may lose any bytes, as the client can tell.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from shoptwin.testing.faults.shapes import Piece, Way

if TYPE_CHECKING:
    from collections.abc import Callable

ON_THE_WIRE = ("drop", "hole", "delay", "split", "cut", "stall")
AT_THE_SERVER = ("kill", "stop", "moved", "empty")
FOR_MINUTES = ("freeze",)
"""At the server too, for longer than it keeps a session of somebody who says nothing."""
_HEADER = 8
_RST = struct.pack("ii", 1, 0)
_WITHOUT_TRAFFIC = 5.0
"""Seconds after which a fault that has nothing to spoil is over."""


@dataclass(frozen=True, slots=True)
class Times:
    """What the client has been told, s."""

    timeout: float
    silence: float
    """After which a silent server is taken for lost, time-out and all."""


@dataclass(frozen=True, slots=True)
class Round:
    """One fault by name."""

    mode: str
    security: str
    kind: str
    seed: int

    def draw(self, part: str) -> random.Random:
        """Return what one part of it is drawn from."""
        return random.Random(f"{self}/{part}")  # noqa: S311 - must be repeatable

    @classmethod
    def parse(cls, name: str) -> Round:
        """Return the round of a name. Raises ValueError."""
        mode, security, kind, seed = (name.split("/") + 3 * [""])[:4]
        if kind not in ON_THE_WIRE + AT_THE_SERVER + FOR_MINUTES or not seed.isdecimal():
            raise ValueError(f"{name!r} is none, as subscribe/none/stall/17 is one")
        return cls(mode, security, kind, int(seed))

    def __str__(self) -> str:
        return f"{self.mode}/{self.security}/{self.kind}/{self.seed}"


class _Side:
    """One end of a connection that runs through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.deaf = False
        """What is sent to it vanishes."""

    def cut(self, *, reset: bool) -> None:
        """End it, with a FIN or with an RST."""
        if reset:
            with suppress(OSError):
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            self.writer.transport.abort()
        else:
            self.writer.close()


class _Wire:
    """One connection: both of its ends."""

    def __init__(self, client: _Side, server: _Side) -> None:
        self.to = {Way.REQUEST: server, Way.REPLY: client}
        self.lasting = False
        """Whether one end stays open though the other was cut: nobody has told it."""

    def cut(self, draw: random.Random) -> None:
        """Cut one end or both."""
        ends = draw.choice([[Way.REQUEST, Way.REPLY], [Way.REQUEST, Way.REPLY], [Way.REPLY], [Way.REQUEST]])
        self.lasting = len(ends) == 1
        for side in self.to.values():
            side.deaf = True
        for way in ends:
            self.to[way].cut(reset=draw.random() < 0.5)  # noqa: PLR2004 - even chances


@dataclass(slots=True)
class _Armed:
    """What happens to messages of a way."""

    round: Round
    times: Times
    way: Way
    skip: int
    length: int
    done: asyncio.Event


class OpcUaFaultProxy:
    """Before an OPC UA server on this box; an asynchronous context manager. Passes all on until something happens."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.log: deque[str] = deque(maxlen=200)
        """What passed since something happened, for people: `> MSG 132` to the server, `< MSG 60` to the client."""
        self._target = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._armed: _Armed | None = None
        self._open = {way: asyncio.Event() for way in Way}
        for gate in self._open.values():
            gate.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their sockets in the next turn

    async def happen(self, round_: Round, times: Times) -> None:
        """Let a round of the wire happen, and return when it is over."""
        self.log.clear()
        draw = round_.draw("where")
        if round_.kind == "stall":
            await self._stall(draw, times)
            return
        length = 1 if draw.random() < 0.6 else draw.randint(2, 8)  # noqa: PLR2004 - most are of one message
        armed = _Armed(round_, times, draw.choice(list(Way)), draw.randrange(10), length, asyncio.Event())
        self._armed = armed
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHOUT_TRAFFIC):
                await armed.done.wait()
        self._armed = None

    async def _stall(self, draw: random.Random, times: Times) -> None:
        """Nothing passes, on new connections either; then all of it does, or the connections are cut."""
        ways = draw.choice([list(Way), list(Way), [Way.REQUEST], [Way.REPLY]])
        for way in ways:
            self._open[way].clear()
        seconds = draw.uniform(0.2, 1.0) * draw.choice([times.timeout, times.silence, 3 * times.silence])
        self.note(f"stall of {seconds:.3f} s: {', '.join(ways)}")
        await asyncio.sleep(seconds)
        if draw.random() < 0.3:  # noqa: PLR2004 - at times
            for task in tuple(self._tasks):
                task.cancel()
        for way in ways:
            self._open[way].set()
        self.note("over")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            with suppress(OSError, asyncio.CancelledError):  # asyncio would report it, though it was the end
                upstream = await asyncio.open_connection("127.0.0.1", self._target)
                await self._relay(_Wire(_Side(reader, writer), _Side(*upstream)))
        finally:
            writer.transport.abort()

    async def _relay(self, wire: _Wire) -> None:
        pumps = [asyncio.create_task(self._pump(way, wire), name="fault proxy") for way in Way]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if wire.lasting:  # until the other end has had enough
                await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            for side in wire.to.values():
                side.writer.transport.abort()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, way: Way, wire: _Wire) -> None:
        source, target = wire.to[Way.REPLY if way is Way.REQUEST else Way.REQUEST], wire.to[way]
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                header = await source.reader.readexactly(_HEADER)
                size = max(_HEADER, int.from_bytes(header[4:], "little"))
                message = header + await source.reader.readexactly(size - _HEADER)
                await self._open[way].wait()
                await self._pass(way, message, wire, target)
        if not wire.lasting:
            target.writer.close()

    async def _pass(self, way: Way, message: bytes, wire: _Wire, target: _Side) -> None:
        armed = self._armed
        if target.deaf or armed is None or armed.way is not way or armed.done.is_set():
            self._put(way, message, target)
            return
        if armed.skip:
            armed.skip -= 1
            self._put(way, message, target)
            return
        armed.length -= 1
        draw = armed.round.draw(str(armed.length))
        self.note(f"{armed.round.kind} {way} {len(message)}")
        try:
            for piece in _SPOIL[armed.round.kind](message, draw, armed):
                await asyncio.sleep(piece.pause)
                if piece.data is not None:
                    self._put(way, piece.data, target)
                elif armed.round.kind == "hole":
                    target.deaf = True
                else:
                    wire.cut(draw)
        finally:
            if armed.length <= 0 or target.deaf:
                armed.done.set()

    def _put(self, way: Way, data: bytes, target: _Side) -> None:
        if not target.deaf:
            self.note(f"{'>' if way is Way.REQUEST else '<'} {data[:3].decode('ascii', 'replace')} {len(data)}")
            target.writer.write(data)

    def note(self, text: str) -> None:
        """Put down what people will want to know of this round."""
        self.log.append(f"{asyncio.get_running_loop().time() % 1000:.3f} {text}")


def _drop(message: bytes, draw: random.Random, armed: _Armed) -> list[Piece]:
    """Lose a message or, where that can be told, some of its bytes."""
    if armed.round.security == "none" or draw.random() < 0.3:  # noqa: PLR2004 - at times
        return []
    at = draw.randrange(len(message))
    return [Piece(message[:at] + message[at + draw.randint(1, 64) :])]


def _hole(message: bytes, draw: random.Random, _: _Armed) -> list[Piece]:
    """Lose all that comes after a byte, for as long as the connection lives."""
    return [Piece(message[: draw.randrange(len(message))]), Piece(None)]


def _delay(message: bytes, draw: random.Random, armed: _Armed) -> list[Piece]:
    """Hold a message and all behind it."""
    return [Piece(message, draw.choice([0.1, 0.9, 1.5]) * draw.uniform(0, armed.times.silence))]


def _split(message: bytes, draw: random.Random, armed: _Armed) -> list[Piece]:
    """Cut into pieces with pauses."""
    cuts = sorted(draw.sample(range(1, len(message)), min(len(message) - 1, draw.randint(1, 12))))
    most = draw.choice([0.002, 0.05, armed.times.timeout / 4]) / len(cuts)
    parts = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
    return [Piece(part, draw.uniform(0, most)) for part in parts]


def _cut(message: bytes, draw: random.Random, _: _Armed) -> list[Piece]:
    """Cut the connection before, within or after a message."""
    at = draw.choice([0, draw.randrange(len(message)), len(message)])
    return [Piece(message[:at]), Piece(None, draw.choice([0.0, 0.002]))]


_SPOIL: dict[str, Callable[[bytes, random.Random, _Armed], list[Piece]]] = {
    "drop": _drop, "hole": _hole, "delay": _delay, "split": _split, "cut": _cut,
}  # fmt: skip

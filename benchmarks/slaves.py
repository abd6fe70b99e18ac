"""Modbus slaves, well and ill, in a process of their own: `python slaves.py PLAN`.

PLAN is a JSON list of slaves, each with a `kind` and the keyword arguments of its class. The first line of the answer
is the list of their URLs; each line on stdin is answered with what each of them has counted since the last one. It ends
when stdin does. They are lean, as they share the box with what is measured.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from serial_line import SerialLine

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = (np.arange(32_768) + 0.25).astype(">f4").tobytes()
"""All 65,536 registers of every slave: pair i holds the float32 i + 0.25."""
ERROR, ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 0x80, 1, 2
REQUEST = 12
"""Bytes of a request to read, with its header."""
HURRY = 4
"""How many times more often a slave flaps that is in a hurry."""


class Slave(Protocol):
    """What every kind is to `main`."""

    async def start(self) -> str:
        """Begin; return the URL that leads here."""

    def counted(self) -> dict[str, Any]:
        """Return what was counted since the last call."""


def answer(pdu: bytes, shift: int = 0) -> bytes:
    """Return the reply to a request for registers, each read `shift` registers further on."""
    function, start, count = struct.unpack(">BHH", pdu)
    if function not in {3, 4}:
        return bytes([function | ERROR, ILLEGAL_FUNCTION])
    first = 2 * (start + shift)
    data = MEMORY[first : first + 2 * count]
    if len(data) != 2 * count:
        return bytes([function | ERROR, ILLEGAL_ADDRESS])
    return bytes([function, len(data)]) + data


class Steady:
    """A slave over TCP that always answers; with `drift` every value is another one each second."""

    def __init__(self, *, drift: bool = False) -> None:
        self.drift = drift
        self.mode = "answer"
        self.requests = self.connections = self.faults = 0
        self.port = 0
        self.open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Conversation(self), "127.0.0.1", self.port, backlog=64)
        self.port = self._server.sockets[0].getsockname()[1]
        return f"tcp://127.0.0.1:{self.port}"

    def counted(self) -> dict[str, Any]:
        """Return how many requests and connections came, and how many faults were made."""
        told = {"requests": self.requests, "connections": self.connections, "faults": self.faults}
        self.requests = self.connections = self.faults = 0
        return told

    def stop(self) -> None:
        """Refuse connections, and break off those there are."""
        if self._server is not None:
            self._server.close()
        for transport in list(self.open):
            transport.abort()

    def take(self, transport: asyncio.Transport, frame: bytes) -> None:
        """Answer one request, as the mode has it."""
        self.requests += 1
        if self.mode == "silent":
            return
        pdu = answer(frame[7:], 2 * (int(time.monotonic()) % 100) if self.drift else 0)
        reply = frame[:4] + struct.pack(">HB", len(pdu) + 1, frame[6]) + pdu
        if self.mode == "cut":
            transport.write(reply[: len(reply) // 2])
            transport.close()
        else:
            transport.write(reply)


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, slave: Steady) -> None:
        self._slave = slave
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the types
        self._transport = transport
        self._slave.connections += 1
        self._slave.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget it."""
        self._slave.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        while len(self._buffer) >= REQUEST:
            frame, self._buffer = self._buffer[:REQUEST], self._buffer[REQUEST:]
            self._slave.take(self._transport, frame)


class Silent(Steady):
    """A slave that takes connections and requests and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = "silent"


class Flapping(Steady):
    """A slave that is well for about `up` seconds and then ill for about `down`: gone, silent or cut off in turn.

    In its first `hurry` seconds it is well, and ill, for a quarter of that.
    """

    def __init__(self, *, up: float, down: float, seed: int, hurry: float) -> None:
        super().__init__()
        self._up, self._down, self._calm = up, down, time.monotonic() + hurry
        self._draw = random.Random(seed)  # noqa: S311 - it only has to be the same in each run
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen, and begin to flap."""
        url = await super().start()
        self._task = asyncio.create_task(self._flap())
        return url

    async def _flap(self) -> None:
        while True:
            await self._pass(self._up)
            fault = self._draw.choice(("gone", "silent", "cut"))
            self.faults += 1
            if fault == "gone":
                self.stop()
            else:
                self.mode = fault
            await self._pass(self._down)
            if fault == "gone":
                await super().start()
            self.mode = "answer"

    async def _pass(self, seconds: float) -> None:
        share = 1.0 if time.monotonic() > self._calm else 1 / HURRY
        await asyncio.sleep(share * seconds * self._draw.uniform(0.7, 1.3))


class Refused:
    """A port that is taken, so that nobody else gets it, and refuses every connection."""

    def __init__(self) -> None:
        self._socket = socket.socket()

    async def start(self) -> str:
        """Take the port, and do not listen."""
        self._socket.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{self._socket.getsockname()[1]}"

    def counted(self) -> dict[str, Any]:
        """Return nothing: nobody gets here."""
        return {}


class BlackHole(Refused):
    """A port whose queue of connections is full: the kernel drops what comes, as if the device were off."""

    async def start(self) -> str:
        """Listen, fill the queue, and accept none."""
        url = await super().start()
        self._socket.listen(0)
        self._fill = [socket.socket() for _ in range(4)]
        for each in self._fill:
            each.setblocking(False)
            each.connect_ex(self._socket.getsockname())
        return url


KINDS: dict[str, Callable[..., Slave]] = {
    "steady": Steady, "silent": Silent, "flapping": Flapping, "refused": Refused, "black hole": BlackHole,
    "line": SerialLine,
}  # fmt: skip


async def main(plan: list[dict[str, Any]]) -> None:
    """Serve until stdin ends."""
    slaves = [KINDS[each.pop("kind")](**each) for each in plan]
    print(json.dumps([await slave.start() for slave in slaves]), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps([slave.counted() for slave in slaves]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

"""Proxies between a Modbus client and its server, which pass everything on until one fault is armed.

async with TcpFaultProxy(server_port, Assumption(timeout=0.1)) as proxy:
    ...  # read from proxy.url
    proxy.arm(Fault.parse("tcp/reply/late/7"))
    await proxy.over()
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from shoptwin.testing.faults.shapes import Delivery, Piece, Scene, Way, whole
from shoptwin.testing.faults.unchecked import MBAP

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoptwin.testing.faults.fault import Fault

_LENGTH_AT = 4


@dataclass(frozen=True, slots=True)
class Assumption:
    """What the client has been told of the link; on links with a CRC no fault goes beyond it."""

    timeout: float
    turnaround: float = 0.0
    """Seconds after a time-out in which the reply may still come."""
    gap: float = 0.005
    """Seconds of silence between two frames."""
    margin: float = 0.01
    """What is kept off the window, as no clock and no cable is perfect."""

    @property
    def window(self) -> float:
        """Seconds after a request in which all that belongs to it comes."""
        return self.timeout + self.turnaround - self.margin


class Bounds:
    """Until when what belongs to one request may come, and so what a loaded box must not deliver any more."""

    def __init__(self, assumed: Assumption, request: bytes) -> None:
        self.request = request
        self._clock = asyncio.get_running_loop().time
        self._latest = self._clock() + assumed.window
        self._rest = assumed.gap / 2
        self._sent = b""
        self._answered = False

    def allow(self, data: bytes, reply: bytes) -> bool:
        """Tell whether bytes may go to the client now; once the whole reply has, only what follows at once."""
        if self._clock() > self._latest:
            return False
        self._sent += data
        if not self._answered and reply in self._sent:
            self._answered = True
            self._latest = min(self._latest, self._clock() + self._rest)
        return True


class Channel:
    """One direction of one connection: deliveries go out one after another."""

    def __init__(self, write: Callable[[bytes], None], cut: Callable[[], None]) -> None:
        self.write = write
        self.cut = cut
        self.busy = 0
        """Deliveries that wait for their turn."""
        self.turn = asyncio.Lock()


class FaultProxy:
    """What all proxies share: the armed fault, and the deliveries under way. An asynchronous context manager."""

    url = ""
    """Where the client finds the proxy."""

    def __init__(self, assumed: Assumption, *, pipelined: bool = False) -> None:
        self.assumed = assumed
        self.withheld = 0
        """Pieces that were not delivered, as they would have come later than the assumption says."""
        self.log: deque[str] = deque(maxlen=200)
        """Frames and pieces since a fault was armed, for people: `> 0103…` to the server, `< 0103…` to the client."""
        self._pipelined = pipelined
        self._fault: Fault | None = None
        self._passed = 0
        self._over = asyncio.Event()
        self._earlier: deque[bytes] = deque(maxlen=16)
        self._requests: deque[bytes] = deque(maxlen=32)
        self._asked = asyncio.Event()
        """Set while those who wait for the next request are woken."""
        self._tasks: set[asyncio.Task[None]] = set()

    def arm(self, fault: Fault) -> None:
        """Let the fault happen to the frames that come from now on."""
        self._fault, self._passed = fault, 0
        self._over.clear()
        self.log.clear()

    async def over(self) -> None:
        """Wait until the fault has happened and nothing of it is under way any more."""
        await self._over.wait()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def current(self) -> Channel | None:
        """Return the way to whichever client there is now."""
        raise NotImplementedError

    async def start(self) -> None:
        """Open the client's side."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Cut everything."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def forward(self, way: Way, frame: bytes, channel: Channel | None, bounds: Bounds | None = None) -> None:
        """Pass a frame on, spoilt where it is its turn. Bounds: of the request that it belongs to, on checked links."""
        if way is Way.REQUEST:
            self._requests.append(frame)
            self._asked.set()
            self._asked.clear()
        deliveries = self._spoil(way, frame, bounds)
        if way is Way.REPLY:
            self._earlier.append(frame)
        for delivery in whole(frame) if deliveries is None else deliveries:
            if delivery.prompt and channel is not None and not channel.busy:
                self._put(way, delivery.pieces[0], frame, channel, bounds)
                continue
            if channel is not None and not delivery.aside:
                channel.busy += 1
            task = asyncio.create_task(self._deliver(way, frame, delivery, channel, bounds), name="fault")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _spoil(self, way: Way, frame: bytes, bounds: Bounds | None) -> list[Delivery] | None:
        """Return what becomes of a frame, or None where it passes unharmed."""
        if self._fault is None or way is not self._fault.way:
            return None
        number = self._passed - self._fault.skip
        self._passed += 1
        if not 0 <= number < self._fault.length:
            return None
        if number == self._fault.length - 1:
            self._over.set()
        return self._fault.spoil(number, frame, self._scene(bounds))

    def _scene(self, bounds: Bounds | None) -> Scene:
        assumed, request = self.assumed, b"" if bounds is None else bounds.request
        earlier, requests = tuple(self._earlier), tuple(self._requests)
        return Scene(
            assumed.timeout, assumed.window, assumed.gap, request, earlier, requests, pipelined=self._pipelined
        )

    async def _deliver(
        self, way: Way, frame: bytes, delivery: Delivery, channel: Channel | None, bounds: Bounds | None
    ) -> None:
        if delivery.aside:
            await asyncio.sleep(delivery.held)
            if delivery.ambush:
                await self._asked.wait()
            if delivery.astray:
                channel = self.current()
            if channel is None:
                return
            channel.busy += 1
        elif channel is None:
            return
        bounds = None if delivery.beyond else bounds
        try:
            async with channel.turn:
                for piece in delivery.pieces:
                    if piece.pause:
                        await asyncio.sleep(piece.pause)
                    self._put(way, piece, frame, channel, bounds)
        finally:
            channel.busy -= 1

    def _put(self, way: Way, piece: Piece, frame: bytes, channel: Channel, bounds: Bounds | None) -> None:
        mark = ">" if way is Way.REQUEST else "<"
        at = f"{asyncio.get_running_loop().time() % 1000:.4f} {mark}"
        if piece.data is None:
            self.log.append(f"{at} cut")
            channel.cut()
        elif way is Way.REPLY and bounds is not None and not bounds.allow(piece.data, frame):
            self.log.append(f"{at} withheld {piece.data.hex()}")
            self.withheld += 1
        else:
            self.log.append(f"{at} {piece.data.hex()}" + ("" if piece.data == frame else f" ({frame.hex()})"))
            channel.write(piece.data)


class TcpFaultProxy(FaultProxy):
    """Before a Modbus TCP server on this box."""

    def __init__(self, target_port: int, assumed: Assumption, *, pipelined: bool = False) -> None:
        super().__init__(assumed, pipelined=pipelined)
        self._target = target_port
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._client: Channel | None = None

    def current(self) -> Channel | None:
        """Return the way to the client that came last."""
        return self._client

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await super().stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        with suppress(OSError, asyncio.CancelledError):  # asyncio would report it, though it was `stop`
            await self._relay(reader, writer)
        writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)

        def cut() -> None:
            writer.transport.abort()
            up_writer.transport.abort()

        down = self._client = Channel(writer.write, cut)
        up = Channel(up_writer.write, cut)
        back = asyncio.create_task(self._pump(Way.REPLY, up_reader, down))
        try:
            await self._pump(Way.REQUEST, reader, up)
        finally:
            if self._client is down:
                self._client = None
            back.cancel()
            cut()
            await asyncio.gather(back, return_exceptions=True)

    async def _pump(self, way: Way, reader: asyncio.StreamReader, to: Channel) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                header = await reader.readexactly(MBAP - 1)
                length = int.from_bytes(header[_LENGTH_AT:], "big")
                self.forward(way, header + await reader.readexactly(length), to)
        to.cut()

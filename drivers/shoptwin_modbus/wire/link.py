"""One connection or open port, by pymodbus's transport: it opens TCP, TLS and serial ports and hands over bytes."""

from __future__ import annotations

import asyncio
import logging
import termios
from functools import partial
from typing import TYPE_CHECKING, Any

from pymodbus.transport import CommParams, CommType, ModbusProtocol

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_modbus.wire.causes import broken_off, why_not

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from shoptwin.sdk import DriverError
    from shoptwin_modbus.target import Target, Timing
    from shoptwin_modbus.wire.counters import Counters
    from shoptwin_modbus.wire.frames import Request

logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)  # the runtime logs, once a transition


READ = 4096
"""Bytes that are taken from a socket at once: some frames. asyncio asks for 256 KiB each time and cuts them down to the
few that came, and the heap is left with the holes."""


class Link(ModbusProtocol):
    """What TCP and serial links have in common: they are opened once, used, and lost once."""

    def __init__(self, target: Target, counters: Counters, context: ssl.SSLContext | None = None) -> None:
        super().__init__(_parameters(target, context), is_server=False)
        if context is not None:
            create: Any = self.call_create
            self.call_create = partial(create, server_hostname=target.server_name or target.host)
        self.target = target
        self.counters = counters
        """Those of the last request: where all is counted that comes."""
        self.heard = False
        """Whether anything has come."""
        self.fit = False
        """Whether further requests may go over it."""
        self.write: Callable[[bytes], None] = _nowhere
        """Send bytes."""
        self._made: asyncio.Future[None] = self.loop.create_future()
        self._opened: asyncio.BaseTransport | None = None
        """What was opened, before `transport` tells that it can be used."""
        self._dropped = False

    async def open(self, timeout: float) -> None:  # noqa: ASYNC109 - the device's own
        """Connect, or open the port.

        Raises:
            NotConnected, AuthFailed: with the cause and its cure.
        """
        try:
            async with asyncio.timeout(timeout):
                self._opened, _ = await self.call_create()
                await self._made  # a serial port is listened to only in a later turn of the loop
        except (OSError, ValueError, termios.error) as error:  # OSError: time-outs and refused certificates too
            self.drop()
            raise why_not(self.target, error, timeout) from error
        except BaseException:
            self.drop()
            raise

    async def ask(self, request: Request, timing: Timing, unlike: Request | None) -> bytes:
        """Send a request and return the data of its reply; as `Wire.ask`."""
        raise NotImplementedError

    @property
    def free_from(self) -> float:
        """When it may be used again, for what came before (loop time)."""
        return 0.0

    @property
    def busy(self) -> bool:
        """Whether a request waits for its reply."""
        return False

    async def settled(self) -> None:
        """Wait until no request waits for its reply."""

    def drop(self) -> None:
        """Let go; what waits for a reply fails with NotConnected."""
        transport: Any = self.transport
        opened: Any = self._opened
        self.fit, self._dropped, self._opened = False, True, None
        self.close()
        if transport is not None:
            transport.abort()  # a farewell of TLS could take half a minute
        elif opened is not None:
            self.loop.call_soon(opened.abort)  # a serial port that is being set up: it would stay open, and locked
        self.fail(NotConnected(f"the connection to {self.target} is closed", "it is made anew"))
        # Both lead back here, and would keep a dead link until the collector of cycles comes by.
        self.call_create, self.write = _never, _nowhere

    def fail(self, error: DriverError) -> None:
        """End what waits for a reply."""
        raise NotImplementedError

    def silence(self, request: Request, timeout: float) -> Timeout:
        """Count a time-out and return it."""
        self.counters.timeouts += 1
        return Timeout(
            f"unit {request.unit} at {self.target} did not answer within {timeout:g} s",
            "check the unit's number, its wiring and power, and whether it needs a longer timeout",
        )

    def callback_connected(self) -> None:
        """Take note that bytes can be sent."""
        transport: Any = self.transport
        if self._dropped:
            return  # it is closed already
        self.write, self.fit = transport.write, True
        if hasattr(transport, "max_size"):
            transport.max_size = READ
        if not self._made.done():
            self._made.set_result(None)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Wake what waits: its reply cannot come any more."""
        self.fit = False
        error = broken_off(self.target, exc, heard=self.heard)
        if not self._made.done():
            self._made.set_exception(ConnectionResetError(str(error)))
            self._made.exception()
        self.fail(error)

    def callback_new_connection(self) -> ModbusProtocol:
        """Return the protocol of a new connection: servers alone have others than this."""
        return self

    def callback_data(self, data: bytes, addr: tuple[Any, ...] | None = None) -> int:  # noqa: ARG002
        """Take nothing: `data_received` has it all."""
        return len(data)


async def _never() -> None:
    raise NotConnected("this connection is closed", "it is made anew")


def _nowhere(_data: bytes) -> None:
    raise NotConnected("there is no connection yet", "connect first")


def seen(reply: asyncio.Future[bytes]) -> None:
    """Take note of the error of a reply that nobody waits for any more; asyncio would complain of it."""
    if reply.done() and not reply.cancelled():
        reply.exception()


def _parameters(target: Target, context: ssl.SSLContext | None) -> CommParams:
    if target.serial:
        return CommParams(
            comm_type=CommType.SERIAL, host=target.path,
            baudrate=target.baud, bytesize=target.bits, parity=target.parity, stopbits=target.stop,
        )  # fmt: skip
    kind = CommType.TLS if target.scheme == "tls" else CommType.TCP
    return CommParams(comm_type=kind, host=target.host, port=target.port, sslctx=context)

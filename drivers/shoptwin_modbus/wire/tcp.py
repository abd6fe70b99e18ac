"""Modbus TCP, inside TLS or not: each reply says by its transaction which request it answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shoptwin_modbus.wire.frames import ERROR_FLAG, MBAP, MbapCutter
from shoptwin_modbus.wire.link import Link, seen
from shoptwin_modbus.wire.replies import EXCEPTION, Garbled, Refused, payload

if TYPE_CHECKING:
    import ssl

    from shoptwin.sdk import DriverError
    from shoptwin_modbus.target import Target, Timing
    from shoptwin_modbus.wire.counters import Counters
    from shoptwin_modbus.wire.frames import Request
    from shoptwin_modbus.wire.transactions import Transactions


class TcpLink(Link):
    """A connection. After anything odd it takes no further requests; those under way may still get their replies."""

    def __init__(
        self, target: Target, counters: Counters, transactions: Transactions, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(target, counters, context)
        self._transactions = transactions
        self._cutter = MbapCutter()
        self._waiting: dict[int, tuple[Request, asyncio.Future[bytes]]] = {}
        self._lost = False
        self._settled: asyncio.Future[None] | None = None

    async def ask(self, request: Request, timing: Timing, unlike: Request | None) -> bytes:  # noqa: ARG002 - RTU's
        """Send a request and return the data of its reply; several may be under way at once."""
        transaction = self._transactions.next()
        reply: asyncio.Future[bytes] = self.loop.create_future()
        self._waiting[transaction] = request, reply
        counters = self.counters
        counters.requests += 1
        counters.bytes_sent += len(request.mbap) + 2
        self.write(transaction.to_bytes(2, "big") + request.mbap)
        deadline = self.loop.call_later(timing.timeout, self._late, transaction, timing.timeout)
        try:
            return await reply
        except asyncio.CancelledError:
            seen(reply)
            raise
        finally:
            deadline.cancel()
            if self._waiting.pop(transaction, None) is not None:  # given up: its reply may still come
                self.fit = False
            if self._settled is not None and not self._waiting and not self._settled.done():
                self._settled.set_result(None)
            del reply  # its error knows this frame: a ring, which only the collector of cycles would find

    @property
    def busy(self) -> bool:
        """Whether a request waits for its reply."""
        return bool(self._waiting)

    async def settled(self) -> None:
        """Wait until no request waits for its reply."""
        if self._waiting:
            self._settled = self.loop.create_future()
            await self._settled

    def fail(self, error: DriverError) -> None:
        """End all requests under way."""
        self._end(error)

    def data_received(self, data: bytes) -> None:
        """Take what came. A right reply is known by one comparison: all its header can be foretold."""
        self.heard = True
        self.counters.bytes_received += len(data)
        cutter = self._cutter
        for frame in cutter.feed(data):
            if self._lost:
                return
            found = self._waiting.pop(frame[0] << 8 | frame[1], None)
            if found is None:  # nobody's: what was asked may still be answered
                self.counters.garbled += 1
                self.fit = False
            elif found[0].head and frame[2:9] == found[0].head:
                if not found[1].done():
                    found[1].set_result(frame[9:])
            else:
                self._other(frame, *found)
        if len(cutter.rest) == MBAP + EXCEPTION and not self._lost:
            self._overstated(cutter.rest)
        if cutter.broken and not self._lost:
            self.counters.garbled += 1
            self._lose("what came is no Modbus TCP")

    def _overstated(self, frame: bytes) -> None:
        """Take an exception whose header counts more bytes than there are: devices exist that never send the rest."""
        transaction = frame[0] << 8 | frame[1]
        request, reply = self._waiting.get(transaction, (None, None))
        if request is None or reply is None or frame[6:8] != bytes((request.unit, request.function | ERROR_FLAG)):
            return  # the beginning of something else
        del self._waiting[transaction]
        self.fit = False  # the rest may come all the same
        self._other(frame, request, reply)

    def _other(self, frame: bytes, request: Request, reply: asyncio.Future[bytes]) -> None:
        """Take a reply that is not plainly right: an exception, an identification, or one that must not be decoded."""
        pdu = frame[MBAP:]
        if len(pdu) == 1 and pdu[0] & ERROR_FLAG and len(self._cutter.rest) == 1:
            pdu += self._cutter.rest  # devices that count an exception one byte short
            self._cutter.rest = b""
            self.fit = False
        try:
            data = payload(request, frame[6], pdu)
        except Refused as refusal:
            self.counters.refused(refusal.code)
            self.fit = self.fit and len(pdu) == len(frame) - MBAP == 2  # noqa: PLR2004 - as long as exceptions are
            error: Exception = refusal
        except Garbled as garbled:
            self.counters.garbled += 1
            self.fit = False
            if request.expected is None or len(pdu) != request.expected + 2:
                self._lose("the reply to another request had the wrong length")
            error = garbled
        else:
            if not reply.done():
                reply.set_result(data)
            return
        if not reply.done():
            reply.set_exception(error)

    def _late(self, transaction: int, timeout: float) -> None:
        request, reply = self._waiting.get(transaction, (None, None))
        if request is not None and reply is not None and not reply.done():
            reply.set_exception(self.silence(request, timeout))

    def _lose(self, why: str) -> None:
        """Give up a stream of which it cannot be told any more where the next frame begins."""
        self._lost, self.fit = True, False
        self._end(Garbled(why))

    def _end(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        for _, reply in waiting.values():
            if not reply.done():
                reply.set_exception(error)

"""The only door to pymodbus: one connection or serial port, dialled when it is needed and anew when it is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected
from shoptwin_modbus.wire import identification
from shoptwin_modbus.wire.claim import Claim
from shoptwin_modbus.wire.counters import Counters
from shoptwin_modbus.wire.frames import read
from shoptwin_modbus.wire.rtu import RtuLink
from shoptwin_modbus.wire.security import context_of
from shoptwin_modbus.wire.tcp import TcpLink
from shoptwin_modbus.wire.transactions import Transactions
from shoptwin_modbus.wire.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shoptwin_modbus.planning import Block
    from shoptwin_modbus.target import Target, Timing
    from shoptwin_modbus.wire.frames import Request
    from shoptwin_modbus.wire.link import Link
    from shoptwin_modbus.wire.rtu import Debts

KEPT = 1024
"""Requests that are kept as bytes; those of a plan come again in each poll."""


class Wire:
    """A TCP or TLS connection or a serial port, for one request at a time, over TCP and TLS for `in_flight`.

    `transactions` and `debts` are those of all wires to the same place: a gateway, converter or slow unit may hand
    replies to another one over to this one.
    """

    def __init__(
        self,
        target: Target,
        transactions: Transactions | None = None,
        in_flight: int = 1,
        *,
        debts: Debts | None = None,
    ) -> None:
        self.target = target
        self.counters = Counters()
        self._transactions = transactions or Transactions()
        self._debts: Debts = {} if debts is None else debts
        self._claim = Claim(target)
        self._link: Link | None = None
        self._turns = Turns(in_flight if target.checked else 1)
        self._clock = asyncio.get_running_loop().time
        self._opening = asyncio.Lock()
        self._requests: dict[Block, Request] = {}
        self._rest_until: dict[int, float] = {}
        self._closed = False

    async def dial(self, timing: Timing) -> None:
        """Connect, or open the port, unless that is done.

        Raises:
            NotConnected: with the cause and its cure. AuthFailed: TLS was refused, by us or by the device.
        """
        await self._ready(timing)

    async def ask(
        self,
        block: Block,
        timing: Timing,
        unlike: Block | None = None,
        counters: Counters | None = None,
        *,
        doubtful: bool = False,
    ) -> bytes:
        """Send one request and return the data of its reply: registers, high byte first, or bits, lowest first.

        The reply is of the right unit, function, length and transaction. On a line without transactions `unlike`, a
        block of the same unit whose reply has another length, brings the unit into step again after a late reply.
        `counters` are for this request instead of the wire's: devices on one line count for themselves. `doubtful`: the
        unit may not answer, and others go first.

        Raises:
            Timeout: no reply. HungUp: the connection was closed instead. NotConnected: there is none, and none can be
                made. Refused: the device said no. Garbled: not it.
        """
        other = None if unlike is None else self._request(unlike)
        return await self._ask(self._request(block), timing, other, counters or self.counters, doubtful=doubtful)

    async def identify(
        self, unit: int, timing: Timing, pace: Callable[[], Awaitable[bool]] | None = None
    ) -> dict[int, str]:
        """Return the device identification of a unit (function 43/14) by object: see `identification`.

        `pace` is awaited before each request; where it returns False no more are sent.

        Raises:
            Refused: it has none. As `ask` otherwise.
        """

        async def ask(request: Request) -> bytes | None:
            return await self._ask(request, timing, None, self.counters) if pace is None or await pace() else None

        return await identification.identify(unit, ask)

    def close(self) -> None:
        """Let go of the connection; a request that waits for its reply fails."""
        self._closed = True
        self._drop()
        self._claim.release()

    async def _ask(
        self, request: Request, timing: Timing, unlike: Request | None, counters: Counters, *, doubtful: bool = False
    ) -> bytes:
        await self._turn(request.unit, timing.pause, doubtful=doubtful)
        try:
            link = self._link
            if link is None or not link.fit:
                link = await self._ready(timing)
            link.counters = counters
            sent = max(self._clock(), link.free_from)
            try:
                data = await link.ask(request, timing, unlike)
                counters.took.append(self._clock() - sent)
                return data
            finally:
                counters.held += max(0.0, self._clock() - sent)
                if not link.fit and not link.busy and link is self._link:
                    self._drop()
        finally:
            self._rest(request.unit, timing.pause)
            self._turns.release()

    async def _turn(self, unit: int, pause: float, *, doubtful: bool) -> None:
        """Wait until the wire is free for a unit that has had its pause; others go first meanwhile."""
        now = self._clock
        while True:
            if pause and (left := self._rest_until.get(unit, 0.0) - now()) > 0:
                await asyncio.sleep(left)
            await self._turns.acquire(doubtful=doubtful)
            if not pause or self._rest_until.get(unit, 0.0) <= now():
                self._rest(unit, pause)
                return
            self._turns.release()

    def _rest(self, unit: int, pause: float) -> None:
        """Let a unit's next request wait for its pause."""
        if pause:
            self._rest_until[unit] = self._clock() + pause

    async def _ready(self, timing: Timing) -> Link:
        async with self._opening:
            link = self._link
            if link is not None and not link.fit:
                await link.settled()  # requests under way keep their chance
                self._drop()
            self._check_open()
            if self._link is None:
                self._claim.take()
                link = self._make()
                await link.open(timing.timeout)
                self._link = link
                self._check_open()
            return self._link

    def _check_open(self) -> None:
        if self._closed:
            self._drop()
            raise NotConnected(f"the connection to {self.target} is closed", "it is made anew")

    def _make(self) -> Link:
        if not self.target.checked:
            return RtuLink(self.target, self.counters, self._debts)
        context = context_of(self.target) if self.target.scheme == "tls" else None
        return TcpLink(self.target, self.counters, self._transactions, context)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.drop()

    def _request(self, block: Block) -> Request:
        request = self._requests.get(block)
        if request is None:
            if len(self._requests) >= KEPT:
                self._requests.clear()
            request = self._requests[block] = read(block)
        return request

"""RTU, on a serial port or through TCP: strictly one request at a time, as a reply does not say which one it answers.

A reply of the right unit, function and length may be a late one to an earlier request, and then all that follow are
shifted by one. So what may still come is written down (`Debt`), and nothing is decoded from a unit that owes until it
has answered something that none of its owed replies can be taken for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_modbus.wire.causes import broken_off
from shoptwin_modbus.wire.frames import SHORTEST_RTU, Request, RtuCutter, shorter
from shoptwin_modbus.wire.link import Link, seen
from shoptwin_modbus.wire.replies import Garbled, Refused, payload

if TYPE_CHECKING:
    from shoptwin.sdk import DriverError
    from shoptwin_modbus.target import Target, Timing
    from shoptwin_modbus.wire.counters import Counters

MUTE = 3
"""Requests in a row without any reply after which the connection to a converter is made anew."""
CHATTER = 5.0
"""Seconds, beyond the silence that is needed, after which a line counts as one that is never silent."""


@dataclass(slots=True)
class Debt:
    """Replies of one unit that may still come."""

    shapes: set[tuple[int, int | None]] = field(default_factory=set)
    unlike: Request | None = None
    """A request whose reply none of those could be taken for, when the first of them was asked for."""
    until: float = 0.0
    """When the last of them may come (loop time): before that nothing else is asked of the unit."""


Debts = dict[int, Debt]
"""By unit. They outlive a connection: a converter, or a slow unit, hands a late reply to the next one."""


@dataclass(slots=True)
class _Wait:
    """The request under way."""

    request: Request
    reply: asyncio.Future[bytes]
    syncing: bool
    """Whether other replies of the unit are passed over."""


class RtuLink(Link):
    """A line. It is used once it has been silent: for a gap between frames, for longer where a reply may be late."""

    def __init__(self, target: Target, counters: Counters, debts: Debts) -> None:
        super().__init__(target, counters)
        self._debts = debts
        self._wait: _Wait | None = None
        self._last: Request | None = None
        self._cutter = RtuCutter()
        self._strays = 0
        """Bytes that nobody asked for, since the line was last used."""
        self._unheard = 0
        """Requests in a row after which nothing came."""
        self._turnaround = 0.0
        self._hush: float | None = None
        """How long the line must be silent after each further byte; None: a gap between frames."""
        self._gap = target.silence
        self._free_from = 0.0
        """When the line may be used (loop time)."""

    async def open(self, timeout: float) -> None:  # noqa: ASYNC109 - the device's own
        """Open it, and set what its RS-485 driver needs."""
        await super().open(timeout)
        if self.target.rs485 is not None:
            try:
                self._drive_rs485()
            except (OSError, ValueError) as error:
                self.drop()
                raise NotConnected(
                    f"{self.target} cannot switch an RS-485 line: {error}",
                    "leave out rs485: most adapters switch by themselves, and others need it set in the device tree",
                ) from error

    async def ask(self, request: Request, timing: Timing, unlike: Request | None) -> bytes:
        """Send a request when the line is free and the unit in step, and return the data of its reply."""
        self._gap = self.target.silence if timing.frame_gap is None else timing.frame_gap
        self._turnaround = timing.turnaround
        if self._last is None:
            self._unsettle(timing.turnaround)  # just opened: who knows what was asked before
        if (debt := self._debts.get(request.unit)) is not None:
            self._free_from = max(self._free_from, debt.until)
        await self._silence()
        debt = self._debts.get(request.unit)  # something may have come meanwhile
        if debt is None:
            return await self._exchange(request, timing, unlike)
        probe = _probe(debt, request, unlike)
        if probe is None:
            self._unsettle(2 * timing.turnaround)
            await self._silence()
        elif (data := await self._resync(probe, timing, unlike)) is not None and probe is request:
            self._debts.pop(request.unit, None)
            return data
        self._debts.pop(request.unit, None)
        return await self._exchange(request, timing, unlike)

    @property
    def free_from(self) -> float:
        """When the line has been silent for as long as it must be."""
        return self._free_from

    def fail(self, error: DriverError) -> None:
        """End the request under way."""
        self._end(error)

    def data_received(self, data: bytes) -> None:
        """Take what came: the reply, what is no reply, or what nobody asked for."""
        self.heard, self._unheard = True, 0
        self.counters.bytes_received += len(data)
        hush = self._gap if self._hush is None else self._hush
        self._free_from = max(self._free_from, self.loop.time() + hush)
        wait = self._wait
        if wait is None or wait.reply.done():
            self._stray(len(data))
            return
        for frame in self._cutter.feed(data):
            if frame[0] != wait.request.unit:
                self.counters.garbled += 1  # a late one of another unit: ours is still to come
            elif self._answered(wait, frame):
                if self._cutter.rest:
                    self._stray(len(self._cutter.rest))
                return
        if self._cutter.broken:
            self.counters.garbled += 1
            self._end(Garbled("what came is no frame, or a damaged one"))

    async def _resync(self, probe: Request, timing: Timing, unlike: Request | None) -> bytes | None:
        """Ask for what no owed reply can be taken for; return its data, or None where the unit refused.

        Raises:
            Timeout: it did not come; the unit owes that reply, too.
        """
        try:
            return await self._exchange(probe, timing, unlike, syncing=True)
        except Refused:  # perhaps to an earlier request: what is owed passes by now, or never
            self._unsettle(timing.turnaround)
            await self._silence()
            return None
        except Garbled as garbled:
            raise Timeout(
                f"unit {probe.unit} at {self.target} could not be brought into step: {garbled}",
                "check the wiring, termination and bias of the line; give a slow unit a longer turnaround",
            ) from garbled

    async def _exchange(
        self, request: Request, timing: Timing, unlike: Request | None, *, syncing: bool = False
    ) -> bytes:
        """Send a request and wait for its reply; without one, note that it is owed and keep the line silent."""
        if not self.fit:
            raise broken_off(self.target, None, heard=True)
        frame, loop = request.rtu, self.loop
        wait = self._wait = _Wait(request, loop.create_future(), syncing)
        self._last, self._cutter, self._strays, self._hush = request, RtuCutter(frame), 0, None
        self.counters.requests += 1
        self.counters.bytes_sent += len(frame)
        due = loop.time() + timing.timeout + request.longest * self.target.character + self._switching
        self.write(frame)
        deadline = loop.call_at(due, self._late, wait, timing.timeout)
        try:
            return await wait.reply
        except Refused:
            raise
        except BaseException as error:
            # Where the wait was cut short, by a lost connection say, the reply may come as late as after a time-out.
            late = loop.time() if isinstance(error, Garbled) else max(due, loop.time())
            self._owe(request, unlike, late + timing.turnaround)
            self._unsettle(timing.turnaround, late)
            seen(wait.reply)
            raise
        finally:
            deadline.cancel()
            self._wait = None
            del wait  # as in TcpLink.ask

    def _answered(self, wait: _Wait, frame: bytes) -> bool:
        """Take a whole frame of the unit that was asked; tell whether that ends the wait."""
        request = wait.request
        try:
            data = payload(request, frame[0], frame[1:], behind=len(self._cutter.rest))
        except Refused as refusal:
            self.counters.refused(refusal.code)
            wait.reply.set_exception(refusal)
        except Garbled as garbled:
            self.counters.garbled += 1
            if wait.syncing:
                return False
            wait.reply.set_exception(garbled)
        else:
            wait.reply.set_result(data)
        return True

    def _stray(self, count: int) -> None:
        """Note bytes that nobody asked for: the line is left alone for a while. As many as a frame has are a reply."""
        if not self._strays and self._hush is None:
            self.counters.garbled += 1
        before, self._strays = self._strays, self._strays + count
        if before < SHORTEST_RTU <= self._strays and self._last is not None:
            self._owe(self._last, None, self.loop.time() + self._turnaround)
        self._unsettle(self._turnaround)

    def _owe(self, request: Request, unlike: Request | None, until: float) -> None:
        debt = self._debts.setdefault(request.unit, Debt())
        debt.until = max(debt.until, until)
        debt.shapes.add(request.shape)
        debt.unlike = debt.unlike or unlike

    def _unsettle(self, hush: float, since: float | None = None) -> None:
        """Leave the line alone until it has been silent for so long."""
        self._hush = max(hush, self._gap)
        self._free_from = max(self._free_from, (self.loop.time() if since is None else since) + self._hush)

    async def _silence(self) -> None:
        """Wait until the line may be used.

        Raises:
            Timeout: it is never silent. NotConnected: it is lost.
        """
        now = self.loop.time
        most = max(now(), self._free_from) + CHATTER
        looked = False
        while (left := self._free_from - now()) > 0 or not looked:
            if looked := left <= 0:
                # The box may be late itself: what lies in the port by now is heard first. That takes two turns.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                continue
            if now() > most:
                raise Timeout(
                    f"{self.target} is never silent",
                    "look for another master on the line, and check its termination and bias",
                )
            await asyncio.sleep(left)
        self._hush = None

    def _late(self, wait: _Wait, timeout: float) -> None:
        if wait.reply.done():
            return
        self._unheard += 1
        if self._unheard >= MUTE and not self.target.serial:  # it may have been restarted, and not know of us any more
            self.fit = False
        wait.reply.set_exception(self.silence(wait.request, timeout))

    def _end(self, error: Exception) -> None:
        if self._wait is not None and not self._wait.reply.done():
            self._wait.reply.set_exception(error)

    @property
    def _switching(self) -> float:
        """Seconds that the line's driver takes to be switched on and off."""
        return sum(self.target.rs485.delays) if self.target.rs485 is not None else 0.0

    def _drive_rs485(self) -> None:
        from serial.rs485 import RS485Settings  # noqa: PLC0415 - for serial ports alone

        rs485, transport = self.target.rs485, self.transport
        if rs485 is not None and (port := getattr(transport, "sync_serial", None)) is not None:
            before, after = rs485.delays
            port.rs485_mode = RS485Settings(
                rts_level_for_tx=rs485.rts_on_send, rts_level_for_rx=not rs485.rts_on_send,
                loopback=rs485.loopback, delay_before_tx=before, delay_before_rx=after,
            )  # fmt: skip


def _probe(debt: Debt, request: Request, unlike: Request | None) -> Request | None:
    """Return what to bring a unit into step with: the request itself where no owed reply is like its own.

    Probes that brought nothing are owed, too: then less of the request is asked for, each time another length. Where
    there was no other length in the first place (`unlike` is None), there is only the silence.
    """
    usual = (request, unlike, debt.unlike)
    for one in chain(usual, shorter(request) if unlike is not None else ()):
        if one is not None and one.shape not in debt.shapes:
            return one
    return unlike

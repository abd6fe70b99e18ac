"""The requests of one connection: a busy device is asked again, and each request knows another to synchronise with."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from shoptwin.sdk import Talk
from shoptwin_modbus.planning import unlike
from shoptwin_modbus.wire.counters import Counters
from shoptwin_modbus.wire.replies import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoptwin_modbus.planning import Block, Reach, Span
    from shoptwin_modbus.target import ModbusSettings
    from shoptwin_modbus.wire.wire import Wire

BUSY = frozenset({5, 6})
"""The exceptions by which a device says that it needs a while: acknowledge, and busy."""
FIRST_PAUSE = 0.1
"""Seconds after which a device that was busy is asked again; twice as long each time."""


class Asker:
    """Sends requests by one wire in the manner that one device's settings say."""

    def __init__(self, wire: Wire, settings: ModbusSettings, reach: Reach) -> None:
        self.abreast = settings.in_flight if wire.target.checked else 1
        """How many requests the device takes at once."""
        self.timing = settings.timing
        self._wire = wire
        self._counters = Counters()
        self._retries = 0
        self._reach = reach
        self._most = settings.busy_retries
        self.clock = asyncio.get_running_loop().time
        self.longest = 4 * self.timing.timeout + 2 * self.timing.pause if wire.target.checked else inf
        """Seconds that one request may take, with a new connection for each of two tries; on a line nobody can tell."""

    @property
    def held(self) -> float:
        """Seconds for which requests have held the wire, since this connection was made."""
        return self._counters.held

    def cost(self, held: float) -> float:
        """Return the seconds for which a silent request has held up whoever shares the wire; `held`: as it was before.

        On a line that is its own silence before and after, too. Where nobody shares it, it is the time-out alone.
        """
        timing = self.timing
        return timing.timeout if self._wire.target.checked else self._counters.held - held + timing.turnaround

    def talk(self) -> Talk:
        """Return what was counted: of this connection alone, even where others use the same wire."""
        counted = self._counters
        return Talk(
            requests=counted.requests,
            bytes_sent=counted.bytes_sent,
            bytes_received=counted.bytes_received,
            timeouts=counted.timeouts,
            garbled=counted.garbled,
            retries=self._retries,
            took=tuple(counted.took),
            exceptions={str(code): times for code, times in sorted(counted.exceptions.items())},
        )

    async def ask(
        self, block: Block, spans: Sequence[Span], others: Iterable[Block], until: float, *, doubtful: bool = False
    ) -> bytes:
        """Ask for a block of `spans`, while the device is busy again and again until a time of the loop's clock.

        `others` are blocks that are read of the same unit anyway. `doubtful`: it may not answer, and others go first.

        Raises:
            Timeout, HungUp, NotConnected, Refused, Garbled: as `Wire.ask`.
        """
        other = None if self._wire.target.checked else unlike(block, spans, others, self._reach)
        pause = FIRST_PAUSE
        for _ in range(self._most):
            try:
                return await self._wire.ask(block, self.timing, other, self._counters, doubtful=doubtful)
            except Refused as refusal:
                if refusal.code not in BUSY or self.clock() + pause > until:
                    raise
            self._retries += 1
            await asyncio.sleep(pause)
            pause *= 2
        return await self._wire.ask(block, self.timing, other, self._counters, doubtful=doubtful)

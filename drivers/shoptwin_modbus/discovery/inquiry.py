"""Asking a device that nobody knows: at a steady pace, within a budget, and patient with what devices do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_modbus.wire.replies import ELSEWHERE, Garbled, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoptwin_modbus.planning import Block
    from shoptwin_modbus.target import Timing
    from shoptwin_modbus.wire.wire import Wire

BUSY = frozenset({5, 6})
"""Exceptions that ask to wait: acknowledge, busy."""
TRIES = 3
REST = 0.5
"""Seconds to wait for a device that is busy, or that has closed the connection."""
ENOUGH = 5
"""Replies from which on it is known how fast a unit answers."""
MARGIN = 5
"""How many times as long as its slowest reply a unit is waited for that says nothing to what it does not know."""
SHORTEST = 0.15
"""Seconds that a reply is waited for at least."""


class Spent(Exception):  # noqa: N818 - the end of a search, never seen outside the driver
    """The budget of requests is used up."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a unit answered: with data, with an exception code, or, where both are None, not at all."""

    data: bytes | None = None
    code: int | None = None

    @property
    def silent(self) -> bool:
        """Whether the unit said nothing; a gateway's word that it is not there is as good as that."""
        return self.data is None and (self.code is None or self.code in ELSEWHERE)

    @property
    def kind(self) -> int | None:
        """What can be compared between units: 0 for data, else the exception's code."""
        return 0 if self.data is not None else self.code


class Inquiry:
    """One wire under inquiry; `requests` counts all that were sent."""

    def __init__(self, wire: Wire, timing: Timing, *, rate: float, budget: int, requests: int = 0) -> None:
        self.requests = requests
        self.budget = budget
        self.timing = timing
        self.doing: Callable[[str], None] = lambda _: None
        """Hears what is asked for, before each request."""
        self._wire = wire
        self._gap = 1 / rate
        self._next = 0.0
        self._clock = asyncio.get_running_loop().time
        self._slowest: dict[int, float] = {}
        self._replies: dict[int, int] = {}

    @property
    def left(self) -> int:
        """How many requests may still be sent."""
        return self.budget - self.requests

    def patience(self, unit: int, *, mute: bool) -> float:
        """Return how long to wait for a unit: less for one that refuses by silence, once it is known to be quick."""
        if not mute or self._replies.get(unit, 0) < ENOUGH:
            return self.timing.timeout
        return min(self.timing.timeout, max(SHORTEST, MARGIN * self._slowest[unit]))

    async def ask(self, block: Block, *, mute: bool = False, brief: bool = False) -> Said:
        """Ask; what is garbled is asked again, and a device that is busy is waited for.

        `brief`: a late reply needs no waiting for, as the next question is to another unit.

        Raises:
            Spent: the budget is used up. NotConnected: the connection is lost and cannot be made anew.
        """
        timing = replace(self.timing, timeout=self.patience(block.unit, mute=mute))
        if brief:
            timing = replace(timing, turnaround=0.0)
        self.doing(f"unit {block.unit} {block.table.name.lower()} {_span(block)}")
        said = Said()
        for _ in range(TRIES):
            await self._pace()
            began = self._clock()
            try:
                data = await self._wire.ask(block, timing)
            except Refused as refusal:
                said = Said(code=refusal.code)
                self._heard(block.unit, self._clock() - began)
                if refusal.code not in BUSY:
                    return said
                await asyncio.sleep(REST)
            except Timeout:
                return Said()
            except Garbled:
                said = Said()
            except NotConnected:  # some devices hang up on what they do not like
                await self._dial_again()
                said = Said()
            else:
                self._heard(block.unit, self._clock() - began)
                return Said(data)
        return said

    async def identify(self, unit: int) -> dict[int, str]:
        """Return what a unit says of itself, by the standard's numbers; nothing where it does not serve that.

        A budget that ends within leaves what was learned until then.

        Raises:
            Spent, NotConnected: as `ask`.
        """
        self.doing(f"unit {unit} identification")
        if self.left <= 0:
            raise Spent

        async def pace() -> bool:
            if self.left <= 0:
                return False
            await self._pace()
            return True

        try:
            return await self._wire.identify(unit, self.timing, pace)
        except (Refused, Garbled, Timeout):
            return {}
        except NotConnected:
            await self._dial_again()
            return {}

    async def _dial_again(self) -> None:
        for rest in (REST, 2 * REST, 4 * REST):
            await asyncio.sleep(rest)
            with suppress(NotConnected):
                await self._wire.dial(self.timing)
                return
        await self._wire.dial(self.timing)

    async def _pace(self) -> None:
        if self.left <= 0:
            raise Spent
        await asyncio.sleep(max(0.0, self._next - self._clock()))
        self._next = self._clock() + self._gap
        self.requests += 1

    def _heard(self, unit: int, took: float) -> None:
        self._replies[unit] = self._replies.get(unit, 0) + 1
        self._slowest[unit] = max(self._slowest.get(unit, 0.0), took)


def _span(block: Block) -> str:
    return f"{block.start}" if block.size == 1 else f"{block.start}-{block.stop - 1}"

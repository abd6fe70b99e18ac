"""One poll of one group: every unit in turn, block by block; what is refused is narrowed down in the same poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shoptwin.sdk import StatusCode, Timeout
from shoptwin_modbus.planning import Block, part
from shoptwin_modbus.replies import ELSEWHERE, ILLEGAL, Garbled, Refused

if TYPE_CHECKING:
    from shoptwin.sdk import SampleBatch
    from shoptwin_modbus.layout import Layout
    from shoptwin_modbus.line import Units
    from shoptwin_modbus.target import Timing
    from shoptwin_modbus.terrain import Terrain
    from shoptwin_modbus.wire import Wire

BUDGET = 64
"""Requests that one poll may spend on narrowing down; the rest goes on in the next poll."""
LONGEST = 12.0
"""Seconds after which the units that have failed before are not asked in this poll any more."""


class _Gone(Exception):  # noqa: N818 - a turn's end, never seen outside this module
    """The unit gives no reply: its turn is over."""

    def __init__(self, status: StatusCode) -> None:
        super().__init__(status.name)
        self.status = status


class Turn:
    """The state of one poll."""

    def __init__(self, wire: Wire, layout: Layout, terrain: Terrain, units: Units, timing: Timing) -> None:
        self._wire = wire
        self._layout = layout
        self._terrain = terrain
        self._units = units
        self._timing = timing
        self._budget = BUDGET
        self._narrowed = False
        self._clock = asyncio.get_running_loop().time
        self._buffer, self._status = layout.blank()

    async def take(self) -> bool:
        """Read every unit, those that answered last first; tell whether any of them answered.

        Raises:
            NotConnected: the connection is lost; nothing of this poll counts.
        """
        began, any_answer = self._clock(), False
        for unit in sorted(self._layout.units, key=self._units.failures):
            late = self._clock() - began > LONGEST and self._units.failures(unit) > 0
            if late or self._units.rests(unit, self._clock()):
                self._mark_all(self._layout.units[unit], StatusCode.BAD_TIMEOUT)
            elif await self._unit(self._layout.units[unit]):
                self._units.answered(unit, self._clock())
                any_answer = True
            else:
                self._units.silent(unit, self._clock())
        if any_answer and not self._narrowed:
            self._terrain.settle()
        return any_answer

    async def probe(self, hole: Block) -> bool:
        """Ask once more for what the device refused before; tell whether the unit answered."""
        try:
            data = await self._wire.ask(hole, self._timing)
        except Refused as refusal:
            self._mark(hole, refusal.status)
            return refusal.code not in ELSEWHERE
        except Garbled:
            return True
        except Timeout:
            return False
        self._layout.put(self._buffer, hole, data)
        self._mark(hole, StatusCode.GOOD)
        self._terrain.fill(self._layout.spans[hole.first])
        return True

    def batches(self, group: str) -> tuple[SampleBatch, ...]:
        """Return what was read."""
        return self._layout.batches(group, self._buffer, self._status)

    async def _unit(self, blocks: list[Block]) -> bool:
        """Read one unit's blocks; tell whether it gave any reply at all.

        A unit that is silent on its first request is left alone for this poll. One that answers and then is silent
        is asked on, once: some devices say nothing to what they do not know. On a line without transactions its
        turn is over, as a late reply could be taken for that to the next request.
        """
        answered, silent = False, 0
        for i, block in enumerate(blocks):
            try:
                await self._block(block)
                answered = True
            except _Gone as gone:
                silent += 1
                self._mark(block, gone.status)
                if not answered or silent > 1 or not self._wire.target.checked:
                    self._mark_all(blocks[i + 1 :], gone.status)
                    break
        return answered

    async def _block(self, block: Block) -> None:
        refusal = await self._fetch(block)
        if refusal is None:
            return
        if refusal.code in ILLEGAL:
            await self._narrow(block, refusal)
        else:
            self._mark(block, refusal.status)

    async def _fetch(self, block: Block) -> Refused | None:
        """Ask for a block and put it in its place; return the refusal where there was one.

        Raises:
            _Gone: there was no reply. NotConnected: as `Wire.ask`.
        """
        try:
            data = await self._wire.ask(block, self._timing)
        except Refused as refusal:
            if refusal.code in ELSEWHERE:
                raise _Gone(refusal.status) from refusal
            return refusal
        except Garbled:
            self._mark(block, StatusCode.BAD_DECODING_ERROR)
            return None
        except Timeout as error:
            raise _Gone(StatusCode.BAD_TIMEOUT) from error
        self._layout.put(self._buffer, block, data)
        return None

    async def _narrow(self, block: Block, refusal: Refused) -> None:
        """Read a refused block by halves, so that its good spans are read in this very poll."""
        self._narrowed = True
        if block.last - block.first == 1:
            self._mark(block, refusal.status)
            self._terrain.dig(self._layout.spans[block.first], refusal.status)
            return
        middle = (block.first + block.last) // 2
        whole = True
        for first, last in ((block.first, middle), (middle, block.last)):
            whole &= await self._half(part(block, self._layout.spans, first, last))
        if whole:  # each half alone is fine: what lies between is not, or both are too much at once
            self._terrain.cut(self._layout.spans[middle])

    async def _half(self, half: Block) -> bool:
        """Read one half, narrowing further where it is refused; tell whether it came whole."""
        if self._budget <= 0:
            self._mark(half, StatusCode.BAD_COMMUNICATION_ERROR)
            self._terrain.part(self._layout.spans[half.first])  # the next poll begins with the half alone
            return False
        self._budget -= 1
        try:
            refusal = await self._fetch(half)
        except _Gone as gone:
            self._mark(half, gone.status)
            raise
        if refusal is None:
            return True
        if refusal.code in ILLEGAL:
            await self._narrow(half, refusal)
        else:
            self._mark(half, refusal.status)
        return False

    def _mark_all(self, blocks: list[Block], status: StatusCode) -> None:
        for block in blocks:
            self._mark(block, status)

    def _mark(self, block: Block, status: StatusCode) -> None:
        self._status[block.first : block.last] = status

"""One unit's part in a poll: its blocks, what is wrong where it refuses one, and holes whose time has come."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from shoptwin.sdk import AuthFailed, NotConnected, StatusCode, Timeout
from shoptwin_modbus.planning import part
from shoptwin_modbus.poll.poll import SILENCES, OutOfTime
from shoptwin_modbus.wire.replies import ELSEWHERE, ILLEGAL, Garbled, HungUp, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_modbus.planning import Block, Span
    from shoptwin_modbus.poll.poll import Poll

FAILING = 4
"""The exception by which a device says that it cannot do anything: it has failed itself."""
Answer: TypeAlias = Refused | Garbled | None
"""What came of a request that was replied to: a no, nothing that may be decoded, or None: the data, now in place."""


class _Gone(Exception):  # noqa: N818 - never seen outside this module
    """There was no reply from the unit."""


class Visit:
    """What one unit was asked for in one poll, and what it said. `doubtful`: it is not known to answer."""

    def __init__(self, poll: Poll, unit: int, *, doubtful: bool = False) -> None:
        self.useful = False
        """Whether there was any reply but exception 4: it is there, and at work."""
        self.failing = False
        """Whether there was an exception 4."""
        self.status = StatusCode.BAD_TIMEOUT
        """Of what was not read for want of a useful reply."""
        self.well = False
        """Whether anything was read."""
        self.narrowed = False
        """Whether anything was refused as a part of more."""
        self.unanswered: list[Block] = []
        self.hung_up = False
        """Whether any of those had the connection closed instead."""
        self.struck = False
        """Whether it was counted that it was of no use."""
        self._poll = poll
        self._unit = unit
        self._doubtful = doubtful
        self._terrain = poll.terrain
        self._clock = asyncio.get_running_loop().time
        self._refused: list[tuple[Block, Refused]] = []
        """What is still to be narrowed down."""
        self._early: dict[Block, Refused | Garbled | Timeout] = {}

    @property
    def over(self) -> bool:
        """Whether the unit has been silent too often to be asked for more in this poll."""
        return len(self.unanswered) >= (SILENCES if self.useful or self.failing or self.hung_up else 1)

    async def read(self, blocks: Sequence[Block], holes: Sequence[Block], *, probing: bool) -> None:
        """Read all blocks, and ask for the holes that are due. `probing`: its breaker is open.

        A unit that is silent on its first request is left alone for this poll; one whose breaker is open is asked for a
        small block first, and for more only where that helps. One that answers and then is silent is asked on, once:
        some devices say nothing to what they do not have. So that such a block hides no others it comes last from then
        on, and in time it is cut in two. So it is with one that hangs up instead, but on its first request, too, it is
        asked for another block.

        Raises:
            NotConnected: the connection is lost, and cannot be made anew.
        """
        behind = self._poll.behind
        queue = sorted(blocks, key=lambda b: (self._mutes(b), b.size if probing else 0, behind.get(b, len(behind))))
        first, rest = queue[:1], queue[1:]
        try:
            going_on = await self._one_by_one(first) and (self.useful or not probing)
            if going_on and len(rest) > 1 and self._poll.asker.abreast > 1:
                rest = await self._side_by_side(rest)
            if not going_on:
                self._poll.mark(rest, self.status)
            elif await self._one_by_one(rest) and (self.useful or not blocks) and holes:
                await self._ask_again(holes, alone=not blocks)
        finally:
            for block in self.unanswered:
                self._note_silence(block)

    async def narrow_down(self) -> None:
        """Find out what is wrong with blocks that were refused, and read what is good of them: after all else.

        Raises:
            NotConnected: as `read`.
        """
        refused, self._refused = self._refused, []
        before = len(self.unanswered)
        try:
            for block, refusal in refused:
                if self.over:
                    self._poll.mark([block], self.status)
                    continue
                try:
                    await self._narrow(block, refusal)
                except _Gone:
                    self.unanswered.append(block)
        finally:
            for block in self.unanswered[before:]:
                self._note_silence(block)

    async def ask(self, block: Block) -> bytes:
        """Send one request and return its data; what is heard of the unit is noted.

        Raises:
            OutOfTime: the poll ends. Timeout, HungUp, NotConnected, Refused, Garbled: as `Wire.ask`.
        """
        try:
            if block in self._early:
                raise self._early.pop(block)
            data = await self._poll.ask(block, doubtful=self._doubtful and not self.useful)
        except Refused as refusal:
            if refusal.code in ELSEWHERE:
                self.status = refusal.status
            elif refusal.code == FAILING:
                self.failing, self.status = True, refusal.status
            else:
                self.useful = True
            raise
        except Garbled:
            self.useful = True
            raise
        except Timeout:
            self.status = StatusCode.BAD_TIMEOUT
            raise
        except HungUp:
            self.hung_up, self.status = True, StatusCode.BAD_NOT_CONNECTED
            raise
        self.useful = self.well = True
        return data

    async def _one_by_one(self, blocks: Sequence[Block]) -> bool:
        """Read blocks; tell whether the unit may be asked for more. Where it may not, the rest of them is marked."""
        for i, block in enumerate(blocks):
            if self._clock() > self._poll.latest:
                self._poll.leave(blocks[i:])
                return False
            try:
                answer = await self._fetch(block)
                if isinstance(answer, Refused) and answer.code in ILLEGAL:
                    self._refused.append((block, answer))
                elif answer is not None:
                    self._poll.mark([block], _status(answer))
            except OutOfTime:
                self._poll.leave(blocks[i:])
                return False
            except _Gone:
                self.unanswered.append(block)
                if self.over:
                    self._poll.mark(blocks[i + 1 :], self.status)
                    return False
        return True

    async def _side_by_side(self, blocks: Sequence[Block]) -> list[Block]:
        """Ask for as many blocks at once as the device takes; return those that must be looked at one by one.

        Nothing new is begun once something is wrong with the connection: it is made anew for that, and what was under
        way on it is asked for once more.
        """
        waiting = deque(blocks)
        left: list[Block] = []
        refused: list[AuthFailed] = []

        async def work() -> None:
            while waiting and self._clock() <= self._poll.latest:
                block = waiting.popleft()
                try:
                    self._poll.put(block, await self.ask(block))
                    continue
                except AuthFailed as error:
                    refused.append(error)
                except (Refused, Garbled, Timeout) as answer:
                    self._early[block] = answer
                except (NotConnected, OutOfTime):
                    pass  # whose fault it is shows when each is asked for by itself
                left.append(block)
                if not isinstance(self._early.get(block), Refused):
                    left.extend(waiting)
                    waiting.clear()

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(self._poll.asker.abreast, len(blocks))):
                workers.create_task(work(), name=f"blocks of unit {self._unit}")
        if refused:
            raise refused[0]
        left.extend(waiting)  # there was no time for them
        return sorted(left, key=lambda block: isinstance(self._early.get(block), Timeout))

    async def _fetch(self, block: Block) -> Answer:
        """Ask for a block and put it in its place.

        Raises:
            _Gone: there was no reply; the block is marked. OutOfTime, NotConnected: as `ask`.
        """
        try:
            data = await self.ask(block)
        except Refused as refusal:
            if refusal.code in ELSEWHERE:
                self._poll.mark([block], self.status)
                raise _Gone from refusal
            answer: Answer = refusal
        except Garbled as garbled:
            answer = garbled
        except (Timeout, HungUp) as silence:
            self._poll.mark([block], self.status)
            raise _Gone from silence
        else:
            answer = None
            self._poll.put(block, data)
        self._terrain.spoke(self._span(block))
        return answer

    async def _look_into(self, block: Block, answer: Refused | Garbled) -> None:
        """Narrow down what is wrong with a block that is refused; of any other answer only the status is left."""
        if isinstance(answer, Refused) and answer.code in ILLEGAL:
            await self._narrow(block, answer)
        else:
            self._poll.mark([block], _status(answer))

    async def _narrow(self, block: Block, refusal: Refused) -> None:
        """Read a refused block by halves, so that its good spans are read in this very poll."""
        self.narrowed = True
        spans = self._poll.layout.spans
        if block.last - block.first == 1:
            self._poll.mark([block], refusal.status)
            self._terrain.dig(spans[block.first], refusal.status, self._clock(), firm=self.well)
            return
        middle = (block.first + block.last) // 2
        lower, upper = part(block, spans, block.first, middle), part(block, spans, middle, block.last)
        try:
            whole = await self._half(lower)
        except _Gone:
            self._poll.mark([upper], self.status)
            raise
        if await self._half(upper) and whole:
            # Each half alone is fine: what lies between is not, or both are too much at once.
            self._terrain.cut(spans[middle], self._clock())

    async def _half(self, half: Block) -> bool:
        """Read one half, narrowing further where it is refused; tell whether it came whole."""
        if self._clock() > self._poll.narrow_until:
            return self._put_off(half)
        try:
            answer = await self._fetch(half)
        except OutOfTime:
            return self._put_off(half)
        if answer is not None:
            await self._look_into(half, answer)
        return answer is None

    def _put_off(self, half: Block) -> bool:
        """Leave one half of what is refused to the next poll, which begins with the half alone."""
        self._poll.mark([half], StatusCode.BAD_COMMUNICATION_ERROR)
        self._terrain.part(self._span(half))
        return False

    async def _ask_again(self, holes: Sequence[Block], *, alone: bool) -> None:
        """Ask once more for what the device refused before, where it is time to."""
        for hole in self._terrain.due(holes, self._clock(), self._poll.period, alone=alone):
            self._terrain.asked(self._span(hole), self._clock())
            try:
                answer = await self._fetch(hole)
            except OutOfTime:
                return
            except _Gone:
                self.unanswered.append(hole)
                return
            if answer is None:
                self._terrain.fill(self._span(hole))
            else:
                self._poll.mark([hole], _status(answer))
                if isinstance(answer, Refused) and answer.code in ILLEGAL:
                    self._terrain.dig(self._span(hole), answer.status, self._clock(), firm=self.well)

    def _note_silence(self, block: Block) -> None:
        spans = self._poll.layout.spans
        several = self.well and block.last - block.first > 1
        middle = spans[(block.first + block.last) // 2] if several else None
        self._terrain.mute(spans[block.first], middle, self._clock())

    def _mutes(self, block: Block) -> int:
        return self._terrain.muteness(self._span(block))

    def _span(self, block: Block) -> Span:
        return self._poll.layout.spans[block.first]


def _status(answer: Refused | Garbled) -> StatusCode:
    return answer.status if isinstance(answer, Refused) else StatusCode.BAD_DECODING_ERROR

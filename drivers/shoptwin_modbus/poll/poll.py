"""One poll of one group: what all its units share, and each of its requests in time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, StatusCode
from shoptwin_modbus.wire.replies import Garbled, HungUp, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from shoptwin_modbus.planning import Block
    from shoptwin_modbus.poll.asking import Asker
    from shoptwin_modbus.poll.layout import Layout
    from shoptwin_modbus.poll.terrain import Terrain

SILENCES = 2
"""Requests of one poll that a unit which answers others may leave without a reply before it is asked no more; and
those at which a device may hang up before it counts as lost, where it says nothing at all."""


class OutOfTime(Exception):  # noqa: N818 - never seen outside this package
    """The poll has to end now, whatever is under way: the next one goes on with it."""


@dataclass(slots=True, eq=False)
class Poll:
    """What all units of one poll share. Times are the loop's."""

    asker: Asker
    layout: Layout
    terrain: Terrain
    period: float
    """Of the group, in seconds."""
    narrow_until: float
    busy_until: float
    latest: float
    """When to ask for nothing more …"""
    deadline: float
    """… and when what is under way is given up, on the line or still waiting for it."""
    behind: Mapping[Block, int]
    """What the last poll had no time for: it comes first, in this order."""
    buffer: NDArray[np.uint8]
    status: NDArray[np.uint32]
    heard: bool = False
    """Whether there was any reply, of whichever unit …"""
    sound: bool = False
    """… and whether any was one of Modbus."""
    lost: NotConnected | None = None
    """Why the connection is lost: nothing more can be asked."""
    _hung_up: int = 0
    _end: HungUp | None = None

    async def ask(self, block: Block, *, doubtful: bool) -> bytes:
        """Send one request and return its data. `doubtful`: its unit is not known to answer.

        A connection that was in use may be closed for its own sake, as by a device that serves one request on each:
        then it is made anew and the block asked for once more. One that is closed upon its very first request was
        closed for that.

        Raises:
            OutOfTime: the poll has to end. HungUp: the device hangs up at this block. NotConnected: the connection is
                lost and cannot be made anew, or nothing else than hanging up is heard of the device. Timeout, Refused,
                Garbled: as `Wire.ask`.
        """
        if self.lost is not None:
            raise self.lost
        asker = self.asker
        try:
            if max(asker.clock(), self.busy_until) + asker.longest < self.deadline:
                data = await self._twice(block, doubtful=doubtful)
            else:
                async with asyncio.timeout_at(self.deadline):
                    data = await self._twice(block, doubtful=doubtful)
        except TimeoutError as late:
            raise OutOfTime from late
        except (Refused, Garbled) as answer:
            self.heard, self.sound = True, self.sound or isinstance(answer, Refused)
            raise
        except HungUp as end:
            self._hung_up, self._end = self._hung_up + 1, end
            if self.heard or self._hung_up < SILENCES:
                raise
            self.lost = NotConnected(end.message, end.hint)
            raise self.lost from end
        except NotConnected as error:
            self.lost = error
            raise
        self.heard = self.sound = True
        return data

    def conclude(self) -> None:
        """End it.

        Raises:
            NotConnected: the device hung up, and nothing else was heard of it.
        """
        if self._end is not None and not self.heard:
            raise self._end

    def mark(self, blocks: Sequence[Block], status: StatusCode) -> None:
        """Set the status of all that is read with these blocks."""
        for block in blocks:
            self.status[block.first : block.last] = status

    def leave(self, blocks: Sequence[Block]) -> None:
        """Leave blocks to the next poll, as this one has no time for them."""
        self.mark(blocks, StatusCode.BAD_TIMEOUT)
        self.layout.behind.extend(blocks)

    def put(self, block: Block, data: bytes) -> None:
        """Put what came for a block in its place."""
        self.layout.put(self.buffer, self.status, block, data)

    async def _twice(self, block: Block, *, doubtful: bool) -> bytes:
        others = self.layout.units.get(block.unit, ())
        try:
            return await self.asker.ask(block, self.layout.spans, others, self.busy_until, doubtful=doubtful)
        except HungUp as end:
            if not end.used:
                raise
        return await self.asker.ask(block, self.layout.spans, others, self.busy_until, doubtful=doubtful)

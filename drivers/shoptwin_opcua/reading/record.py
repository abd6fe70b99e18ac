"""The record of one connection: until when data came, what was missed, and the server that all of it is about."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from shoptwin_opcua.reading.history import History
from shoptwin_opcua.space.vigil import Vigil

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import SampleBatch
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.resolve import Target
    from shoptwin_opcua.space.services import Server

MARGIN = 2_000_000_000
"""ns by which a gap is taken to begin earlier: what was on its way when the connection broke. What comes twice is
dropped by who keeps it."""


class Record:
    """Watches over the server, and fills gaps from its history. `now` is the loop's time, in seconds."""

    def __init__(self, channel: Channel, server: Server, longest: int) -> None:
        """`longest`: ns of a gap that are filled, 0 for none."""
        self._server = server
        self._vigil = Vigil(channel, server)
        self._history = History(channel, server, longest)
        self._since = server.memory.since

    @property
    def filling(self) -> bool:
        """Whether a gap is being filled."""
        return self._history.busy

    async def look(self, now: float) -> None:
        """As `Vigil.look`."""
        await self._vigil.look(now)

    def take(self) -> list[SampleBatch]:
        """Return what was read of history since the last call."""
        return self._history.take()

    def begun(self, group: str, targets: Sequence[Target], last: float = 0.0) -> None:
        """Fill the gap of these nodes between the former connection, or `last` on this one, and now."""
        if last:
            self.missed(group, targets, last)
        else:
            self._history.fill(group, targets, self._since, self._clock())

    def missed(self, group: str, targets: Sequence[Target], last: float) -> None:
        """Fill the gap of these nodes between the last that came and now."""
        self._history.fill(group, targets, self._vigil.at(last) - MARGIN, self._clock())

    def came(self, *until: float) -> None:
        """Take note that data came up to the first of these: there the next gap begins, once others are filled."""
        if self._history.used and not self._history.busy and (at := self._vigil.at(min(until))):
            self._server.memory.since = at - MARGIN

    async def stop(self) -> None:
        """Read no more. Never raises."""
        await self._history.stop()

    def _clock(self) -> int:
        return self._vigil.at(asyncio.get_running_loop().time()) or time.time_ns()

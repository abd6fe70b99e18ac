"""Groups that are read within a stream of notifications, as the server does not let them be subscribed to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncua.ua.status_codes import StatusCodes

if TYPE_CHECKING:
    from shoptwin.sdk import Group, Hole, SampleBatch
    from shoptwin_opcua.reading.polling import Polling

NO_ROOM = frozenset({
    StatusCodes.BadTooManySubscriptions, StatusCodes.BadTooManyMonitoredItems, StatusCodes.BadServiceUnsupported,
    StatusCodes.BadNotSupported, StatusCodes.BadNotImplemented, StatusCodes.BadResourceUnavailable,
    StatusCodes.BadOutOfMemory,
})  # fmt: skip
"""What a server says that has no subscriptions, or none for us now."""


@dataclass(slots=True)
class _Turn:
    group: Group
    due: float
    why: str


class Paced:
    """Reads each group at its period.

    Pacing is the runtime's (DESIGN §3) but for this one place: the runtime either polls a connection or listens to it,
    and which groups of one server can be subscribed to shows only when that is tried. Times are the loop's, in seconds.
    """

    def __init__(self, polling: Polling) -> None:
        self._polling = polling
        self._turns: list[_Turn] = []

    @property
    def path(self) -> str:
        """How values are decoded: `fast`, or `plain` and why; empty before the first."""
        return self._polling.path

    @property
    def due(self) -> float:
        """When the next group is to be read; never, where there is none."""
        return min((turn.due for turn in self._turns), default=math.inf)

    @property
    def last(self) -> float:
        """As in Polling."""
        return self._polling.last

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The nodes that the server has not, or does not give."""
        return self._polling.holes

    @property
    def groups(self) -> list[Group]:
        """Those that are read."""
        return [turn.group for turn in self._turns]

    def add(self, group: Group, now: float, why: str) -> None:
        """Read a group from now on."""
        self._turns.append(_Turn(group, now, why))

    def drop(self, group: Group) -> float:
        """Read it no longer; return when it was read last, 0 where it never was."""
        self._turns = [turn for turn in self._turns if turn.group is not group]
        return self._polling.drop(group)

    async def read(self, now: float) -> list[SampleBatch]:
        """Read the group that is due, if any. Raises NotConnected, Timeout."""
        turn = min(self._turns, key=lambda turn: turn.due, default=None)
        if turn is None or turn.due > now:
            return []
        period = max(turn.group.period / 1e9, 0.001)
        turn.due += period * (1 + math.floor((now - turn.due) / period))  # what there was no time for is left out
        return await self._polling.read(turn.group)

    def __str__(self) -> str:
        """Say for people what is read and why."""
        return "; ".join(f"read each {turn.group.period / 1e9:g} s: {turn.why}" for turn in self._turns)

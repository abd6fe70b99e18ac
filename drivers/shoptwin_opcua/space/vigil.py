"""Whether the server behind a live session is the one that was connected to: its namespaces, its start, its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua.ua.object_ids import ObjectIds

from shoptwin.sdk import NotConnected
from shoptwin_opcua.nodes import node
from shoptwin_opcua.space.services import read, uris, value_of
from shoptwin_opcua.space.times import time_of

if TYPE_CHECKING:
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server

EVERY = 10.0
"""Seconds between two looks."""
RECKONED = 2 * 10**9
"""ns by which the time of its start may differ from one look to the next: some servers reckon it from their clock."""
_ASKED = (
    ObjectIds.Server_NamespaceArray, ObjectIds.Server_ServerStatus_StartTime, ObjectIds.Server_ServerStatus_CurrentTime,
)  # fmt: skip


class Vigil:
    """Looks at the server itself now and then. Times are ns UTC by the server's clock, `now` is the loop's."""

    def __init__(self, channel: Channel, server: Server) -> None:
        self._channel, self._server = channel, server
        self._start = 0
        self._steady: bool | None = None
        """Whether the time of its start is the same at each look: some servers reckon it anew; None: not known yet."""
        self._due = 0.0
        self._ahead = 0

    async def look(self, now: float) -> None:
        """Ask, where it is time to.

        Raises:
            NotConnected: it is another server now, or has other namespaces where there were some: the indices in
                NodeIds mean something else. Timeout: it does not answer.
        """
        if now < self._due:
            return
        self._due = now + EVERY
        array, start, current = await read(self._channel, self._server.limits, [value_of(node(id_)) for id_ in _ASKED])
        self._namespaces(uris(array))
        self._started(time_of(start))
        if (time := time_of(current)) > 0:
            self._ahead = self._server.ahead = time - round(now * 1e9)

    def at(self, now: float) -> int:
        """Return what the server's clock showed, 0 where it has told no time."""
        return round(now * 1e9) + self._ahead if self._ahead else 0

    def _namespaces(self, now: tuple[str, ...]) -> None:
        before = self._server.namespaces
        same = len(now) >= len(before) and all(not uri or uri == now[index] for index, uri in enumerate(before))
        if now and not same:
            raise NotConnected(
                f"{self._channel.url} has other namespaces than a moment ago", "it is connected and looked up anew"
            )
        self._server.namespaces = now or before  # more may have come

    def _started(self, start: int) -> None:
        if self._start and self._steady is not False:
            same = abs(start - self._start) < RECKONED
            if self._steady and not same:
                raise NotConnected(f"{self._channel.url} was started anew", "it is connected and looked up anew")
            self._steady = same
        self._start = start

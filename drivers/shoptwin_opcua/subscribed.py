"""`mode = "subscribe"`: the server sends what changes; one subscription a polling group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shoptwin_opcua.connection import OpcUaConnection
from shoptwin_opcua.reading.feed import Feed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shoptwin.sdk import Group, Hole, SampleBatch
    from shoptwin_opcua.space.services import Server


class SubscribedConnection(OpcUaConnection):
    """Sends by itself."""

    _feed: Feed | None = None

    @property
    def path(self) -> str:
        """As in OpcUaConnection."""
        return "" if self._feed is None else self._feed.path

    @property
    def parts(self) -> dict[str, bool]:
        """As in OpcUaConnection."""
        return {} if self._feed is None else self._feed.parts

    @property
    def holes(self) -> tuple[Hole, ...]:
        """As in OpcUaConnection."""
        return () if self._feed is None else self._feed.holes

    def batches(self, groups: Sequence[Group]) -> AsyncIterator[SampleBatch]:
        """Yield batches: all values at once, then what changes; ends by raising.

        Raises:
            NotConnected: the server is gone, or was silent beyond its keep-alive, or has ended a subscription.
            Timeout: it does not answer.
        """
        self._server.notes |= _room(self._server, groups)
        self._feed = Feed(self._channel, self._server, self._settings, groups, self._record)
        return self._feed

    async def aclose(self) -> None:
        """As in OpcUaConnection: the server is asked for nothing more."""
        feed, self._feed = self._feed, None
        try:
            if feed is not None:
                await feed.stop()
        finally:
            await super().aclose()


def _room(server: Server, groups: Sequence[Group]) -> dict[str, str]:
    """Return a note where there is more to be watched than the server can; fields of one node are watched together."""
    nodes = {replace(point.address, path=()) for group in groups for point in group.points}
    most = server.limits.together
    if server.reads or not most or len(nodes) <= most:
        return {}
    told = f"{len(nodes)} nodes are to be watched, and the server can watch {most}, for all its clients together"
    return {"monitored items": f'{told}: put what changes slowly into a device of its own with mode = "poll"'}

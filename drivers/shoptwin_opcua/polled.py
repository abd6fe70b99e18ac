"""`mode = "poll"`: every period all nodes of a group are read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected
from shoptwin_opcua.connection import OpcUaConnection
from shoptwin_opcua.reading.polling import Polling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import Group, Hole, SampleBatch


class PolledConnection(OpcUaConnection):
    """Reads when the runtime says so."""

    _polling: Polling | None = None

    @property
    def path(self) -> str:
        """As in OpcUaConnection."""
        return "" if self._polling is None else self._polling.path

    @property
    def holes(self) -> tuple[Hole, ...]:
        """As in OpcUaConnection."""
        return () if self._polling is None else self._polling.holes

    async def connect(self) -> None:
        """As in OpcUaConnection; what was known of the nodes is forgotten, since the server may be another now."""
        await super().connect()
        refresh = self._settings.seconds("refresh") or 0.0
        self._polling = Polling(self._channel, self._server, refresh, self._record)

    async def read(self, group: Group) -> Sequence[SampleBatch]:
        """Read all points of a group once; a node that does not exist is Bad alone.

        Raises:
            NotConnected, Timeout: nothing could be read.
        """
        if self._polling is None:
            raise NotConnected(f"not connected to {self._channel.url}", "connect first")
        await self._record.look(asyncio.get_running_loop().time())
        batches = await self._polling.read(group)
        self._record.came(self._polling.last)
        return batches + self._record.take()

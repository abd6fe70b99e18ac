"""`mode = "poll"`: every period all nodes of a group are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin_opcua.connection import OpcUaConnection
from shoptwin_opcua.polling import Polling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import Group, SampleBatch


class PolledConnection(OpcUaConnection):
    """Reads when the runtime says so."""

    _polling: Polling | None = None

    async def connect(self) -> None:
        """As in OpcUaConnection; what was known of the nodes is forgotten, since the server may be another now."""
        await super().connect()
        self._polling = Polling(self._channel, self._server, self._settings.seconds("refresh") or 0.0)

    async def read(self, group: Group) -> Sequence[SampleBatch]:
        """Read all points of a group once; a node that does not exist is Bad alone.

        Raises:
            NotConnected, Timeout: nothing could be read.
        """
        polling = self._polling or Polling(self._channel, self._server, 0.0)
        return await polling.read(group)

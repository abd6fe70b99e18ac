"""One read request, asked again and again: fast, once a first answer has shown that it gives the same as plainly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected
from shoptwin_opcua.wire.decode import read_results
from shoptwin_opcua.wire.fast import read_values
from shoptwin_opcua.wire.fast_request import EncodedRequest
from shoptwin_opcua.wire.paths import FAST, Paths
from shoptwin_opcua.wire.values import Values, agree

if TYPE_CHECKING:
    from asyncua import ua

    from shoptwin_opcua.session.channel import Channel


class FastRead:
    """A ReadRequest: sent encoded and decoded in one go where that has been tried, else by asyncua and one by one."""

    def __init__(self, request: ua.ReadRequest) -> None:
        self._answers = Paths(read_values, _plainly, agree)
        self._plain = request
        self.count = len(request.Parameters.NodesToRead)
        """Nodes that it asks for."""
        self._encoded: EncodedRequest | None = None
        try:
            self._encoded = EncodedRequest.of(request)
        except ValueError as error:
            self._answers.refuse(str(error))

    @property
    def path(self) -> str:
        """`fast`, or `plain: why`; empty before the first answer."""
        return self._answers.path

    async def values(self, channel: Channel) -> Values:
        """Ask, and return one value a node, in order.

        Raises:
            NotConnected, Timeout: there is no answer, or not one value a node.
        """
        self._plain.RequestHeader.Timestamp = datetime.now(UTC)  # the encoded request shares it
        request = self._encoded if self.path == FAST else self._plain
        values = await channel.raw(request, self._answers.decode)
        if values.count != self.count:
            raise NotConnected(f"{channel.url} answered {values.count} of {self.count} values", "it is asked again")
        return values


def _plainly(data: bytes) -> Values:
    return Values.of_rows(read_results(data))

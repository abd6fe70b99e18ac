"""One read request, asked again and again: fast, once a first answer has shown that it gives the same as plainly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected
from shoptwin_opcua.decode import read_results
from shoptwin_opcua.fast import read_values
from shoptwin_opcua.fast_request import EncodedRequest
from shoptwin_opcua.values import Values, agree

if TYPE_CHECKING:
    from asyncua import ua

    from shoptwin_opcua.channel import Channel

FAST = "fast"


class FastRead:
    """A ReadRequest: sent encoded and decoded in one go where that has been tried, else by asyncua and one by one."""

    def __init__(self, request: ua.ReadRequest) -> None:
        self.path = ""
        """`fast`, or `plain: why`; empty before the first answer."""
        self._plain = request
        self._count = len(request.Parameters.NodesToRead)
        self._encoded: EncodedRequest | None = None
        try:
            self._encoded = EncodedRequest.of(request)
        except ValueError as error:
            self.path = f"plain: {error}"

    async def values(self, channel: Channel) -> Values:
        """Ask, and return one value a node, in order.

        Raises:
            NotConnected, Timeout: there is no answer, or not one value a node.
        """
        header = self._plain.RequestHeader  # the encoded request's too
        header.Timestamp = datetime.now(UTC)
        if self.path == FAST:
            values = await channel.raw(self._encoded, read_values)
        else:
            values = await channel.raw(self._plain, self._first if not self.path else _plainly)
        if values.count != self._count:
            raise NotConnected(f"{channel.url} answered {values.count} of {self._count} values", "it is asked again")
        return values

    def _first(self, data: bytes) -> Values:
        """Decode both ways: the self-test. Raises ValueError where the answer itself is malformed."""
        plain = _plainly(data)
        try:
            same = agree(read_values(data), plain)
        except (ValueError, TypeError, LookupError) as error:
            self.path = f"plain: the server's answer is not decoded fast: {error}"
        else:
            self.path = FAST if same else "plain: the server's answer is decoded otherwise"
        return plain


def _plainly(data: bytes) -> Values:
    return Values.of_rows(read_results(data))

"""Publish requests: a few are always with the server, and their answers are taken in the order they come."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from shoptwin.sdk import Timeout
from shoptwin_opcua.errors import Refused
from shoptwin_opcua.wire.publication import publications

if TYPE_CHECKING:
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.wire.publication import Publication

_MOST = 8
"""Requests that wait at the server at most."""
_BEFORE = struct.Struct("<IiB")
"""What a PublishResponse has before its NotificationMessage: the subscription, no sequence numbers, no more to come."""
_GONE = frozenset({StatusCodes.BadMessageNotAvailable, StatusCodes.BadSubscriptionIdInvalid,
                   StatusCodes.BadServiceUnsupported, StatusCodes.BadNotImplemented})  # fmt: skip


class Publisher:
    """Keeps Publish requests at the server and acknowledges what came."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answers = publications()
        self._flight: set[asyncio.Task[Publication]] = set()
        self._arrived: asyncio.Queue[asyncio.Task[Publication]] = asyncio.Queue()
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self._most = _MOST

    @property
    def path(self) -> str:
        """How notifications are decoded: `fast`, or `plain` and why; empty before the first."""
        return self._answers.path

    @property
    def idle(self) -> bool:
        """Whether all that came has been taken."""
        return self._arrived.empty()

    def start(self, subscriptions: int) -> None:
        """Send requests until there is one a subscription, and one more so that none waits for our next."""
        while len(self._flight) < min(self._most, subscriptions + 1):
            self._send()

    async def stop(self) -> None:
        """Forget the requests. Never raises."""
        flight, self._flight = self._flight, set()
        self._arrived = asyncio.Queue()
        for task in flight:
            task.cancel()
        if flight:
            await asyncio.wait(flight, timeout=1.0)
        for task in flight:
            if task.done() and not task.cancelled():
                task.exception()  # looked at, so that nobody complains that it was not

    async def next(self, wait: float) -> Publication | None:
        """Return the next answer, None if there is none within `wait` seconds.

        Raises:
            NotConnected: the server is gone, or (Refused) has no subscription of ours.
        """
        task = await self._first(wait)
        if task is None:
            return None
        self._flight.discard(task)
        try:
            answer = task.result()
        except Refused as error:
            if error.status != StatusCodes.BadTooManyPublishRequests or not self._flight:
                raise
            self._most = len(self._flight)  # the server bears fewer at a time; the others are still with it
            return None
        except Timeout:
            self._send()  # the server gave this request up: so be it, as long as the subscription is kept alive
            return None
        if not answer.keep_alive:
            acknowledgement = ua.SubscriptionAcknowledgement(answer.subscription, answer.sequence)
            self._acknowledge.append(acknowledgement)
        self._send()
        return answer

    async def republish(self, subscription: int, sequence: int) -> Publication | None:
        """Ask again for a message that did not come; None where the server has it no longer.

        Raises:
            NotConnected, Timeout: it cannot be asked.
        """
        request = ua.RepublishRequest(Parameters=ua.RepublishParameters(subscription, sequence))
        before = _BEFORE.pack(subscription, 0, 0)
        try:
            answer = await self._channel.raw(request, lambda message: self._answers.decode(before + message))
        except Refused as error:
            if error.status not in _GONE:
                raise
            return None
        self._acknowledge.append(ua.SubscriptionAcknowledgement(subscription, sequence))
        return answer

    async def _first(self, wait: float) -> asyncio.Task[Publication] | None:
        if not self._arrived.empty():
            return self._arrived.get_nowait()
        try:
            async with asyncio.timeout(wait):
                return await self._arrived.get()
        except TimeoutError:
            return None

    def _send(self) -> None:
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements, self._acknowledge = self._acknowledge, []
        asking = self._channel.raw(request, self._answers.decode, wait=0)
        task = asyncio.create_task(asking, name=f"publish {self._channel.url}")
        self._flight.add(task)
        task.add_done_callback(self._arrived.put_nowait)

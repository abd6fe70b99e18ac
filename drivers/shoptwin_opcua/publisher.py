"""Publish requests: a few are always with the server, and their answers are taken in the order they were asked."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from shoptwin.sdk import Timeout
from shoptwin_opcua.errors import Refused
from shoptwin_opcua.publication import publications

if TYPE_CHECKING:
    from shoptwin_opcua.channel import Channel
    from shoptwin_opcua.publication import Publication

_MOST = 8
"""Requests that wait at the server at most."""


class Publisher:
    """Keeps Publish requests at the server and acknowledges what came."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answers = publications()
        self._flight: deque[asyncio.Task[Publication]] = deque()
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []

    @property
    def path(self) -> str:
        """How notifications are decoded: `fast`, or `plain` and why; empty before the first."""
        return self._answers.path

    def start(self, subscriptions: int) -> None:
        """Send the first requests: one a subscription, and one more so that none waits for our next."""
        for _ in range(min(_MOST, subscriptions + 1)):
            self._send()

    async def stop(self) -> None:
        """Forget the requests. Never raises."""
        flight, self._flight = list(self._flight), deque()
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
            NotConnected: the server is gone, or has no subscription of ours.
        """
        first = self._flight[0]
        if not first.done():
            await asyncio.wait({first}, timeout=wait)
            if not first.done():
                return None
        self._flight.popleft()
        try:
            answer = first.result()
        except Refused as error:
            if error.status != StatusCodes.BadTooManyPublishRequests or not self._flight:
                raise
            return None  # the server bears fewer at a time; the others are still with it
        except Timeout:
            self._send()  # the server gave this request up: so be it, as long as the subscription is kept alive
            return None
        if not answer.keep_alive:
            acknowledgement = ua.SubscriptionAcknowledgement(answer.subscription, answer.sequence)
            self._acknowledge.append(acknowledgement)
        self._send()
        return answer

    def _send(self) -> None:
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements, self._acknowledge = self._acknowledge, []
        asking = self._channel.raw(request, self._answers.decode, wait=0)
        self._flight.append(asyncio.create_task(asking, name=f"publish {self._channel.url}"))

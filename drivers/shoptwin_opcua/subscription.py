"""One subscription at the server, and the nodes it watches (Part 4, 5.12 and 5.13)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from shoptwin_opcua.columns import BAD
from shoptwin_opcua.services import in_chunks, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import Group
    from shoptwin_opcua.book import Book
    from shoptwin_opcua.channel import Channel
    from shoptwin_opcua.decode import Row
    from shoptwin_opcua.resolve import Target
    from shoptwin_opcua.services import Server
    from shoptwin_opcua.settings import Settings

_NO_FILTER = frozenset({
    StatusCodes.BadMonitoredItemFilterUnsupported, StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadFilterNotAllowed,
})  # fmt: skip
FASTEST = 0.01
"""Seconds between two samples that are reckoned with where the fastest are asked for."""
_LIVES = 10
"""Keep-alives that may go unanswered before the server gives the subscription up; at least 3 by the standard."""


@dataclass(slots=True, eq=False)
class Item:
    """One watched node."""

    handle: int
    subscription: Subscription
    target: Target
    book: Book
    monitored: int = 0
    """The server's id, 0 while it is not watched."""

    @property
    def present(self) -> bool:
        """Whether the server has it."""
        return bool(self.book.lines["present"][self.handle])

    @present.setter
    def present(self, there: bool) -> None:
        self.book.lines["present"][self.handle] = there

    @property
    def heard(self) -> float:
        """When it last came, on the loop's clock."""
        return float(self.book.lines["heard"][self.handle])

    @property
    def last(self) -> Row | None:
        """What it said last, by whichever way; not kept of arrays, which are large."""
        return self.book.last(self.handle)

    def learned(self, row: Row) -> None:
        """Note what was read: the next notification mostly tells the same again."""
        self.book.note(self.handle, row)
        self.book.lines["repeats"][self.handle] = True

    def unnoticed(self, before: Row | None) -> bool:
        """Tell whether what was read now is another value than before: the server has watched without a word."""
        last = self.last
        if before is None or last is None:
            return False
        old, new = before.value, last.value
        return bool(old != new and (old == old or new == new))  # noqa: PLR0124 - NaN is the same as NaN here


class Subscription:
    """The subscription of one group."""

    def __init__(self, channel: Channel, server: Server, settings: Settings, group: Group) -> None:
        self.group = group
        self.id = 0
        self.deadline = math.inf
        """When silence is too long, on the loop's clock."""
        self._channel = channel
        self._server = server
        self._settings = settings
        self._silence = 0.0
        self._filter = settings.trigger == "timestamp"
        publishing = settings.seconds("publishing") or group.period / 1e9
        sampling = settings.seconds("sampling")
        self._publishing = max(0.001, publishing)
        self._sampling = publishing if sampling is None else sampling

    async def create(self, now: float) -> None:
        """Create it. Raises NotConnected, Timeout."""
        keep_alive = max(1, math.ceil((self._settings.seconds("keep_alive") or 5.0) / self._publishing))
        request = ua.CreateSubscriptionRequest(
            Parameters=ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=self._publishing * 1000,
                RequestedLifetimeCount=_LIVES * keep_alive,
                RequestedMaxKeepAliveCount=keep_alive,
                MaxNotificationsPerPublish=0,
                PublishingEnabled=True,
                Priority=0,
            )
        )
        answer = (await self._channel.call(request, ua.CreateSubscriptionResponse)).Parameters
        self.id = answer.SubscriptionId
        # One more publishing interval than promised: the server counts from its own clock's ticks.
        intervals = answer.RevisedMaxKeepAliveCount + 1
        self._silence = intervals * answer.RevisedPublishingInterval / 1000 + self._settings.wait
        self.heard(now)

    def heard(self, now: float) -> None:
        """Note a sign of life."""
        self.deadline = now + self._silence

    async def watch(self, items: Sequence[Item]) -> None:
        """Have nodes watched; one that the server refuses is left unwatched, to be tried again."""
        left = await self._watch(items)
        if left:
            # A server that knows no filter tells changes of the value alone, which is better than nothing.
            self._filter = False
            await self._watch(left)

    async def _watch(self, items: Sequence[Item]) -> list[Item]:
        """Ask for items; return those that were refused for their filter."""

        async def ask(part: list[Item]) -> list[ua.MonitoredItemCreateResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=self.id,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._item(item) for item in part],
            )
            request = ua.CreateMonitoredItemsRequest(Parameters=parameters)
            return list((await self._channel.call(request, ua.CreateMonitoredItemsResponse)).Results)

        refused = []
        for item, result in zip(items, await in_chunks(items, self._server.limits, "items", ask), strict=True):
            status = result.StatusCode.value
            if status < BAD:
                item.monitored = result.MonitoredItemId
            elif status in _NO_FILTER and self._filter:
                refused.append(item)
            else:
                item.present = False
        return refused

    def _item(self, item: Item) -> ua.MonitoredItemCreateRequest:
        fits = math.ceil(self._publishing / max(self._sampling, FASTEST))
        parameters = ua.MonitoringParameters(
            ClientHandle=item.handle,
            SamplingInterval=self._sampling * 1000,
            Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp) if self._filter else None,
            QueueSize=self._settings.queue or fits + 1,
            DiscardOldest=True,
        )
        assert item.target.node is not None  # noqa: S101 - it was read a moment ago
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=value_of(item.target.node),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=parameters,
        )

    async def forget(self, items: Sequence[Item]) -> None:
        """Have nodes watched no longer."""
        watched = [item for item in items if item.monitored]

        async def ask(part: list[Item]) -> list[ua.StatusCode]:
            ids = [item.monitored for item in part]
            parameters = ua.DeleteMonitoredItemsParameters(SubscriptionId=self.id, MonitoredItemIds=ids)
            request = ua.DeleteMonitoredItemsRequest(Parameters=parameters)
            return list((await self._channel.call(request, ua.DeleteMonitoredItemsResponse)).Results)

        await in_chunks(watched, self._server.limits, "items", ask)
        for item in watched:
            item.monitored = 0

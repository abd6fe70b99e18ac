"""One subscription at the server, and the nodes it watches (Part 4, 5.12 and 5.13)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from shoptwin_opcua.errors import refused
from shoptwin_opcua.reading.book import same
from shoptwin_opcua.reading.paced import NO_ROOM
from shoptwin_opcua.space.services import in_chunks, value_of
from shoptwin_opcua.wire.decode import BAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import Group
    from shoptwin_opcua.reading.book import Book
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.settings import Settings
    from shoptwin_opcua.space.resolve import Target
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.decode import Row

_NO_FILTER = frozenset({
    StatusCodes.BadMonitoredItemFilterUnsupported, StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadFilterNotAllowed, StatusCodes.BadDeadbandFilterInvalid,
})  # fmt: skip
FASTEST = 0.01
"""Seconds between two samples that are reckoned with where the fastest are asked for."""
_LAST = 2**32 - 1
_MISSED, _BELIEVED, _DOUBT = 20, 3, 10.0
"""How many messages are asked for again, how often in a row there may be some to ask for, and from then on the seconds
between two times that all is read instead."""
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
        """What was kept of what it said last, by whichever way."""
        return self.book.last(self.handle)

    def learned(self, row: Row) -> None:
        """Note what was read: the next notification mostly tells the same again."""
        self.book.note(self.handle, row)
        self.book.lines["repeats"][self.handle] = True

    def unnoticed(self, before: Row | None) -> bool:
        """Tell whether what was read now is another value than before: the server has watched without a word."""
        last = self.last
        return before is not None and last is not None and not same(before, last)


class Subscription:
    """The subscription of one group."""

    def __init__(self, channel: Channel, server: Server, settings: Settings, group: Group) -> None:
        self.group = group
        self.id = 0
        self.deadline = math.inf
        """When silence is too long, on the loop's clock."""
        self.last = -math.inf
        """When it was heard last."""
        self.rebuilt = -math.inf
        """When it was made anew last."""
        self._next = 1
        """The number of the next message that has something to tell."""
        self._unheard = 0
        self._read_at = 0.0
        self._channel = channel
        self._server = server
        self._settings = settings
        self._silence = 0.0
        self._filters = _filters(settings, server)
        publishing = settings.seconds("publishing") or group.period / 1e9
        sampling = settings.seconds("sampling")
        self._publishing = max(0.001, publishing, server.limits.publishing)
        self._sampling = max(publishing if sampling is None else sampling, server.limits.sampling)

    async def create(self, now: float, others: int) -> None:
        """Create it; `others`: how many this session has already. Raises NotConnected, Timeout."""
        if 0 < self._server.limits.subscriptions <= others:
            raise refused(self._channel.url, StatusCodes.BadTooManySubscriptions)  # it has said so already
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
        self._next = 1
        if (slower := answer.RevisedPublishingInterval / 1000) > self._publishing * 1.01:
            self._server.notes[f"publishing {self._publishing:g} s"] = f"the server sends each {slower:g} s"
            self._publishing = slower  # so that what is sampled in between fits the queues
        # One more publishing interval than promised: the server counts from its own clock's ticks.
        intervals = answer.RevisedMaxKeepAliveCount + 1
        self._silence = intervals * answer.RevisedPublishingInterval / 1000 + self._settings.wait
        self.heard(now)

    async def delete(self) -> None:
        """Have the server forget it. Raises NotConnected, Timeout."""
        request = ua.DeleteSubscriptionsRequest(Parameters=ua.DeleteSubscriptionsParameters([self.id]))
        await self._channel.call(request, ua.DeleteSubscriptionsResponse)

    def heard(self, now: float) -> None:
        """Note a sign of life."""
        self.last, self.deadline = now, now + self._silence

    def missed(self, sequence: int, *, keep_alive: bool) -> range:
        """Note the number of a message; return those of the messages before it that did not come (Part 4, 5.14.1.1).

        A keep-alive has the number of the next message. Numbers begin at 1, and again after 2³² - 1.
        """
        before = self._next
        if keep_alive:
            self._next = max(before, sequence)
        else:
            self._next = 1 if sequence >= _LAST else sequence + 1
        if sequence <= before:
            self._unheard = 0 if sequence == before else self._unheard
            return range(0)
        self._unheard += 1
        return range(before, sequence)

    def again(self, missed: range) -> range:
        """Return those to ask for again: not too many, and none of a server that counts otherwise, it seems."""
        return missed if len(missed) <= _MISSED and self._unheard <= _BELIEVED else range(0)

    def read_instead(self, now: float) -> bool:
        """Tell whether to read all nodes for what was lost: where each message seems to be, only now and then."""
        if self._unheard > _BELIEVED and now < self._read_at:
            return False
        self._read_at = now + _DOUBT
        return True

    async def watch(self, items: Sequence[Item]) -> None:
        """Have nodes watched; one that the server refuses is left unwatched, to be tried again.

        Raises:
            Refused: it has no room for them, with the status by which it says so. NotConnected, Timeout.
        """
        # A server that knows no filter tells changes of the value alone, which is better than nothing; one that knows
        # no deadband on a node (a text, or without EURange) may yet know the trigger.
        left: Sequence[Item] = items
        for filter_ in self._filters:
            if left:
                left = await self._watch(left, filter_)
            if left and filter_ is not None and filter_.DeadbandType:
                self._server.notes["deadband"] = f"{len(left)} nodes have none; each of their changes is sent"
        for item in left:
            item.present = False

    async def _watch(self, items: Sequence[Item], filter_: ua.DataChangeFilter | None) -> list[Item]:
        """Ask for items; return those that were refused for their filter."""

        async def ask(part: list[Item]) -> list[ua.MonitoredItemCreateResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=self.id,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._item(item, filter_) for item in part],
            )
            request = ua.CreateMonitoredItemsRequest(Parameters=parameters)
            return list((await self._channel.call(request, ua.CreateMonitoredItemsResponse)).Results)

        unfiltered = []
        granted = []
        for item, result in zip(items, await in_chunks(items, self._server.limits, "items", ask), strict=True):
            status = result.StatusCode.value
            if status < BAD:
                item.monitored = result.MonitoredItemId
                granted.append(result)
            elif status in NO_ROOM:
                raise refused(self._channel.url, status)
            elif status in _NO_FILTER and filter_ is not None:
                unfiltered.append(item)
            else:
                item.present = False
        self._tell_granted(granted)
        return unfiltered

    def _tell_granted(self, results: Sequence[ua.MonitoredItemCreateResult]) -> None:
        """Note where the server looks less often, or keeps less of a node, than it was asked for (Part 4, 5.12.2)."""
        slowest = max((result.RevisedSamplingInterval for result in results), default=0.0) / 1000
        if slowest > max(self._sampling, FASTEST) * 1.01:
            self._server.notes[f"sampling {self._sampling:g} s"] = f"the server looks each {slowest:g} s at some nodes"
        shortest = min((result.RevisedQueueSize for result in results), default=self._queue)
        if shortest < self._queue and slowest < self._publishing:
            self._server.notes["queue"] = f"the server keeps {shortest} values of a node at a time, not {self._queue}"

    @property
    def _queue(self) -> int:
        """Values of a node that the server is to keep between two publications."""
        return self._settings.queue or math.ceil(self._publishing / max(self._sampling, FASTEST)) + 1

    def _item(self, item: Item, filter_: ua.DataChangeFilter | None) -> ua.MonitoredItemCreateRequest:
        parameters = ua.MonitoringParameters(
            ClientHandle=item.handle,
            SamplingInterval=self._sampling * 1000,
            Filter=filter_,
            QueueSize=self._queue,
            DiscardOldest=self._settings.discard == "oldest",
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


def _filters(settings: Settings, server: Server) -> tuple[ua.DataChangeFilter | None, ...]:
    """Return the filters to try on each node, the best first (Part 4, 7.22.2)."""
    if not server.filters:
        return (None,)
    deadband, percent = settings.deadband
    filters = []
    if deadband:
        kind = ua.DeadbandType.Percent if percent else ua.DeadbandType.Absolute
        trigger = ua.DataChangeTrigger.StatusValue
        filters.append(ua.DataChangeFilter(Trigger=trigger, DeadbandType=kind, DeadbandValue=deadband))
    if settings.trigger == "timestamp":
        filters.append(ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp))
    return (*filters, None)

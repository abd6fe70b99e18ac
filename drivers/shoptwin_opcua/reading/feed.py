"""The stream of batches of one session: values at once, then notifications, and an eye on every node's silence."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from asyncua.ua.status_codes import StatusCodes

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_opcua.errors import Refused, code_name
from shoptwin_opcua.reading.columns import Columns
from shoptwin_opcua.reading.paced import NO_ROOM, Paced
from shoptwin_opcua.reading.polling import Polling
from shoptwin_opcua.reading.publisher import Publisher
from shoptwin_opcua.reading.subscription import Subscription
from shoptwin_opcua.reading.watched import Watched
from shoptwin_opcua.space.resolve import resolve
from shoptwin_opcua.space.services import chunks
from shoptwin_opcua.wire.paths import worst

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from shoptwin.sdk import Group, Hole, SampleBatch
    from shoptwin_opcua.reading.record import Record
    from shoptwin_opcua.reading.subscription import Item
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.settings import Settings
    from shoptwin_opcua.space.resolve import Target
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.publication import Publication

AGAIN = 300.0
"""Seconds after which a group that the server had no room for is offered to it again."""
STEADY = 60.0
"""Seconds for which a subscription that was made anew must live: else it is the session that is no good."""
_LOST = frozenset({StatusCodes.BadNoSubscription, StatusCodes.BadSubscriptionIdInvalid})
_BACKFILL = 0.5
"""Seconds between two looks at what was read of history."""


class Feed:
    """An async iterator of batches; ends by raising NotConnected or Timeout, never silently."""

    def __init__(
        self, channel: Channel, server: Server, settings: Settings, groups: Sequence[Group], record: Record
    ) -> None:
        self._channel = channel
        self._server = server
        self._settings = settings
        self._groups = [group for group in groups if group.points]
        self._record = record
        self._subscriptions: dict[int, Subscription] = {}
        self._publisher = Publisher(channel)
        self._ready: deque[SampleBatch] = deque()
        self._started = False
        refresh = settings.seconds("refresh") or 60.0
        self._watched = Watched(channel, server, refresh)
        self._paced = Paced(Polling(channel, server, refresh, record))
        self._again_at = 0.0

    @property
    def path(self) -> str:
        """How values are decoded: `fast`, or `plain` and why; empty before the first."""
        return worst(path for path in (self._publisher.path, self._paced.path) if path)

    @property
    def parts(self) -> dict[str, bool]:
        """The subscriptions, and whether they live."""
        now = asyncio.get_running_loop().time()
        parts: dict[str, bool] = {}
        for subscription in self._subscriptions.values():
            name = f"subscription {subscription.group.period / 1e9:g} s"
            parts[name] = parts.get(name, True) and now < subscription.deadline
        return parts

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The nodes that the server has not, or does not give."""
        return self._watched.holes + self._paced.holes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SampleBatch:
        if not self._started:
            self._started = True
            await self._start()
        while not self._ready:
            try:
                await self._more()
            except Refused as error:
                if error.status not in _LOST:
                    raise
                await self._rebuild(list(self._subscriptions.values()), f"answers {code_name(error.status)}")
        return self._ready.popleft()

    async def stop(self) -> None:
        """Ask the server for nothing more. Never raises."""
        await self._publisher.stop()

    async def _start(self) -> None:
        self._again_at = asyncio.get_running_loop().time() + AGAIN
        for group in self._groups:
            if self._settings.mode == "auto" and self._server.reads:
                self._paced.add(group, self._again_at - AGAIN, f"its profile {self._server.profile} says so")
            else:
                await self._offer(group)
        self._begun()

    async def _offer(self, group: Group) -> None:
        """Subscribe to a group; where the server has no room for it, and it may be read instead, have it read."""
        known = self._watched.count
        try:
            targets = await self._subscribe(group)
        except Refused as error:
            if error.status not in NO_ROOM or self._settings.mode != "auto":
                raise
            await self._unsubscribe(self._watched.drop(known))
            if group not in self._paced.groups:
                self._paced.add(group, asyncio.get_running_loop().time(), code_name(error.status))
            return
        self._record.begun(group.name, targets, self._paced.drop(group))

    async def _subscribe(self, group: Group) -> list[Target]:
        """Create what watches a group: one subscription, or more where the server has a limit of their nodes."""
        targets = await resolve(self._channel, self._server, group.points)
        for part in chunks(targets, self._server.limits.watched or len(targets)):
            subscription = Subscription(self._channel, self._server, self._settings, group)
            await self._create(subscription, self._watched.add(subscription, part))
        return targets

    async def _create(self, subscription: Subscription, items: list[Item]) -> None:
        await subscription.create(asyncio.get_running_loop().time(), len(self._subscriptions))
        self._subscriptions[subscription.id] = subscription
        # Read first and watch then: so no value that came in between is lost, and none comes before an older one.
        self._ready += await self._watched.read(items)
        await subscription.watch([item for item in items if item.present])

    async def _unsubscribe(self, items: list[Item]) -> None:
        for subscription in {id(item.subscription): item.subscription for item in items}.values():
            if self._subscriptions.pop(subscription.id, None) is not None:
                await subscription.delete()

    def _begun(self) -> None:
        """Take note of which groups are subscribed to and which are read."""
        self._server.notes.pop("reading", None)
        if told := str(self._paced):
            self._server.notes["reading"] = told
        now = asyncio.get_running_loop().time()
        self._watched.begun(now)
        for subscription in self._subscriptions.values():
            subscription.heard(now)  # until now nobody asked for what there is
        if self._subscriptions:
            self._publisher.start(len(self._subscriptions))

    async def _more(self) -> None:
        """Wait for one answer of the server, or until something is due."""
        loop = asyncio.get_running_loop()
        deadline = min((subscription.deadline for subscription in self._subscriptions.values()), default=math.inf)
        # However late we are ourselves, what lies in the socket already is looked at before the server is blamed.
        wait = min(max(0.2, min(deadline, self._watched.due) - loop.time()), max(0.0, self._paced.due - loop.time()))
        publication = await self._next(min(wait, _BACKFILL if self._record.filling else wait))
        now = loop.time()
        if publication is not None:
            await self._take(publication, now)
        elif self._publisher.idle and now >= deadline:
            late = [subscription for subscription in self._subscriptions.values() if now >= subscription.deadline]
            await self._rebuild(late, "has been silent beyond its keep-alive")
        await self._record.look(now)
        self._ready += self._record.take()
        self._ready += await self._paced.read(now)
        self._ready += await self._watched.look(now)
        if now >= self._again_at:
            self._again_at = now + AGAIN
            await self._again()
        self._record.came(min((each.last for each in self._subscriptions.values()), default=now), self._paced.last)

    async def _next(self, wait: float) -> Publication | None:
        if self._subscriptions:
            return await self._publisher.next(wait)
        await asyncio.sleep(wait)
        return None

    async def _again(self) -> None:
        """Offer the server again what it had no room for."""
        if self._server.reads:
            return
        for group in self._paced.groups:
            await self._offer(group)
        self._begun()

    async def _rebuild(self, lost: list[Subscription], why: str) -> None:
        """Make subscriptions anew on the same session, and fill the time in between.

        Raises:
            NotConnected, Timeout: that does not help.
        """
        now = asyncio.get_running_loop().time()
        if any(now - subscription.rebuilt < STEADY for subscription in lost):
            raise NotConnected(f"{self._channel.url} {why}", "check the server; it is connected anew")
        try:
            async with asyncio.timeout(4 * self._settings.wait):
                if len(lost) == len(self._subscriptions):
                    await self._publisher.stop()
                for subscription in lost:
                    self._subscriptions.pop(subscription.id, None)
                    with suppress(Refused):  # it has forgotten it already
                        await subscription.delete()
                for subscription in lost:
                    items, last = self._watched.of(subscription), subscription.last
                    for item in items:
                        item.monitored = 0
                    await self._create(subscription, items)
                    subscription.rebuilt = now
                    self._record.missed(subscription.group.name, [item.target for item in items], last)
        except TimeoutError as error:
            raise Timeout(f"{self._channel.url} {why}, and does not answer", "check that the server runs") from error
        self._server.notes["subscriptions"] = f"one was made anew: the server {why}"
        self._begun()

    async def _take(self, publication: Publication, now: float) -> None:
        subscription = self._subscriptions.get(publication.subscription)
        if subscription is None:
            return
        last = subscription.last
        subscription.heard(now)
        columns = Columns()
        missed = subscription.missed(publication.sequence, keep_alive=publication.keep_alive)
        whole = subscription.again(missed) == missed
        for sequence in subscription.again(missed):
            again = await self._publisher.republish(subscription.id, sequence)
            if again is None:
                whole = False
            else:
                self._watched.take(again, now, columns)
        self._watched.take(publication, now, columns)
        self._ready += columns.batches(subscription.group.name, self._server.clock())
        if publication.ended is not None:
            subscription.last = last
            await self._rebuild([subscription], f"ended a subscription: {code_name(publication.ended)}")
        elif not whole and subscription.read_instead(now):
            items = self._watched.of(subscription)
            self._server.notes["notifications"] = "some were lost on the way; what was to be told was read instead"
            self._ready += await self._watched.read(items)
            self._record.missed(subscription.group.name, [item.target for item in items], last)

"""The stream of batches of one session: values at once, then notifications, and an eye on every node's silence."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, StatusCode
from shoptwin_opcua.book import GONE, Book
from shoptwin_opcua.columns import Columns, Places
from shoptwin_opcua.nodes import of_address
from shoptwin_opcua.publisher import Publisher
from shoptwin_opcua.resolve import add_rates, resolve
from shoptwin_opcua.services import ask_namespaces, read, value_of
from shoptwin_opcua.subscription import Item, Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from shoptwin.sdk import Group, SampleBatch
    from shoptwin_opcua.channel import Channel
    from shoptwin_opcua.publication import Publication
    from shoptwin_opcua.services import Server
    from shoptwin_opcua.settings import Settings


class Feed:
    """An async iterator of batches; ends by raising NotConnected or Timeout, never silently."""

    def __init__(self, channel: Channel, server: Server, settings: Settings, groups: Sequence[Group]) -> None:
        self._channel = channel
        self._server = server
        self._settings = settings
        self._groups = [group for group in groups if group.points]
        self._subscriptions: dict[int, Subscription] = {}
        self._items: list[Item] = []
        """By client handle."""
        self._book = Book()
        self._places = Places(())
        self._publisher = Publisher(channel)
        self._ready: deque[SampleBatch] = deque()
        self._started = False
        self._refresh_every = settings.seconds("refresh") or 60.0
        self._refresh_at = 0.0

    @property
    def path(self) -> str:
        """How notifications are decoded: `fast`, or `plain` and why; empty before the first."""
        return self._publisher.path

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SampleBatch:
        if not self._started:
            self._started = True
            await self._start()
        while not self._ready:
            await self._more()
        return self._ready.popleft()

    async def stop(self) -> None:
        """Ask the server for nothing more. Never raises."""
        await self._publisher.stop()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        for group in self._groups:
            subscription = Subscription(self._channel, self._server, self._settings, group)
            targets = await resolve(self._channel, self._server, group.points)
            items = [Item(len(self._items) + i, subscription, target, self._book) for i, target in enumerate(targets)]
            self._items += items
            self._book.grow(len(self._items))
            # Read first and watch then: so no value that came in between is lost, and none comes before an older one.
            await self._read(items)
            await subscription.create(loop.time())
            self._subscriptions[subscription.id] = subscription
            await subscription.watch([item for item in items if item.present])
        self._places = Places(item.target for item in self._items)
        self._refresh_at = loop.time() + self._refresh_every
        if self._subscriptions:
            self._publisher.start(len(self._subscriptions))

    async def _more(self) -> None:
        """Wait for one answer of the server, or until something is due."""
        loop = asyncio.get_running_loop()
        if not self._subscriptions:
            await asyncio.Event().wait()
        deadline = min(subscription.deadline for subscription in self._subscriptions.values())
        # However late we are ourselves, what lies in the socket already is looked at before the server is blamed.
        wait = max(0.2, min(deadline, self._refresh_at) - loop.time())
        publication = await self._publisher.next(wait)
        now = loop.time()
        if publication is not None:
            self._take(publication, now)
        elif now >= deadline:
            raise NotConnected(
                f"{self._channel.url} has been silent beyond its keep-alive", "check the server; it is connected anew"
            )
        if now >= self._refresh_at:
            self._refresh_at = now + self._refresh_every
            await self._refresh(now)

    def _take(self, publication: Publication, now: float) -> None:
        subscription = self._subscriptions.get(publication.subscription)
        if subscription is None:
            return
        subscription.heard(now)
        if publication.ended is not None:
            raise NotConnected(f"{self._channel.url} ended a subscription", "it is subscribed to anew")
        columns = Columns()
        for values in publication.values:
            columns.extend(self._places, values, self._book.take(values, now))
        self._ready += columns.batches(subscription.group.name)

    async def _refresh(self, now: float) -> None:
        """Read what has been silent, so that a node that vanished without a word is found; watch what came back."""
        silent = [i for i in self._items if not i.present or now - i.heard >= self._refresh_every]
        if not silent:
            return
        gone = [item for item in silent if not item.present]
        if gone:
            # The server watches what was there before, even if a node of that name is back: it is watched anew.
            await self._forget(gone)
            await self._look_anew(gone)
        before = [(item, item.last) for item in silent if item.monitored]
        await self._read(silent)
        await self._forget([item for item, last in before if not item.present or item.unnoticed(last)])
        for subscription in self._subscriptions.values():
            mine = [item for item in silent if item.subscription is subscription]
            await subscription.watch([item for item in mine if item.present and not item.monitored])

    async def _forget(self, items: list[Item]) -> None:
        for subscription in self._subscriptions.values():
            await subscription.forget([item for item in items if item.subscription is subscription])

    async def _look_anew(self, items: list[Item]) -> None:
        """Look up namespaces and sampling rates again: the server may have come up half-built."""
        self._server.namespaces = await ask_namespaces(self._channel)
        for item in items:
            item.target.node = of_address(item.target.address, self._server.namespaces)
        await add_rates(self._channel, self._server, [item.target for item in items])

    async def _read(self, items: list[Item]) -> None:
        """Read items' values, hand them over, and note which are there."""
        asked = [item for item in items if item.target.node is not None]
        nodes = [item.target.node for item in asked if item.target.node is not None]
        rows = await read(self._channel, self._server.limits, [value_of(node) for node in nodes])
        columns: dict[str, Columns] = {}
        for item in items:
            if item.target.node is None:
                item.present = False
                columns.setdefault(item.subscription.group.name, Columns()).bad(
                    item.target.tag, StatusCode.BAD_NODE_ID_UNKNOWN
                )
        for item, row in zip(asked, rows, strict=True):
            item.present = row.status not in GONE
            item.learned(row)
            columns.setdefault(item.subscription.group.name, Columns()).add(
                item.target.tag, item.target.wish, item.target.rate, row
            )
        for group, collected in columns.items():
            self._ready += collected.batches(group)

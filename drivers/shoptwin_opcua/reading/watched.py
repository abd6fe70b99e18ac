"""The nodes that are watched: read at first, read again where they are silent, and looked for where they are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shoptwin.sdk import Hole, StatusCode
from shoptwin_opcua.errors import TOO_MUCH
from shoptwin_opcua.reading.book import GONE, Book
from shoptwin_opcua.reading.columns import Columns, Places
from shoptwin_opcua.reading.subscription import Item
from shoptwin_opcua.space.resolve import add_layouts, add_rates
from shoptwin_opcua.space.services import ask_namespaces, read, value_of
from shoptwin_opcua.wire.decode import ARRAY, BAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from shoptwin.sdk import SampleBatch
    from shoptwin_opcua.reading.subscription import Subscription
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.resolve import Target
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.publication import Publication

_OVERFLOW = np.uint32(0x0480)
"""The InfoType of a DataValue, and its bit for an overflow."""
SOON = 1.0
"""Seconds after which a node that has gone is looked for; then twice as many each time, up to `refresh`."""


class Watched:
    """Items by their client handle. Times are the loop's, in seconds."""

    def __init__(self, channel: Channel, server: Server, every: float) -> None:
        """`every`: seconds between two looks at what is silent, and the most between two at what is gone."""
        self._channel, self._server, self._every = channel, server, every
        self._items: list[Item] = []
        self._book = Book()
        self._places = Places(())
        self._silent_at = 0.0
        self._dropped = 0
        self._unrated = False
        """Whether an array came whose sampling rate the server had not told, or not yet."""
        self._gone_at, self._patience, self._gone = 0.0, min(SOON, every), 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._items)

    @property
    def due(self) -> float:
        """When `look` has something to do."""
        return min(self._silent_at, self._gone_at) if self._gone or self._doubtful else self._silent_at

    @property
    def _doubtful(self) -> bool:
        """Whether values came that cannot be used for want of what the server may yet tell: of a half-built one."""
        return self._unrated or bool(self._server.unlearned)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What the server does not let us watch, or has not."""
        missing = np.flatnonzero(~self._book.lines["present"][: len(self._items)])
        return tuple(_hole(self._items[handle]) for handle in missing.tolist())

    def add(self, subscription: Subscription, targets: Iterable[Target]) -> list[Item]:
        """Take up nodes of a subscription."""
        first = len(self._items)
        self._items += [Item(first + i, subscription, target, self._book) for i, target in enumerate(targets)]
        self._book.grow(len(self._items))
        return self._items[first:]

    def drop(self, first: int) -> list[Item]:
        """Forget those from this handle on, and return them."""
        gone, self._items = self._items[first:], self._items[:first]
        return gone

    def of(self, subscription: Subscription) -> list[Item]:
        """Return those of a subscription."""
        return [item for item in self._items if item.subscription is subscription]

    def begun(self, now: float) -> None:
        """Take note that all that were added have been read and are watched, as far as they are there."""
        self._places = Places(item.target for item in self._items)
        self._silent_at = now + self._every
        self._count_gone(now)

    def take(self, publication: Publication, now: float, columns: Columns) -> None:
        """Take in notifications."""
        for values in publication.values:
            columns.extend(self._places, values, self._book.take(values, now))
            self._unrated |= columns.unrated
            if overflown := sum(int(np.count_nonzero(_overflown(block.status))) for block in values.blocks):
                self._dropped += overflown
                self._server.notes["overflow"] = (
                    f"{self._dropped} times values were dropped at the server, as a queue was full: raise queue"
                )

    async def read(self, items: Sequence[Item]) -> list[SampleBatch]:
        """Read items' values, and note which are there. Raises NotConnected, Timeout."""
        asked = [item for item in items if item.target.node is not None]
        nodes = [item.target.node for item in asked if item.target.node is not None]
        rows = await read(self._channel, self._server.limits, [value_of(node) for node in nodes])
        columns: dict[str, Columns] = {}
        for item in items:
            if item.target.node is None:
                item.present = False
                columns.setdefault(item.subscription.group.name, Columns()).lost(item.target, item.target.missing)
        for item, row in zip(asked, rows, strict=True):
            item.present = row.status not in GONE | TOO_MUCH  # what is too large to be read is so to be sent
            item.learned(row)
            columns.setdefault(item.subscription.group.name, Columns()).put(item.target, row)
        self._unrated |= any(collected.unrated for collected in columns.values())
        return [
            batch for group, collected in columns.items() for batch in collected.batches(group, self._server.clock())
        ]

    async def look(self, now: float) -> list[SampleBatch]:
        """Read what has been silent, so that a node that vanished without a word is found; watch what came back.

        Raises:
            NotConnected, Timeout: the server cannot be asked.
        """
        if now < self.due:
            return []
        silent: list[Item] = []
        if now >= self._silent_at:
            self._silent_at = now + self._every
            silent = [item for item in self._items if item.present and now - item.heard >= self._every]
        silent = list(dict.fromkeys(silent + await self._learn()))
        gone = [item for item in self._items if not item.present] if self._gone else []
        batches = await self._look_at(silent, gone) if silent or gone else []
        self._count_gone(now)
        return batches

    async def _look_at(self, silent: list[Item], gone: list[Item]) -> list[SampleBatch]:
        if gone:
            # The server watches what was there before, even if a node of that name is back: it is watched anew.
            await _forget(gone)
            await self._look_up(gone)
        looked = silent + gone
        before = [(item, item.last) for item in looked if item.monitored]
        batches = await self.read(looked)
        await _forget([item for item, last in before if not item.present or item.unnoticed(last)])
        for subscription, items in _by_subscription(looked):
            await subscription.watch([item for item in items if item.present and not item.monitored])
        return batches

    async def _learn(self) -> list[Item]:
        """Where rates or layouts were not known, ask for them; return what is to be read again."""
        if not self._doubtful:
            return []
        self._unrated = False
        asked = [item for item in self._items if item.present and (item.target.parted or _unrated(item))]
        await self._ask([item.target for item in asked])
        return asked

    async def _look_up(self, items: list[Item]) -> None:
        """Look up namespaces, sampling rates and layouts again: the server may have come up half-built."""
        self._server.namespaces = await ask_namespaces(self._channel) or self._server.namespaces
        for item in items:
            item.target.find(self._server)
        await self._ask([item.target for item in items])

    async def _ask(self, targets: Sequence[Target]) -> None:
        await add_rates(self._channel, self._server, targets)
        await add_layouts(self._channel, self._server, targets)

    def _count_gone(self, now: float) -> None:
        """Settle when to look for what is gone: soon where more have gone than before, else later and later."""
        lines = self._book.lines["present"][: len(self._items)]
        gone = len(lines) - int(np.count_nonzero(lines)) + self._doubtful
        self._patience = min(SOON, self._every) if gone != self._gone else min(2 * self._patience, self._every)
        self._gone, self._gone_at = gone, now + self._patience


def _overflown(status: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Tell which values say that others before them were dropped from their queue (Part 4, 7.39.1: InfoBits)."""
    full: NDArray[np.bool_] = status & _OVERFLOW == _OVERFLOW
    return full


async def _forget(items: list[Item]) -> None:
    for subscription, mine in _by_subscription(items):
        await subscription.forget(mine)


def _by_subscription(items: Iterable[Item]) -> Iterable[tuple[Subscription, list[Item]]]:
    found: dict[int, tuple[Subscription, list[Item]]] = {}
    for item in items:
        found.setdefault(id(item.subscription), (item.subscription, []))[1].append(item)
    return found.values()


def _unrated(item: Item) -> bool:
    """Tell whether an array came of it, and no sampling rate."""
    last = item.last
    return item.target.rate is None and last is not None and bool(last.type & ARRAY)


def _hole(item: Item) -> Hole:
    last = item.last
    status = item.target.missing if item.target.node is None else last.status if last is not None else 0
    return Hole(str(item.target.address), int(status if status >= BAD else StatusCode.BAD_NODE_ID_UNKNOWN))

"""The stream of batches of one session: what messages say of tags, and what their silence says."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter, deque
from itertools import count
from typing import TYPE_CHECKING, Any

from shoptwin.sdk import Hole, StatusCode
from shoptwin_mqtt import pointer, rows
from shoptwin_mqtt.address import MetricAddress, TopicAddress
from shoptwin_mqtt.edge import CERTIFICATES, NAMESPACE, EdgeNode
from shoptwin_mqtt.protobuf import MalformedError
from shoptwin_mqtt.rows import Row, Want
from shoptwin_mqtt.values import UnreadableError, Wish, bad, document, time_at, value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from shoptwin.sdk import Group, SampleBatch
    from shoptwin_mqtt.pointer import Pointer
    from shoptwin_mqtt.session import Message, Session
    from shoptwin_mqtt.settings import Settings

_PERIODS = 3
"""Of a tag that may pass in silence, whatever `stale` says: a sensor that reports each hour is not stale after five
minutes."""


class Feed:
    """An async iterator of batches; ends by raising NotConnected, never silently."""

    def __init__(self, session: Session, settings: Settings, groups: Sequence[Group]) -> None:
        self.subscriptions = 0
        self.garbled = 0
        """Messages that could not be decoded."""
        self.silences = 0
        """How often a tag was silent for too long."""
        self.troubles: Counter[str] = Counter()
        self.holes: tuple[Hole, ...] = ()
        self._session = session
        self._settings = settings
        self._time = pointer.parse(settings.time_field) or None
        self._topics: dict[str, list[tuple[TopicAddress, Want]]] = {}
        self._nodes: dict[tuple[str, str], EdgeNode] = {}
        self._wants: list[Want] = []
        self._clock: list[tuple[float, int, Want]] = []
        """A heap of what is to be looked at when."""
        self._turn = count()
        self._ready: deque[SampleBatch] = deque()
        self._started = False
        for group in groups:
            self._plan(group)

    def _plan(self, group: Group) -> None:
        stale = max(self._settings.seconds("stale"), _PERIODS * group.period / 1e9)
        for point in group.points:
            want = Want(point.tag, group.name, Wish(point.kind, point.rate), stale)
            self._wants.append(want)
            address = point.address
            if isinstance(address, MetricAddress):
                node = self._nodes.setdefault((address.group, address.node), EdgeNode(address.group, address.node))
                node.want(address.device, address.metric, want)
            else:
                self._topics.setdefault(address.topic, []).append((address, want))

    def alive(self) -> dict[str, bool]:
        """Return which Sparkplug nodes and devices are alive, by their names."""
        return {name: alive for node in self._nodes.values() for name, alive in node.alive().items()}

    def counted(self) -> dict[str, int]:
        """Return how often what was odd."""
        return dict(sum((node.troubles for node in self._nodes.values()), self.troubles))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SampleBatch:
        if not self._started:
            self._started = True
            await self._start()
        while not self._ready:
            due = self._clock[0][0] if self._clock else None
            now = asyncio.get_running_loop().time()
            messages = await self._session.messages(None if due is None else max(0.0, due - now))
            self._ready += rows.batches(self._take(messages))
        return self._ready.popleft()

    async def _start(self) -> None:
        begun = asyncio.get_running_loop().time()
        first = self._settings.seconds("first")
        for want in self._wants:
            self._expect(want, begun + first)
        nodes = {topic: node for node in self._nodes.values() for topic in node.filters()}
        topics = [*self._topics, *nodes]
        self.subscriptions = len(topics)
        refusals = await self._session.subscribe(topics)
        refused: list[Row] = []
        for topic, code in refusals.items():
            self.troubles[f"0x{code:02X}"] += 1
            if topic in self._topics:
                refused += self._refused([want for _, want in self._topics[topic]])
            elif not topic.startswith(CERTIFICATES):  # most brokers keep none, and some hide what begins with $
                refused += self._refused(nodes[topic].wants())
        kept = [topic for topic in refusals if not topic.startswith(CERTIFICATES)]
        self.holes = tuple(Hole(topic, int(StatusCode.BAD_NOT_READABLE)) for topic in kept)
        self._ready += rows.batches(refused)

    def _refused(self, wants: Iterable[Want]) -> list[Row]:
        hidden = bad(StatusCode.BAD_NOT_READABLE)
        found = []
        for want in wants:
            want.deadline = float("inf")
            found.append(Row(want, hidden))
        return found

    def _take(self, messages: Iterable[Message]) -> Iterable[Row]:
        now = asyncio.get_running_loop().time()
        wall = time.time_ns()
        for message in messages:
            for row in self._rows(message):
                yield self._noted(row, message, now, wall)
        yield from self._silent(now)

    def _rows(self, message: Message) -> list[Row]:
        """Decode one message, once for all its tags."""
        if len(message.payload) > self._settings.max_payload:
            self.garbled += 1
            return [Row(want, bad(StatusCode.BAD_DECODING_ERROR)) for _, want in self._topics.get(message.topic, ())]
        found = self._sparkplug(message) if self._nodes else []
        wanted = self._topics.get(message.topic)
        return [*found, *self._plain(message, wanted)] if wanted is not None else found

    def _plain(self, message: Message, wanted: list[tuple[TopicAddress, Want]]) -> list[Row]:
        try:
            found = document(message.payload)
        except UnreadableError:
            self.garbled += 1
            return [Row(want, bad(StatusCode.BAD_DECODING_ERROR)) for _, want in wanted]
        told = []
        for address, want in wanted:
            if self._settings.partial and _leaves_out(found, address.pointer):
                continue
            value = value_at(found, address.pointer, want.wish)
            told.append(Row(want, value, time_at(found, address.time or self._time)))
        return told

    def _sparkplug(self, message: Message) -> list[Row]:
        kept = message.topic.startswith(CERTIFICATES)
        parts = message.topic.removeprefix(CERTIFICATES).split("/", 4)
        if len(parts) < 4 or parts[0] != NAMESPACE:  # noqa: PLR2004 - namespace, group, kind, node
            return []
        node = self._nodes.get((parts[1], parts[3]))
        if node is None:
            return []
        device = parts[4] if len(parts) > 4 else ""  # noqa: PLR2004 - a device's own
        try:
            if not kept:
                return node.take(parts[2], device, message.payload, retained=message.retained)
            return node.certificate(device, message.payload) if message.retained else []
        except MalformedError:
            self.garbled += 1
            return []

    def _noted(self, row: Row, message: Message, now: float, wall: int) -> Row:
        """Note that a tag has been heard of; return what is said of it, less sure where nobody knows since when."""
        want, value = row.want, row.value
        if row.past:
            return row
        age = max(0, wall - row.time) / 1e9 if message.retained and row.time else 0.0
        want.heard = True
        if value.status == StatusCode.BAD_NOT_CONNECTED:
            want.deadline = float("inf")  # dead, which is more than silent
            return row
        self._expect(want, now + want.stale - age)
        if message.retained and value.status == StatusCode.GOOD and (not row.time or age > want.stale):
            return row._replace(value=value._replace(status=StatusCode.UNCERTAIN_LAST_USABLE_VALUE))
        return row

    def _expect(self, want: Want, deadline: float) -> None:
        """Let a tag be silent until then; the heap holds it once, and again only where that is earlier."""
        want.deadline = deadline
        if deadline < want.due:
            want.due = deadline
            heapq.heappush(self._clock, (deadline, next(self._turn), want))

    def _silent(self, now: float) -> Iterable[Row]:
        """Say of tags that have been silent for too long that there is no value any more."""
        while self._clock and self._clock[0][0] <= now:
            due, _, want = heapq.heappop(self._clock)
            if due != want.due:
                continue  # it was brought forward
            want.due = float("inf")
            if want.deadline > now:
                if want.deadline != float("inf"):
                    self._expect(want, want.deadline)
                continue
            want.deadline = float("inf")
            self.silences += want.heard
            yield Row(want, bad(StatusCode.BAD_TIMEOUT if want.heard else StatusCode.BAD_WAITING_FOR_INITIAL_DATA))


def _leaves_out(found: Any, place: Pointer) -> bool:  # noqa: ANN401 - whatever JSON can hold
    """Tell whether a payload says nothing at all of a place."""
    return isinstance(found, dict | list) and pointer.resolve(found, place) is pointer.NOTHING

"""The stream of batches of one session: what messages say of tags, and what their silence says."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from time import time_ns
from typing import TYPE_CHECKING, Any

from shoptwin.sdk import Hole, StatusCode, ValueKind
from shoptwin_mqtt import pointer, rows
from shoptwin_mqtt.address import MetricAddress, TopicAddress
from shoptwin_mqtt.edge import CERTIFICATES, EdgeNode, origin
from shoptwin_mqtt.protobuf import MalformedError
from shoptwin_mqtt.rows import Row, Want
from shoptwin_mqtt.silence import NEVER, Silence
from shoptwin_mqtt.sparkplug import decoding
from shoptwin_mqtt.times import judged
from shoptwin_mqtt.turns import Turns, in_turns
from shoptwin_mqtt.values import UnreadableError, Wish, bad, document, time_at, value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from shoptwin.sdk import Group, SampleBatch
    from shoptwin_mqtt.pointer import Pointer
    from shoptwin_mqtt.session import Message, Session
    from shoptwin_mqtt.settings import Settings
    from shoptwin_mqtt.sparkplug import Payload

_PERIODS = 3
"""Of a tag that may pass in silence, whatever `stale` says: a sensor that reports each hour is not stale after five
minutes."""

_FINAL = frozenset({StatusCode.BAD_NOT_CONNECTED, StatusCode.BAD_NODE_ID_UNKNOWN})
"""What is dead, or not there, which is more than silent: it is so until a birth says otherwise."""


class Feed:
    """An async iterator of batches; ends by raising NotConnected, never silently."""

    def __init__(self, session: Session, settings: Settings, groups: Sequence[Group]) -> None:
        self.subscriptions = 0
        self.garbled = 0
        """Messages that could not be decoded."""
        self.troubles: Counter[str] = Counter()
        self.holes: tuple[Hole, ...] = ()
        self._session = session
        self._settings = settings
        self._time = pointer.parse(settings.time_field) or None
        self._topics: dict[str, list[tuple[TopicAddress, Want]]] = {}
        self._nodes: dict[tuple[str, str], EdgeNode] = {}
        self._asked: dict[str, EdgeNode] = {}
        """Topics of nodes that were asked for."""
        self._wants: list[Want] = []
        self._silence = Silence()
        self._messages: deque[Message] = deque()
        """What has been taken and not been decoded yet."""
        self._told: list[Row] = []
        """What has been decoded and not been put into batches yet."""
        self._ready: deque[SampleBatch] = deque()
        self._turns = Turns()
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

    @property
    def silences(self) -> int:
        """How often a tag was silent for too long."""
        return self._silence.told

    def counted(self) -> dict[str, int]:
        """Return how often what was odd."""
        return dict(sum((node.troubles for node in self._nodes.values()), self.troubles))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SampleBatch:
        if not self._started:
            self._started = True
            self._start()
        while not self._ready:
            await self._hear()
        return self._ready.popleft()

    def _start(self) -> None:
        begun = asyncio.get_running_loop().time()
        first = self._settings.seconds("first")
        for want in self._wants:
            self._silence.expect(want, begun + first)
        self._asked = {topic: node for node in self._nodes.values() for topic in node.filters()}
        topics = [*self._topics, *self._asked]
        self.subscriptions = len(topics)
        self._session.subscribe(topics)

    async def _hear(self) -> None:
        """Take some messages and decode them; one that is cut short goes on where it was when it is called again."""
        loop = asyncio.get_running_loop()
        if not self._messages:
            due = self._silence.next
            self._messages += await self._session.messages(None if due is None else max(0.0, due - loop.time()))
        while self._messages:
            payload = await self._payload(self._messages[0])
            message, now, wall = self._messages.popleft(), loop.time(), time_ns()
            self._told += [self._noted(row, message, now, wall) for row in self._rows(message, payload, now)]
        self._told += self._refused(self._session.refusals())
        self._told += self._silence.rows(loop.time())
        told, self._told = self._told, []
        self._ready += rows.batches(told)

    def _refused(self, refusals: dict[str, int]) -> Iterable[Row]:
        """Say of tags whose topic the broker does not give us that they cannot be read."""
        for topic, code in refusals.items():
            self.troubles[f"0x{code:02X}"] += 1
            if not topic.startswith(CERTIFICATES):
                self.holes += (Hole(topic, int(StatusCode.BAD_NOT_READABLE)),)
            hidden = [want for _, want in self._topics.get(topic, ())]
            if (node := self._asked.get(topic)) is not None:
                hidden += node.refused(topic)
            for want in hidden:
                want.deadline = NEVER
                yield Row(want, bad(StatusCode.BAD_NOT_READABLE))

    async def _payload(self, message: Message) -> Payload | None:
        """Decode what a Sparkplug node says; None where it is none of ours, or cannot be decoded."""
        await self._turns.work(len(message.payload))
        said = origin(message.topic)
        node = self._nodes.get((said.group, said.node)) if said else None
        if node is None or said is None or len(message.payload) > self._settings.max_payload:
            return None
        try:
            return await in_turns(decoding(message.payload, metrics=said.device in node.parts))
        except MalformedError:
            self.garbled += 1
            return None

    def _rows(self, message: Message, payload: Payload | None, now: float) -> list[Row]:
        """Return what a message says; it is decoded once for all its tags."""
        wanted = self._topics.get(message.topic, [])
        if len(message.payload) > self._settings.max_payload:
            self.garbled += 1
            return [Row(want, bad(StatusCode.BAD_DECODING_ERROR)) for _, want in wanted]
        found = self._sparkplug(message, payload, now) if payload else []
        return [*found, *self._plain(message, wanted)] if wanted else found

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

    def _sparkplug(self, message: Message, payload: Payload, now: float) -> list[Row]:
        said = origin(message.topic)
        if said is None:
            return []
        node = self._nodes[said.group, said.node]
        if said.kept:
            return node.certificate(said.device, payload) if message.retained else []
        return node.take(said.kind, said.device, payload, retained=message.retained, now=now)

    def _noted(self, told: Row, message: Message, now: float, wall: int) -> Row:
        """Note that a tag has been heard of; return what is said of it, less sure where its time cannot be trusted."""
        want, retained = told.want, message.retained
        row = judged(told, wall, retained=retained, stale=want.stale)
        if row.past:
            return row
        value = row.value
        want.heard = True
        want.last = value if value.kind is not ValueKind.WAVEFORM else None
        want.sure = value.status == StatusCode.GOOD and not retained
        if value.status in _FINAL:
            want.deadline, want.last = NEVER, None
        else:
            age = max(0, wall - row.time) / 1e9 if retained and row.time else 0.0
            self._silence.expect(want, now + want.stale - age)
        return row


def _leaves_out(found: Any, place: Pointer) -> bool:  # noqa: ANN401 - whatever JSON can hold
    """Tell whether a payload says nothing at all of a place."""
    return isinstance(found, dict | list) and pointer.resolve(found, place) is pointer.NOTHING

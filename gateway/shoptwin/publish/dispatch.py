"""Which message goes next: pure bookkeeping between the outbox and the broker, without a socket and without a clock.

Messages leave in the order of the outbox, several at a time. Where the broker refuses one, its topic waits: all later
messages of that topic are held back, even those already under way, while the other topics go on. After a while the
refused message is tried again alone; once it is taken, its topic goes on from there, in order. What is held back is
not kept in memory: the outbox is read again from that message on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shoptwin.domain.message import OutboxMessage

    Source = Callable[[int, int], Sequence[tuple[int, OutboxMessage]]]

_PAGE = 100
_PAGES = 4
"""How much of the outbox is passed over in one go where a refused topic's backlog lies: the loop has other work."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message under way. `seq` is its place in the outbox; None for a state or status, which are not in it."""

    message: OutboxMessage
    seq: int | None
    at: float = 0.0
    void: bool = False
    """Its topic was refused after it had left: whatever becomes of it, it will be sent again."""


@dataclass(slots=True, eq=False)
class Refusal:
    """A topic that the broker refuses; `head` is the message to try again. Times are seconds of a monotonic clock."""

    head: Outgoing
    reason: str
    retry_at: float
    trying: bool = False


@dataclass(slots=True)
class Dispatcher:
    """`source(after, limit)` reads the outbox. `window` is how many messages may be under way at a time."""

    source: Source
    window: int = 20
    retry: float = 60.0
    """Seconds until a refused message is tried again."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    """By topic."""
    more: bool = False
    """`next` returned None only because it had passed over enough for once: ask again soon."""
    _inflight: dict[int, Outgoing] = field(default_factory=dict)
    _sending: set[int] = field(default_factory=set)
    _done: dict[int, None] = field(default_factory=dict)
    _queue: deque[tuple[int, OutboxMessage]] = field(default_factory=deque)
    _cursor: int = 0
    _latest: dict[str, OutboxMessage] = field(default_factory=dict)
    _stale: dict[str, None] = field(default_factory=dict)
    _flying: set[str] = field(default_factory=set)

    def connected(self, window: int, first: str = "") -> None:
        """Begin anew on a new connection: everything that was not acknowledged is sent, topic `first` before all."""
        self.window = window
        self.refused.clear()
        self._inflight.clear()
        self._sending.clear()
        self._flying.clear()
        self._queue.clear()
        self._cursor = 0
        self._stale = dict.fromkeys((first, *self._latest) if first in self._latest else self._latest)

    def latest(self, message: OutboxMessage) -> None:
        """Keep the newest of a topic; an empty payload takes it back, and is forgotten once the broker has it."""
        topic = message.topic
        self._latest[topic] = message
        if topic not in self._flying and topic not in self.refused:
            self._stale[topic] = None

    def next(self, now: float) -> Outgoing | None:
        """Return what is to be sent now, or None: nothing waits, or enough is under way. Tell its fate by `sent`."""
        if len(self._inflight) >= self.window:
            return None
        return self._retried(now) or self._newest() or self._oldest()

    def sent(self, mid: int, outgoing: Outgoing, now: float) -> None:
        """Remember that a message has left under the packet identifier `mid`."""
        outgoing.at = now
        self._inflight[mid] = outgoing
        if outgoing.seq is None:
            self._flying.add(outgoing.message.topic)
        else:
            self._sending.add(outgoing.seq)

    def acknowledge(self, mid: int) -> None:
        """The broker has taken the message."""
        outgoing = self._landed(mid)
        if outgoing is None:
            return
        topic = outgoing.message.topic
        was_refused = self.refused.pop(topic, None)
        if outgoing.seq is not None:
            self._done[outgoing.seq] = None
            if was_refused:
                self._rewind(outgoing.seq)
        newest = self._latest.get(topic)
        if newest is outgoing.message:
            if not newest.payload:
                del self._latest[topic]
        elif newest is not None and (outgoing.seq is None or was_refused):
            self._stale[topic] = None

    def refuse(self, mid: int, reason: str, now: float) -> str | None:
        """The broker refuses the message; return the topic if that is news."""
        outgoing = self._landed(mid)
        if outgoing is None:
            return None
        topic = outgoing.message.topic
        known = topic in self.refused
        self.refused[topic] = Refusal(outgoing, reason, now + self.retry)
        self._stale.pop(topic, None)
        for other in self._inflight.values():
            if other.message.topic == topic:
                other.void = True
                self._forget(other)
        return None if known else topic

    def done(self, limit: int = 500) -> list[int]:
        """Return places in the outbox that may be deleted; they stay here until `deleted`."""
        return [seq for seq, _ in zip(self._done, range(limit), strict=False)]

    def deleted(self, seqs: Sequence[int]) -> None:
        """Forget what is no longer in the outbox."""
        for seq in seqs:
            self._done.pop(seq, None)

    def knows(self, topic: str) -> bool:
        """Whether a latest message of this topic was given."""
        return topic in self._latest

    def waiting(self, message: OutboxMessage) -> bool:
        """Whether this latest message has yet to be sent and acknowledged."""
        topic = message.topic
        return self._latest.get(topic) is message and (topic in self._stale or topic in self._flying)

    @property
    def inflight(self) -> int:
        """How many messages are under way."""
        return len(self._inflight)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, and nothing was left to send when it was last asked for."""
        return not self._inflight and not self._queue and not self._stale and not self.more

    @property
    def oldest(self) -> float | None:
        """When the message left that has been under way for longest."""
        return next((outgoing.at for outgoing in self._inflight.values()), None)

    @property
    def retry_at(self) -> float | None:
        """When the next refused topic is due to be tried again."""
        return min((r.retry_at for r in self.refused.values() if not r.trying), default=None)

    def _landed(self, mid: int) -> Outgoing | None:
        """Take a message out of those under way; None where its fate no longer matters."""
        outgoing = self._inflight.pop(mid, None)
        if outgoing is None or outgoing.void:
            return None
        self._forget(outgoing)
        return outgoing

    def _forget(self, outgoing: Outgoing) -> None:
        if outgoing.seq is None:
            self._flying.discard(outgoing.message.topic)
        else:
            self._sending.discard(outgoing.seq)

    def _retried(self, now: float) -> Outgoing | None:
        for topic, refusal in self.refused.items():
            if not refusal.trying and refusal.retry_at <= now:
                refusal.trying = True
                head = refusal.head
                return Outgoing(self._latest.get(topic, head.message) if head.seq is None else head.message, head.seq)
        return None

    def _newest(self) -> Outgoing | None:
        for topic in self._stale:
            del self._stale[topic]
            return Outgoing(self._latest[topic], None)
        return None

    def _oldest(self) -> Outgoing | None:
        self.more = False
        for _ in range(_PAGES):
            if not self._queue:
                self._queue.extend(self.source(self._cursor, _PAGE))
                if not self._queue:
                    return None
                self._cursor = self._queue[-1][0]
            while self._queue:
                seq, message = self._queue.popleft()
                if seq not in self._done and seq not in self._sending and message.topic not in self.refused:
                    return Outgoing(message, seq)
        self.more = True
        return None

    def _rewind(self, seq: int) -> None:
        """Read the outbox again from after `seq`, or from where the reading stands if that is earlier."""
        self._cursor = min(seq, self._queue[0][0] - 1 if self._queue else self._cursor)
        self._queue.clear()

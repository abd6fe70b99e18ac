"""The outbox: messages wait here, in order, until the broker has acknowledged them. Bounded; alarms are shed last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoptwin.domain.message import MessageClass, OutboxMessage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class OutboxBounds:
    """What the outbox may hold. A message a second a machine on 10 machines fills it in about two hours and a half."""

    messages: int = 100_000
    bytes: int = 64 << 20
    each_time: int = 100
    """How many go at a time, at least, so that a full outbox does not shed at every message."""


BOUNDS = OutboxBounds()
_SHED = """
INSERT INTO outbox_shed (kind, messages, bytes, time) VALUES (?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET
  messages = messages + excluded.messages, bytes = bytes + excluded.bytes, time = excluded.time
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What waits, and what had to be shed since the ledger began. Per class; classes without any are left out."""

    messages: int = 0
    bytes: int = 0
    oldest: int = 0
    """`time` of the first message that waits, 0 where none does."""
    waiting: dict[MessageClass, int] = field(default_factory=dict)
    shed: dict[MessageClass, int] = field(default_factory=dict)


def add_message(tx: sqlite3.Connection, m: OutboxMessage, bounds: OutboxBounds = BOUNDS) -> int:
    """Add a message and return its sequence number; sheds where the outbox is over its bounds.

    Whole classes are shed in the order of MessageClass, the oldest messages of a class first, this one not excepted.
    """
    cursor = tx.execute(
        "INSERT INTO outbox (id, topic, kind, key, payload, qos, retain, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (m.id, m.topic, m.kind.value, m.key, m.payload, m.qos, m.retain, m.time),
    )
    seq = cursor.lastrowid or 0
    messages, size = tx.execute("SELECT total(messages), total(bytes) FROM outbox_size").fetchone()
    if messages > bounds.messages or size > bounds.bytes:
        _shed(tx, int(messages) - bounds.messages, int(size) - bounds.bytes, bounds, m.time)
    return seq


def _shed(tx: sqlite3.Connection, messages: int, size: int, bounds: OutboxBounds, now: int) -> None:
    """Delete until `messages` and `size` (bytes) too many are gone, and some more of the same class."""
    for kind in MessageClass:
        rows = tx.execute("SELECT seq, length(payload) FROM outbox WHERE kind = ? ORDER BY seq", (kind.value,))
        gone: list[tuple[int]] = []
        before = size
        for seq, length in rows:
            if len(gone) >= messages and size <= 0 and (kind is MessageClass.ALARM or len(gone) >= bounds.each_time):
                break
            gone.append((seq,))
            size -= length
        rows.close()
        if gone:
            tx.executemany("DELETE FROM outbox WHERE seq = ?", gone)
            tx.execute(_SHED, (kind.value, len(gone), before - size, now))
            messages -= len(gone)
        if messages <= 0 and size <= 0:
            return


def pending(tx: sqlite3.Connection, after: int = 0, limit: int = 100) -> list[tuple[int, OutboxMessage]]:
    """Return the messages that wait with a sequence number above `after`, in order, at most `limit`."""
    rows = tx.execute(
        "SELECT seq, id, topic, kind, key, payload, qos, retain, time FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, limit),
    )
    return [
        (seq, OutboxMessage(id_, topic, MessageClass(kind), key, bytes(payload), qos, bool(retain), time))
        for seq, id_, topic, kind, key, payload, qos, retain, time in rows
    ]


def sent(tx: sqlite3.Connection, seqs: Iterable[int]) -> int:
    """Delete messages that the broker has acknowledged; return how many of them were still here."""
    return tx.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs]).rowcount


def counts(tx: sqlite3.Connection) -> Counts:
    """Return what waits and what was shed."""
    sizes = tx.execute("SELECT kind, messages, bytes FROM outbox_size WHERE messages > 0").fetchall()
    first = tx.execute("SELECT time FROM outbox ORDER BY seq LIMIT 1").fetchone()
    shed = tx.execute("SELECT kind, messages FROM outbox_shed").fetchall()
    return Counts(
        messages=sum(row[1] for row in sizes),
        bytes=sum(row[2] for row in sizes),
        oldest=first[0] if first else 0,
        waiting={MessageClass(kind): messages for kind, messages, _ in sizes},
        shed={MessageClass(kind): messages for kind, messages in shed},
    )

"""Messages on their way to the broker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MessageClass(StrEnum):
    """The classes of topics. When the outbox must shed, it sheds in this order: the alarms go last."""

    SUMMARY = "summary"
    STATE = "state"
    STATUS = "status"
    EVENT = "event"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message as the broker will get it. `key` orders: messages of one key leave in the order they were added."""

    id: str
    topic: str
    kind: MessageClass
    key: str
    payload: bytes
    qos: int
    retain: bool
    time: int
    """When what it tells happened, ns UTC."""

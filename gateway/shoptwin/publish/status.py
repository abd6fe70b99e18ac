"""How publishing goes, for `shoptwin status`, the metrics and the gateway's own status message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class PublisherStatus:
    """A moment's view. No secret is in it."""

    broker: str
    """`host:port`."""
    version: Literal["5", "3.1.1"]
    connected: bool = False
    since: int = 0
    """When it was connected or lost, ns UTC."""
    error: str = ""
    """Why it is not connected, and the cure."""
    sent: int = 0
    """Messages that the broker has taken since the start."""
    inflight: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """Topics that the broker refuses, with its reason; their messages wait in the outbox."""
    unverified: tuple[str, ...] = ()
    """MQTT 3.1.1 alone: topics of which it could not be proved that the broker takes them."""
    trouble: str = ""
    """What is wrong with the outbox itself."""

    def degraded(self) -> tuple[str, ...]:
        """Say in words what does not work as it should; nothing where all is well."""
        reasons = []
        if self.refused:
            topic, reason = next(iter(self.refused.items()))
            more = f" and {len(self.refused) - 1} more" if len(self.refused) > 1 else ""
            reasons.append(f"the broker refuses {topic}{more}: {reason}")
        if self.unverified:
            reasons.append(f"unverified (MQTT 3.1.1): whether the broker takes {', '.join(self.unverified[:3])}")
        if self.trouble:
            reasons.append(self.trouble)
        return tuple(reasons)

"""What is counted of the talk on one wire."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

TOOK = 256
"""Requests of which it is known how long they took."""


@dataclass(slots=True)
class Counters:
    """Counted since the wire was made; they only grow."""

    requests: int = 0
    """Frames sent."""
    bytes_sent: int = 0
    bytes_received: int = 0
    """All that came, whether it was of use or not."""
    timeouts: int = 0
    """Requests without a reply in time."""
    garbled: int = 0
    """What came and was not decoded: not asked for, damaged, of another unit, function, length or transaction."""
    held: float = 0.0
    """Seconds for which requests had the wire to themselves, or one of its places; silence owed to others left out."""
    took: deque[float] = field(default_factory=lambda: deque(maxlen=TOOK), compare=False)
    """Seconds from the sending of each of the last requests to its reply."""
    exceptions: dict[int, int] = field(default_factory=dict)
    """Refusals by exception code."""

    def refused(self, code: int) -> None:
        """Count a refusal."""
        self.exceptions[code] = self.exceptions.get(code, 0) + 1

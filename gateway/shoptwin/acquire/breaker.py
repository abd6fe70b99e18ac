"""Circuit breaker: a device that keeps failing is only probed, at growing intervals, until one success closes it."""

from __future__ import annotations

from enum import StrEnum

from shoptwin.runtime.backoff import Backoff


class BreakerState(StrEnum):
    """Closed: current flows. Open: the device is left alone between probes."""

    CLOSED = "closed"
    OPEN = "open"


class Breaker(Backoff):
    """A backoff that opens after `threshold` failures in a row: from there on its delays grow to `most` seconds."""

    def __init__(self, threshold: int = 3, first: float = 0.5, most: float = 60.0) -> None:
        super().__init__(first, most)
        self.threshold = threshold

    @property
    def state(self) -> BreakerState:
        """Whether the device is polled or only probed."""
        return BreakerState.OPEN if self.failures >= self.threshold else BreakerState.CLOSED

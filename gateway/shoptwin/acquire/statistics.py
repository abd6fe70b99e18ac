"""What is counted of one device, for `status` and metrics. Memory is bounded: the last polls, not all."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from shoptwin.domain.batch import SampleBatch

KEPT = 256


class Statistics:
    """Counters of one device since start; latencies and skew over the last 256 polls."""

    def __init__(self) -> None:
        self.polls = 0
        self.samples = 0
        self.bad = 0
        self.errors: dict[str, int] = {}
        self.missed = 0
        self._latency: deque[float] = deque(maxlen=KEPT)
        self._skew: deque[int] = deque(maxlen=KEPT)

    def poll(self, seconds: float) -> None:
        """Count one poll and its duration in real seconds."""
        self.polls += 1
        self._latency.append(seconds)

    def batch(self, batch: SampleBatch, now: int) -> None:
        """Count what came at `now`; where the device stamps its values, its skew can be estimated."""
        self.samples += len(batch)
        self.bad += int((batch.status >= np.uint32(0x8000_0000)).sum())
        stamped = batch.server_time if batch.server_time.any() else batch.source_time
        if len(stamped) and (newest := int(stamped.max())):
            self._skew.append(now - newest)

    def error(self, code: str) -> None:
        """Count a failure by its code."""
        self.errors[code] = self.errors.get(code, 0) + 1

    def report(self) -> dict[str, Any]:
        """Return the figures; latencies in milliseconds, skew in seconds (how far the device's clock is behind)."""
        latency = np.array(self._latency) * 1e3
        return {
            "polls": self.polls,
            "missed_polls": self.missed,
            "samples": self.samples,
            "bad_samples": self.bad,
            "errors": dict(self.errors),
            "latency_p50_ms": round(float(np.percentile(latency, 50)), 2) if len(latency) else None,
            "latency_p99_ms": round(float(np.percentile(latency, 99)), 2) if len(latency) else None,
            # The least of the differences is the one with the least of the network in it.
            "skew_s": round(min(self._skew) / 1e9, 3) if self._skew else None,
        }

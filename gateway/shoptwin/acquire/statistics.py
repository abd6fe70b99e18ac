"""What is counted of one device, for `status` and metrics. Memory is bounded: the last polls, not all."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from shoptwin.domain.batch import SampleBatch

KEPT = 256
RECENT = 60
"""Polls over which it is judged whether a device keeps its period."""


class Statistics:
    """Counters of one device since start; latencies and skew over the last 256 polls."""

    def __init__(self) -> None:
        self.polls = 0
        self.samples = 0
        self.bad = 0
        self.errors: dict[str, int] = {}
        self.missed = 0
        self.late = 0
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._latency: deque[float] = deque(maxlen=KEPT)
        self._skew: deque[int] = deque(maxlen=KEPT)

    def poll(self, seconds: float, *, late: bool = False, missed: int = 0) -> None:
        """Count one poll: how long it took in real seconds, whether it began late, how many it left no time for."""
        self.polls += 1
        self.late += late
        self.missed += missed
        self._latency.append(seconds)
        self._recent.append(missed)

    @property
    def missed_share(self) -> float:
        """The part of the last polls that was left out, 0 to 1."""
        missed = sum(self._recent)
        return missed / (missed + len(self._recent)) if missed else 0.0

    @property
    def skew(self) -> float | None:
        """Seconds by which the device's clock is behind ours, None where it tells no time."""
        # The least of the differences is the one with the least of the network in it.
        return min(self._skew) / 1e9 if self._skew else None

    def batch(self, batch: SampleBatch, now: int) -> None:
        """Count what came at `now`; where the server stamps its answers, its skew can be estimated.

        The time of a source says nothing of it: a value that has stood still for a day bears yesterday's.
        """
        self.samples += len(batch)
        self.bad += int((batch.status >= np.uint32(0x8000_0000)).sum())
        if len(batch) and (newest := int(batch.server_time.max())):
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
            "late_polls": self.late,
            "samples": self.samples,
            "bad_samples": self.bad,
            "errors": dict(self.errors),
            "latency_p50_ms": round(float(np.percentile(latency, 50)), 2) if len(latency) else None,
            "latency_p99_ms": round(float(np.percentile(latency, 99)), 2) if len(latency) else None,
            "skew_s": None if (skew := self.skew) is None else round(skew, 3),
        }

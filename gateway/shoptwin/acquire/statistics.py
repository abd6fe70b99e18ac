"""What is counted of one device, for `status` and metrics. Memory is bounded: the last polls, not all."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import is_bad

if TYPE_CHECKING:
    from collections.abc import Collection

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.tag import ValueKind

KEPT = 256
"""Polls over which latencies are told."""
RECENT = 16
"""Answers over which the skew of a clock is told: few, as either clock may be set at any time."""
SPELL = 60.0
"""Real seconds over which it is judged whether a device keeps its period; one poll at least."""


class Statistics:
    """Counters of one device since start; latencies and skew over the last polls."""

    def __init__(self) -> None:
        self.polls = 0
        self.samples = 0
        self.bad = 0
        self.errors: dict[str, int] = {}
        self.missed = 0
        self.late = 0
        self.missed_share = 0.0
        """The part of the polls that was left out in the last full spell, 0 to 1."""
        self._spell: tuple[float, int, int] | None = None
        """The one that goes on: when it began, and `polls` and `missed` of that time."""
        self._latency: deque[float] = deque(maxlen=KEPT)
        self._skew: deque[int] = deque(maxlen=RECENT)
        self._stamps: dict[tuple[str, ValueKind], int] = {}

    def poll(self, seconds: float, ended: float, *, late: bool = False, missed: int = 0) -> None:
        """Count one poll: how long it took, when it ended (real seconds of any steady clock), whether it began late.

        `missed`: how many it left no time for.
        """
        began, polls, before = self._spell = self._spell or (ended - seconds, self.polls, self.missed)
        self.polls += 1
        self.late += late
        self.missed += missed
        self._latency.append(seconds)
        if ended - began >= SPELL:
            missed = self.missed - before
            self.missed_share = missed / (missed + self.polls - polls)
            self._spell = ended, self.polls, self.missed

    @property
    def skew(self) -> float | None:
        """Seconds by which the device's clock is behind ours, None where it tells no time."""
        # The least of the differences is the one with the least of the network in it.
        return min(self._skew) / 1e9 if self._skew else None

    def batch(self, batch: SampleBatch, now: int) -> None:
        """Count what came at `now`; where the server stamps its answers, its skew can be estimated.

        The time of a source says nothing of it: a value that has stood still for a day bears yesterday's. Nor does that
        of a server which gives it again: some stamp a value when they get it, not each answer.
        """
        self.samples += len(batch)
        self.bad += int(np.count_nonzero(is_bad(batch.status)))
        if len(batch) and (newest := int(batch.server_time.max())):
            before = self._stamps.setdefault((batch.group, batch.kind), newest)
            if newest != before:
                self._stamps[batch.group, batch.kind] = newest
                self._skew.append(now - newest)

    def error(self, code: str) -> None:
        """Count a failure by its code."""
        self.errors[code] = self.errors.get(code, 0) + 1

    def report(self) -> dict[str, Any]:
        """Return the figures; latencies in milliseconds, skew in seconds (how far the device's clock is behind)."""
        p50, p99 = quantiles(self._latency)
        return {
            "polls": self.polls,
            "missed_polls": self.missed,
            "late_polls": self.late,
            "samples": self.samples,
            "bad_samples": self.bad,
            "errors": dict(self.errors),
            "latency_p50_ms": p50,
            "latency_p99_ms": p99,
            "skew_s": None if (skew := self.skew) is None else round(skew, 3),
        }


def quantiles(seconds: Collection[float]) -> tuple[float | None, float | None]:
    """Return the median and the 99th percentile in milliseconds, None where nothing was measured."""
    if not seconds:
        return None, None
    # Not np.percentile: with it comes numpy.ma, 1.3 MB.
    p50, p99 = np.interp((0.5, 0.99), np.linspace(0, 1, len(seconds)), np.sort(np.fromiter(seconds, float)) * 1e3)
    return round(float(p50), 2), round(float(p99), 2)

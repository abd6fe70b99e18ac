"""The only place that asks the system for the time. Wall time stamps, monotonic time orders."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from shoptwin.domain.timing import SECOND, iso, parse_time

CLOCK_SET_AFTER = parse_time("2024-01-01T00:00:00Z")
"""A wall clock before this has never been set: a box without a battery that starts in 1970."""


class Clock(Protocol):
    """Time as the pipeline sees it, ns UTC; `rate` of its seconds pass in one real second."""

    rate: float

    @property
    def trusted(self) -> bool:
        """Whether the time has been set since the box started: one without a battery begins in 1970."""

    def now(self) -> int:
        """Return the time, ns UTC."""

    def real(self, ns: int) -> float:
        """Return how many real seconds a span of this clock takes."""


class SystemClock:
    """The box's own clock."""

    rate = 1.0

    @property
    def trusted(self) -> bool:
        """Whether somebody has set it."""
        return self.now() >= CLOCK_SET_AFTER

    def now(self) -> int:
        """Return the wall time, ns UTC."""
        return time.time_ns()

    def real(self, ns: int) -> float:
        """Return the span in seconds."""
        return ns / SECOND


class ScaledClock:
    """A clock that runs `rate` times as fast: it showed `epoch` when the wall clock showed `origin` (both ns UTC).

    It keeps its line on the monotonic clock, so a step of the wall clock does not move it.
    """

    trusted = True

    def __init__(self, rate: float, epoch: int, origin: int) -> None:
        self.rate = rate
        self._epoch = epoch
        self._origin = time.monotonic_ns() - (time.time_ns() - origin)

    def now(self) -> int:
        """Return the scaled time, ns UTC."""
        return self._epoch + round((time.monotonic_ns() - self._origin) * self.rate)

    def real(self, ns: int) -> float:
        """Return how many real seconds the span takes."""
        return ns / SECOND / self.rate


class VirtualClock:
    """A clock that stands still until it is set: for replay and tests."""

    rate = 1.0
    trusted = True

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def set(self, now: int) -> None:
        """Show `now` from here on."""
        self._now = now

    def now(self) -> int:
        """Return the time it was set to."""
        return self._now

    def real(self, ns: int) -> float:
        """Return the span in seconds."""
        return ns / SECOND


def clock_problem(clock: Clock) -> str | None:
    """Say what is wrong with the clock, or None. Certificates are not yet valid in 1970, and times mislead."""
    if clock.trusted:
        return None
    return f"the clock of this box says {iso(clock.now())}, so it has not been set since it started"


async def pause(clock: Clock, ns: int) -> None:
    """Sleep for a span of the clock's time."""
    await asyncio.sleep(max(0.0, clock.real(ns)))

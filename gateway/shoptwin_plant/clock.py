"""Plant time. The only place of the plant that asks the system for the time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

SECOND = 10**9
MILLI = 10**6


def wall() -> int:
    """Return the wall time, ns UTC."""
    return time.time_ns()


@dataclass(frozen=True, slots=True)
class PlantClock:
    """Shows `epoch` when the wall clock shows `origin` (ns UTC, whole milliseconds), and runs `rate` times as fast.

    It keeps its line on the monotonic clock: a step of the wall clock does not move it.
    """

    epoch: int
    origin: int
    rate: float = 1.0
    _offset: int = field(default_factory=lambda: time.time_ns() - time.monotonic_ns())

    def now(self) -> int:
        """Return the plant time, ns UTC. Before `origin` it is before `epoch`."""
        return self.epoch + round((time.monotonic_ns() + self._offset - self.origin) * self.rate)

    def real(self, ns: int) -> float:
        """Return how many real seconds a span of plant time takes."""
        return ns / SECOND / self.rate

    async def until(self, moment: int) -> None:
        """Sleep until the plant time is `moment`; gives way to others even where it is past."""
        await asyncio.sleep(max(0.0, self.real(moment - self.now())))

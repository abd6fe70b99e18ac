"""How it is measured: CPU time of this process, ours and the baseline in turns, and the median of the turns."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

TURNS = 5


@dataclass
class Spent:
    """CPU seconds of this process, all threads, once the block is left; and seconds on the wall."""

    cpu: float = 0.0
    wall: float = 0.0


@contextmanager
def spent() -> Iterator[Spent]:
    """Measure what a block costs."""
    found = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    found.cpu, found.wall = time.process_time() - cpu, time.perf_counter() - wall


def in_turns(*bodies: Callable[[], float], turns: int = TURNS) -> tuple[float, ...]:
    """Run each body in turn, several times; return the median of what each gives. The first turn only warms up."""
    found = [[body() for body in bodies] for _ in range(turns + 1)][1:]
    return tuple(statistics.median(column) for column in zip(*found, strict=True))


async def in_turns_async(*bodies: Callable[[], Awaitable[float]], turns: int = TURNS) -> tuple[float, ...]:
    """As `in_turns`, for coroutines."""
    found = [[await body() for body in bodies] for _ in range(turns + 1)][1:]
    return tuple(statistics.median(column) for column in zip(*found, strict=True))


def cpu_each(body: Callable[[], object], times: int, units: int = 1) -> float:
    """Return the CPU microseconds that a unit costs, where `body` does `units` of them and is called `times` times."""
    with spent() as cost:
        for _ in range(times):
            body()
    return cost.cpu / times / units * 1e6

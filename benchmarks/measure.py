"""How it is measured: CPU time of this process, ours and the baseline in turns, and the median of the turns."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

TURNS = 5
BLOCKS = 12
STUDENT = 2.228
"""Of a 95 % interval of the mean of the eleven steps between twelve blocks (Student's t, 10 degrees of freedom)."""


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


@dataclass(frozen=True, slots=True)
class Paired:
    """Two costs, each the median over rounds, and the median of the rounds' ratios, with its quartiles."""

    mine: float
    other: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int

    @property
    def noise(self) -> str:
        """How far the rounds lie apart, in words."""
        low, high = self.quartiles
        return f"half of {self.rounds} rounds lie from {low:.2f}x to {high:.2f}x"


async def paired(mine: Callable[[], Awaitable[float]], other: Callable[[], Awaitable[float]], rounds: int) -> Paired:
    """Measure two costs in short rounds, side by side: what disturbs the box disturbs both, and the ratio stays.

    Who begins changes with each round. The first two only warm up.
    """
    found: list[tuple[float, float]] = []
    for i in range(rounds + 2):
        if i % 2:
            found.append((await mine(), await other()))
        else:
            theirs = await other()
            found.append((await mine(), theirs))
    kept = found[2:]
    ratios = [theirs / ours for ours, theirs in kept]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    costs = [statistics.median(column) for column in zip(*kept, strict=True)]
    return Paired(costs[0], costs[1], middle, (low, high), len(kept))


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope, and how far from it the true one may lie (95 %), in the unit of the values an hour."""

    slope: float
    error: float

    @property
    def flat(self) -> bool:
        """Whether it does not rise, within the noise."""
        return self.slope <= self.error


def trend(values: Sequence[float], seconds: float) -> Trend:
    """Return the trend of values that were taken evenly over `seconds`.

    Memory does not scatter around a line: it moves in steps and stays there, so that the residuals of a fitted line are
    not independent, and the line's own error is far too small. So the values are averaged in blocks; the slope is the
    mean of the differences between one block and the next, and its error comes from their scatter (Student's t), which
    holds for a walk of such steps and is too wide, if anything, for a line with noise around it.

    Raises:
        ValueError: there are fewer than two values a block.
    """
    if len(values) < 2 * BLOCKS:
        raise ValueError(f"{len(values)} values are too few for {BLOCKS} blocks")
    edges = [round(i * len(values) / BLOCKS) for i in range(BLOCKS + 1)]
    means = [statistics.fmean(values[a:b]) for a, b in pairwise(edges)]
    steps = [b - a for a, b in pairwise(means)]
    an_hour = 3600 / (seconds / BLOCKS)
    error = STUDENT * statistics.stdev(steps) / len(steps) ** 0.5
    return Trend(statistics.fmean(steps) * an_hour, error * an_hour)


def cpu_each(body: Callable[[], object], times: int, units: int = 1) -> float:
    """Return the CPU microseconds that a unit costs, where `body` does `units` of them and is called `times` times."""
    with spent() as cost:
        for _ in range(times):
            body()
    return cost.cpu / times / units * 1e6

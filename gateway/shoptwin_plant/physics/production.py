"""When a machine works, stops and rests, and the parts that it makes."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from shoptwin_plant.physics.life import DAY, Life
from shoptwin_plant.physics.noise import generator

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

HOUR = 3600
_FIRST_ORDER, _SECOND_ORDER = (3 * HOUR, 7 * HOUR), (9 * HOUR, 13 * HOUR)
"""When in a day the machine turns to another order, at the earliest and at the latest."""


class State(IntEnum):
    """What the machine does; the number stands in its state register."""

    OFF = 0
    STANDBY = 1
    IDLE = 2
    PRODUCING = 3
    DOWN = 4


if TYPE_CHECKING:
    Plan: TypeAlias = tuple[tuple[int, State], ...]
    # second of the day -> state from then on


@dataclass(frozen=True, slots=True)
class Habits:
    """How a machine works. Times are in seconds."""

    cycle: float = 6.0
    """Of one part; each differs by `spread` of it."""
    spread: float = 0.04
    stop_every: float = 3 * HOUR
    """Mean time between stops (down)."""
    stop: float = 240.0
    """Median length of a stop."""
    wait_every: float = 25 * 60
    """Mean time between waits for material (idle)."""
    wait: float = 40.0


PLAN: Plan = (
    (0, State.PRODUCING), (4 * HOUR, State.IDLE), (4 * HOUR + 1800, State.PRODUCING),
    (8 * HOUR, State.IDLE), (8 * HOUR + 600, State.PRODUCING), (12 * HOUR, State.IDLE),
    (12 * HOUR + 1800, State.PRODUCING), (16 * HOUR, State.STANDBY), (16 * HOUR + 1200, State.OFF),
    (DAY - 1800, State.STANDBY),
)  # fmt: skip
"""A plant day: two shifts with a break each, then standby and off. It begins when the plant starts, at any hour."""


class Schedule:
    """The states of one machine over all days, its orders, and when each part is done; by seed, name and life alone."""

    def __init__(self, seed: int, name: str, habits: Habits, life: Life | None = None) -> None:
        self._seed, self._name, self._habits, self._life = seed, name, habits, life or Life()
        self._orders: dict[int, tuple[list[float], list[int]]] = {}
        self._days: dict[int, _Day] = {}

    def state(self, second: float) -> State:
        """Return the state `second` seconds after the start."""
        day = self._day(int(second // DAY))
        return day.states[bisect_right(day.begins, second) - 1]

    def product(self, second: float) -> int:
        """Return the number of the product that is made, counted from 0."""
        if self._life.products == 1:
            return 0
        day = int(second // DAY)
        if day not in self._orders:
            self._orders = {day: self._draw(day)}
        begins, products = self._orders[day]
        return products[bisect_right(begins, second) - 1]

    def parts(self, after: float, until: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the parts done in (after, until]: their seconds, and for each a number in [0, 1) that is its luck."""
        after = max(after, 0.0)
        times, luck = [], []
        if after // DAY == until // DAY:
            day = self._day(int(until // DAY))
            first, last = day.parts.searchsorted((after, until), "right")
            return day.parts[first:last], day.luck[first:last]
        for number in range(int(after // DAY), int(until // DAY) + 1):
            day = self._day(number)
            first, last = np.searchsorted(day.parts, [after, until], "right")
            times.append(day.parts[first:last])
            luck.append(day.luck[first:last])
        return np.concatenate(times), np.concatenate(luck)

    def _day(self, number: int) -> _Day:
        if number not in self._days:
            for old in [n for n in self._days if n < number - 1]:
                del self._days[old]
            works = [self._life.works(self._seed, day) for day in (number, number + 1)]
            rng = generator(self._seed, self._name, "day", number)
            self._days[number] = _make_day(number, self._habits, _plan(*works), rng)
        return self._days[number]

    def _draw(self, number: int) -> tuple[list[float], list[int]]:
        """Draw the orders of a day: when each begins, and its product."""
        rng, begin = generator(self._seed, self._name, "orders", number), float(number * DAY)
        begins = [begin, begin + rng.uniform(*_FIRST_ORDER), begin + rng.uniform(*_SECOND_ORDER)]
        return begins, rng.integers(self._life.products, size=len(begins)).tolist()


def _plan(today: bool, tomorrow: bool) -> Plan:
    """Return the plan of a day: a machine is off on a free one, and warms up only before one of work."""
    plan = PLAN if today else ((0, State.OFF), PLAN[-1])
    return plan if tomorrow else plan[:-1]


@dataclass(frozen=True, slots=True, eq=False)
class _Day:
    begins: list[float]
    states: list[State]
    parts: NDArray[np.float64]
    luck: NDArray[np.float64]


def _make_day(number: int, habits: Habits, plan: Plan, rng: np.random.Generator) -> _Day:
    """Draw one day: the plan, broken by stops and waits, and the parts of what is left of producing."""
    begins: list[float] = []
    states: list[State] = []
    for (begin, state), (end, _) in zip(plan, (*plan[1:], (DAY, State.OFF)), strict=True):
        at = float(begin)
        while state is State.PRODUCING and at < end:
            begins.append(at)
            states.append(State.PRODUCING)
            stop, wait = rng.exponential(habits.stop_every), rng.exponential(habits.wait_every)
            median, pause = (habits.stop, State.DOWN) if stop < wait else (habits.wait, State.IDLE)
            at += min(stop, wait)
            if at < end:
                begins.append(at)
                states.append(pause)
                at += median * float(rng.lognormal(0.0, 0.5))
        if state is not State.PRODUCING:
            begins.append(at)
            states.append(state)
    ends = [*begins[1:], float(DAY)]
    made = [
        _parts(begin, min(end, DAY), habits, rng)
        for begin, end, state in zip(begins, ends, states, strict=True)
        if state is State.PRODUCING
    ]
    parts = np.concatenate([np.empty(0), *made]) + number * DAY
    return _Day([begin + number * DAY for begin in begins], states, parts, rng.random(len(parts)))


def _parts(begin: float, end: float, habits: Habits, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return when the parts between `begin` and `end` are done."""
    count = int((end - begin) / habits.cycle * 1.2) + 8
    cycles = habits.cycle * np.clip(1 + habits.spread * rng.standard_normal(count), 0.5, 2.0)
    done = begin + np.cumsum(cycles)
    return done[done < end]


def reject_probability(heat: float, pressure: float, extra: float = 0.0) -> float:
    """Return how likely a part is bad: a logistic curve of the deviations from where the process should be.

    `heat` and `pressure` are deviations in units of what is tolerable; about 1.5 % of the parts are bad at none.
    """
    return 1 / (1 + math.exp(4.2 - heat**2 - pressure**2 - extra))

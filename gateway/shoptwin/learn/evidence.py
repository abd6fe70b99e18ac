"""Gathering the evidence: all of it where it is short, else stretches of it that keep its rhythm and every regime.

A fit must fit into a small box: a machine read each second has a million rows in two weeks. Rows in a row are kept as
they came, so that how values are held, how they wander and what averages over them scatter by stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from shoptwin.assess.names import STATE, VALUE, Name
from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import Role
from shoptwin.learn.extend import Before
from shoptwin.store.series import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from shoptwin.assess.progress import LearnRequest

MOST = 14 * 24 * 60
"""Rows that are learned from: two weeks at one a minute."""
MOST_VALUES = 2_000_000
"""Values in them; a machine with very many has fewer rows."""
STRETCH = 480
"""Rows in a row: fifteen times the slowest mean that is judged by. 42 stretches are three a day in two weeks."""
_LEVEL = 1 / 8
"""Share of a context's range below which two stretches are of the same regime: no baseline tells finer (LEVELS)."""
_GOLDEN = (5**0.5 - 1) / 2
_NOTHING = Before()
_REGIMES = {Role.LOAD, Role.SETPOINT, Role.SPEED}


class Source(Protocol):
    """Where observations are read from: the store, or whatever a cluster has in its place."""

    def observed(self, machine: str, indicator: str, start: int, stop: int) -> Iterator[Evidence]:
        """Yield observations in [start, stop), ns UTC, some at a time, all with the same names."""


def gather(source: Source, request: LearnRequest, before: Before = _NOTHING) -> Evidence:
    """Return what a request is learned from: rows of the running machine that `before` accepts, at most MOST of them.

    Raises:
        StoreError: the source cannot be read. ModelError: as `Before.accept`.
    """
    kept: list[Evidence] = []
    rows = 0
    for part in _running(source, request, before):
        kept, rows = [*kept, part], rows + len(part)
        if rows > most(part.names):
            break
    else:
        return _joined(kept)
    del kept
    stretches = list(map(_outline, _stretches(source, request, before)))
    chosen = choose(np.array([s.middle for s in stretches]), np.stack([s.regime for s in stretches]),
                    most(stretches[0].names) // STRETCH)  # fmt: skip
    wanted = set(chosen.tolist())
    return _joined([part for i, part in enumerate(_stretches(source, request, before)) if i in wanted])


def most(names: Sequence[str]) -> int:
    """Return how many rows of so many values are learned from."""
    return max(min(MOST, MOST_VALUES // len(names)), 4 * STRETCH)


def choose(time: NDArray[np.int64], regime: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return which `count` stretches to learn from, in order; `time` [n] is when each was, `regime` [n, c] what in.

    Half of them lie evenly in time; then come those that are furthest from all chosen ones in their regime, as long as
    that is further than a level; the rest is even in time again. (Gonzalez, "Clustering to minimize the maximum
    intercluster distance", 1985: no choice of as many leaves a regime twice as far.)
    """
    if len(time) <= count:
        return np.arange(len(time))
    spread = np.ptp(regime, axis=0)
    place = (regime - regime.min(0)) / np.where(spread > 0, spread, 1.0)
    chosen = _evenly(time, np.arange(len(time)), count // 2)
    distance = np.min([np.abs(place - place[i]).max(1) for i in chosen.tolist()], axis=0)
    while len(chosen) < count and distance.max() > _LEVEL:
        furthest = int(distance.argmax())
        chosen = np.append(chosen, furthest)
        distance = np.minimum(distance, np.abs(place - place[furthest]).max(1))
    left = np.setdiff1d(np.arange(len(time)), chosen)
    return np.sort(np.concatenate([chosen, _evenly(time, left, count - len(chosen))]))


def _evenly(time: NDArray[np.int64], among: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return `count` of the stretches `among`: one of each of as many equal parts, and not at the same hour of each."""
    edges = np.linspace(0, len(among), count + 1)
    inside = np.arange(1, count + 1) * _GOLDEN % 1
    at = np.floor(edges[:-1] + inside * np.diff(edges)).astype(np.intp)
    return among[np.argsort(time[among], kind="stable")][at]


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    """What of a stretch it is chosen by."""

    names: tuple[str, ...]
    middle: int
    regime: NDArray[np.float64]
    """Mean, lowest and highest value of each context, and the share of each state."""


def _outline(part: Evidence) -> _Outline:
    contexts = [i for i, name in enumerate(part.names) if name != STATE and _tells_regime(Name.parse(name))]
    told = part.values[:, contexts].astype(np.float64)
    known = ~np.isnan(told)
    zeroed = np.where(known, told, 0.0)
    mean = zeroed.sum(0) / np.maximum(known.sum(0), 1)
    low = np.where(known, told, np.inf).min(0)
    high = np.where(known, told, -np.inf).max(0)
    bounds = [np.where(np.isfinite(bound), bound, mean) for bound in (low, high)]
    states = np.array([[state == each.value for each in MachineState] for state in part.state], float).mean(0)
    return _Outline(part.names, int(part.time[len(part) // 2]), np.concatenate([mean, *bounds, states]))


def _tells_regime(name: Name) -> bool:
    return name.role in _REGIMES and name.feature == VALUE


def _running(source: Source, request: LearnRequest, before: Before) -> Iterator[Evidence]:
    for part in source.observed(request.machine, request.indicator, request.since, request.latest):
        on = np.array([state != MachineState.OFF.value for state in part.state], np.bool_)
        kept = part if on.all() else _rows(part, np.flatnonzero(on))
        accepted = before.accept(kept)
        if len(accepted.time):
            yield (
                kept if accepted is kept else Evidence(accepted.time, kept.names, accepted.values, list(accepted.state))
            )


def _stretches(source: Source, request: LearnRequest, before: Before) -> Iterator[Evidence]:
    """Yield STRETCH rows at a time; what is left at the end is left out."""
    waiting: list[Evidence] = []
    for part in _running(source, request, before):
        joined = _joined([*waiting, part])
        whole = len(joined) // STRETCH * STRETCH
        for start in range(0, whole, STRETCH):
            yield _rows(joined, np.arange(start, start + STRETCH))
        waiting = [_rows(joined, np.arange(whole, len(joined)))]


def _rows(part: Evidence, which: NDArray[np.intp]) -> Evidence:
    return Evidence(part.time[which], part.names, part.values[which], [part.state[i] for i in which.tolist()])


def _joined(parts: list[Evidence]) -> Evidence:
    if not parts:
        return Evidence(np.zeros(0, np.int64), (), np.zeros((0, 0), np.float32), [])
    time, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("time", "values"))
    return Evidence(time, parts[0].names, values, [state for part in parts for state in part.state])

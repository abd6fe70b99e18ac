"""Faults of sensors that other tags must speak of: spikes, swapped, drifting against what its neighbours say.

What a sensor shows by itself (stuck, cut off, replaced) is found in `sensors.py` and bears on the verdict; here are
hypotheses. A fault of the process moves what the process moves; one of a sensor moves one column.
"""

from __future__ import annotations

from collections import deque
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shoptwin.assess.against import CLEAR, OUT, Against, numbers
from shoptwin.assess.names import Name
from shoptwin.domain.assessment import Hypothesis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

NAMED = frozenset({"sensor-stuck", "sensor-spikes", "sensor-clipped"})
"""Faults that are told as hypotheses, as `diagnosis.NAMED` are of vibration. Of tags that were swapped, or that drift
against what the others say, the grounds alone are told: faults of the process looked like them as often as not."""
_HIGHER = 4.0
"""A spike stands out so many times as far as any row did while learned."""
_LOOKED = 100
"""Rows in which spikes are counted."""
_SPIKES = 2


class Suspects:
    """How the tags of one process indicator behave row by row; belongs to one track, as its Against does."""

    def __init__(self, reference: Mapping[str, Any], against: Against) -> None:
        mine = [reference["names"].index(name) for name in against.names]
        self._names = [Name.parse(name) for name in against.names]
        self._against = against
        jump = numbers(reference["jump"])[mine]
        self._spike = _HIGHER * np.maximum(jump, against.spread)
        self._rows: deque[Array] = deque(maxlen=3)
        self._spikes: deque[NDArray[np.bool_]] = deque(maxlen=_LOOKED)
        self._neighbours = _Neighbours(reference, mine)

    def take(self, x: Array) -> None:
        """Take in a row `x` [names of the reference] that was measured while the machine ran."""
        self._rows.append(x)
        if len(self._rows) == self._rows.maxlen:
            three = np.stack(self._rows)
            self._spikes.append(np.abs(three[1] - np.median(three, axis=0)) > self._spike)

    def hypotheses(self) -> Iterator[Hypothesis]:
        """Yield what the rows so far speak for."""
        yield from self._spiking()
        yield from self._swapped()
        yield from self._drifting()

    def _spiking(self) -> Iterator[Hypothesis]:
        if not self._spikes:
            return
        counts = np.sum(self._spikes, axis=0)
        alone = counts > 2 * np.median(counts)  # what jumps with everything else is no loose contact
        for i in np.flatnonzero((counts >= _SPIKES) & alone):
            name = self._names[i].tag
            told = f"{name} jumped and came back {counts[i]} times in {len(self._spikes)} rows, as it never did"
            yield Hypothesis("sensor-spikes", round(1 - 1 / (1 + float(counts[i]) / 2), 2), (told,), (name,))

    def _swapped(self) -> Iterator[Hypothesis]:
        against = self._against
        off = np.abs(against.now - against.usual) / against.spread
        for i, j in combinations(np.flatnonzero(off > CLEAR), 2):
            if self._names[i].role is not self._names[j].role:
                continue
            here = abs(against.now[i] - against.usual[j]) / against.spread[j]
            there = abs(against.now[j] - against.usual[i]) / against.spread[i]
            if max(here, there) < OUT:
                names = self._names[i].tag, self._names[j].tag
                told = (f"{names[0]} shows what {names[1]} did, and {names[1]} what {names[0]} did",)
                yield Hypothesis("sensor-swapped", 0.9, told, names)

    def _drifting(self) -> Iterator[Hypothesis]:
        for i, off, spreads in self._neighbours.alone(self._against.now):
            name = self._names[i].tag
            where = "above" if off > 0 else "below"
            told = (
                f"{name} is {abs(off):.3g} {where} what the others say of it ({spreads:.1f} times the usual spread)",
                "the others fit one another as they were learned to",
            )
            yield Hypothesis("sensor-drift", round(min(1.0, spreads / (2 * CLEAR)), 2), told, (name,))


class _Neighbours:
    """What tags say of one another: k regressions that were learned."""

    def __init__(self, reference: Mapping[str, Any], mine: list[int]) -> None:
        told = [(row, reference["neighbours"][i]) for row, i in enumerate(mine) if reference["neighbours"][i]]
        self._of = np.array([row for row, _ in told], np.intp)
        self._weights = np.array([numbers(n["coefficients"])[mine] for _, n in told]).reshape(-1, len(mine))
        self._offset = np.array([n["offset"] for _, n in told])
        self._spread = np.array([max(n["spread"], 1e-12) for _, n in told])

    def alone(self, x: Array) -> Iterator[tuple[int, float, float]]:
        """Yield the one column that the others contradict, with how far it is off, and in its usual spreads.

        It is that column if, with what the others say in its place, all fit together again; nothing where that is so
        of none, or of more than one.
        """
        if not len(self._of) or not np.isfinite(x).all():
            return
        off = self._off(x)
        found = []
        for n in np.flatnonzero(np.abs(off) > CLEAR):
            repaired = x.copy()
            repaired[self._of[n]] -= off[n] * self._spread[n]
            if np.abs(self._off(repaired)).max() < OUT:
                found.append(n)
        if len(found) == 1:
            [n] = found
            yield int(self._of[n]), float(off[n] * self._spread[n]), float(abs(off[n]))

    def _off(self, x: Array) -> Array:
        return np.asarray((x[self._of] - self._weights @ x - self._offset) / self._spread)

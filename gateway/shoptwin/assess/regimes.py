"""The regimes of a baseline as cells: one for each combination of the levels that its contexts were learned at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from shoptwin.assess.names import STATE, Name
from shoptwin.domain.machine import MachineState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shoptwin.domain.feedback import Regime

Cell: TypeAlias = tuple[int, ...]
"""Which of its learned levels each context is nearest to."""
_STATES = tuple(state.value for state in MachineState)


@dataclass(frozen=True, slots=True)
class Grid:
    """The contexts of a baseline, each with the levels (knots) and the bounds that it was learned at."""

    contexts: tuple[str, ...]
    knots: tuple[tuple[float, ...], ...]
    bounds: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Grid:
        """Read a baseline's manifest; one from before levels were told has a single regime."""
        told = manifest["known"][-1]["regimes"] if manifest.get("known") else {"names": (), "knots": ()}
        bounds = (manifest["contexts"][name] for name in told["names"])
        return cls(
            tuple(told["names"]),
            tuple(tuple(map(float, knots)) for knots in told["knots"]),
            tuple((float(low), float(high)) for low, high in bounds),
        )

    def cell(self, values: Mapping[str, float]) -> Cell | None:
        """Return the cell that values by context lie in; None where one is missing or was not learned."""
        out = []
        for name, knots, (low, high) in zip(self.contexts, self.knots, self.bounds, strict=True):
            value = values.get(name, math.nan)
            if not low <= value <= high:
                return None
            out.append(min(range(len(knots)), key=lambda i: abs(knots[i] - value)))
        return tuple(out)

    def regime(self, cell: Cell) -> Regime:
        """Return what a cell stands for: it can be found again in a baseline that has other levels."""
        return tuple((name, knots[i]) for name, knots, i in zip(self.contexts, self.knots, cell, strict=True))

    def apart(self, one: Cell, other: Cell) -> float:
        """Return how many levels two cells lie apart; states of the machine are no neighbours of one another."""
        steps = zip(self.contexts, one, other, strict=True)
        return sum(math.inf if name == STATE and a != b else abs(a - b) for name, a, b in steps)

    def around(self, cell: Cell) -> Iterator[Cell]:
        """Yield the neighbours of a cell."""
        for at, step in product(range(len(cell)), (-1, 1)):
            near = (*cell[:at], cell[at] + step, *cell[at + 1 :])
            if 0 <= near[at] < len(self.knots[at]) and self.apart(cell, near) == 1:
                yield near


def described(regime: Regime) -> str:
    """Write a regime for people: `load 50, producing`."""
    told = [_STATES[int(v)] if n == STATE else f"{Name.parse(n).tag} {v:.6g}" for n, v in regime if not _untold(n, v)]
    return ", ".join(told) or "all operation"


def _untold(name: str, value: float) -> bool:
    """Tell whether this says nothing: the state of a machine of which no tag tells it."""
    return name == STATE and _STATES[int(value)] == MachineState.UNKNOWN.value

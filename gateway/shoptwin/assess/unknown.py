"""A regime that nobody knows yet: how much of it has been seen since, and when it can be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoptwin.assess.progress import LearnRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.assess.track import Track

RUN = 3
"""Rows in a row that make a visit: one strange value of a setpoint is no regime."""
VISITS = 2
"""One visit in one block cannot show how far visits lie apart."""
LEAST = 16
SHARE = 0.05
"""Rows that a regime is learned from: so many, and so much of what was learned before."""

_STANDING = "it is not learned while an alarm stands"


@dataclass(slots=True)
class Unknown:
    """Counts the rows in `unknown-regime` since a baseline was put into use; begun anew while an alarm stands."""

    rows: int = 0
    visits: int = 0
    since: int = 0
    """When the first of them came, ns UTC: nothing from before it is learned from."""
    asked: int = 0
    """Rows there were when learning them was last asked for."""
    problem: str = ""
    """Why they could not be learned, or will not be."""
    _run: int = 0

    def dump(self) -> dict[str, Any]:
        """Return what must outlast a restart; rows that make no visit yet are not."""
        return {name: getattr(self, name) for name in ("rows", "visits", "since", "asked", "problem")}

    @classmethod
    def load(cls, told: Mapping[str, Any]) -> Unknown:
        """Return what was dumped.

        Raises:
            KeyError, TypeError, ValueError: it was not.
        """
        rows, visits, since, asked = (int(told[name]) for name in ("rows", "visits", "since", "asked"))
        return cls(rows, visits, since, asked, str(told["problem"]))

    def see(self, now: int, *, outside: bool) -> None:
        """Take note of where the row of `now` (ns UTC) lies."""
        self._run = self._run + 1 if outside else 0
        self.since = self.since or (now if outside else 0)
        if self._run == RUN:
            self.visits += 1
        if self._run >= RUN:
            self.rows += RUN if self._run == RUN else 1

    def wanted(self, learned: int) -> int:
        """Return how many rows are wanted beside the `learned` ones."""
        return max(LEAST, round(SHARE * learned))

    def enough(self, learned: int) -> bool:
        """Tell whether it can be learned; not asked for again before there is twice as much."""
        return self.visits >= VISITS and self.rows >= max(self.wanted(learned), 2 * self.asked)

    def told(self, learned: int) -> str:
        """Say in words how far learning it is, or why it is not learned."""
        if self.problem:
            return self.problem
        rows = f"{min(self.rows, self.wanted(learned))} of {self.wanted(learned)} rows"
        return f"learning it: {rows}, {min(self.visits, VISITS)} of {VISITS} visits"

    def request(self, track: Track, now: int, budget: float) -> LearnRequest | None:
        """Return the request to learn what the baseline of `track` does not know; None before enough of it was seen."""
        learned = track.learned
        if learned is None:
            return None
        if track.pointer.chosen:
            self.problem = "it is not learned, as somebody went back to this version"
            return None
        if not self.enough(learned.manifest["rows"]):
            return None
        self.asked, track.asked = self.rows, track.pointer
        return LearnRequest(
            track.machine, track.indicator, track.pointer.since, int(learned.manifest["asked_until"]), budget,
            learned.version, beyond=now, after=self.since,
        )  # fmt: skip


def guarded(unknown: Unknown, *, standing: bool) -> Unknown:
    """Return the count to go on with: begun anew while an alarm stands, whose fault must not be learned as normal."""
    if standing:
        return Unknown(problem=_STANDING)
    return Unknown() if unknown.problem == _STANDING else unknown

"""A regime that nobody knows yet: how much of it has been seen since, and when it can be learned."""

from __future__ import annotations

from dataclasses import dataclass

VISITS = 2
"""One visit in one block cannot show how far visits lie apart."""
LEAST = 16
SHARE = 0.05
"""Rows that a regime is learned from: so many, and so much of what was learned before."""


@dataclass(slots=True)
class Unknown:
    """Counts the rows in `unknown-regime` since a baseline was put into use."""

    rows: int = 0
    visits: int = 0
    asked: int = 0
    """Rows there were when learning them was last asked for."""
    inside: bool = False

    def see(self, *, outside: bool) -> None:
        """Take note of where a row lies."""
        self.rows += outside
        self.visits += outside and not self.inside
        self.inside = outside

    def wanted(self, learned: int) -> int:
        """Return how many rows are wanted beside the `learned` ones."""
        return max(LEAST, round(SHARE * learned))

    def enough(self, learned: int) -> bool:
        """Tell whether it can be learned; not asked for again before there is twice as much."""
        return self.visits >= VISITS and self.rows >= max(self.wanted(learned), 2 * self.asked)

    def told(self, learned: int) -> str:
        """Say in words how far learning it is."""
        rows = f"{min(self.rows, self.wanted(learned))} of {self.wanted(learned)} rows"
        return f"learning it: {rows}, {min(self.visits, VISITS)} of {VISITS} visits"

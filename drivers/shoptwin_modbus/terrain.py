"""What a connection has learned about a device's map: what is not there, and where a block must not reach across."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin_modbus.address import Table
    from shoptwin_modbus.planning import Span


class Terrain:
    """Holes and cuts, learned from a device's refusals; `version` rises with each thing that changes a plan."""

    def __init__(self) -> None:
        self.version = 0
        self._holes: dict[Span, int] = {}
        self._cuts: dict[tuple[int, Table], set[int]] = {}

    def hole(self, span: Span) -> int | None:
        """Return the status of a span that the device refuses, or None."""
        return self._holes.get(span)

    def dig(self, span: Span, status: int) -> None:
        """Remember that the device refuses a span, even alone."""
        if self._holes.get(span) != status:
            self._holes[span] = status
            self.version += 1

    def fill(self, span: Span) -> None:
        """Forget a hole: the device serves it now."""
        if self._holes.pop(span, None) is not None:
            self.version += 1

    def cut(self, span: Span) -> None:
        """Remember that what lies before a span and the span itself cannot be read by one request."""
        cuts = self._cuts.setdefault((span.unit, span.table), set())
        if span.start not in cuts:
            cuts.add(span.start)
            self.version += 1

    def walls(self) -> dict[tuple[int, Table], list[int]]:
        """Return what the planner must not reach across: the cuts, and where holes begin."""
        walls = {key: set(cuts) for key, cuts in self._cuts.items()}
        for span in self._holes:
            walls.setdefault((span.unit, span.table), set()).add(span.start)
        return {key: sorted(cuts) for key, cuts in walls.items()}

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
        self._doubtful: dict[tuple[int, Table], set[int]] = {}

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

    def part(self, span: Span) -> None:
        """Begin a block with a span until `settle`: what is wrong around it is not found out yet."""
        parts = self._doubtful.setdefault((span.unit, span.table), set())
        if span.start not in parts:
            parts.add(span.start)
            self.version += 1

    def settle(self) -> None:
        """Note that nothing was refused this time: blocks that were only parted may be tried as one."""
        if self._doubtful:
            self._doubtful.clear()
            self.version += 1

    def walls(self) -> dict[tuple[int, Table], list[int]]:
        """Return what the planner must not reach across: the cuts, and where holes begin."""
        walls = {key: set(cuts) for key, cuts in self._cuts.items()}
        for key, parts in self._doubtful.items():
            walls.setdefault(key, set()).update(parts)
        for span in self._holes:
            walls.setdefault((span.unit, span.table), set()).add(span.start)
        return {key: sorted(cuts) for key, cuts in walls.items()}

"""What is learned about a device's map: what is not there, and where a block must not reach across. It can be kept."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING

import msgspec

from shoptwin.sdk import StatusCode
from shoptwin_modbus.addresses.places import name_place, parse_place
from shoptwin_modbus.planning import Span

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shoptwin_modbus.addresses.address import Table
    from shoptwin_modbus.planning import Block

PROBE_POLLS = 60
"""Polls after which an address that the device refuses is asked for once more …"""
PROBE_WITHIN = 600.0
"""… or seconds, where a slow period would make that too long."""
CUT_FOR = 3600.0
"""Seconds after which two blocks that could not be read by one request are tried as one again."""
MUTE = 3
"""Polls in a row after which a block to which its unit says nothing, while it answers others, is cut in two."""


@dataclass(slots=True)
class _Hole:
    status: int
    tried: float | None
    """When it was last asked for; None: not by this connection."""
    firm: bool
    """Whether its unit served something else at that time: it may be refusing everything for a moment otherwise."""
    tries: int = 1


class Kept(msgspec.Struct):
    """What is kept across restarts; places as `places.name_place` writes them."""

    version: int
    holes: dict[str, int]
    cuts: list[str]


VERSION = 1
"""Of `Kept`."""
HIGHEST = 0xFFFF_FFFF
"""The highest StatusCode that there can be."""


class Terrain:
    """Holes and cuts; `version` rises with each thing that changes a plan. Times are seconds of any steady clock."""

    def __init__(self) -> None:
        self.version = 0
        self._holes: dict[Span, _Hole] = {}
        self._cuts: dict[Span, float | None] = {}
        self._doubtful: set[Span] = set()
        self._mute: dict[Span, int] = {}

    def hole(self, span: Span) -> int | None:
        """Return the status of a span that the device refuses, or None."""
        found = self._holes.get(span)
        return None if found is None else found.status

    def holes(self) -> list[tuple[Span, int]]:
        """Return what is refused for certain, with its status: not what was refused once, along with all else."""
        return [(span, hole.status) for span, hole in self._holes.items() if hole.firm or hole.tries > 1]

    def dig(self, span: Span, status: int, now: float = 0.0, *, firm: bool = True) -> None:
        """Remember that the device refuses a span, even alone; `firm`: while it serves others of that unit."""
        hole = self._holes.get(span)
        if hole is None or hole.status != status:
            self._holes[span] = _Hole(status, now, firm)
            self.version += 1
        else:
            self.version += firm and not hole.firm
            hole.tried, hole.tries, hole.firm = now, hole.tries + 1, hole.firm or firm

    def fill(self, span: Span) -> None:
        """Forget a hole: the device serves it now.

        What it refused while it refused everything may have been refused for the same reason, and is forgotten too.
        """
        hole = self._holes.pop(span, None)
        if hole is None:
            return
        self.version += 1
        if not hole.firm:
            self._holes = {at: other for at, other in self._holes.items() if other.firm or at.unit != span.unit}

    def due(self, holes: Sequence[Block], now: float, period: float, *, alone: bool) -> list[Block]:
        """Return those of one unit's holes whose time it is to be asked for again in a poll, the longest waiting first.

        Each comes about every 60 polls, and within 10 minutes at least; they are spread evenly. One that was dug while
        the unit refused everything is due at once, a poll each. `alone`: there is nothing else to ask that unit for,
        so that one is always due: a lost device would go unnoticed otherwise.
        """
        holes = [
            block for block in holes if _span(block) in self._holes
        ]  # some may be forgotten since they were planned
        every = min(PROBE_POLLS * period, PROBE_WITHIN) if period else PROBE_WITHIN
        for i, block in enumerate(holes, 1):
            if (hole := self._hole(block)).tried is None:
                hole.tried = now - every * i / (len(holes) + 1)
        waiting = sorted(holes, key=self._tried)
        most = max(1, ceil(len(holes) * period / every))
        late = [block for block in waiting if now - self._tried(block) >= every][:most]
        return late or [block for block in waiting if alone or not self._hole(block).firm][:1]

    def asked(self, span: Span, now: float) -> None:
        """Note that a hole is asked for again: whatever comes of it, it is not due again for a while."""
        if span in self._holes:  # it may have been forgotten in this very poll
            self._holes[span].tried = now

    def cut(self, span: Span, now: float) -> None:
        """Remember that what lies before a span and the span itself cannot be read by one request."""
        if span not in self._cuts:
            self.version += 1
        self._cuts[span] = now

    def reconsider(self, now: float) -> None:
        """Forget a cut that is old, one a call: devices are exchanged, and some refuse a block for a moment only."""
        for span, since in self._cuts.items():
            if since is None:
                self._cuts[span] = now
            elif now - since >= CUT_FOR:
                del self._cuts[span]
                self.version += 1
                return

    def part(self, span: Span) -> None:
        """Begin a block with a span until `settle`: what is wrong around it is not found out yet."""
        if span not in self._doubtful:
            self._doubtful.add(span)
            self.version += 1

    def settle(self) -> None:
        """Note that nothing was refused this time: blocks that were only parted may be tried as one."""
        if self._doubtful:
            self._doubtful.clear()
            self.version += 1

    def mute(self, first: Span, middle: Span | None, now: float) -> None:
        """Note that a unit says nothing to the block that begins with `first`, while it answers others.

        Some devices do so where an address is not there. Time-outs are dear, so the block is only cut in two, at
        `middle`, when it has happened three times in a row: the next polls find the part that is to blame.
        """
        times = self._mute[first] = self._mute.get(first, 0) + 1
        if times >= MUTE and middle is not None:
            self.cut(middle, now)
            self._mute.pop(first)

    def spoke(self, first: Span) -> None:
        """Note that there was a reply to the block that begins with `first`."""
        self._mute.pop(first, None)

    def muteness(self, first: Span) -> int:
        """Return how often in a row there was no reply to the block that begins with `first`."""
        return self._mute.get(first, 0)

    def walls(self) -> dict[tuple[int, Table], set[int]]:
        """Return what the planner must not reach across: the cuts, and where holes begin."""
        walls: dict[tuple[int, Table], set[int]] = {}
        for span in (*self._cuts, *self._doubtful, *self._holes):
            walls.setdefault((span.unit, span.table), set()).add(span.start)
        return walls

    def keep_only(self, asked: Collection[Span]) -> None:
        """Forget what was learned about spans that nobody asks for any more."""
        before = len(self._holes) + len(self._cuts)
        self._holes = {span: hole for span, hole in self._holes.items() if span in asked}
        self._cuts = {span: since for span, since in self._cuts.items() if span in asked}
        self._mute.clear()
        if len(self._holes) + len(self._cuts) != before:
            self.version += 1

    def dump(self) -> str:
        """Return what is worth keeping across restarts, as JSON."""
        holes = {name_place(span): hole.status for span, hole in self._holes.items() if hole.firm}
        kept = Kept(VERSION, holes, [name_place(span) for span in self._cuts])
        return msgspec.json.encode(kept, order="deterministic").decode()

    def load(self, text: str) -> None:
        """Take up what `dump` returned. What cannot be understood is left out: all of it, or the one entry."""
        try:
            kept = msgspec.json.decode(text, type=Kept)
        except msgspec.DecodeError:
            return
        if kept.version != VERSION:
            return
        for name, status in kept.holes.items():
            if (span := _understood(name)) and StatusCode.BAD <= status <= HIGHEST:
                self._holes[span] = _Hole(status, None, firm=True)
        for name in kept.cuts:
            if span := _understood(name):
                self._cuts[span] = None
        self.version += 1

    def _hole(self, block: Block) -> _Hole:
        return self._holes[_span(block)]

    def _tried(self, block: Block) -> float:
        tried = self._hole(block).tried
        return -inf if tried is None else tried


def _span(block: Block) -> Span:
    return Span(block.unit, block.table, block.start, block.stop)


def _understood(name: str) -> Span | None:
    try:
        return parse_place(name, 0)
    except ValueError:
        return None

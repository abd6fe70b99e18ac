"""One poll of one group: every unit in turn, those that answered last first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, StatusCode, Timeout
from shoptwin_modbus.poll.poll import OutOfTime, Poll
from shoptwin_modbus.poll.visit import Visit
from shoptwin_modbus.wire.replies import ELSEWHERE, HungUp, Refused

if TYPE_CHECKING:
    from shoptwin.sdk import SampleBatch
    from shoptwin_modbus.planning import Block
    from shoptwin_modbus.poll.asking import Asker
    from shoptwin_modbus.poll.layout import Layout
    from shoptwin_modbus.poll.terrain import Terrain
    from shoptwin_modbus.poll.units import Units

NARROW_FOR = 20.0
"""Seconds into a poll after which nothing is narrowed down any more; the next poll goes on with it."""
LONGEST = 12.0
"""Seconds into a poll after which units that have failed before are not asked any more …"""
LATEST = 20.0
"""… and after which nothing is. The next poll begins with what was left."""
DEADLINE = 25.0
"""Seconds into a poll after which it ends, whatever is under way or waits for the line: the runtime takes a poll of
30 s for hung."""


class Turn:
    """The state of one poll; `period` of the group, in seconds."""

    def __init__(self, asker: Asker, layout: Layout, terrain: Terrain, units: Units, period: float) -> None:
        self._layout = layout
        self._units = units
        self._asker = asker
        self._clock = asyncio.get_running_loop().time
        self._began = began = self._clock()
        self._visits: dict[int, Visit] = {}
        buffer, status = layout.blank()
        patience = min(LONGEST, max(period, asker.timing.timeout))
        self.latest = began + LATEST
        """When to ask for nothing more, by the loop's clock."""
        behind = {block: rank for rank, block in enumerate(layout.behind)}
        layout.behind = []
        self._poll = Poll(
            asker, layout, terrain, period, began + NARROW_FOR, began + patience, self.latest, began + DEADLINE, behind,
            buffer, status,
        )  # fmt: skip

    @property
    def replied(self) -> bool:
        """Whether any unit gave any reply."""
        return any(visit.useful or visit.failing for visit in self._visits.values())

    @property
    def gibberish(self) -> bool:
        """Whether nothing but what is no proper reply was heard."""
        return self._poll.heard and not self._poll.sound

    async def take(self) -> None:
        """Read every unit.

        Raises:
            NotConnected: the connection is lost, and nothing was heard in this poll.
        """
        behind = list(dict.fromkeys(block.unit for block in self._poll.behind))
        try:
            for unit in self._units.healthiest_first(self._layout.members, behind):
                await self._visit(unit, self._layout.units.get(unit, []), self._layout.holes_of(unit))
            for visit in self._visits.values():
                await visit.narrow_down()
        except NotConnected:
            if not self._poll.heard:
                raise
        self._layout.behind.sort(key=lambda block: block.unit in self._visits)  # a unit of many blocks hides no others
        visits = self._visits.values()
        if any(visit.well for visit in visits) and not any(visit.narrowed for visit in visits):
            self._poll.terrain.settle()

    async def ask(self, block: Block) -> bytes:
        """Ask for something that is not in the layout: a part of a waveform.

        Raises:
            Timeout: no reply, or the unit is left alone for now. NotConnected, Refused, Garbled: as `Wire.ask`.
        """
        unit = block.unit
        visit = self._visits.get(unit)
        if visit is None:
            visit = self._visits[unit] = self._visit_of(unit)
        silent = Timeout(f"unit {unit} does not answer", "check the unit's number, its wiring and power")
        if visit.over or self._units.rests(unit, self._clock()):
            raise silent
        held = self._asker.held
        try:
            return await visit.ask(block)
        except OutOfTime as late:
            raise silent from late
        except (Timeout, HungUp):
            visit.unanswered.append(block)
            raise
        except Refused as refusal:
            if refusal.code in ELSEWHERE:
                visit.unanswered.append(block)
            raise
        finally:
            self._count(unit, visit, held)

    def conclude(self) -> None:
        """End the poll.

        Raises:
            NotConnected: the device hung up, and nothing else was heard of it.
        """
        self._poll.conclude()

    def batches(self, group: str) -> tuple[SampleBatch, ...]:
        """Return what was read."""
        return self._layout.batches(group, self._poll.buffer, self._poll.status)

    async def _visit(self, unit: int, blocks: list[Block], holes: list[Block]) -> None:
        now = self._clock()
        if now > self.latest:
            self._poll.leave(blocks)
        elif now > self._began + LONGEST and self._units.failures(unit) > 0:
            self._poll.mark(blocks, StatusCode.BAD_TIMEOUT)
        elif self._units.rests(unit, now):
            self._poll.mark(blocks, self._units.status(unit))
        else:
            visit, held = self._visit_of(unit), self._asker.held
            self._visits[unit] = visit
            try:
                await visit.read(blocks, holes, probing=self._units.open(unit))
            finally:
                self._count(unit, visit, held)

    def _visit_of(self, unit: int) -> Visit:
        return Visit(self._poll, unit, doubtful=self._units.doubtful(unit))

    def _count(self, unit: int, visit: Visit, held: float) -> None:
        """Note how a unit behaves, once a poll; `held`: for how long requests had held the wire before it was asked."""
        if visit.useful:
            self._units.answered(unit, self._clock())
        elif not visit.struck and (visit.failing or visit.unanswered):
            visit.struck = True
            silent = not visit.failing  # only silence holds up the line
            cost = self._asker.cost(held) if silent else 0.0
            self._units.failed(unit, self._clock(), visit.status, silent=silent, cost=cost)

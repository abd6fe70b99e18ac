"""One Modbus device, polled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.sdk import Hole, NotConnected, Talk, Timeout
from shoptwin_modbus.addresses.places import name_place
from shoptwin_modbus.poll.asking import Asker
from shoptwin_modbus.poll.layout import Layout
from shoptwin_modbus.poll.terrain import Terrain
from shoptwin_modbus.poll.turn import Turn
from shoptwin_modbus.poll.waveform import Waveforms
from shoptwin_modbus.wire.causes import no_modbus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shoptwin.sdk import Group, SampleBatch
    from shoptwin_modbus.line import Line
    from shoptwin_modbus.target import ModbusSettings
    from shoptwin_modbus.wire.wire import Wire

GIBBERISH = 3
"""Polls in a row with nothing but improper replies after which what answers counts as no Modbus device."""


class ModbusConnection:
    """A connection as `shoptwin.sdk` defines it; it reads, and can do nothing else."""

    def __init__(self, settings: ModbusSettings, line: Line) -> None:
        self._settings = settings
        self._line = line
        self._timing = settings.timing
        self._reach = settings.reach
        self._wire: Wire | None = None
        self._asker: Asker | None = None
        self._past = Talk()
        """What was counted on wires that this connection had before."""
        self._terrain = Terrain()
        self._plans: dict[str, _Plan] = {}
        self._all_seen = False
        self._version = 0
        self._told = self._terrain.dump()
        """What `memory` returned last, and for which version of the terrain."""
        self._known: set[int] = set()

    async def connect(self) -> None:
        """Connect, or open the serial port.

        Raises:
            NotConnected: with the cause and its cure. AuthFailed: TLS was refused.
        """
        await self.aclose()
        wire = self._wire = self._line.join(self._settings.target, self._settings.in_flight)
        self._asker = Asker(wire, self._settings, self._reach)
        try:
            await wire.dial(self._timing)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Let go of the connection."""
        if self._wire is None or self._asker is None:
            return
        self._past += self._asker.talk()
        wire, self._wire, self._asker = self._wire, None, None
        self._line.leave(wire)

    async def read(self, group: Group) -> Sequence[SampleBatch]:
        """Read a group once, one batch a kind of value; a waveform only where there is a new one.

        Raises:
            NotConnected: the connection is lost, and nothing was heard in this poll; or what was heard in several is no
                Modbus. Timeout: no unit has answered for several polls.
        """
        if self._asker is None:
            raise NotConnected(f"{self._settings.target} is not connected", "connect first")
        plan = self._plan(group)
        self._known |= plan.units
        turn = Turn(self._asker, plan.layout, self._terrain, self._line.units, group.period / 1e9)
        await turn.take()
        waveforms = await self._waveforms(plan, turn) if plan.waveforms else None
        turn.conclude()
        self._check_language(turn)
        if not turn.replied and plan.units:
            self._check_alive(plan.units)
        batches = turn.batches(group.name)
        return batches if waveforms is None else (*batches, waveforms)

    @staticmethod
    async def _waveforms(plan: _Plan, turn: Turn) -> SampleBatch | None:
        try:
            return await plan.waveforms.take(turn.ask, turn.latest)
        except NotConnected:
            if not turn.replied:
                raise
            return plan.waveforms.lost()  # a device that cannot stand so many requests still serves the rest

    def talk(self) -> Talk:
        """Return the counters since this connection was made; also which units answer, and what they refuse."""
        own, refused = self._settings.unit, self._terrain.holes()
        asked = set().union(*(plan.layout.spans for plan in self._plans.values())) if refused else ()
        now = Talk(
            torn=sum(plan.waveforms.torn for plan in self._plans.values()),
            parts={f"unit {unit}": not self._line.units.open(unit) for unit in sorted(self._known)},
            holes=tuple(Hole(name_place(at, own), status) for at, status in refused if at in asked),
        )
        return self._past + self._asker.talk() + now if self._asker is not None else self._past + now

    def recall(self, memory: str) -> None:
        """Take up what `memory` returned before a restart."""
        self._terrain.load(memory)
        self._told = self._terrain.dump()

    def memory(self) -> str | None:
        """Return what was learned about the device's map, as JSON, or None where that is as before."""
        if self._terrain.version == self._version:
            return None
        self._version = self._terrain.version
        before, self._told = self._told, self._terrain.dump()
        return self._told if self._told != before else None

    def _plan(self, group: Group) -> _Plan:
        """Return the group's plan: made once, and anew whenever something was learned about the device.

        Every group is read once before any is read twice. From then on what no group asks for is forgotten.
        """
        plan = self._plans.get(group.name)
        if plan is not None and (plan.group is group or plan.group == group):
            if not self._all_seen:
                self._all_seen = True
                self._forget()
        else:
            unit = self._settings.unit
            waveforms = Waveforms(group, unit, self._reach)
            plan = self._plans[group.name] = _Plan(group, self._layout(group), waveforms)
            if self._all_seen:
                self._forget()
        self._terrain.reconsider(asyncio.get_running_loop().time())
        if plan.layout.version != self._terrain.version:
            plan.use(self._layout(group))
        return plan

    def _layout(self, group: Group) -> Layout:
        return Layout(group, self._settings.unit, self._reach, self._terrain)

    def _forget(self) -> None:
        self._terrain.keep_only({span for plan in self._plans.values() for span in plan.layout.spans})

    def _check_language(self, turn: Turn) -> None:
        """Raise NotConnected where what answers does not speak Modbus: it may be another kind of server."""
        self._line.gibberish = self._line.gibberish + 1 if turn.gibberish else 0
        if self._line.gibberish >= GIBBERISH:
            raise no_modbus(self._settings.target)

    def _check_alive(self, asked: Collection[int]) -> None:
        """Raise Timeout where all is silent; a silent unit among others that answer is only Bad."""
        units, now = self._line.units, asyncio.get_running_loop().time()
        if units.none_answers(self._known) and units.dead(asked):
            rest = min(units.rest(unit, now) for unit in asked)
            raise Timeout(
                f"no answer from {_named(sorted(asked))} at {self._settings.target}",
                "check the unit's number, its wiring and power, and whether it needs a longer timeout",
                again_in=rest or None,  # before that it would only be told so again
            )


@dataclass(slots=True)
class _Plan:
    """How one group is read."""

    group: Group
    layout: Layout
    waveforms: Waveforms
    units: frozenset[int] = frozenset()
    """The units that are asked for anything."""

    def use(self, layout: Layout) -> None:
        """Read by another layout from now on."""
        self.layout, self.units = layout, layout.members | self.waveforms.units

    def __post_init__(self) -> None:
        self.use(self.layout)


def _named(units: Sequence[int]) -> str:
    return f"unit {units[0]}" if len(units) == 1 else f"units {', '.join(map(str, units))}"

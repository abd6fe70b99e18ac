"""One Modbus device, polled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_modbus.layout import Layout
from shoptwin_modbus.planning import Reach
from shoptwin_modbus.terrain import Terrain
from shoptwin_modbus.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import Group, SampleBatch
    from shoptwin_modbus.line import Line
    from shoptwin_modbus.planning import Block
    from shoptwin_modbus.target import ModbusSettings
    from shoptwin_modbus.wire import Wire

PROBE_EVERY = 60
"""Polls after which an address that the device refused is asked for once more."""


class ModbusConnection:
    """A connection as `shoptwin.sdk` defines it; it reads, and can do nothing else."""

    def __init__(self, settings: ModbusSettings, line: Line) -> None:
        self._settings = settings
        self._line = line
        self._timing = settings.timing
        self._reach = Reach(settings.max_block, settings.max_bits, settings.max_gap)
        self._wire: Wire | None = None
        self._terrain = Terrain()
        self._layouts: dict[str, tuple[Group, Layout]] = {}
        self._polls: dict[str, int] = {}
        self._known: set[int] = set()

    async def connect(self) -> None:
        """Connect, or open the serial port.

        Raises:
            NotConnected: with the cause and its cure.
        """
        await self.aclose()
        wire = self._wire = self._line.join(self._settings.target)
        try:
            await wire.dial(self._timing)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Let go of the connection."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._line.leave(wire)

    async def read(self, group: Group) -> Sequence[SampleBatch]:
        """Read a group once, one batch a kind of value.

        Raises:
            NotConnected: the connection is lost. Timeout: no unit has answered for several polls.
        """
        if self._wire is None:
            raise NotConnected(f"{self._settings.target} is not connected", "connect first")
        layout = self._layout(group)
        if not layout.spans:
            return ()
        self._known |= layout.units.keys()
        turn = Turn(self._wire, layout, self._terrain, self._line.units, self._timing)
        answered = await turn.take()
        if hole := self._due(group, layout):
            answered |= await turn.probe(hole)
        if not answered:
            self._check_alive(layout)
        return turn.batches(group.name)

    def _layout(self, group: Group) -> Layout:
        """Return the group's plan: made once, and anew whenever something was learned about the device."""
        known, layout = self._layouts.get(group.name, (None, None))
        if layout is None or layout.version != self._terrain.version or (known is not group and known != group):
            layout = Layout(group, self._settings.unit, self._reach, self._terrain)
            self._layouts[group.name] = group, layout
        return layout

    def _due(self, group: Group, layout: Layout) -> Block | None:
        """Return the hole whose time it is to be asked for again: each about every 60 polls, never two in one poll.

        Where there is nothing else to read, one is asked for in each poll: a lost device would go unnoticed otherwise.
        """
        polls = self._polls[group.name] = self._polls.get(group.name, 0) + 1
        holes = layout.holes
        every = max(1, PROBE_EVERY // len(holes)) if holes and layout.units else 1
        if not holes or polls % every:
            return None
        hole = holes[polls // every % len(holes)]
        return hole if not layout.units or self._line.units.failures(hole.unit) == 0 else None

    def _check_alive(self, layout: Layout) -> None:
        """Raise Timeout where all is silent; a silent unit among others that answer is only Bad."""
        units, asked = self._line.units, layout.units.keys()
        if units.none_answers(self._known) and units.dead(asked):
            raise Timeout(
                f"no answer from {_named(sorted(asked) or [self._settings.unit])} at {self._settings.target}",
                "check the unit's number, its wiring and power, and whether it needs a longer timeout",
            )


def _named(units: Sequence[int]) -> str:
    return f"unit {units[0]}" if len(units) == 1 else f"units {', '.join(map(str, units))}"

"""What a scan has found of one unit, while it goes on, and how it is told."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from shoptwin.sdk import FoundRange, FoundUnit
from shoptwin_modbus.addresses.address import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin_modbus.discovery.charting import Chart, Stretch
    from shoptwin_modbus.planning import Block

REGISTERS = ("holding", "input")
SHOWN = 8
"""First values of a range that are told."""
OBJECTS = {
    0: "VendorName", 1: "ProductCode", 2: "MajorMinorRevision", 3: "VendorUrl", 4: "ProductName", 5: "ModelName",
    6: "UserApplicationName",
}  # fmt: skip
"""Objects of the device identification (Modbus Application Protocol 1.1b3, section 6.21)."""


def named(identity: Mapping[int, str]) -> dict[str, str]:
    """Return an identification by the standard's names; a vendor's own objects keep their numbers."""
    return {OBJECTS.get(number, f"0x{number:02X}"): text for number, text in sorted(identity.items())}


def unpack(block: Block, data: bytes) -> tuple[int, ...]:
    """Return the registers or bits of a reply as numbers."""
    if block.table.bits:
        return tuple(data[n // 8] >> n % 8 & 1 for n in range(block.size))
    return struct.unpack(f">{block.size}H", data)


class Findings:
    """One unit: its charts, the values that were read, and what is odd about it."""

    def __init__(self, known: Block) -> None:
        """Begin with a question that the unit has answered."""
        self.known = known
        self.unit = known.unit
        self.identity: dict[str, str] = {}
        self.notes: list[str] = []
        self.charts: dict[Table, Chart] = {}
        self._values: dict[Table, dict[int, int]] = {}
        self._moving: dict[Table, set[int]] = {}
        self._blocks: dict[Table, set[Block]] = {}

    def keep(self, block: Block, data: bytes) -> None:
        """Keep what was read; an address whose value is not what it was is one that moves."""
        values = self._values.setdefault(block.table, {})
        moving = self._moving.setdefault(block.table, set())
        self._blocks.setdefault(block.table, set()).add(block)
        for address, value in enumerate(unpack(block, data), block.start):
            if values.setdefault(address, value) != value:
                moving.add(address)

    def largest_blocks(self, most: int) -> list[Block]:
        """Return up to `most` blocks of registers that were read, the largest first, none within another."""
        chosen: list[Block] = []
        for table in (Table.HOLDING, Table.INPUT):
            for block in sorted(self._blocks.get(table, ()), key=lambda b: (-b.size, b.start)):
                if not any(b.table is table and b.start < block.stop and block.start < b.stop for b in chosen):
                    chosen.append(block)
        return sorted(chosen, key=lambda b: -b.size)[:most]

    def mirrored(self) -> bool:
        """Tell whether holding and input registers seem to be the same ones, by their ranges and what stands still."""
        holding, inputs = (self._values.get(table, {}) for table in (Table.HOLDING, Table.INPUT))
        common = holding.keys() & inputs.keys()
        if len(common) < max(len(holding), len(inputs), 4) / 2 or not any(holding[a] for a in common):
            return False
        moving = self._moving.get(Table.HOLDING, set()) | self._moving.get(Table.INPUT, set())
        ends = [[(s.first, s.last) for s in self.charts[table].found()] for table in (Table.HOLDING, Table.INPUT)]
        return ends[0] == ends[1] and all(holding[a] == inputs[a] for a in common - moving)

    def told(self) -> FoundUnit:
        """Return all of it as it is now."""
        ranges = tuple(
            self._range(table, stretch) for table, chart in self.charts.items() for stretch in chart.found()
        )  # fmt: skip
        limits = {table.name.lower(): chart.limit for table, chart in self.charts.items() if chart.limit is not None}
        return FoundUnit(self.unit, dict(self.identity), ranges, tuple(self.notes), limits, self._next(ranges))

    def _range(self, table: Table, stretch: Stretch) -> FoundRange:
        values = self._values.get(table, {})
        inside = {a: v for a, v in values.items() if stretch.first <= a <= stretch.last}
        return FoundRange(
            table.name.lower(), stretch.first, stretch.last,
            open_below=stretch.open_below, open_above=stretch.open_above, sampled=stretch.sampled,
            values=tuple(inside[a] for a in range(stretch.first, stretch.first + SHOWN) if a in inside),
            nonzero=sum(value != 0 for value in inside.values()), read=len(inside),
            moving=tuple(sorted(a for a in self._moving.get(table, ()) if a in inside)),
        )  # fmt: skip

    def _next(self, ranges: tuple[FoundRange, ...]) -> str:
        """Return the address that is most worth a look: one that moves, else one that is not 0, of registers first."""
        best: tuple[tuple[bool, int, int], str] | None = None
        for found in ranges:
            values = self._values.get(Table[found.table.upper()], {})
            at = found.moving[0] if found.moving else next(
                (a for a in range(found.first, found.last + 1) if values.get(a)), found.first
            )  # fmt: skip
            if found.table in REGISTERS:
                at -= (at - found.first) % 2  # most values take two: what moves is the second of them
            rank = (found.table in REGISTERS, len(found.moving), found.nonzero)
            if best is None or rank > best[0]:
                best = rank, f"{found.table}:{at}"
        if best is None:
            return ""
        return best[1] if self.unit == 1 else f"{best[1]}@{self.unit}"

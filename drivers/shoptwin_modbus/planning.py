"""From spans that are wanted to the fewest requests that read them: a pure function."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shoptwin_modbus.addresses.address import Table

BITS_A_REGISTER = 16
END = 0x1_0000
"""The first address that no table has."""


class Span(NamedTuple):
    """What one tag needs: [start, stop) of one table of one unit, in registers or, where the table holds them, bits."""

    unit: int
    table: Table
    start: int
    stop: int


class Block(NamedTuple):
    """One request: [start, stop) of a table, for the spans with indices [first, last)."""

    unit: int
    table: Table
    start: int
    stop: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many registers or bits are asked for."""
        return self.stop - self.start

    @property
    def bytes(self) -> int:
        """How many bytes of data a reply holds."""
        return -(-self.size // 8) if self.table.bits else 2 * self.size


@dataclass(frozen=True, slots=True)
class Reach:
    """How much one request may ask for."""

    registers: int = 125
    bits: int = 2000
    gap: int = 16
    """Unneeded registers that may be read through between two needed ones; of bits, 16 times as many."""
    avoid: tuple[Span, ...] = ()
    """What no request may touch, not even as a gap."""

    def most(self, table: Table) -> int:
        """Return the largest block of a table."""
        return self.bits if table.bits else self.registers

    def bridge(self, table: Table) -> int:
        """Return the largest gap that is read through."""
        return self.gap * BITS_A_REGISTER if table.bits else self.gap

    def permits(self, span: Span | Block) -> bool:
        """Tell whether one request may ask for all of a span: it is not too large and touches nothing to avoid."""
        return (
            span.start >= 0
            and span.stop <= END
            and span.stop - span.start <= self.most(span.table)
            and not any(touches(shy, span) for shy in self.avoid)
        )


def touches(one: Span, other: Span | Block) -> bool:
    """Tell whether two spans have an address in common."""
    same = (one.unit, one.table) == (other.unit, other.table)
    return same and one.start < other.stop and other.start < one.stop


def order(span: Span) -> tuple[int, int, int, int]:
    """Return the key by which spans must be sorted for `plan`."""
    return (span.unit, span.table.value, span.start, span.stop)


def plan(
    spans: Sequence[Span], reach: Reach, cuts: Mapping[tuple[int, Table], Iterable[int]] | None = None
) -> tuple[Block, ...]:
    """Cover sorted, distinct, permitted spans with the fewest blocks; each lies whole in the one block that names it.

    `cuts` are, per unit and table, addresses that no block may reach across: of the spans of one block, either all
    start before a cut, or none does. As no permitted span touches what is to be avoided, the start of each avoided
    stretch is such a cut. The first span that is not covered yet has to open a block, and a block that opens there and
    takes all that fits leaves the least to others: so greedy is best.
    """
    walls = _walls(reach, cuts or {})
    blocks: list[Block] = []
    zone = -1
    for i, span in enumerate(spans):
        here = bisect_right(walls.get((span.unit, span.table), ()), span.start)
        if blocks and here == zone and (grown := _grown(blocks[-1], span, reach)):
            blocks[-1] = grown
        else:
            blocks.append(Block(*span, i, i + 1))
        zone = here
    return tuple(blocks)


def _walls(reach: Reach, cuts: Mapping[tuple[int, Table], Iterable[int]]) -> dict[tuple[int, Table], list[int]]:
    found = {key: set(starts) for key, starts in cuts.items()}
    for shy in reach.avoid:
        found.setdefault((shy.unit, shy.table), set()).add(shy.start)
    return {key: sorted(starts) for key, starts in found.items()}


def _grown(block: Block, span: Span, reach: Reach) -> Block | None:
    """Return the block with the span in it, or None where it does not fit."""
    if (block.unit, block.table) != (span.unit, span.table):
        return None
    stop = max(block.stop, span.stop)
    if stop - block.start > reach.most(span.table) or span.start - block.stop > reach.bridge(span.table):
        return None
    return block._replace(stop=stop, last=block.last + 1)


def part(block: Block, spans: Sequence[Span], first: int, last: int) -> Block:
    """Return the part of a block that reads the spans [first, last) alone."""
    wanted = spans[first:last]
    return block._replace(
        start=min(span.start for span in wanted), stop=max(span.stop for span in wanted), first=first, last=last
    )


def unlike(block: Block, spans: Sequence[Span], others: Iterable[Block], reach: Reach) -> Block | None:
    """Return a permitted request to the same unit whose reply has another length than a block's, or None.

    On a line where replies do not say what they answer, it tells a late reply from the one that was asked for. What is
    wanted anyway comes first: some of the block's `spans`, or one of the `others` that are read of that unit. Then
    what a value may not survive but a line does: a register less. A register more is asked for, as a gap is, where
    `reach` lets gaps be read.
    """
    bytewise = 8 if block.table.bits else 1  # bits come by the byte
    fewer = (part(block, spans, block.first, last) for last in range(block.last - 1, block.first, -1))
    neighbours = (other for other in others if other.unit == block.unit)
    shorter = [block._replace(stop=block.stop - bytewise)] if block.size > bytewise else []
    longer = [block._replace(stop=block.stop + bytewise), block._replace(start=block.start - bytewise)]
    if bytewise > reach.bridge(block.table):
        longer.clear()
    for each in chain(fewer, neighbours, shorter, longer):
        if each.bytes != block.bytes and reach.permits(each):
            return each
    return None

"""From spans that are wanted to the fewest requests that read them: a pure function."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoptwin_modbus.address import Table

BITS_A_REGISTER = 16


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


@dataclass(frozen=True, slots=True)
class Reach:
    """How much one request may ask for."""

    registers: int = 125
    bits: int = 2000
    gap: int = 16
    """Unneeded registers that may be read through between two needed ones; of bits, 16 times as many."""

    def most(self, table: Table) -> int:
        """Return the largest block of a table."""
        return self.bits if table.bits else self.registers

    def bridge(self, table: Table) -> int:
        """Return the largest gap that is read through."""
        return self.gap * BITS_A_REGISTER if table.bits else self.gap


def order(span: Span) -> tuple[int, int, int, int]:
    """Return the key by which spans must be sorted for `plan`."""
    return (span.unit, span.table.value, span.start, span.stop)


def plan(
    spans: Sequence[Span], reach: Reach, cuts: Mapping[tuple[int, Table], Sequence[int]] | None = None
) -> tuple[Block, ...]:
    """Cover sorted, distinct spans with the fewest blocks; every span lies whole in the one block that names it.

    `cuts` are, per unit and table, sorted addresses that no block may reach across: of the spans of one block, either
    all start before a cut, or none does. The first span that is not covered yet has to open a block, and a block that
    opens there and takes all that fits leaves the least to others: so greedy is best. A span alone is never too large,
    as the smallest permitted block is as large as the largest type.
    """
    blocks: list[Block] = []
    zone = -1
    for i, span in enumerate(spans):
        walls = cuts.get((span.unit, span.table), ()) if cuts else ()
        here = bisect_right(walls, span.start)
        if blocks and here == zone and (grown := _grown(blocks[-1], span, reach)):
            blocks[-1] = grown
        else:
            blocks.append(Block(*span, i, i + 1))
        zone = here
    return tuple(blocks)


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

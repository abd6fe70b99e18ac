"""A group, compiled: which blocks to ask for, where their bytes go in one buffer, and how columns come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.sdk import SampleBatch, StatusCode, ValueKind
from shoptwin_modbus.addresses.codecs import Bits, Values
from shoptwin_modbus.planning import Block, Reach, Span, order, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.sdk import Group, Point
    from shoptwin_modbus.addresses.address import ModbusAddress
    from shoptwin_modbus.addresses.codecs import Codec
    from shoptwin_modbus.poll.terrain import Terrain


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """All points of one kind: their tags, the span that each is read with, and the decoders that fill the column."""

    kind: ValueKind
    tags: NDArray[np.int32]
    spans: NDArray[np.intp]
    parts: tuple[Values | Bits, ...]
    no_times: NDArray[np.int64]
    """Modbus tells no time: one column of zeros for all batches, which nobody may write to."""

    def batch(self, group: str, buffer: NDArray[np.uint8], status: NDArray[np.uint32]) -> SampleBatch:
        """Decode the column; `status` is per span. What came but is no value of its type is BadDecodingError."""
        values: NDArray[Any] = np.empty(len(self.tags), self.kind.dtype)
        codes = status[self.spans]
        for each in self.parts:
            if (refused := each.put(buffer, values)) is not None:
                values[refused] = 0
                codes[refused] = np.where(codes[refused] == 0, np.uint32(StatusCode.BAD_DECODING_ERROR), codes[refused])
        if self.kind is ValueKind.STR:
            values[codes != 0] = None
        times = self.no_times
        return SampleBatch.of(group, self.kind, self.tags, values, status=codes, source_time=times, server_time=times)


class Layout:
    """One group's plan for one state of the terrain. `spans` holds those that are read, sorted, then the holes.

    Last come those that must never be asked for: what touches an address to avoid, or is more than one request may
    read. They are BadConfigurationError.
    Waveforms are not in it: they are read by themselves, see `waveform.py`.
    In the buffer a register takes two bytes as they came, and a bit of a table of bits one byte, 0 or 1.
    """

    def __init__(self, group: Group, unit: int, reach: Reach, terrain: Terrain) -> None:
        self.version = terrain.version
        points = [point for point in group.points if point.address.waveform is None]
        spans = [span_of(point.address, unit) for point in points]
        distinct = sorted(set(spans), key=order)
        closed = {span: None for span in distinct if not reach.permits(span)}
        holes = [span for span in distinct if terrain.hole(span) is not None and span not in closed]
        readable = [span for span in distinct if terrain.hole(span) is None and span not in closed]
        self.spans = (*readable, *holes, *closed)
        blocks = plan(readable, reach, terrain.walls())
        alone = [Block(*span, i, i + 1) for i, span in enumerate((*holes, *closed), len(readable))]
        self.holes = tuple(alone[: len(holes)])
        self.units: dict[int, list[Block]] = {}
        self.behind: list[Block] = []
        """Blocks that the last poll had no time for, the longest waiting first."""
        for block in blocks:
            self.units.setdefault(block.unit, []).append(block)
        self.members = frozenset(block.unit for block in (*blocks, *self.holes))
        unread = [terrain.hole(span) or StatusCode.BAD_COMMUNICATION_ERROR for span in self.spans]
        self._unread = np.array(unread, np.uint32)
        self._unread[len(readable) + len(holes) :] = StatusCode.BAD_CONFIGURATION_ERROR
        self._base: list[int] = [0] * len(self.spans)
        self._size = self._place((*blocks, *alone))
        self._shared = self._overlaps(blocks)
        self.columns = self._columns(points, spans)

    def _place(self, blocks: Sequence[Block]) -> int:
        """Give each block its room in the buffer, and so each span; return how large the buffer is."""
        end = 0
        for block in blocks:
            width = _width(block)
            for i in range(block.first, block.last):
                self._base[i] = end + (self.spans[i].start - block.start) * width
            end += block.size * width
        return end

    def _overlaps(self, blocks: Sequence[Block]) -> dict[int, list[int]]:
        """Return which spans of its block each span has registers in common with, where it has any."""
        shared: dict[int, list[int]] = {}
        for block in blocks:
            for i in range(block.first, block.last):
                for j in range(i + 1, block.last):
                    if self.spans[j].start >= self.spans[i].stop:
                        break
                    shared.setdefault(i, []).append(j)
                    shared.setdefault(j, []).append(i)
        return shared

    def _columns(self, points: Sequence[Point], spans: Sequence[Span]) -> tuple[Column, ...]:
        index = {span: i for i, span in enumerate(self.spans)}
        by_kind: dict[ValueKind, list[tuple[Point, int]]] = {}
        for point, span in zip(points, spans, strict=True):
            by_kind.setdefault(point.address.kind, []).append((point, index[span]))
        return tuple(
            Column(
                kind,
                np.array([point.tag for point, _ in members], np.int32),
                np.array([i for _, i in members], np.intp),
                tuple(self._decoders([(point.address, self._base[i]) for point, i in members])),
                _zeros(len(members)),
            )
            for kind, members in by_kind.items()
        )

    @staticmethod
    def _decoders(at: Sequence[tuple[ModbusAddress, int]]) -> list[Values | Bits]:
        """Return one decoder a codec for one column: `at` gives each address and where it starts in the buffer."""
        by_codec: dict[Codec | None, list[int]] = {}
        for i, (address, _) in enumerate(at):
            by_codec.setdefault(address.codec, []).append(i)
        return [
            Bits.of([_bit(*at[i]) for i in into], into)
            if codec is None
            else Values.of(codec, [at[i][1] for i in into], [at[i][0].order for i in into], into)
            for codec, into in by_codec.items()
        ]

    def blank(self) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return an empty buffer, and the status of each span before anything was read: nothing is Good yet."""
        return np.zeros(self._size, np.uint8), self._unread.copy()

    def holes_of(self, unit: int) -> list[Block]:
        """Return the holes of one unit."""
        return [hole for hole in self.holes if hole.unit == unit]

    def put(self, buffer: NDArray[np.uint8], status: NDArray[np.uint32], block: Block, data: bytes) -> None:
        """Put what came for a block, or for a part of one, to its place: by this alone anything is Good.

        A value is never put together from two replies: what an earlier one brought is not Good any more where this one
        is written over some of it.
        """
        at = self._base[block.first] - (self.spans[block.first].start - block.start) * _width(block)
        raw = np.frombuffer(data, np.uint8)
        if block.table.bits:
            raw = np.unpackbits(raw, count=block.size, bitorder="little")
        buffer[at : at + len(raw)] = raw
        status[block.first : block.last] = StatusCode.GOOD
        if self._shared:
            for i in range(block.first, block.last):
                for other in self._shared.get(i, ()):
                    if not block.first <= other < block.last and status[other] == StatusCode.GOOD:
                        status[other] = StatusCode.BAD_COMMUNICATION_ERROR

    def batches(self, group: str, buffer: NDArray[np.uint8], status: NDArray[np.uint32]) -> tuple[SampleBatch, ...]:
        """Decode everything, one batch a kind; `status` is per span."""
        return tuple(column.batch(group, buffer, status) for column in self.columns)


def span_of(address: ModbusAddress, unit: int) -> Span:
    """Return what must be read for an address; `unit` is the device's own."""
    return Span(
        unit if address.unit is None else address.unit, address.table, address.start, address.start + address.count
    )


def _zeros(n: int) -> NDArray[np.int64]:
    column = np.zeros(n, np.int64)
    column.setflags(write=False)
    return column


def _width(block: Block) -> int:
    """Return the bytes in the buffer for each register or bit."""
    return 1 if block.table.bits else 2


def _bit(address: ModbusAddress, base: int) -> tuple[int, int]:
    """Return the byte and the bit in it; of a register the second byte holds bits 0 to 7."""
    if address.bit is None:
        return base, 0
    return base + (1 if address.bit < 8 else 0), address.bit % 8  # noqa: PLR2004 - bits of a byte

"""Waveforms: samples that take many requests, all of one measurement or not taken at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shoptwin.sdk import Group, Point, SampleBatch, StatusCode, Timeout, ValueKind, Waveform
from shoptwin_modbus.planning import Block
from shoptwin_modbus.poll.layout import Layout, span_of
from shoptwin_modbus.poll.terrain import Terrain
from shoptwin_modbus.wire.replies import ELSEWHERE, Garbled, HungUp, Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin_modbus.addresses.address import ModbusAddress
    from shoptwin_modbus.addresses.codecs import Codec, Order
    from shoptwin_modbus.planning import Reach, Span

LONGEST = 10.0
"""Seconds that a poll may spend on waveforms, however long its period: the device's other tags wait meanwhile."""

Ask: TypeAlias = Callable[[Block], Awaitable[bytes]]
"""Sends one request and returns its data. Raises Refused, Garbled, Timeout or NotConnected."""


_Row: TypeAlias = tuple[Waveform | None, StatusCode]


class _Unread(Exception):  # noqa: N818 - never seen outside this module
    """There is no waveform, and why; `gone`: its unit does not answer."""

    def __init__(self, status: StatusCode, *, gone: bool = False) -> None:
        super().__init__(status.name)
        self.status = status
        self.gone = gone


class Waveforms:
    """The waveform tags of one group. One of them is read at a time, in turn, so that none holds up the others."""

    def __init__(self, group: Group, unit: int, reach: Reach) -> None:
        self._name = group.name
        self._bursts = [_Burst(point, unit, reach) for point in group.points if point.address.waveform is not None]
        self._first = 0
        self._patience = min(group.period / 2e9, LONGEST)

        self.units = frozenset(burst.unit for burst in self._bursts if burst.readable)
        """The units that are asked."""

    def __bool__(self) -> bool:
        return bool(self._bursts)

    @property
    def torn(self) -> int:
        """How many were dropped, as the device changed them while they were read."""
        return sum(burst.torn for burst in self._bursts)

    async def take(self, ask: Ask, latest: float = inf) -> SampleBatch | None:
        """Look which tag has a new waveform, and read the first in turn that has.

        A poll spends half of the group's period on it, not beyond `latest` (loop time), and one request at least; what
        is not complete by then is read on in the next poll. A tag without a new waveform is left out; one that cannot
        be read is Bad in each poll.

        Raises:
            NotConnected: as `ask`.
        """
        until = min(asyncio.get_running_loop().time() + self._patience, latest)
        rows: dict[int, _Row] = {}
        gone: dict[int, StatusCode] = {}
        for i in chain(range(self._first, len(self._bursts)), range(self._first)):
            burst = self._bursts[i]
            try:
                if burst.unit in gone or not await burst.due(ask):
                    continue
                row = await burst.read(ask, until)
            except _Unread as unread:
                burst.forget()
                rows[burst.tag] = None, unread.status
                if unread.gone:
                    gone[burst.unit] = unread.status
                continue
            if row is not None:
                rows[burst.tag] = row
            self._first = i if burst.begun else (i + 1) % len(self._bursts)
            break
        for burst in self._bursts:
            if burst.unit in gone and burst.tag not in rows:
                burst.forget()
                rows[burst.tag] = None, gone[burst.unit]
        return self._batch(rows) if rows else None

    def lost(self) -> SampleBatch:
        """Say of each tag that the connection was lost while waveforms were read; they are read anew."""
        for burst in self._bursts:
            burst.forget()
        return self._batch({burst.tag: (None, StatusCode.BAD_NOT_CONNECTED) for burst in self._bursts})

    def _batch(self, rows: dict[int, _Row]) -> SampleBatch:
        values, status = zip(*rows.values(), strict=True)
        return SampleBatch.of(self._name, ValueKind.WAVEFORM, list(rows), values, status=status)


class _Burst:
    """One tag: the waveform that was taken last, and what has come of the next one so far."""

    def __init__(self, point: Point, unit: int, reach: Reach) -> None:
        address = point.address
        self.tag = point.tag
        self.unit = unit if address.unit is None else address.unit
        self.torn = 0
        self._codec: Codec = address.codec
        self._order: Order = address.order
        self._rate = point.rate or 0.0
        self._marks = _Marks((address.waveform.seq, address.waveform.ready), self.unit, reach)
        self._blocks = _blocks(span_of(address, unit), self._codec.registers, reach)
        guarded = bool(self._marks.spans) or len(self._blocks) == 1
        permitted = all(map(reach.permits, self._blocks)) and all(map(reach.permits, self._marks.spans))
        self.readable = self._rate > 0 and guarded and permitted
        """Whether it may be asked for."""
        self._came: list[bytes] = []
        self._mark: tuple[int | None, bool] = (None, False)
        self._taken: int | bytes | None = None

    @property
    def begun(self) -> bool:
        """Whether a part of the next waveform is here."""
        return bool(self._came)

    def forget(self) -> None:
        """Begin anew: what is there is taken even if it was taken before, so that the tag does not stay Bad."""
        self._came.clear()
        self._taken = None

    async def due(self, ask: Ask) -> bool:
        """Tell whether there is something to read; drop what has come of a waveform that is not there any more.

        Raises:
            _Unread: it cannot be told, or read.
        """
        if not self.readable:
            raise _Unread(StatusCode.BAD_CONFIGURATION_ERROR)
        mark = await self._marks.look(ask)
        if self.begun and mark != self._mark:
            self._tear()
        self._mark = mark
        number, ready = mark
        return ready and (number is None or number != self._taken)

    async def read(self, ask: Ask, until: float) -> _Row | None:
        """Read on until it is complete, or until this time of the loop; return a waveform that is new.

        Raises:
            _Unread: a part of it cannot be read.
        """
        clock = asyncio.get_running_loop().time
        for block in self._blocks[len(self._came) :]:
            self._came.append(await _fetch(ask, block))
            if clock() >= until:
                break
        if len(self._came) < len(self._blocks):
            return None
        if await self._marks.look(ask) != self._mark:
            self._tear()
            return None
        raw = b"".join(self._came)
        self._came.clear()
        number, _ = self._mark
        if number is None and raw == self._taken:
            return None
        self._taken = raw if number is None else number
        samples = _samples(raw, self._codec, self._order)
        if not np.isfinite(samples).all():
            return None, StatusCode.BAD_OUT_OF_RANGE
        return Waveform(samples, self._rate), StatusCode.GOOD

    def _tear(self) -> None:
        self._came.clear()
        self.torn += 1


class _Marks:
    """The sequence number and the ready flag of one waveform, whichever it has."""

    def __init__(self, marks: tuple[ModbusAddress | None, ModbusAddress | None], unit: int, reach: Reach) -> None:
        points = tuple(Point(i, replace(mark, unit=unit)) for i, mark in enumerate(marks) if mark is not None)
        self._layout = Layout(Group("marks", "", 0, points), unit, reach, Terrain())
        self.spans = self._layout.spans

    async def look(self, ask: Ask) -> tuple[int | None, bool]:
        """Return the number, None where there is none, and whether the samples are complete and stand still.

        Raises:
            _Unread: a mark cannot be read.
        """
        buffer, status = self._layout.blank()
        for block in chain.from_iterable(self._layout.units.values()):
            self._layout.put(buffer, status, block, await _fetch(ask, block))
        number, ready = None, True
        for batch in self._layout.batches("marks", buffer, status):
            for tag, value, code in zip(batch.tag.tolist(), batch.values.tolist(), batch.status.tolist(), strict=True):
                if code:
                    raise _Unread(StatusCode(code))
                if tag == 0:
                    number = int(value)
                else:
                    ready = bool(value)
        return number, ready


def _blocks(span: Span, sample: int, reach: Reach) -> tuple[Block, ...]:
    """Return the requests that read a span, none of which begins or ends within a sample of so many registers."""
    most = reach.registers // sample * sample
    starts = range(span.start, span.stop, most)
    return tuple(Block(span.unit, span.table, at, min(at + most, span.stop), 0, 1) for at in starts)


async def _fetch(ask: Ask, block: Block) -> bytes:
    try:
        return await ask(block._replace(first=0, last=1))  # to whoever asks, it is one span
    except Refused as refusal:
        raise _Unread(refusal.status, gone=refusal.code in ELSEWHERE) from refusal
    except Garbled as garbled:
        raise _Unread(StatusCode.BAD_DECODING_ERROR) from garbled
    except HungUp as end:
        raise _Unread(StatusCode.BAD_NOT_CONNECTED) from end
    except Timeout as silence:
        raise _Unread(StatusCode.BAD_TIMEOUT, gone=True) from silence


def _samples(raw: bytes, codec: Codec, order: Order) -> NDArray[Any]:
    """Return the samples as a Waveform keeps them: int16 as they are, all else as float32 (24 bits of a larger one)."""
    at = np.frombuffer(raw, np.uint8).reshape(-1, codec.size)[:, order.indices(codec.size)]
    return np.asarray(codec.decode(np.ascontiguousarray(at)), np.int16 if codec.name == "int16" else np.float32)

"""HistoryRead (Part 4, 5.11.3; Part 11, 6.5.3): what the server has kept of the time when it could not be reached.

Raw values are asked for, node by node with continuation points, no faster than RATE, beside what is live; times and
quality are as at the server. What came twice is told twice: who keeps it knows what it has.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from shoptwin.sdk import DriverError, StatusCode, ValueKind
from shoptwin_opcua.errors import Refused, code_name
from shoptwin_opcua.reading.columns import Columns
from shoptwin_opcua.space.services import in_chunks, read, value_of
from shoptwin_opcua.wire.decode import BAD, Row, data_value, skip_node_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import SampleBatch
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.resolve import Target
    from shoptwin_opcua.space.services import Server

RATE = 2000
"""Values a second at most."""
_PER_NODE = 1000
"""Values of one node in one answer."""
_NODES = 20
_HISTORY_READ = 0x04
"""The bit of AccessLevel that says that there is a history to be read (Part 3, 8.57)."""
_WAITING = 64
"""Batches that wait to be taken at most."""
_TRIES, _AGAIN = 3, 10.0
"""How often a gap is tried where the server does not answer, and seconds between two tries."""
_NONE = frozenset({int(StatusCode.BAD_NO_DATA), StatusCodes.BadBoundNotFound})
_I4, _U4 = struct.Struct("<i"), struct.Struct("<I")


class Result(NamedTuple):
    """What a server tells of one node."""

    status: int
    point: bytes | None
    """Where it goes on, None where this is all."""
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class _Gap:
    group: str
    targets: Sequence[Target]
    since: int
    until: int


@dataclass(slots=True)
class _Turn:
    """What is still to be read of one node."""

    target: Target
    since: int
    point: bytes | None = None


class History:
    """Fills gaps of nodes that have a history, one after another, while a connection lives. Times are ns UTC."""

    def __init__(self, channel: Channel, server: Server, longest: int) -> None:
        """`longest`: ns of which the newest are read, where a gap is longer; 0 reads nothing."""
        self._channel, self._server, self._longest = channel, server, longest
        self._gaps: deque[_Gap] = deque()
        self._ready: asyncio.Queue[SampleBatch] = asyncio.Queue(_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._kept: dict[int, bool] = {}
        """By tag: whether the server has a history of it."""
        self.filled = 0
        """Values that were read."""

    @property
    def used(self) -> bool:
        """Whether any node has a history."""
        return any(self._kept.values())

    @property
    def busy(self) -> bool:
        """Whether there are gaps that are not filled yet."""
        return bool(self._gaps)

    def take(self) -> list[SampleBatch]:
        """Return what has been read since the last call. Raises what nobody foresaw."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()
        return [self._ready.get_nowait() for _ in range(self._ready.qsize())]

    def fill(self, group: str, targets: Sequence[Target], since: int, until: int) -> None:
        """Read what is between two times; where `since` is 0, find out only who has a history."""
        if self._longest:
            since = max(since, until - self._longest) if since else until
            self._gaps.append(_Gap(group, [t for t in targets if t.wish is not ValueKind.WAVEFORM], since, until))
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run(), name=f"history {self._channel.url}")

    async def stop(self) -> None:
        """Read no more. Never raises."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1.0)

    async def _run(self) -> None:
        tries = 0
        while self._gaps:
            try:
                await self._fill(self._gaps[0])
            except Refused as error:
                self._server.notes["history"] = f"refused: {code_name(error.status)}"
            except DriverError as error:
                tries += 1
                if tries < _TRIES:
                    await asyncio.sleep(_AGAIN)
                    continue
                self._server.notes["history"] = f"given up: {error}"
            self._gaps.popleft()

    async def _fill(self, gap: _Gap) -> None:
        left = deque(_Turn(target, gap.since) for target in await self._with_history(gap.targets))
        while left and gap.since < gap.until:
            turns = [left.popleft() for _ in range(min(len(left), _NODES))]
            columns, count = Columns(), 0
            for turn, result in zip(turns, await self._ask(turns, gap.until), strict=True):
                rows = [row for row in result.rows if turn.since < row.source_time < gap.until]
                for row in rows:
                    if row.status not in _NONE:
                        columns.put(turn.target, row)
                        count += 1
                self._go_on(turn, result, rows, left)
            self.filled += count
            if count:
                self._server.notes["history"] = f"{self.filled} values of outages were read"
            for batch in columns.batches(gap.group):
                await self._ready.put(replace(batch, backfill=True))
            await asyncio.sleep(count / RATE)

    def _go_on(self, turn: _Turn, result: Result, rows: list[Row], left: deque[_Turn]) -> None:
        """Put a node of which there is more back into the line."""
        if result.status == StatusCodes.BadNoContinuationPoints and self._server.limits.history > 1:
            self._server.limits.history = 1  # the server has few: one node at a time then
            left.append(turn)
        elif result.status >= BAD:
            self._kept[turn.target.tag] = result.status == StatusCodes.BadNoContinuationPoints
        elif result.point:
            left.appendleft(_Turn(turn.target, turn.since, result.point))
        elif len(result.rows) >= _PER_NODE and rows:  # it has cut off without a word
            left.appendleft(_Turn(turn.target, rows[-1].source_time))

    async def _with_history(self, targets: Sequence[Target]) -> list[Target]:
        asked = [target for target in targets if target.node is not None and target.tag not in self._kept]
        items = [value_of(target.node, AttributeIds.UserAccessLevel) for target in asked if target.node is not None]
        for target, row in zip(asked, await read(self._channel, self._server.limits, items), strict=True):
            level = row.value if row.status < BAD and isinstance(row.value, int) else 0
            self._kept[target.tag] = bool(level & _HISTORY_READ)
        return [target for target in targets if target.node is not None and self._kept[target.tag]]

    async def _ask(self, turns: list[_Turn], until: int) -> list[Result]:
        async def ask(part: list[_Turn]) -> list[Result]:
            details = ua.ReadRawModifiedDetails(
                IsReadModified=False, StartTime=_date(min(turn.since for turn in part)), EndTime=_date(until),
                NumValuesPerNode=_PER_NODE, ReturnBounds=False,
            )  # fmt: skip
            nodes = [ua.HistoryReadValueId(NodeId=t.target.node, ContinuationPoint=t.point) for t in part]
            parameters = ua.HistoryReadParameters(details, ua.TimestampsToReturn.Both, False, nodes)
            return await self._channel.raw(ua.HistoryReadRequest(Parameters=parameters), results)

        return await in_chunks(turns, self._server.limits, "history", ask)


def results(data: bytes) -> list[Result]:
    """Decode what follows the header of a HistoryReadResponse. Raises ValueError where it breaks off."""
    try:
        found, at = [], 4
        for _ in range(_I4.unpack_from(data, 0)[0]):
            at, one = _result(data, at)
            found.append(one)
    except (struct.error, IndexError, RecursionError) as error:
        raise ValueError(f"the answer to a history read breaks off: {error}") from error
    return found


def _result(data: bytes, at: int) -> tuple[int, Result]:
    status, length = _U4.unpack_from(data, at)[0], _I4.unpack_from(data, at + 4)[0]
    at += 8
    point = data[at : at + length] if length > 0 else None
    at = skip_node_id(data, at + max(0, length))
    encoded, at = data[at], at + 1
    rows: list[Row] = []
    if encoded:
        end = at + 4 + max(0, _I4.unpack_from(data, at)[0])
        if end > at + 4:  # HistoryData: an array of DataValues
            count, at = _I4.unpack_from(data, at + 4)[0], at + 8
            for _ in range(count):
                at, row = data_value(data, at)
                rows.append(row)
        at = end
    return at, Result(status, point, rows)


def _date(time: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time // 1000)

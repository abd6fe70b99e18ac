"""HistoryRead (Part 4, 5.11.3; Part 11, 6.5.3): what the server has kept of the time when it could not be reached.

Raw values are asked for, node by node with continuation points, no faster than RATE, beside what is live; times and
quality are as at the server. What came twice is told twice: who keeps it knows what it has.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
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


@dataclass(slots=True)
class _Gap:
    group: str
    targets: Sequence[Target]
    since: int
    until: int
    left: deque[_Turn] | None = None
    """What is still to be read, those first that have begun; None while it is not known who has a history."""


@dataclass(slots=True, eq=False)
class _Turn:
    """What is still to be read of one node."""

    target: Target
    since: int
    """The StartTime that it was asked for, which stays while a server goes on from a continuation point."""
    last: int
    """Until when it was read."""
    point: bytes | None = None

    @classmethod
    def begin(cls, target: Target, since: int) -> _Turn:
        """Read from a time on."""
        return cls(target, since, since)


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
        self._beside = _NODES
        """Nodes that are read side by side: no more than the server turns out to have continuation points."""
        self._lost: dict[str, int] = {}
        """How many nodes were given up, by why."""
        self.filled = 0
        """Values that were read."""

    @property
    def used(self) -> bool:
        """Whether any node has a history."""
        return any(self._kept.values())

    @property
    def busy(self) -> bool:
        """Whether there are gaps that are not filled yet, or values of them that were not taken."""
        return bool(self._gaps) or not self._ready.empty()

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
            gap = self._gaps[0]
            try:
                await self._fill(gap)
            except DriverError as error:
                tries += 1
                if tries < _TRIES:
                    await asyncio.sleep(_AGAIN)
                    continue
                await self._give_up(gap, code_name(error.status) if isinstance(error, Refused) else str(error))
            self._tell()
            tries = 0
            self._gaps.popleft()

    async def _fill(self, gap: _Gap) -> None:
        """Read what is left of a gap. Where it fails in between, another call goes on from there."""
        if gap.left is None:
            kept = await self._with_history(gap.targets)
            gap.left = deque(_Turn.begin(target, gap.since) for target in kept if gap.since < gap.until)
        while gap.left:
            turns = self._next(gap.left)
            answers = await self._ask(turns, gap.until)
            for turn in turns:
                gap.left.remove(turn)
            columns, count = Columns(), 0
            for turn, result in zip(turns, answers, strict=True):
                for row in result.rows:
                    if turn.last < row.source_time < gap.until and row.status not in _NONE:
                        columns.put(turn.target, row)
                        count += 1
            self._go_on(gap, gap.left, list(zip(turns, answers, strict=True)))
            self.filled += count
            self._tell()
            for batch in columns.batches(gap.group):
                await self._ready.put(replace(batch, backfill=True))
            await asyncio.sleep(count / RATE)

    def _next(self, left: deque[_Turn]) -> list[_Turn]:
        """Return what the next request asks for: it has one StartTime for all of its nodes."""
        side_by_side = [turn for turn in islice(left, self._beside) if turn.since == left[0].since]
        return side_by_side[: self._server.limits.history]

    def _go_on(self, gap: _Gap, left: deque[_Turn], answered: Sequence[tuple[_Turn, Result]]) -> None:
        """Put nodes of which there is more back into the line: those that have begun before all others."""
        refused = [turn for turn, result in answered if result.status == StatusCodes.BadNoContinuationPoints]
        begun = [self._rest(turn, result, gap.until) for turn, result in answered if turn not in refused]
        left.extendleft(turn for turn in reversed(begun) if turn is not None)
        if not refused:
            return
        points = sum(turn.point is not None for turn in left)
        if points or len(answered) > 1:  # it has few: as many nodes at a time then, each to its end
            self._beside = max(1, points)
            left.extend(refused)
        else:
            self._lose(len(refused), code_name(StatusCodes.BadNoContinuationPoints))

    def _rest(self, turn: _Turn, result: Result, until: int) -> _Turn | None:
        """Return what is still to be read of a node after an answer, None where that was all."""
        last = max(turn.last, result.rows[-1].source_time if result.rows else 0)
        if result.status == StatusCodes.BadContinuationPointInvalid and turn.last > turn.since:
            return _Turn.begin(turn.target, turn.last)  # it was needed for another request (Part 4, 7.9)
        if result.status >= BAD:
            if result.status not in _NONE:
                self._kept[turn.target.tag] = False
                self._lose(1, code_name(result.status))
        elif result.point:
            return _Turn(turn.target, turn.since, last, result.point)
        elif len(result.rows) >= _PER_NODE and last < until:  # it has cut off without a word
            if last > turn.last:
                return _Turn.begin(turn.target, last)
            self._lose(1, "the server tells the same values again and again")
        return None

    async def _give_up(self, gap: _Gap, why: str) -> None:
        """Read no more of a gap; the server need not remember where it would go on."""
        if gap.since < gap.until:
            self._lose(len(gap.targets if gap.left is None else gap.left), why)
        if open_ := [turn for turn in gap.left or () if turn.point]:
            with suppress(DriverError):
                await self._ask(open_, gap.until, release=True)

    def _lose(self, nodes: int, why: str) -> None:
        if nodes:
            self._lost[why] = self._lost.get(why, 0) + nodes

    def _tell(self) -> None:
        told = [f"{self.filled} values of outages were read"] if self.filled else []
        told += [f"given up for {count} nodes: {why}" for why, count in self._lost.items()]
        if told:
            self._server.notes["history"] = "; ".join(told)

    async def _with_history(self, targets: Sequence[Target]) -> list[Target]:
        asked = [target for target in targets if target.node is not None and target.tag not in self._kept]
        items = [value_of(target.node, AttributeIds.UserAccessLevel) for target in asked if target.node is not None]
        for target, row in zip(asked, await read(self._channel, self._server.limits, items), strict=True):
            level = row.value if row.status < BAD and isinstance(row.value, int) else 0
            self._kept[target.tag] = bool(level & _HISTORY_READ)
        return [target for target in targets if target.node is not None and self._kept[target.tag]]

    async def _ask(self, turns: list[_Turn], until: int, *, release: bool = False) -> list[Result]:
        """Read on, or let the server forget where it goes on."""

        async def ask(part: list[_Turn]) -> list[Result]:
            details = ua.ReadRawModifiedDetails(
                IsReadModified=False, StartTime=_date(part[0].since), EndTime=_date(until),
                NumValuesPerNode=_PER_NODE, ReturnBounds=False,
            )  # fmt: skip
            nodes = [ua.HistoryReadValueId(NodeId=t.target.node, ContinuationPoint=t.point) for t in part]
            parameters = ua.HistoryReadParameters(details, ua.TimestampsToReturn.Both, release, nodes)
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

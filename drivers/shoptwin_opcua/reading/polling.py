"""Reading whole groups: the plan of each is made once, and made anew while something is missing that may yet come."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from asyncua.ua.status_codes import StatusCodes

from shoptwin.sdk import Hole
from shoptwin_opcua.errors import TOO_MUCH
from shoptwin_opcua.reading.book import GONE
from shoptwin_opcua.reading.columns import Columns, Places
from shoptwin_opcua.space.resolve import Target, resolve
from shoptwin_opcua.space.services import Reading, ask_namespaces, value_of
from shoptwin_opcua.wire.paths import worst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.sdk import Group, SampleBatch
    from shoptwin_opcua.reading.record import Record
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server

_REFUSED = GONE | {StatusCodes.BadNotReadable, StatusCodes.BadUserAccessDenied, StatusCodes.BadAttributeIdInvalid}
"""What a server says of a node that it has not, or does not give to anybody, or to us."""
_SOON = 1.0
"""Seconds after which what is missing is looked for; then twice as many each time, until some of it has come."""


@dataclass
class _Plan:
    """How one group is read."""

    group: Group
    places: Places
    """Those that have a node, in the order they are read."""
    unknown: list[Target]
    reading: Reading
    doubtful: bool
    """Something is missing at the server that may yet come: a namespace, or the rate of an array."""
    again: float
    """When that is looked for again, on the loop's clock."""
    patience: float
    """Seconds from one such look to the next."""
    refused: dict[int, int] = field(default_factory=dict)
    """What the server says of places that it has not, or does not give."""
    last: float = 0.0
    """When it was read last."""

    def holes(self) -> Iterator[Hole]:
        """Yield what cannot be read."""
        for target in self.unknown:
            yield Hole(str(target.address), target.missing)
        for place, status in self.refused.items():
            yield Hole(str(self.places.targets[place].address), status)


class Polling:
    """Reads groups at one server, while one connection lives."""

    def __init__(self, channel: Channel, server: Server, refresh: float, record: Record) -> None:
        """`refresh`: seconds after which, at the latest, what is missing is looked for again."""
        self._channel, self._server, self._refresh, self._record = channel, server, refresh, record
        self._plans: dict[str, _Plan] = {}
        """By the group's name: a group as a key would be hashed with all its addresses at each poll."""

    @property
    def path(self) -> str:
        """How values are decoded: `fast`, or `plain` and why; empty before the first."""
        return worst(plan.reading.path for plan in self._plans.values())

    @property
    def last(self) -> float:
        """When the group was read whose turn was longest ago; never before, where there is none."""
        return min((plan.last for plan in self._plans.values()), default=math.inf)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The nodes that the server has not, or does not give."""
        return tuple(hole for plan in self._plans.values() for hole in plan.holes())

    async def read(self, group: Group) -> list[SampleBatch]:
        """Read all points of a group once; a node that does not exist is Bad alone.

        Raises:
            NotConnected, Timeout: nothing could be read.
        """
        plan = await self._plan(group)
        columns = Columns()
        for target in plan.unknown:
            columns.lost(target, target.missing)
        first, refused = 0, dict[int, int]()
        for values in await plan.reading.values(self._channel, self._server.limits):
            columns.extend(plan.places, values, np.arange(first, first + values.count))
            refused |= {first + index: row.status for index, row in values.rows if row.status in _REFUSED | TOO_MUCH}
            first += values.count
        plan.last = asyncio.get_running_loop().time()
        gone = {place for place, status in plan.refused.items() if status in _REFUSED}
        if gone - refused.keys():  # the server is being built: what else is missing may be there soon
            plan.patience = min(_SOON, self._refresh)
            plan.again = min(plan.again, plan.last + plan.patience)
        plan.refused = refused
        plan.doubtful |= columns.unrated or plan.reading.lost or bool(self._server.unlearned)
        return columns.batches(group.name, self._server.clock())

    def drop(self, group: Group) -> float:
        """Forget how a group was read; return when that was last, 0 where it never was."""
        plan = self._plans.pop(group.name, None)
        return 0.0 if plan is None else plan.last

    async def _plan(self, group: Group) -> _Plan:
        now = asyncio.get_running_loop().time()
        plan = self._plans.get(group.name)
        if plan is not None and plan.group != group:
            plan = None
        if plan is not None and not (plan.doubtful and now >= plan.again):
            return plan
        patience = min(_SOON, self._refresh)
        if plan is not None:
            patience = min(2 * plan.patience, self._refresh)
            self._server.namespaces = await ask_namespaces(self._channel) or self._server.namespaces
        targets = await resolve(self._channel, self._server, group.points)
        known = [target for target in targets if target.node is not None]
        unknown = [target for target in targets if target.node is None]
        reading = Reading([value_of(target.node) for target in known if target.node is not None])
        if plan is None:
            self._record.begun(group.name, targets)
        doubtful, refused = bool(unknown), dict[int, int]()
        if plan is not None:
            refused = plan.refused if len(unknown) == len(plan.unknown) else {}
            patience = min(_SOON, self._refresh) if len(unknown) < len(plan.unknown) else patience
        plan = _Plan(group, Places(known), unknown, reading, doubtful, now + patience, patience, refused)
        self._plans[group.name] = plan
        return plan

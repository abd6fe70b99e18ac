"""Reading whole groups: the plan of each is made once, and made anew while something is missing that may yet come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin_opcua.columns import Columns, Places
from shoptwin_opcua.paths import worst
from shoptwin_opcua.resolve import Target, resolve
from shoptwin_opcua.services import Reading, ask_namespaces, value_of

if TYPE_CHECKING:
    from shoptwin.sdk import Group, SampleBatch
    from shoptwin_opcua.channel import Channel
    from shoptwin_opcua.services import Server


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
    made: float


class Polling:
    """Reads groups at one server, while one connection lives."""

    def __init__(self, channel: Channel, server: Server, refresh: float) -> None:
        """`refresh`: seconds after which what is missing is looked for again."""
        self._channel, self._server, self._refresh = channel, server, refresh
        self._plans: dict[str, _Plan] = {}
        """By the group's name: a group as a key would be hashed with all its addresses at each poll."""

    @property
    def path(self) -> str:
        """How values are decoded: `fast`, or `plain` and why; empty before the first."""
        return worst(plan.reading.path for plan in self._plans.values())

    async def read(self, group: Group) -> list[SampleBatch]:
        """Read all points of a group once; a node that does not exist is Bad alone.

        Raises:
            NotConnected, Timeout: nothing could be read.
        """
        plan = await self._plan(group)
        columns = Columns()
        for target in plan.unknown:
            columns.bad(target.tag, target.missing)
        first = 0
        for values in await plan.reading.values(self._channel, self._server.limits):
            columns.extend(plan.places, values, np.arange(first, first + values.count))
            first += values.count
        plan.doubtful |= columns.unrated
        return columns.batches(group.name)

    async def _plan(self, group: Group) -> _Plan:
        now = asyncio.get_running_loop().time()
        plan = self._plans.get(group.name)
        if plan is not None and plan.group != group:
            plan = None
        if plan is not None and not (plan.doubtful and now - plan.made >= self._refresh):
            return plan
        if plan is not None:
            self._server.namespaces = await ask_namespaces(self._channel)
        targets = await resolve(self._channel, self._server, group.points)
        known = [target for target in targets if target.node is not None]
        unknown = [target for target in targets if target.node is None]
        reading = Reading([value_of(target.node) for target in known if target.node is not None])
        plan = self._plans[group.name] = _Plan(group, Places(known), unknown, reading, bool(unknown), now)
        return plan

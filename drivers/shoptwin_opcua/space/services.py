"""Reading at the pace that a server allows: requests are split by its limits, and by what it turns out to bear."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from shoptwin.sdk import NotConnected
from shoptwin_opcua.errors import TOO_MUCH, Refused
from shoptwin_opcua.nodes import node
from shoptwin_opcua.space.fast_read import FastRead
from shoptwin_opcua.space.limits import Limits
from shoptwin_opcua.space.memory import Memory
from shoptwin_opcua.wire import decode
from shoptwin_opcua.wire.paths import worst

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.wire.decode import Row
    from shoptwin_opcua.wire.structures import Key, Structure
    from shoptwin_opcua.wire.values import Values

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Server:
    """What is known of the server since the last connect."""

    limits: Limits = field(default_factory=Limits)
    namespaces: tuple[str, ...] = ()
    """Their URIs, in today's order."""
    profile: str = ""
    """The id of the profile that holds, empty for none."""
    filters: bool = True
    """Whether it may know DataChangeFilters."""
    reads: bool = False
    """Whether its profile says that it is better read than subscribed to."""
    memory: Memory = field(default_factory=Memory)
    """What was known of it before."""
    ahead: int = 0
    """ns by which its clock is ahead of the loop's, 0 where it tells no time."""
    structures: dict[Key, Structure] = field(default_factory=dict)
    """Layouts of its structures by their encoding, as far as somebody has asked for their fields."""
    units: dict[ua.NodeId, str] = field(default_factory=dict)
    """The units that it measures in, of nodes that it was asked about; empty where it tells none."""
    other_units: dict[str, str] = field(default_factory=dict)
    """How these are other ones than configured, by address."""
    notes: dict[str, str] = field(default_factory=dict)
    """What people should know of how it is read, for `Talk.notes`."""

    def clock(self) -> int:
        """Return what its clock shows now, ns UTC; 0 where it tells no time."""
        return round(asyncio.get_running_loop().time() * 1e9) + self.ahead if self.ahead else 0


async def ask_namespaces(channel: Channel) -> tuple[str, ...]:
    """Read the namespaces' URIs, by index."""
    asked = [value_of(node(ObjectIds.Server_NamespaceArray))]
    return uris((await read(channel, Limits(), asked))[0])


def uris(row: Row) -> tuple[str, ...]:
    """Return what a NamespaceArray holds."""
    return tuple(str(uri or "") for uri in row.value) if isinstance(row.value, list) else ()


def value_of(what: ua.NodeId, attribute: AttributeIds = AttributeIds.Value) -> ua.ReadValueId:
    """Return the request for one attribute of a node."""
    return ua.ReadValueId(NodeId=what, AttributeId=attribute)


def _request(items: list[ua.ReadValueId]) -> ua.ReadRequest:
    both = ua.TimestampsToReturn.Both
    return ua.ReadRequest(Parameters=ua.ReadParameters(MaxAge=0, TimestampsToReturn=both, NodesToRead=items))


async def read(channel: Channel, limits: Limits, items: Sequence[ua.ReadValueId]) -> list[Row]:
    """Read attributes, once; one row an item, in order.

    Raises:
        NotConnected, Timeout: nothing could be read.
    """

    async def ask(part: list[ua.ReadValueId]) -> list[Row]:
        return await channel.raw(_request(part), decode.read_results)

    return await in_chunks(items, limits, "read", ask)


async def read_any(channel: Channel, server: Server, items: Sequence[ua.ReadValueId]) -> list[Any]:
    """Read values of any type, as asyncua decodes them; None where there is none."""

    async def ask(part: list[ua.ReadValueId]) -> list[ua.DataValue]:
        request = ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=part))
        return list((await channel.call(request, ua.ReadResponse)).Results)

    answers = await in_chunks(items, server.limits, "read", ask)
    return [answer.Value.Value if answer.Value is not None else None for answer in answers]


class Reading:
    """The same nodes, read again and again: the requests are built once."""

    def __init__(self, items: Sequence[ua.ReadValueId]) -> None:
        self._items = list(items)
        self._limit = 0
        self._parts: list[FastRead] = []

    @property
    def path(self) -> str:
        """How they are read: `fast`, or `plain` and why; empty before the first answer."""
        return worst(part.path for part in self._parts)

    async def values(self, channel: Channel, limits: Limits) -> list[Values]:
        """Read all; the answers, whose values together are one a node, in order. Raises as `read`."""
        while True:
            if self._limit != limits.read:
                self._limit = limits.read
                self._parts = [FastRead(_request(part)) for part in chunks(self._items, self._limit)]
            try:
                return [await part.values(channel) for part in self._parts]
            except Refused as error:
                limits.read = _smaller(limits.read, len(self._items), error)


async def in_chunks(
    items: Sequence[T], limits: Limits, name: str, ask: Callable[[list[T]], Awaitable[Sequence[R]]]
) -> list[R]:
    """Call a service with as many items at a time as the limit called `name` allows, fewer where that was too many."""
    done: list[R] = []
    while len(done) < len(items):
        limit: int = getattr(limits, name)
        part = list(items[len(done) : len(done) + limit])
        try:
            some = await ask(part)
        except Refused as error:
            setattr(limits, name, _smaller(limit, len(part), error))
            continue
        if len(some) != len(part):
            raise NotConnected(f"the server answered {len(some)} of {len(part)} items", "it is asked again")
        done += some
    return done


def _smaller(limit: int, asked: int, error: Refused) -> int:
    """Return half of what was too much for the server; raises where it was something else, or cannot be less."""
    used = min(limit, asked)
    if error.status not in TOO_MUCH or used <= 1:
        raise error
    return used // 2


def chunks(items: list[T], size: int) -> list[list[T]]:
    """Cut a list into parts of at most `size`."""
    return [items[at : at + size] for at in range(0, len(items), size)]

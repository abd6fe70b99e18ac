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
from shoptwin_opcua.wire.values import Values

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.wire.decode import Row
    from shoptwin_opcua.wire.structures import Key, Structure

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
    unlearned: set[Key] = field(default_factory=set)
    """Encodings of structures that came and are not known: asked for when the server is looked at next."""
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
    """Read attributes, once; one row an item, in order. One whose answer alone is too large is Bad by that status.

    Raises:
        NotConnected, Timeout: nothing could be read.
    """

    async def ask(part: list[ua.ReadValueId]) -> list[Row]:
        return await channel.raw(_request(part), decode.read_results)

    return await in_chunks(items, limits, "read", ask, lost)


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
        self._parts: list[FastRead | _Lost] = []

    @property
    def path(self) -> str:
        """How they are read: `fast`, or `plain` and why; empty before the first answer."""
        return worst(part.path for part in self._parts)

    @property
    def lost(self) -> bool:
        """Whether some are left out, as their answer is too large for the server even alone."""
        return any(isinstance(part, _Lost) for part in self._parts)

    async def values(self, channel: Channel, limits: Limits) -> list[Values]:
        """Read all; the answers, whose values together are one a node, in order. Raises as `read`."""
        if self._limit != limits.read:
            self._parts = self._cut(0, limits.read)
        found: list[Values] = []
        before, first = limits.read, 0
        while len(found) < len(self._parts):
            part = self._parts[len(found)]
            try:
                found.append(await part.values(channel))
            except Refused as error:
                limits.read, alone = _smaller(limits.read, part.count, error) or before, part.count == 1
                rest = self._cut(first + alone, limits.read)
                self._parts[len(found) :] = [_Lost(error.status), *rest] if alone else rest
            else:
                first += part.count
        self._limit = limits.read
        return found

    def _cut(self, first: int, size: int) -> list[FastRead | _Lost]:
        return [FastRead(_request(part)) for part in chunks(self._items[first:], size)]


@dataclass(frozen=True, slots=True)
class _Lost:
    """A part of one node whose answer is too large for the server: not asked for."""

    status: int
    count = 1
    path = ""

    async def values(self, _: Channel) -> Values:
        """Return no value, and why."""
        return Values.of_rows([lost(self.status)])


def lost(status: int) -> Row:
    """Return what stands for a value that there is none of."""
    return decode.Row(0, None, status, 0, 0)


async def in_chunks(
    items: Sequence[T], limits: Limits, name: str, ask: Callable[[list[T]], Awaitable[Sequence[R]]],
    alone: Callable[[int], R] | None = None,
) -> list[R]:  # fmt: skip
    """Call a service with as many items at a time as the limit called `name` allows, fewer where that was too many.

    `alone` makes what stands for an item that is too much even by itself, of the status by which the server says so;
    such an item says nothing of how many others it bears.

    Raises:
        Refused: another status, or there is nothing that stands for such an item.
    """
    done: list[R] = []
    before: int = getattr(limits, name)
    while len(done) < len(items):
        limit: int = getattr(limits, name)
        part = list(items[len(done) : len(done) + limit])
        try:
            some = await ask(part)
        except Refused as error:
            smaller = _smaller(limit, len(part), error)
            if not smaller:
                if alone is None:
                    raise
                done.append(alone(error.status))
            setattr(limits, name, smaller or before)
            continue
        if len(some) != len(part):
            raise NotConnected(f"the server answered {len(some)} of {len(part)} items", "it is asked again")
        done += some
    return done


def _smaller(limit: int, asked: int, error: Refused) -> int:
    """Return half of what was too much for the server, 0 where it was one; raises where it was something else."""
    if error.status not in TOO_MUCH:
        raise error
    return min(limit, asked) // 2


def chunks(items: list[T], size: int) -> list[list[T]]:
    """Cut a list into parts of at most `size`."""
    return [items[at : at + size] for at in range(0, len(items), size)]

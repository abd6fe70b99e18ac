"""From configured points to nodes of this very server: NodeIds with today's namespace index, rates of arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from shoptwin.sdk import StatusCode, ValueKind
from shoptwin_opcua.nodes import in_namespace, local
from shoptwin_opcua.space.datatypes import learn
from shoptwin_opcua.space.ranges import compare_units
from shoptwin_opcua.space.references import references
from shoptwin_opcua.space.services import read, value_of
from shoptwin_opcua.wire.decode import BAD, Body
from shoptwin_opcua.wire.structures import key_of, pick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asyncua import ua

    from shoptwin.sdk import Point
    from shoptwin_opcua.address import NodeAddress
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.decode import Row
    from shoptwin_opcua.wire.structures import Key, Structure

RATES = ("SamplingRate", "SampleRate", "SamplingFrequency")
"""Properties of a variable that are known to hold the sampling rate of its array in Hz."""


@dataclass(slots=True)
class Target:
    """One point at this server."""

    tag: int
    address: NodeAddress
    wish: ValueKind | None
    node: ua.NodeId | None
    """None where the server has no such namespace."""
    rate: float | None
    missing: StatusCode = StatusCode.GOOD
    """Why there is no node."""
    unit: str = ""
    """That the tag is in, where its value is taken as it is."""
    structures: Mapping[Key, Structure] = field(default_factory=dict)
    unlearned: set[Key] = field(default_factory=set)
    """As in Server."""
    others: list[Target] = field(default_factory=list)
    """Those that are parts of this node's value too: it is read, or watched, once for all of them."""

    @classmethod
    def of(cls, point: Point, server: Server) -> Target:
        """Find a point's node by today's namespaces."""
        target = cls(point.tag, point.address, point.kind, None, point.rate, unit=point.unit)
        target.structures, target.unlearned = server.structures, server.unlearned
        target.find(server)
        return target

    @property
    def parted(self) -> bool:
        """Whether a part of the value is meant."""
        return bool(self.address.path)

    def part(self, row: Row) -> Row:
        """Return what of the node's value is meant."""
        if not self.address.path:
            return row
        if isinstance(row.value, Body) and (key := key_of(row.value.encoding)) not in self.structures:
            self.unlearned.add(key)
        return pick(row, self.address.path, self.structures)

    def find(self, server: Server) -> None:
        """Find its node anew."""
        index, self.missing = server.memory.index(self.address, server.namespaces)
        self.node = None if index is None else in_namespace(self.address, index)


async def resolve(channel: Channel, server: Server, points: Sequence[Point]) -> list[Target]:
    """Find each point's node and, for arrays without a configured rate, the rate that the server tells.

    Raises:
        NotConnected, Timeout: the server could not be asked.
    """
    targets = _together(Target.of(point, server) for point in points)
    await add_rates(channel, server, targets)
    await compare_units(channel, server, targets)
    await add_layouts(channel, server, targets)
    return targets


def _together(targets: Iterable[Target]) -> list[Target]:
    """Put parts of the same node's value together."""
    whole: list[Target] = []
    first: dict[tuple[object, ...], Target] = {}
    for target in targets:
        node = (target.address.namespace, target.address.type, target.address.identifier)
        if target.parted and node in first:
            first[node].others.append(target)
            continue
        whole.append(target)
        if target.parted:
            first[node] = target
    return whole


async def add_layouts(channel: Channel, server: Server, targets: Sequence[Target]) -> None:
    """Ask how the structures are laid out that are not known yet."""
    parted = [target.node for target in targets if target.parted and target.node is not None]
    server.unlearned.clear()
    if parted:
        await learn(channel, server, parted)


async def add_rates(channel: Channel, server: Server, targets: Sequence[Target]) -> None:
    """Ask for the sampling rates that are missing."""
    asked = [target for target in targets if target.rate is None and target.node is not None]
    ranks = await read(channel, server.limits, [value_of(_node(t), AttributeIds.ValueRank) for t in asked])
    arrays = [target for target, rank in zip(asked, ranks, strict=True) if _may_be_array(target, rank)]
    if not arrays:
        return
    properties = await references(channel, server, [_node(target) for target in arrays], ObjectIds.HasProperty)
    known = [
        (target, node)
        for target, found in zip(arrays, properties, strict=True)
        if (node := _rate_among(found)) is not None
    ]
    rows = await read(channel, server.limits, [value_of(node) for _, node in known])
    for (target, _), row in zip(known, rows, strict=True):
        if row.status < BAD and isinstance(row.value, int | float) and row.value > 0:
            target.rate = float(row.value)


def _may_be_array(target: Target, rank: Row) -> bool:
    """Tell whether a value may be an array; ValueRank -1 says that it never is (Part 3, 5.6.2)."""
    return target.wish is ValueKind.WAVEFORM or (rank.status < BAD and rank.value not in {None, -1})


def _node(target: Target) -> ua.NodeId:
    assert target.node is not None  # noqa: S101 - only those that have one are asked for
    return target.node


def _rate_among(properties: Sequence[ua.ReferenceDescription]) -> ua.NodeId | None:
    by_name = {found.BrowseName.Name: local(found.NodeId) for found in properties}
    return next((by_name[name] for name in RATES if name in by_name), None)

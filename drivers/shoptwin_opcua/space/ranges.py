"""Whether the server measures in the units that the configuration says: a difference is told, never converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from shoptwin_opcua.errors import Refused
from shoptwin_opcua.nodes import local
from shoptwin_opcua.space.references import references
from shoptwin_opcua.space.services import read_any, value_of
from shoptwin_opcua.space.units import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.resolve import Target
    from shoptwin_opcua.space.services import Server

_NAMED = 3
"""Differences that are told one by one; of more, their number."""


async def compare_units(channel: Channel, server: Server, targets: Sequence[Target]) -> None:
    """Read the EngineeringUnits (Part 8, 5.6.3) of nodes, once a connection, and note which are not as configured.

    A server that does not let us browse tells none. A scaled tag's unit says nothing of the node's.

    Raises:
        NotConnected, Timeout: the server could not be asked.
    """
    nodes = list(dict.fromkeys(t.node for t in targets if t.node is not None and t.unit and not t.parted))
    asked = [each for each in nodes if each not in server.units]
    try:
        properties = await references(channel, server, asked, ObjectIds.HasProperty)
        told = [
            (each, local(found.NodeId))
            for each, some in zip(asked, properties, strict=True)
            for found in some
            if found.BrowseName.Name == "EngineeringUnits"
        ]
        values = await read_any(channel, server, [value_of(found) for _, found in told])
    except Refused:
        return
    server.units |= dict.fromkeys(asked, "")
    for (each, _), value in zip(told, values, strict=True):
        if isinstance(value, ua.EUInformation):
            server.units[each] = unit(value.UnitId, value.DisplayName.Text or "", value.NamespaceUri or "")
    for target in targets:
        there = server.units.get(target.node, "") if target.node is not None and not target.parted else ""
        if there and target.unit and unit(0, there) != unit(0, target.unit):
            server.other_units[str(target.address)] = f"{there}, not {target.unit}"
    if server.other_units:
        some = "; ".join(f"{address} is in {what}" for address, what in list(server.other_units.items())[:_NAMED])
        more = len(server.other_units) - _NAMED
        server.notes["units"] = some + (f"; and {more} more" if more > 0 else "")

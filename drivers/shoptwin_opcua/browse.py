"""What is there: nodes below a node, with type, unit and the value now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from shoptwin.sdk import BadAddress, TagCandidate
from shoptwin_opcua import decode
from shoptwin_opcua.address import NodeAddress, parse
from shoptwin_opcua.columns import BAD, kind_of
from shoptwin_opcua.errors import code_name
from shoptwin_opcua.nodes import local, node, of_address
from shoptwin_opcua.references import references
from shoptwin_opcua.services import in_chunks, read, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_opcua.channel import Channel
    from shoptwin_opcua.decode import Row
    from shoptwin_opcua.services import Server

_LONGEST = 40
"""Characters of a sample value that are shown."""


async def browse(channel: Channel, server: Server, at: str | None) -> list[TagCandidate]:
    """List the objects and variables below `at`, or below Objects.

    Raises:
        BadAddress: `at` is no address, or not there. NotConnected, Timeout: the server could not be asked.
    """
    top = node(ObjectIds.ObjectsFolder) if at is None else of_address(parse(at), server.namespaces)
    if top is None:
        raise BadAddress(f"the server does not have the namespace of {at}", "browse from the top to see what it has")
    below = (await references(channel, server, [top], ObjectIds.HierarchicalReferences, strict=True))[0]
    nodes = [local(reference.NodeId) for reference in below]
    values = [i for i, reference in enumerate(below) if reference.NodeClass == ua.NodeClass.Variable]
    rows = await read(channel, server.limits, [value_of(nodes[i]) for i in values])
    units = await _units(channel, server, [nodes[i] for i in values])
    found = {i: (row, unit) for i, row, unit in zip(values, rows, units, strict=True)}
    candidates = []
    for i, reference in enumerate(below):
        name = reference.DisplayName.Text or reference.BrowseName.Name or str(nodes[i])
        address = _address(nodes[i], server.namespaces)
        if i in found:
            row, unit = found[i]
            candidates.append(TagCandidate(address, name, True, kind_of(row), unit, _sample(row)))
        else:
            candidates.append(TagCandidate(address, name, False))
    return candidates


async def _units(channel: Channel, server: Server, nodes: Sequence[ua.NodeId]) -> list[str]:
    """Return the EngineeringUnits (Part 8, 5.6.3) of each variable, empty where there are none."""
    if not nodes:
        return []
    properties = await references(channel, server, nodes, ObjectIds.HasProperty)
    units = [""] * len(nodes)
    asked = [
        (i, local(reference.NodeId))
        for i, each in enumerate(properties)
        for reference in each
        if reference.BrowseName.Name == "EngineeringUnits"
    ]

    async def ask(part: list[tuple[int, ua.NodeId]]) -> list[Any]:
        parameters = ua.ReadParameters(NodesToRead=[value_of(unit) for _, unit in part])
        return list((await channel.call(ua.ReadRequest(Parameters=parameters), ua.ReadResponse)).Results)

    for (i, _), value in zip(asked, await in_chunks(asked, server.limits, "read", ask), strict=True):
        unit = value.Value.Value if value.Value is not None else None
        if isinstance(unit, ua.EUInformation):
            units[i] = unit.DisplayName.Text or ""
    return units


def _address(found: ua.NodeId, namespaces: Sequence[str]) -> str:
    """Write the address with the namespace's URI, which stays when its index moves."""
    index: int = found.NamespaceIndex
    namespace: int | str = namespaces[index] if 0 < index < len(namespaces) else index
    kinds = {ua.NodeIdType.String: "s", ua.NodeIdType.Guid: "g", ua.NodeIdType.ByteString: "b"}
    kind, identifier = kinds.get(found.NodeIdType, "i"), cast("int | str | bytes", found.Identifier)
    return str(NodeAddress(namespace, kind, str(identifier) if kind == "g" else identifier))


def _sample(row: Row) -> str:
    """Write the value now for people."""
    if row.status >= BAD:
        return code_name(row.status)
    if isinstance(row.value, np.ndarray | list):
        return f"{len(row.value)} values"
    if row.type == decode.DATE_TIME or row.value is None:
        return ""
    text = f"{row.value:.6g}" if isinstance(row.value, float) else str(row.value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

"""Machines that describe themselves by a companion specification: who made them, and where their measurements lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from shoptwin.sdk import FoundMachine
from shoptwin_opcua.discovery.browse import address_of
from shoptwin_opcua.nodes import local, node
from shoptwin_opcua.space.references import references
from shoptwin_opcua.space.services import read_any, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server

_UA = "http://opcfoundation.org/UA/"
_ENTRIES = ((_UA + "Machinery/", 1001), (_UA + "DI/", 5001))
"""Where machines and devices are listed: Machines (OPC 40001-1, 8.6), DeviceSet (OPC 10000-100, 5.9)."""
_IDENTIFICATION = (
    "Manufacturer", "ManufacturerUri", "Model", "ProductCode", "SerialNumber", "ProductInstanceUri",
    "YearOfConstruction", "SoftwareRevision", "DeviceClass", "ComponentName", "AssetId", "Location",
)  # fmt: skip
"""OPC 40001-1, 8.3 to 8.5, and OPC 10000-100, 4.5; those that tell a machine from another."""
_MOST = 200
"""Machines that are looked at: one server has a few."""
_MOST_TYPES = 10
"""Levels of supertypes that are climbed."""


async def machines(channel: Channel, server: Server) -> list[FoundMachine]:
    """Return the machines and devices that the server lists, each once; empty where it knows no such specification.

    Raises:
        NotConnected, Timeout: the server could not be asked.
    """
    entries = [node(id_, server.namespaces.index(uri)) for uri, id_ in _ENTRIES if uri in server.namespaces]
    listed = await references(channel, server, entries, ObjectIds.HierarchicalReferences, classes=ua.NodeClass.Object)
    # DeviceSet lists its topology elements beside the devices: what has no identification is none.
    found = list({local(each.NodeId): each for answer in listed for each in answer}.items())[:_MOST]
    below = await references(channel, server, [node for node, _ in found], ObjectIds.HierarchicalReferences)
    told = await _identifications(channel, server, below)
    types = await _specifications(channel, server, [local(each.TypeDefinition) for _, each in found])
    return [
        FoundMachine(
            each.DisplayName.Text or each.BrowseName.Name or "", address_of(node, server.namespaces),
            *types[local(each.TypeDefinition)], identification,
            next((address_of(local(part.NodeId), server.namespaces) for part in parts
                  if part.BrowseName.Name == "Monitoring"), ""),
        )
        for (node, each), parts, identification in zip(found, below, told, strict=True)
        if identification
    ]  # fmt: skip


async def _identifications(
    channel: Channel, server: Server, below: Sequence[Sequence[ua.ReferenceDescription]]
) -> list[dict[str, str]]:
    """Return what machines say of themselves: in an Identification of theirs, or in properties of their own."""
    folders = [(n, local(part.NodeId)) for n, parts in enumerate(below) for part in parts
               if part.BrowseName.Name == "Identification"]  # fmt: skip
    inside = await references(channel, server, [node for _, node in folders], ObjectIds.HierarchicalReferences)
    asked = [
        (n, part)
        for n, parts in [*enumerate(below), *((n, parts) for (n, _), parts in zip(folders, inside, strict=True))]
        for part in parts
        if part.NodeClass == ua.NodeClass.Variable and part.BrowseName.Name in _IDENTIFICATION
    ]
    values = await read_any(channel, server, [value_of(local(part.NodeId)) for _, part in asked])
    told: list[dict[str, str]] = [{} for _ in below]
    for (n, part), value in zip(asked, values, strict=True):
        text = value.Text if isinstance(value, ua.LocalizedText) else value
        if text not in {None, "", 0}:
            told[n][str(part.BrowseName.Name)] = str(text)
    return [{name: each[name] for name in _IDENTIFICATION if name in each} for each in told]


async def _specifications(
    channel: Channel, server: Server, types: Sequence[ua.NodeId]
) -> dict[ua.NodeId, tuple[str, str]]:
    """Return the name of each type, and the specification that it comes from, itself or by a supertype."""
    at = {type_: type_ for type_ in types}
    names = await read_any(channel, server, [value_of(type_, AttributeIds.BrowseName) for type_ in at])
    named = {type_: name.Name or "" if name is not None else "" for type_, name in zip(at, names, strict=True)}
    found: dict[ua.NodeId, str] = {}
    for _ in range(_MOST_TYPES):
        found |= {t: name for t, now in at.items() if t not in found and (name := _specification(now, server))}
        open_ = [type_ for type_ in at if type_ not in found]
        above = await references(channel, server, [at[type_] for type_ in open_], ObjectIds.HasSubtype, forward=False,
                                 classes=ua.NodeClass.ObjectType)  # fmt: skip
        at = {type_: local(answer[0].NodeId) for type_, answer in zip(open_, above, strict=True) if answer}
        if not at:
            break
    return {type_: (named[type_], found.get(type_, "")) for type_ in named}


def _specification(type_: ua.NodeId, server: Server) -> str:
    """Return the specification whose namespace a type is in, empty for the vendor's own and the standard itself."""
    index: int = type_.NamespaceIndex
    uri = server.namespaces[index] if 0 < index < len(server.namespaces) else ""
    return uri.removeprefix(_UA).rstrip("/") if uri.startswith(_UA) else ""

"""Who the server is and how much it takes: asked once after each connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua.ua.object_ids import ObjectIds

from shoptwin_opcua import profiles
from shoptwin_opcua.nodes import node
from shoptwin_opcua.space import limits
from shoptwin_opcua.space.limits import Limits
from shoptwin_opcua.space.services import Server, ask_namespaces, read, value_of
from shoptwin_opcua.wire.decode import BAD

if TYPE_CHECKING:
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.settings import Settings
    from shoptwin_opcua.wire.decode import Row

_CAREFULLY = 10
"""Nodes in one request where it is not known yet whether the server has a limit."""
_WHO = (
    ObjectIds.Server_ServerStatus_BuildInfo_ProductUri,
    ObjectIds.Server_ServerStatus_BuildInfo_ManufacturerName,
    ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
)


async def ask_server(channel: Channel, settings: Settings) -> Server:
    """Read limits, BuildInfo and namespaces; the most careful of server, profile and settings holds.

    Raises:
        NotConnected, Timeout: the server could not be asked.
    """
    careful = Limits(read=1)  # the limit of reading is not known before it is read
    ids = [id_ for _, id_ in limits.ASKED]
    rows = await _read(channel, careful, ids[:1])
    careful.read = min(limits.of_server(rows, 0).read, _CAREFULLY)
    rows += await _read(channel, careful, ids[1:])
    server = Server(limits.of_server(rows, settings.batch), await ask_namespaces(channel))
    said = [str(row.value) for row in await _read(channel, careful, _WHO) if row.status < BAD and row.value]
    server.profile = settings.profile or profiles.recognised(said)
    if server.profile:
        profile = profiles.profiles()[server.profile]
        server.filters, server.reads = profile.filters, profile.mode == "poll"
        limits.apply(server.limits, profile)
        server.notes["profile"] = f"{server.profile}, {'as configured' if settings.profile else 'recognised'}"
    if lowered := str(server.limits):
        server.notes["limits"] = lowered
    return server


async def _read(channel: Channel, careful: Limits, ids: tuple[int, ...] | list[int]) -> list[Row]:
    return await read(channel, careful, [value_of(node(id_)) for id_ in ids])

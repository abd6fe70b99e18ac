"""The Browse service: what nodes refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

from shoptwin.sdk import BadAddress
from shoptwin_opcua.columns import BAD
from shoptwin_opcua.errors import code_name
from shoptwin_opcua.nodes import node as node_of
from shoptwin_opcua.services import in_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_opcua.channel import Channel
    from shoptwin_opcua.services import Server


async def references(
    channel: Channel, server: Server, nodes: Sequence[ua.NodeId], reference_type: int, *, strict: bool = False
) -> list[list[ua.ReferenceDescription]]:
    """Return the objects and variables that each node refers to; all of them, however many at a time the server gives.

    Raises:
        BadAddress: with `strict`, a node is not there.
    """

    async def ask(part: list[ua.NodeId]) -> list[ua.BrowseResult]:
        parameters = ua.BrowseParameters(
            View=ua.ViewDescription(Timestamp=ua.win_epoch_to_datetime(0)),
            RequestedMaxReferencesPerNode=0,
            NodesToBrowse=[
                ua.BrowseDescription(
                    NodeId=node,
                    BrowseDirection=ua.BrowseDirection.Forward,
                    ReferenceTypeId=node_of(reference_type),
                    IncludeSubtypes=True,
                    NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
                    ResultMask=ua.BrowseResultMask.All,
                )
                for node in part
            ],
        )
        return list((await channel.call(ua.BrowseRequest(Parameters=parameters), ua.BrowseResponse)).Results)

    found = []
    for node, result in zip(nodes, await in_chunks(nodes, server.limits, "browse", ask), strict=True):
        if strict and result.StatusCode.value >= BAD:
            raise BadAddress(f"{node.to_string()}: {code_name(result.StatusCode.value)}", "browse one level higher")
        some = list(result.References or [])
        point = result.ContinuationPoint
        while point:
            more = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[point])
            answer = await channel.call(ua.BrowseNextRequest(Parameters=more), ua.BrowseNextResponse)
            some += answer.Parameters.Results[0].References or []
            point = answer.Parameters.Results[0].ContinuationPoint
        found.append(some)
    return found

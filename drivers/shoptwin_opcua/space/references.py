"""The Browse service: what nodes refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from shoptwin.sdk import BadAddress, NotConnected
from shoptwin_opcua.errors import code_name
from shoptwin_opcua.nodes import node as node_of
from shoptwin_opcua.space.services import in_chunks
from shoptwin_opcua.wire.decode import BAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server

_AT_ONCE = 1000
"""References of one node in one answer: a folder of ten thousand must fit into a message; the rest is asked for."""


ANY = 0
"""All NodeClasses: some servers tell those of data types and their encodings wrong."""


async def references(
    channel: Channel,
    server: Server,
    nodes: Sequence[ua.NodeId],
    reference_type: int,
    *,
    strict: bool = False,
    forward: bool = True,
    classes: int = ua.NodeClass.Object | ua.NodeClass.Variable,
) -> list[list[ua.ReferenceDescription]]:
    """Return what each node refers to; all of it, however much at a time the server gives.

    `forward`: follow references, else against them. `classes`: the NodeClasses that are wanted, objects and variables.

    Raises:
        BadAddress: with `strict`, a node is not there.
        NotConnected: the server has no continuation point even for one node alone.
    """

    async def ask(part: list[ua.NodeId]) -> list[ua.BrowseResult]:
        parameters = ua.BrowseParameters(
            View=ua.ViewDescription(Timestamp=ua.win_epoch_to_datetime(0)),
            RequestedMaxReferencesPerNode=_AT_ONCE,
            NodesToBrowse=[_description(node, reference_type, forward, classes) for node in part],
        )
        answer = await channel.call(ua.BrowseRequest(Parameters=parameters), ua.BrowseResponse)
        found = list(answer.Results)
        if any(map(_refused, found)):
            _fewer(channel, server, part, found)
        # At once, before more is browsed: a session has few continuation points (Part 4, 7.9).
        return await _continued(channel, server, found)

    results = await in_chunks(nodes, server.limits, "browse", ask)
    while left := [i for i, result in enumerate(results) if _refused(result)]:
        few = await in_chunks([nodes[i] for i in left], server.limits, "points", ask)
        for i, result in zip(left, few, strict=True):
            results[i] = result
    for node, result in zip(nodes, results, strict=True):
        if strict and result.StatusCode.value >= BAD:
            raise BadAddress(f"{node.to_string()}: {code_name(result.StatusCode.value)}", "browse one level higher")
    return [list(result.References or []) for result in results]


def _description(node: ua.NodeId, reference_type: int, forward: bool, classes: int) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward if forward else ua.BrowseDirection.Inverse,
        ReferenceTypeId=node_of(reference_type),
        IncludeSubtypes=True,
        NodeClassMask=classes,
        ResultMask=ua.BrowseResultMask.All,
    )


def _refused(result: ua.BrowseResult) -> bool:
    return bool(result.StatusCode.value == StatusCodes.BadNoContinuationPoints)


def _fewer(channel: Channel, server: Server, asked: Sequence[ua.NodeId], found: Sequence[ua.BrowseResult]) -> None:
    """Browse as many nodes together from now on as the server had continuation points for, whatever it says of them."""
    if len(asked) == 1:
        raise NotConnected(
            f"{channel.url} has no continuation point left, and cannot tell all that {asked[0].to_string()} has",
            "close other clients of the server, or raise its MaxBrowseContinuationPoints; it is asked again",
        )
    server.limits.lower("points", max(1, sum(bool(result.ContinuationPoint) for result in found)))


async def _continued(channel: Channel, server: Server, results: list[ua.BrowseResult]) -> list[ua.BrowseResult]:
    """Return the results with what the server had no room for; BrowseNext has the limit of Browse (Part 5, 6.3.11)."""

    async def ask(part: list[ua.BrowseResult]) -> list[ua.BrowseResult]:
        points = [result.ContinuationPoint for result in part]
        parameters = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=points)
        answer = await channel.call(ua.BrowseNextRequest(Parameters=parameters), ua.BrowseNextResponse)
        return list(answer.Parameters.Results)

    while unfinished := [result for result in results if result.ContinuationPoint]:
        for result, more in zip(unfinished, await in_chunks(unfinished, server.limits, "browse", ask), strict=True):
            if more.StatusCode.value >= BAD:
                why = code_name(more.StatusCode.value)
                raise NotConnected(f"{channel.url} breaks off while it is browsed: {why}", "it is asked again")
            result.References = [*(result.References or []), *(more.References or [])]
            result.ContinuationPoint = more.ContinuationPoint
    return results

"""Walking through an address space, from top to bottom, with as few requests as the server's limits allow.

Names come before what lies below them, as people read a tree. To that end a little more is asked for at a time than is
told next: what lies ahead is browsed in the same request, and told when its turn comes. There is no recursion, a node
that is met again is told again but not entered again, and what was told is forgotten but for its NodeId.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from shoptwin_opcua.nodes import local
from shoptwin_opcua.space.references import references

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server

AHEAD = 250
"""Nodes that are browsed in one request at most; what they have below is held until it is their turn."""
_ASIDE = frozenset({int(ObjectIds.HasSubtype), int(ObjectIds.HasEventSource), int(ObjectIds.HasNotifier)})
"""Hierarchical references that tell nothing of where a thing lies (Part 3, 7.15 to 7.18)."""
_DESCRIBES = int(ObjectIds.PropertyType)


@dataclass(slots=True, eq=False)
class Found:
    """One node, and where."""

    node: ua.NodeId
    name: str
    is_value: bool
    type: ua.NodeId | None
    """Its TypeDefinition."""
    path: tuple[str, ...] = ()
    below: list[Found] | None = None
    """None while it was not browsed."""
    properties: list[tuple[str, ua.NodeId]] = field(default_factory=list)
    """Of a variable: what describes it (Part 3, 4.4.2), by BrowseName."""
    again: bool = False

    @property
    def describes(self) -> bool:
        """Whether it is a property."""
        return self.type is not None and self.type.NamespaceIndex == 0 and self.type.Identifier == _DESCRIBES


async def walk(
    channel: Channel,
    server: Server,
    top: ua.NodeId,
    *,
    depth: int = 0,
    without: Collection[ua.NodeId] = (),
) -> AsyncIterator[list[Found]]:
    """Yield what is below `top` in the order of a tree; `depth` levels of it, 0 for all.

    Raises:
        BadAddress: there is no such node. NotConnected, Timeout: the server could not be asked.
    """
    first = Found(top, "", is_value=False, type=None)
    _take(first, (await references(channel, server, [top], ObjectIds.HierarchicalReferences, strict=True))[0])
    waiting = [each for each in reversed(first.below or ()) if each.node not in without]
    seen = {top}
    while waiting:
        ahead = _ahead(waiting, seen, depth)
        answers = await references(channel, server, [each.node for each in ahead], ObjectIds.HierarchicalReferences)
        for each, answer in zip(ahead, answers, strict=True):
            _take(each, answer)
        told: list[Found] = []
        while waiting and (waiting[-1].node in seen or _ready(waiting[-1], depth)):
            each = waiting.pop()
            each.again = each.node in seen
            seen.add(each.node)
            told.append(each)
            if not each.again and not (depth and len(each.path) + 1 >= depth):
                waiting += reversed(each.below or ())
            each.below = None
        if told:
            yield told


def _ready(found: Found, depth: int) -> bool:
    """Tell whether a node need not be browsed any more before it is told."""
    deepest = bool(depth) and len(found.path) + 1 >= depth
    return found.below is not None or found.describes or (deepest and not found.is_value)


def _ahead(waiting: Sequence[Found], seen: set[ua.NodeId], depth: int) -> list[Found]:
    """Return the nodes to browse next: those whose turn comes first."""
    some: list[Found] = []
    asked: set[ua.NodeId] = set()
    for found in _in_order(waiting):
        if found.node in seen or found.node in asked or _ready(found, depth):
            continue
        some.append(found)
        asked.add(found.node)
        if len(some) == AHEAD:
            break
    return some


def _in_order(waiting: Sequence[Found]) -> Iterator[Found]:
    """Yield what waits, and what is known to be below it, in the order in which it will be told."""
    stack: list[Iterator[Found]] = [iter(reversed(waiting))]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        yield found
        if found.below:
            stack.append(iter(found.below))


def _take(found: Found, answer: Sequence[ua.ReferenceDescription]) -> None:
    """Note what a node refers to."""
    path = (*found.path, found.name) if found.name else ()
    found.below = []
    for reference in answer:
        node, name = local(reference.NodeId), reference.BrowseName.Name or ""
        kind = reference.ReferenceTypeId
        if kind.NamespaceIndex == 0 and kind.Identifier in _ASIDE:
            continue
        if found.is_value and kind.NamespaceIndex == 0 and kind.Identifier == ObjectIds.HasProperty:
            found.properties.append((name, node))
            continue
        shown = reference.DisplayName.Text or name or node.to_string()
        is_value = reference.NodeClass == ua.NodeClass.Variable
        found.below.append(Found(node, shown, is_value, local(reference.TypeDefinition), path))

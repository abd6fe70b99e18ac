"""NodeIds of asyncua, from plain values and from addresses."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from asyncua import ua

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_opcua.address import NodeAddress

_TYPES = {"s": ua.NodeIdType.String, "g": ua.NodeIdType.Guid, "b": ua.NodeIdType.ByteString}


def node(identifier: Any, namespace: Any = 0, type_: ua.NodeIdType | None = None) -> ua.NodeId:  # noqa: ANN401 - asyncua asks for wrapper types of its own (Int32, String) that nobody passes
    """Return a NodeId; the type follows from the identifier where it can."""
    return ua.NodeId(identifier, namespace) if type_ is None else ua.NodeId(identifier, namespace, type_)


def of_address(address: NodeAddress, namespaces: Sequence[str]) -> ua.NodeId | None:
    """Return the node that an address means at a server with these namespaces, None where it has no such."""
    index = address.index(namespaces)
    return None if index is None else in_namespace(address, index)


def in_namespace(address: NodeAddress, index: int) -> ua.NodeId:
    """Return the node that an address means in the namespace of this index."""
    identifier = uuid.UUID(str(address.identifier)) if address.type == "g" else address.identifier
    return node(identifier, index, _TYPES.get(address.type))


def local(found: ua.NodeId) -> ua.NodeId:
    """Return an ExpandedNodeId of this server as a NodeId."""
    return ua.NodeId(found.Identifier, found.NamespaceIndex, found.NodeIdType)

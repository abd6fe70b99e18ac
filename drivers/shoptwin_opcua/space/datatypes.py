"""How the server's structures are laid out: DataTypeDefinitions (Part 3, 8.47), else the older type dictionaries.

asyncua can load them too, but makes Python classes of them by `exec`, kept for the whole process by their name, where
another server may have another structure of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary

from shoptwin_opcua.nodes import local
from shoptwin_opcua.space.dictionaries import from_dictionaries
from shoptwin_opcua.space.references import ANY, references
from shoptwin_opcua.space.services import read, read_any, value_of
from shoptwin_opcua.wire.decode import EXTENSION_OBJECT, VARIANT, Body
from shoptwin_opcua.wire.structures import Field, Structure, key_of, struct_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.structures import Key

_BUILT_IN = 25
_ABSTRACT = {
    ObjectIds.Number: VARIANT, ObjectIds.Integer: VARIANT, ObjectIds.UInteger: VARIANT, ObjectIds.BaseDataType: VARIANT,
    ObjectIds.Structure: EXTENSION_OBJECT, ObjectIds.Enumeration: 6,
}  # fmt: skip
"""How fields of types are encoded that are none of their own (Part 6, 5.2.2 and 5.2.4)."""
_OPTIONAL, _UNION, _SUBTYPED, _UNION_SUBTYPED = 1, 2, 3, 4
"""StructureTypes (Part 3, 8.49); 0 has none of it."""


async def learn(channel: Channel, server: Server, nodes: Sequence[ua.NodeId]) -> None:
    """Find out how the structures are laid out that are the values of these nodes, as far as it is not known yet.

    Raises:
        NotConnected, Timeout: the server could not be asked.
    """
    types = {type_ for type_ in await _attribute(channel, server, nodes, AttributeIds.DataType) if type_ is not None}
    # A variable may say only that it is some structure; its value tells which.
    rows = await read(channel, server.limits, [value_of(each) for each in nodes])
    bodies = [body for row in rows for body in (row.value if isinstance(row.value, list) else [row.value])]
    unknown = {body.encoding for body in bodies if isinstance(body, Body)}
    encodings = [nodeid_from_binary(Buffer(each)) for each in unknown if key_of(each) not in server.structures]
    for found in await _related(channel, server, encodings, ObjectIds.HasEncoding, forward=False):
        types |= set(found)
    await _Layouts(channel, server).learn(types)


class _Layouts:
    """The types that are met on the way, and what the server says of each."""

    def __init__(self, channel: Channel, server: Server) -> None:
        self._channel, self._server = channel, server
        self._definitions: dict[ua.NodeId, ua.StructureDefinition | None] = {}
        self._above: dict[ua.NodeId, ua.NodeId] = {}
        self._made: dict[ua.NodeId, Structure] = {}

    async def learn(self, types: Iterable[ua.NodeId]) -> None:
        pending = self._unseen(types)
        while pending:
            found = await _attribute(self._channel, self._server, pending, AttributeIds.DataTypeDefinition)
            above = await _related(self._channel, self._server, pending, ObjectIds.HasSubtype, forward=False)
            met: list[ua.NodeId] = []
            for type_, definition, supers in zip(pending, found, above, strict=True):
                structure = definition if isinstance(definition, ua.StructureDefinition) else None
                self._definitions[type_] = structure
                if supers:
                    self._above[type_] = supers[0]
                met += supers if structure is None else [field.DataType for field in structure.Fields]
            pending = self._unseen(met)
        await self._build()

    def _unseen(self, types: Iterable[ua.NodeId]) -> list[ua.NodeId]:
        return [type_ for type_ in dict.fromkeys(types) if _known(type_) is None and type_ not in self._definitions]

    async def _build(self) -> None:
        defined = {type_: each for type_, each in self._definitions.items() if each is not None}
        self._made = {type_: Structure(str(type_)) for type_ in defined}
        for type_, definition in defined.items():
            self._fill(self._made[type_], definition)
        left = [
            type_ for type_ in self._definitions if type_ not in defined and self._encoding(type_) == EXTENSION_OBJECT
        ]
        if left:
            self._server.structures |= await from_dictionaries(self._channel, self._server, left)
        for structure, encodings in zip(
            self._made.values(),
            await _related(self._channel, self._server, list(defined), ObjectIds.HasEncoding),
            strict=True,
        ):
            for encoding in encodings:
                self._server.structures[key(encoding)] = structure
        for type_, definition in defined.items():
            if not definition.DefaultEncodingId.is_null():
                self._server.structures[key(definition.DefaultEncodingId)] = self._made[type_]

    def _fill(self, structure: Structure, definition: ua.StructureDefinition) -> None:
        kind = int(definition.StructureType)
        structure.union, structure.masked = kind in {_UNION, _UNION_SUBTYPED}, kind == _OPTIONAL
        bits = iter(range(32))
        structure.fields = tuple(
            self._field(field, next(bits) if structure.masked and field.IsOptional else -1,
                        subtyped=kind in {_SUBTYPED, _UNION_SUBTYPED} and bool(field.IsOptional))
            for field in definition.Fields
        )  # fmt: skip

    def _field(self, field: ua.StructureField, bit: int, *, subtyped: bool) -> Field:
        """Return a field; one that may be of a subtype is encoded with its type (Part 6, 5.2.6)."""
        of = self._made.get(field.DataType)
        encoding = self._encoding(field.DataType)
        if subtyped:
            of, encoding = None, EXTENSION_OBJECT if encoding == EXTENSION_OBJECT else VARIANT
        return Field(str(field.Name), struct_type(of, encoding), int(field.ValueRank), of, bit)

    def _encoding(self, type_: ua.NodeId) -> int:
        """Return the built-in type by which a type is encoded: that of the first above it that has one."""
        for _ in range(len(self._definitions) + 1):
            if (known := _known(type_)) is not None:
                return known
            if self._definitions.get(type_) is not None or type_ not in self._above:
                break
            type_ = self._above[type_]
        return EXTENSION_OBJECT


def _known(type_: ua.NodeId) -> int | None:
    if type_.NamespaceIndex or not isinstance(type_.Identifier, int):
        return None
    return type_.Identifier if 1 <= type_.Identifier < VARIANT else _ABSTRACT.get(type_.Identifier)


def key(id_: ua.NodeId) -> Key:
    """Return a NodeId as `key_of` does."""
    return key_of(nodeid_to_binary(id_))


async def _attribute(
    channel: Channel, server: Server, nodes: Sequence[ua.NodeId], attribute: AttributeIds
) -> list[Any]:
    """Return an attribute of each node as asyncua decodes it, None where there is none."""
    return await read_any(channel, server, [value_of(each, attribute) for each in nodes])


async def _related(
    channel: Channel, server: Server, nodes: Sequence[ua.NodeId], reference: int, *, forward: bool = True
) -> list[list[ua.NodeId]]:
    """Return what data types, or their encodings, refer to."""
    found = await references(channel, server, nodes, reference, forward=forward, classes=ANY)
    return [[local(each.NodeId) for each in some] for some in found]

"""Layouts of structures as servers before OPC UA 1.04 tell them: type dictionaries in XML (Part 5, annex D)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_to_binary

from shoptwin_opcua.nodes import local
from shoptwin_opcua.space.references import ANY, references
from shoptwin_opcua.space.services import read_any, value_of
from shoptwin_opcua.wire.structures import Field, Structure, key_of, struct_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncua import ua

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.structures import Key

_NAMES = ("", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double",
          "String", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode",
          "QualifiedName", "LocalizedText", "ExtensionObject", "DataValue", "Variant", "DiagnosticInfo")  # fmt: skip
_BUILT_IN = {name: number for number, name in enumerate(_NAMES) if number} | {"CharArray": 12, "Char": 3}
_OF_MASK = 32


async def from_dictionaries(channel: Channel, server: Server, types: Sequence[ua.NodeId]) -> dict[Key, Structure]:
    """Return the layouts, by their encoding, of data types that have no definition; not of those that are told nowhere.

    Raises:
        NotConnected, Timeout: the server could not be asked.
    """
    encodings = [
        local(each.NodeId)
        for some in await references(channel, server, types, ObjectIds.HasEncoding, classes=ANY)
        for each in some
        if each.BrowseName.Name == "Default Binary"
    ]
    described = await references(channel, server, encodings, ObjectIds.HasDescription, classes=ANY)
    pairs = [(encoding, local(some[0].NodeId)) for encoding, some in zip(encodings, described, strict=True) if some]
    above = await references(
        channel, server, [description for _, description in pairs], ObjectIds.HasComponent, forward=False, classes=ANY
    )
    homes = [local(some[0].NodeId) if some else None for some in above]
    dictionaries = list(dict.fromkeys(home for home in homes if home is not None))
    texts = dict(
        zip(dictionaries, await read_any(channel, server, [value_of(each) for each in dictionaries]), strict=True)
    )
    layouts = {home: parse(text) for home, text in texts.items() if isinstance(text, bytes)}
    names = await read_any(channel, server, [value_of(description) for _, description in pairs])
    found = {}
    for (encoding, _), home, name in zip(pairs, homes, names, strict=True):
        layout = layouts.get(home, {}).get(str(name)) if home is not None else None
        if layout is not None:
            found[key_of(nodeid_to_binary(encoding))] = layout
    return found


def parse(dictionary: bytes) -> Mapping[str, Structure]:
    """Return the layouts of an OPC Binary dictionary by name; those that cannot be understood are left out."""
    try:
        # Expat from 2.4.1 on, which Python 3.11 brings, refuses entities that expand without end.
        root = ET.fromstring(dictionary)  # noqa: S314
    except (ET.ParseError, ValueError):
        return {}
    enumerated = {each.get("Name", ""): each for each in root if _tag(each) == "EnumeratedType"}
    layouts = {each.get("Name", ""): Structure(each.get("Name", "")) for each in root if _tag(each) == "StructuredType"}
    understood = {}
    for element in root:
        name = element.get("Name", "")
        if _tag(element) == "StructuredType" and _fill(layouts[name], element, layouts, enumerated):
            understood[name] = layouts[name]
    return understood


def _fill(
    structure: Structure, element: ET.Element, layouts: Mapping[str, Structure], enumerated: Mapping[str, ET.Element]
) -> bool:
    """Fill in the fields; tell whether they were understood."""
    fields = [each for each in element if _tag(each) == "Field"]
    lengths = {each.get("LengthField") for each in fields}
    bits: dict[str, int] = {}
    used = 0
    found: list[Field] = []
    for field in fields:
        name, type_ = field.get("Name", ""), field.get("TypeName", "").rpartition(":")[2]
        if type_ == "Bit":
            bits[name] = used
            used += int(field.get("Length", "1"))
            continue
        if name in lengths:
            continue  # the length of an array, which comes before it as it does before any
        of = layouts.get(type_)
        number = 6 if type_ in enumerated else _BUILT_IN.get(type_, 0)
        switch, value = field.get("SwitchField"), field.get("SwitchValue")
        structure.union |= value is not None
        if of is None and not number:
            return False
        rank = 1 if field.get("LengthField") and type_ != "Char" else -1
        bit = -1 if switch is None or value is not None else bits.get(switch, -1)
        found.append(Field(name, struct_type(of, number), rank, of, bit))
    if structure.union:
        found = found[1:]  # the number of the one there is
    structure.fields, structure.masked = tuple(found), used > 0
    return used in {0, _OF_MASK}


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]

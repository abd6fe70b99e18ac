"""What describes variables: types, and properties that the standard has for units, ranges and names of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from shoptwin.sdk import ValueKind
from shoptwin_opcua.nodes import local
from shoptwin_opcua.space.references import references
from shoptwin_opcua.space.resolve import RATES
from shoptwin_opcua.space.services import read_any, value_of
from shoptwin_opcua.space.units import unit
from shoptwin_opcua.wire import decode
from shoptwin_opcua.wire.decode import Row
from shoptwin_opcua.wire.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from shoptwin_opcua.discovery.walk import Found
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server

_NAMED = ("EnumStrings", "EnumValues")
_TOLD = frozenset({"EngineeringUnits", "EURange", "TrueState", "FalseState", *_NAMED, *RATES})
"""Properties that are read (Part 8, 5.3; Part 3, 5.8.3)."""
_BUILT_IN = 25
_SAME_AS = {
    ObjectIds.Duration: 11, ObjectIds.UtcTime: decode.DATE_TIME, ObjectIds.LocaleId: decode.STRING,
    ObjectIds.Enumeration: 6, ObjectIds.Counter: 7, ObjectIds.IntegerId: 7,
}  # fmt: skip
"""Data types of the standard that variables have, and the built-in type that goes over the wire."""

Labels = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a variable without its value."""

    kind: ValueKind | None = None
    """None where the type does not tell it: the value will."""
    unit: str = ""
    span: tuple[float, float] | None = None
    labels: Labels = ()
    rate: float | None = None


class Details:
    """Asks a server about nodes, each data type once."""

    def __init__(self, channel: Channel, server: Server) -> None:
        self._channel, self._server = channel, server
        self._labels: dict[ua.NodeId, Labels] = {}
        """Of enumerations, by their data type."""
        self._names: dict[ua.NodeId, str] = {}
        """Of type definitions."""
        self.known: dict[ua.NodeId, Known] = {}
        """Of the variables that were asked about last."""

    async def of(self, some: Sequence[Found]) -> None:
        """Ask about these nodes; what was known of others is forgotten.

        Raises:
            NotConnected, Timeout: the server could not be asked.
        """
        await self._name([found.type for found in some if found.type is not None and not found.again])
        values = [found for found in some if found.is_value]
        described = [(found, name, node) for found in values for name, node in found.properties if name in _TOLD]
        asked = [value_of(found.node, AttributeIds.DataType) for found in values]
        asked += [value_of(found.node, AttributeIds.ValueRank) for found in values]
        asked += [value_of(node) for _, _, node in described]
        answers = await self._read(asked)
        types, ranks = answers[: len(values)], answers[len(values) : 2 * len(values)]
        properties: dict[ua.NodeId, dict[str, Any]] = {}
        for (found, name, _), value in zip(described, answers[2 * len(values) :], strict=True):
            properties.setdefault(found.node, {})[name] = value
        await self._label({type_ for type_ in types if isinstance(type_, ua.NodeId) and type_.NamespaceIndex})
        self.known = {
            found.node: self._known(type_, rank, properties.get(found.node, {}))
            for found, type_, rank in zip(values, types, ranks, strict=True)
        }

    def type_name(self, found: Found) -> str:
        """Return the name of a node's type, empty for those of the standard itself: folders and plain values."""
        return self._names.get(found.type, "") if found.type is not None else ""

    def _known(self, type_: object, rank: object, told: dict[str, Any]) -> Known:
        labels = _labels(told)
        kind = None
        if isinstance(type_, ua.NodeId):
            labels = labels or self._labels.get(type_, ())
            kind = ValueKind.I8 if self._labels.get(type_) else _kind(type_)
        if isinstance(rank, int) and rank != -1:  # an array, or perhaps one: the value will tell
            kind = ValueKind.WAVEFORM if rank == 1 and kind is not None and kind.numeric else None
        units = told.get("EngineeringUnits")
        named = ""
        if isinstance(units, ua.EUInformation):
            named = unit(units.UnitId, units.DisplayName.Text or "", units.NamespaceUri or "")
        span = told.get("EURange")
        rates = (told.get(name) for name in RATES)
        return Known(
            kind, named, (span.Low, span.High) if isinstance(span, ua.Range) and span.Low < span.High else None, labels,
            next((float(rate) for rate in rates if isinstance(rate, int | float) and rate > 0), None),
        )  # fmt: skip

    async def _name(self, types: Iterable[ua.NodeId]) -> None:
        unknown = list({type_ for type_ in types if type_.NamespaceIndex} - self._names.keys())
        names = await self._read([value_of(type_, AttributeIds.BrowseName) for type_ in unknown])
        for type_, name in zip(unknown, names, strict=True):
            self._names[type_] = name.Name or "" if isinstance(name, ua.QualifiedName) else ""

    async def _label(self, types: Collection[ua.NodeId]) -> None:
        """Ask what the values of data types are called, where they are enumerations."""
        unknown = [type_ for type_ in types if type_ not in self._labels]
        answers = await references(self._channel, self._server, unknown, ObjectIds.HasProperty)
        asked = [
            (type_, each.BrowseName.Name, local(each.NodeId))
            for type_, answer in zip(unknown, answers, strict=True)
            for each in answer
            if each.BrowseName.Name in _NAMED
        ]
        values = await self._read([value_of(node) for _, _, node in asked])
        self._labels |= dict.fromkeys(unknown, ())
        for (type_, name, _), value in zip(asked, values, strict=True):
            self._labels[type_] = _labels({name: value})

    async def _read(self, items: Sequence[ua.ReadValueId]) -> list[Any]:
        return await read_any(self._channel, self._server, items)


def _kind(type_: ua.NodeId) -> ValueKind | None:
    """Return what a scalar of a data type becomes, None where only the value can tell."""
    if type_.NamespaceIndex or not isinstance(type_.Identifier, int):
        return None
    number = _SAME_AS.get(type_.Identifier, type_.Identifier)
    return kind_of(Row(number, None, 0, 0, 0)) if number <= _BUILT_IN else None


def _labels(told: dict[str, Any]) -> Labels:
    """Return the names of values, from whichever of the properties there is."""
    if isinstance(values := told.get("EnumValues"), list):
        return tuple((int(each.Value), each.DisplayName.Text or "") for each in values if hasattr(each, "DisplayName"))
    if isinstance(strings := told.get("EnumStrings"), list):
        return tuple(
            (n, text.Text) for n, text in enumerate(strings) if isinstance(text, ua.LocalizedText) and text.Text
        )
    states = ((0, told.get("FalseState")), (1, told.get("TrueState")))
    return tuple((n, text.Text) for n, text in states if isinstance(text, ua.LocalizedText) and text.Text)

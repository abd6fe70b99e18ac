"""One edge node of Sparkplug B: births, deaths, aliases and sequence numbers (Sparkplug 3.0, chapters 4 and 6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoptwin.sdk import StatusCode
from shoptwin_mqtt.rows import Row
from shoptwin_mqtt.sparkplug import decode, value_of
from shoptwin_mqtt.values import bad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin_mqtt.rows import Want
    from shoptwin_mqtt.sparkplug import Metric, Payload

NAMESPACE = "spBv1.0"
CERTIFICATES = "$sparkplug/certificates/"
"""Where a broker keeps the last births, retained, if it is a "Sparkplug Aware MQTT Server" (Sparkplug 3.0)."""
_SEQUENCE = 256


@dataclass(slots=True, eq=False)
class Part:
    """The node itself or one of its devices."""

    wants: dict[str, list[Want]] = field(default_factory=dict)
    """Tags by metric."""
    alive: bool | None = None
    """None: neither a birth nor a death has been heard, nor data."""
    born: bool = False
    """Whether names and types below are those of a birth."""
    names: dict[int, str] = field(default_factory=dict)
    """Metrics by alias."""
    types: dict[str, int] = field(default_factory=dict)
    """DataType by metric."""
    doubtful: bool = False
    """A message has been missed, which may have been a birth: aliases may mean something else by now."""

    def forget(self) -> None:
        """Forget what the last birth said."""
        self.born, self.doubtful, self.names, self.types = False, False, {}, {}

    def born_with(self, payload: Payload) -> None:
        """Take up a birth certificate."""
        self.born, self.doubtful = True, False
        self.names = {m.alias: m.name for m in payload.metrics if m.alias is not None and m.name}
        self.types = {m.name: m.type for m in payload.metrics if m.name}


class EdgeNode:
    """What is known of one node; a machine without input or output of its own, fed with messages as they come."""

    def __init__(self, group: str, node: str) -> None:
        self.group = group
        self.node = node
        self.parts: dict[str, Part] = {"": Part()}
        """By device; the node itself is the empty one."""
        self.troubles: Counter[str] = Counter()
        """What was odd, by what it is called in the driver's README."""
        self._seq: int | None = None
        self._session: int | None = None
        """The birth's bdSeq, which a death must repeat."""

    def want(self, device: str, metric: str, want: Want) -> None:
        """Note that a tag waits for a metric."""
        self.parts.setdefault(device, Part()).wants.setdefault(metric, []).append(want)

    def wants(self) -> Iterator[Want]:
        """Give all tags that wait for something of this node."""
        for part in self.parts.values():
            for wants in part.wants.values():
                yield from wants

    def filters(self) -> list[str]:
        """Return the topics to subscribe to.

        Those of all devices, as they share the node's sequence numbers: a gap would go unnoticed without them.
        """
        own = [f"{NAMESPACE}/{self.group}/{kind}/{self.node}" for kind in ("NBIRTH", "NDATA", "NDEATH")]
        own += [f"{NAMESPACE}/{self.group}/{kind}/{self.node}/+" for kind in ("DBIRTH", "DDATA", "DDEATH")]
        kept = [f"{CERTIFICATES}{NAMESPACE}/{self.group}/NBIRTH/{self.node}"]
        kept += [
            f"{CERTIFICATES}{NAMESPACE}/{self.group}/DBIRTH/{self.node}/{device}" for device in self.parts if device
        ]
        return own + kept

    def alive(self) -> dict[str, bool]:
        """Return who answers, by `group/node` and `group/node/device`; who has not been heard of is left out."""
        return {
            "/".join(filter(None, (self.group, self.node, device))): part.alive
            for device, part in self.parts.items()
            if part.alive is not None
        }

    def take(self, kind: str, device: str, data: bytes, *, retained: bool) -> list[Row]:
        """Take one message of the node (`NBIRTH`) or of a device (`DDATA`); return what it says of tags.

        Raises:
            MalformedError: it cannot be decoded.
        """
        if kind == "NDEATH":
            return self._node_died(data, retained=retained)
        part = self.parts.get(device)
        payload = decode(data, metrics=part is not None)
        if not retained:
            self._follow(kind, payload.seq)
        if kind == "NBIRTH":
            self._node_born(payload)
        if part is None:
            return []
        if kind == "DDEATH":
            return self._died(part)
        birth = kind in {"NBIRTH", "DBIRTH"}
        if part.alive is False and not birth:
            self.troubles["data after death"] += 1
            return []
        part.alive = part.alive if retained else True
        if not birth:
            return list(self._rows(part, payload))
        part.born_with(payload)
        return [*self._rows(part, payload), *self._missing(part, payload)]

    def certificate(self, device: str, data: bytes) -> list[Row]:
        """Take a birth that the broker has kept: names and types hold; whether it is still alive it does not say.

        Raises:
            MalformedError: it cannot be decoded.
        """
        part = self.parts.get(device)
        if part is None or part.born:
            return []
        payload = decode(data)
        part.born_with(payload)
        return list(self._rows(part, payload))

    def _follow(self, kind: str, seq: int | None) -> None:
        """Watch the sequence: what is missing cannot be asked for again, as that would be a command."""
        if seq is None:
            return
        if kind != "NBIRTH" and self._seq is not None and seq != (self._seq + 1) % _SEQUENCE:
            self.troubles["sequence gap"] += 1
            for part in self.parts.values():
                part.doubtful = part.born
        self._seq = seq

    def _node_born(self, payload: Payload) -> None:
        for part in self.parts.values():
            part.forget()  # its devices bring their own births after it
        self._session = _session(payload)

    def _node_died(self, data: bytes, *, retained: bool) -> list[Row]:
        own = self.parts[""]
        session = _session(decode(data))
        if None not in {session, self._session} and session != self._session:
            return []  # the will of a session before this one
        if retained and own.alive is not None:
            return []
        self._seq = None
        return [row for part in self.parts.values() for row in self._died(part)]

    def _died(self, part: Part) -> list[Row]:
        part.forget()
        part.alive = False
        gone = bad(StatusCode.BAD_NOT_CONNECTED)
        return [Row(want, gone) for wants in part.wants.values() for want in wants]

    def _missing(self, part: Part, payload: Payload) -> Iterator[Row]:
        """Say of metrics that a birth does not name that there are none."""
        there = {metric.name for metric in payload.metrics}
        unknown = bad(StatusCode.BAD_NODE_ID_UNKNOWN)
        for name, wants in part.wants.items():
            if name not in there:
                for want in wants:
                    yield Row(want, unknown)

    def _rows(self, part: Part, payload: Payload) -> Iterator[Row]:
        for metric in payload.metrics:
            name = metric.name or self._named(part, metric)
            for want in part.wants.get(name, ()):
                value = value_of(metric, part.types.get(name, 0), want.wish)
                if value is None:
                    self.troubles["unknown type"] += 1
                    continue
                if part.doubtful and not metric.name and value.status == StatusCode.GOOD:
                    value = value._replace(status=StatusCode.UNCERTAIN)
                yield Row(want, value, metric.time, metric.historical)

    def _named(self, part: Part, metric: Metric) -> str:
        if metric.alias is None or metric.alias not in part.names:
            self.troubles["unknown alias"] += 1
            return ""
        return part.names[metric.alias]


def _session(payload: Payload) -> int | None:
    """Return the bdSeq of a birth or death of a node, None where there is none."""
    for metric in payload.metrics:
        if metric.name == "bdSeq" and isinstance(metric.raw, int):
            return metric.raw
    return None

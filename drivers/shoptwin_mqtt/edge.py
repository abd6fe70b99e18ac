"""One edge node of Sparkplug B: births, deaths, aliases and sequence numbers (Sparkplug 3.0, chapters 4 and 6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from shoptwin.sdk import StatusCode
from shoptwin_mqtt.rows import Life, Row
from shoptwin_mqtt.sparkplug import value_of
from shoptwin_mqtt.values import bad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin_mqtt.rows import Want
    from shoptwin_mqtt.sparkplug import Metric, Payload

NAMESPACE = "spBv1.0"
CERTIFICATES = "$sparkplug/certificates/"
"""Where a broker keeps the last births, retained, if it is a "Sparkplug Aware MQTT Server" (Sparkplug 3.0)."""
_SEQUENCE = 256


class Origin(NamedTuple):
    """Whose message it is."""

    kind: str
    """`NBIRTH`, `DDATA` and so on."""
    group: str
    node: str
    device: str
    """Empty: the node itself."""
    kept: bool
    """Whether it is a birth that the broker has kept."""


def origin(topic: str) -> Origin | None:
    """Return whose message comes on a topic, None where it is none of Sparkplug B."""
    parts = topic.removeprefix(CERTIFICATES).split("/", 4)
    if len(parts) < 4 or parts[0] != NAMESPACE:  # noqa: PLR2004 - namespace, group, kind, node
        return None
    return Origin(parts[2], parts[1], parts[3], parts[4] if len(parts) > 4 else "", topic.startswith(CERTIFICATES))  # noqa: PLR2004


@dataclass(slots=True, eq=False)
class Part:
    """The node itself or one of its devices."""

    wants: dict[str, list[Want]] = field(default_factory=dict)
    """Tags by metric."""
    life: Life = field(default_factory=Life)
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

    def all(self) -> Iterator[Want]:
        """Give its tags."""
        for wants in self.wants.values():
            yield from wants

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
        self._ended: int | None = None
        """The bdSeq of the last death."""
        self._whole = True
        """Whether all of its messages can come: only then is one missing where its number is."""

    def want(self, device: str, metric: str, want: Want) -> None:
        """Note that a tag waits for a metric."""
        part = self.parts.setdefault(device, Part())
        part.wants.setdefault(metric, []).append(want)
        want.life = part.life

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

    def refused(self, topic: str) -> list[Want]:
        """Note that the broker does not give us one of the topics; return the tags that nothing will be heard of."""
        if topic.startswith(CERTIFICATES):  # most brokers keep none, and some hide what begins with $
            return []
        self._whole = False
        kind = topic.split("/")[2]
        if not kind.endswith("DATA"):
            return []
        return [want for device, part in self.parts.items() if bool(device) == (kind == "DDATA") for want in part.all()]

    def alive(self) -> dict[str, bool]:
        """Return who answers, by `group/node` and `group/node/device`; who has not been heard of is left out."""
        return {
            "/".join(filter(None, (self.group, self.node, device))): part.alive
            for device, part in self.parts.items()
            if part.alive is not None
        }

    def take(self, kind: str, device: str, payload: Payload, *, retained: bool, now: float) -> list[Row]:
        """Take one message of the node (`NBIRTH`) or of a device (`DDATA`); return what it says of tags."""
        if kind == "NDEATH":
            return self._node_died(payload, retained=retained)
        if not retained:
            self._follow(kind, payload.seq)
        unborn = self._node_born(payload, retained=retained) if kind == "NBIRTH" else []
        part = self.parts.get(device)
        if part is None:
            return unborn
        if kind == "DDEATH":
            return self._died(part)
        birth = kind in {"NBIRTH", "DBIRTH"}
        if part.alive is False and not birth:
            self.troubles["data after death"] += 1
            return []
        if birth:
            part.born_with(payload)
        rows = list(self._rows(part, payload))
        if birth:
            rows += self._missing(part, payload)
        if not retained:
            part.alive = True
            rows += self._lived(part, payload, rows, now)
        return unborn + rows

    def certificate(self, device: str, payload: Payload) -> list[Row]:
        """Take a birth that the broker has kept: names and types hold; whether it is still alive it does not say."""
        part = self.parts.get(device)
        if not device and self._session is None:
            self._session = _session(payload)
            if None not in {self._session, self._ended} and self._session != self._ended:
                for each in self.parts.values():  # it was the will of a session before this one that was heard
                    each.alive = None
        if part is None or part.born:
            return []
        part.born_with(payload)
        return list(self._rows(part, payload)) if part.alive is not False else []

    def _follow(self, kind: str, seq: int | None) -> None:
        """Watch the sequence: what is missing cannot be asked for again, as that would be a command."""
        if seq is None or not self._whole:
            return
        # One that comes twice, as QoS 1 allows, is none that was missed.
        if kind != "NBIRTH" and self._seq is not None and seq not in {self._seq, (self._seq + 1) % _SEQUENCE}:
            self.troubles["sequence gap"] += 1
            for part in self.parts.values():
                part.doubtful = part.born
                for want in part.all():
                    want.sure = False
        self._seq = seq

    def _lived(self, part: Part, payload: Payload, rows: list[Row], now: float) -> list[Row]:
        """Take a live message as a sign of the life of all that its part has told; return what holds again by it."""
        if payload.metrics and all(metric.historical for metric in payload.metrics):
            return []
        silenced = part.life.silenced
        part.life.heard, part.life.silenced = now, []
        told = {row.want.tag for row in rows if not row.past}
        back: list[Row] = []
        for want in silenced:
            if want.tag not in told and want.last is not None:
                again = [Row(want, want.last, _latest(payload))]
                back += again if want.sure else want.unsure(_latest(payload)) or again
        return back

    def _node_born(self, payload: Payload, *, retained: bool) -> list[Row]:
        """Take a node's birth; return what it says of its devices, which are not known to live until their own."""
        self._session = _session(payload)
        unborn: list[Row] = []
        for device, part in self.parts.items():
            part.forget()
            if device and part.alive is not False and not retained:
                part.alive = None
                part.life.end()
                unborn += [row for want in part.all() for row in want.unsure(_latest(payload))]
        return unborn

    def _node_died(self, payload: Payload, *, retained: bool) -> list[Row]:
        session = _session(payload)
        if None not in {session, self._session} and session != self._session:
            return []  # the will of a session before this one
        if retained and self.parts[""].alive is not None:
            return []
        self._seq, self._ended = None, session
        return [row for part in self.parts.values() for row in self._died(part)]

    def _died(self, part: Part) -> list[Row]:
        part.forget()
        part.alive = False
        part.life.end()
        gone = bad(StatusCode.BAD_NOT_CONNECTED)
        return [Row(want, gone) for want in part.all()]

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


def _latest(payload: Payload) -> int:
    """Return the time of what a message tells of now, by the node's own clock; 0 where it says none."""
    return max((metric.time for metric in payload.metrics if not metric.historical), default=0)


def _session(payload: Payload) -> int | None:
    """Return the bdSeq of a birth or death of a node, None where there is none."""
    for metric in payload.metrics:
        if metric.name == "bdSeq" and isinstance(metric.raw, int):
            return metric.raw
    return None

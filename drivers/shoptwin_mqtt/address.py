"""Addresses: a topic with a place in its payload, or a metric of Sparkplug B."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.sdk import BadAddress
from shoptwin_mqtt import pointer

if TYPE_CHECKING:
    from shoptwin.sdk import ValueKind
    from shoptwin_mqtt.pointer import Pointer

SPARKPLUG = "spB:"
_LONGEST = 65_535
"""Bytes of a topic (MQTT 5, 1.5.4)."""
_HINT = (
    "write sensors/hall-2/temperature for a payload that is the value itself, sensors/hall-2#/temperature for a place "
    "in JSON, sensors/hall-2#/temperature@/time with its time, or spB:group/node/device/metric for Sparkplug B"
)
_SPARKPLUG_HINT = (
    "write spB:group/node/device/metric, and spB:group/node//metric for one of the edge node itself; "
    "a metric's name may contain slashes"
)


@dataclass(frozen=True, slots=True)
class TopicAddress:
    """A place in what is published on one topic."""

    topic: str
    pointer: Pointer = ()
    time: Pointer | None = None
    """Where the payload says when it was measured; None: as `time_field` of the device says."""

    @property
    def kind(self) -> ValueKind | None:
        """None: the payload shows it."""
        return None


@dataclass(frozen=True, slots=True)
class MetricAddress:
    """A metric of Sparkplug B; `device` is empty for one of the edge node itself."""

    group: str
    node: str
    device: str
    metric: str

    @property
    def kind(self) -> ValueKind | None:
        """None: the birth certificate says it."""
        return None


MqttAddress = TopicAddress | MetricAddress


def parse(text: str) -> MqttAddress:
    """Parse an address.

    Raises:
        BadAddress: it is none; the hint says how to write one.
    """
    text = text.strip()
    if text.startswith(SPARKPLUG):
        return _metric(text)
    topic, _, place = text.partition("#")
    if "+" in topic or topic.endswith("/"):
        what = "+ and # stand for many topics" if "+" in topic or "#" in text else "it ends in /"
        raise BadAddress(f"{text!r} names no single topic: {what}, and a value has one", _HINT)
    _check(topic, text)
    if topic.startswith("$share/"):
        raise BadAddress(f"{text!r} is a shared subscription, not a topic", "leave out $share/ and its group's name")
    where, at, when = place.rpartition("@/")
    if not at:
        return TopicAddress(topic, pointer.parse(place))
    return TopicAddress(topic, pointer.parse(where), pointer.parse(f"/{when}"))


def _metric(text: str) -> MetricAddress:
    parts = text.removeprefix(SPARKPLUG).split("/", 3)
    if len(parts) < 4 or not (parts[0] and parts[1] and parts[3]):  # noqa: PLR2004 - group, node, device, metric
        raise BadAddress(f"{text!r} is no metric of Sparkplug B", _SPARKPLUG_HINT)
    group, node, device, metric = parts
    if any(mark in part for part in (group, node, device) for mark in "+#"):
        raise BadAddress(f"{text!r}: Sparkplug allows neither + nor # in these names", _SPARKPLUG_HINT)
    _check(f"spBv1.0/{group}/DBIRTH/{node}/{device}", text)
    return MetricAddress(group, node, device, metric)


def _check(topic: str, text: str) -> None:
    if not topic or "\0" in topic or not topic.isprintable():
        raise BadAddress(f"{text!r} begins with no topic that one could publish on", _HINT)
    if len(topic.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise BadAddress(f"a topic has at most {_LONGEST} bytes", _HINT)

"""Devices: what is polled, and how the runtime asks a driver for it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.domain.tag import ValueKind


@dataclass(frozen=True, slots=True)
class Device:
    """One PLC, meter or transmitter, as configured. `settings` is the driver's own, already validated."""

    name: str
    driver: str
    period: int
    settings: Any = None


@dataclass(frozen=True, slots=True)
class Point:
    """One tag as a driver sees it: `tag` goes into the batch, `address` is what `parse_address` returned."""

    tag: int
    address: Any
    kind: ValueKind | None = None
    """The kind of value that is wanted where the address does not say (a waveform, say)."""
    rate: float | None = None
    """Sampling rate of a waveform in Hz, where the device does not say."""


@dataclass(frozen=True, slots=True)
class Group:
    """Points of one device that are read together, every `period` ns. Hashable: a driver may cache its plan by it."""

    name: str
    device: str
    period: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class TagCandidate:
    """One thing that browsing found. `address` goes into the configuration as it is, where it is a value."""

    address: str
    name: str
    is_value: bool
    kind: ValueKind | None = None
    unit: str = ""
    sample: str = ""
    """The value now, for people."""


class DeviceHealth(StrEnum):
    """How a device is."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"
    AUTH_FAILED = "auth-failed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """A device went from one health to another at `time` (ns UTC)."""

    device: str
    health: DeviceHealth
    time: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hole:
    """An address that its device refuses; it is left out of requests and tried again slowly."""

    address: str
    """As one would write it in the configuration, without a type: `holding:120`, `holding:120-123@7`."""
    status: int
    """StatusCode of the tags that stand there."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How the talk with a device goes: counters of one connection, and what is so now. Counters of two can be added."""

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    timeouts: int = 0
    """Requests without a reply in time."""
    garbled: int = 0
    """Replies that were not decoded: of a wrong unit, function, length or transaction, or damaged."""
    retries: int = 0
    """Requests that were asked again, as the device was busy."""
    torn: int = 0
    """Waveforms that were dropped, as the device changed them while they were read."""
    exceptions: Mapping[str, int] = field(default_factory=dict)
    """Refusals by the protocol's own code: Modbus exception `"2"`, a StatusCode by name."""
    parts: Mapping[str, bool] = field(default_factory=dict)
    """What answers for itself behind the connection (`"unit 7"`): whether it answers; False: its breaker is open."""
    holes: tuple[Hole, ...] = ()

    def __add__(self, later: Talk) -> Talk:
        """Return the sum of the counters; what is so now is as the later one says."""
        counted = {f.name: getattr(self, f.name) + getattr(later, f.name) for f in fields(self) if f.type == "int"}
        codes = self.exceptions.keys() | later.exceptions.keys()
        refused = {code: self.exceptions.get(code, 0) + later.exceptions.get(code, 0) for code in sorted(codes)}
        return Talk(**counted, exceptions=refused, parts=later.parts, holes=later.holes)

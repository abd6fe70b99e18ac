"""Devices: what is polled, and how the runtime asks a driver for it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.domain.tag import CurrentLoop, Role, ValueKind


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
    unit: str = ""
    """The unit that the value is taken to be in as the device gives it; empty where it is scaled, or not known."""


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
    path: tuple[str, ...] = ()
    """Names of what it lies in, from where browsing began."""
    type: str = ""
    """What the device calls this kind of thing (`MachineToolType`), where it is more than a folder or a value."""
    span: tuple[float, float] | None = None
    """The range that the value normally has, in `unit`."""
    labels: tuple[tuple[int, str], ...] = ()
    """What the values of an enumeration are called."""
    rate: float | None = None
    """Sampling rate of a waveform in Hz, where the device tells it."""
    role: Role | None = None
    """A guess at what it measures, None where nothing suggests a role."""
    why: str = ""
    """What the guess is from: "unit degC"."""
    describes: bool = False
    """Whether it describes something (a serial number), and is no measurement."""
    again: bool = False
    """Whether it was listed before, at another place; what lies in it is not listed again."""
    doubt: str = ""
    """What the device says of the value's quality where it is Uncertain, by name: `UncertainLastUsableValue`."""


@dataclass(frozen=True, slots=True)
class TagDefaults:
    """What a device's profile knows of a tag: it stands in for each key that the configuration does not give."""

    role: Role | None = None
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[float, ...] = ()
    labels: tuple[tuple[int, str], ...] = ()
    loop: CurrentLoop | None = None
    text: str = ""
    """What it is, for people."""


@dataclass(frozen=True, slots=True)
class ProfileTag:
    """One register, or the like, of a profile."""

    address: str
    """As it stands in the configuration, by its name: `sdm630/voltage_l1`."""
    place: str
    """Where that is, in the driver's own syntax: `input:0:float32`."""
    defaults: TagDefaults


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """What is known of one kind of device: a map of its registers, with names, units and meaning."""

    id: str
    """The first part of its addresses; also the name of its file."""
    name: str
    vendor: str
    models: tuple[str, ...]
    source: str
    """The document that the map was taken from: title, revision and where to find it."""
    tags: tuple[ProfileTag, ...]
    notes: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of `[[device]]` that suit these devices."""
    origin: str = ""
    """The plant's file that it was read from; empty where it came with the driver."""
    replaces: bool = False
    """Whether the plant's file stands in for a profile of the same id that came with the driver."""


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
    cause: str = ""
    """The code of the error (`not-trusted`), empty where there is none."""


@dataclass(frozen=True, slots=True)
class Hole:
    """An address that its device refuses; it is left out of requests and tried again slowly."""

    address: str
    """As one would write it in the configuration, without a type: `holding:120`, `holding:120-123@7`."""
    status: int
    """StatusCode of the tags that stand there."""


TOOK = 256
"""Requests over which it is told how long they take."""


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
    took: tuple[float, ...] = field(default=(), compare=False)
    """Seconds that the last requests took which brought data, TOOK at most: without the wait for others on a line."""
    exceptions: Mapping[str, int] = field(default_factory=dict)
    """Refusals by the protocol's own code: Modbus exception `"2"`, a StatusCode by name."""
    parts: Mapping[str, bool] = field(default_factory=dict)
    """What answers for itself behind the connection (`"unit 7"`): whether it answers; False: its breaker is open."""
    holes: tuple[Hole, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    """How the driver goes about it, in words: `"path": "fast"`."""
    expires: Mapping[str, int] = field(default_factory=dict)
    """When the certificates in use end to be valid, ns UTC, by whose they are: `gateway`, `server`, `user`."""

    def __add__(self, later: Talk) -> Talk:
        """Return the sum of the counters; what is so now is as the later one says."""
        counted = {f.name: getattr(self, f.name) + getattr(later, f.name) for f in fields(self) if f.type == "int"}
        codes = self.exceptions.keys() | later.exceptions.keys()
        refused = {code: self.exceptions.get(code, 0) + later.exceptions.get(code, 0) for code in sorted(codes)}
        return Talk(
            **counted, took=(*self.took, *later.took)[-TOOK:], exceptions=refused, parts=later.parts,
            holes=later.holes, notes=later.notes, expires=later.expires,
        )  # fmt: skip

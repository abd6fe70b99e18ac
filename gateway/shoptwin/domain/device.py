"""Devices: what is polled, and how the runtime asks a driver for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

"""What a configuration says, once it is known to be right: frozen, times in nanoseconds, paths absolute."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.domain.device import Device
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag

MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Secret:
    """A password that no log, traceback or `repr` shows: only `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, to be handed on at once and never kept."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Who this gateway is, and the time zone in which its people live."""

    site: str
    name: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Mqtt:
    """The broker. `version` is MQTT's protocol level: 5, or 4 for MQTT 3.1.1; `keepalive` is in seconds."""

    url: str
    user: str = ""
    password: Secret | None = None
    version: int = 5
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_id: str = ""
    keepalive: int = 30

    @property
    def host(self) -> str:
        """The broker's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port: that of the URL, else 1883, or 8883 with TLS."""
        parts = urlsplit(self.url)
        return parts.port or MQTT_PORTS[parts.scheme]

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the twin and the ledger live, and how much of the past is kept (times in nanoseconds)."""

    directory: Path
    keep: int
    max_bytes: int
    keep_minutes: int
    keep_hours: int


@dataclass(frozen=True, slots=True)
class Serve:
    """The doors: the Unix socket of the command line, and `host:port` of the metrics, None where they are off."""

    socket: Path
    metrics: str | None = None


@dataclass(frozen=True, slots=True)
class TagList:
    """A file of tags that was read: the machine that they belong to, and how many they are."""

    path: Path
    machine: str
    tags: int


@dataclass(frozen=True, slots=True)
class Config:
    """One whole configuration, checked. Two that say the same are equal, which is how a reload finds what changed."""

    gateway: Gateway
    mqtt: Mqtt | None
    devices: tuple[Device, ...]
    machines: tuple[Machine, ...]
    store: StoreSettings
    serve: Serve
    path: Path
    unsigned_models: bool = False
    """Whether shipped models run that no release has signed."""
    tag_lists: tuple[TagList, ...] = field(default=(), compare=False)
    """What was read besides `path`; the tags themselves are those of the machines."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What is not wrong but worth knowing: `shoptwin check` prints it."""

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Every tag of every machine, in the order of the file."""
        return tuple(tag for machine in self.machines for tag in machine.tags)

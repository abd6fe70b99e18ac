"""What is behind a URL that nobody knows: the words of `shoptwin scan`, `peek`, `discover` and `browse`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shoptwin.domain.device import TagCandidate
    from shoptwin.domain.trust import Certificate


@dataclass(frozen=True, slots=True)
class ScanWish:
    """What to look for, and how much may be spent on it. None and empty: the driver's own choice."""

    rate: float = 10.0
    """Requests a second, at most."""
    budget: int = 2000
    """Requests in all, at most."""
    units: tuple[int, ...] = ()
    tables: tuple[str, ...] = ()
    first: int | None = None
    """Lowest address that is asked for."""
    last: int | None = None
    """Highest address that is asked for."""
    bauds: tuple[int, ...] = ()
    """Of a serial line: rates to try, in this order; empty: that of the URL."""
    parities: tuple[str, ...] = ()
    """Of a serial line: `N`, `E`, `O` to try with each rate; empty: that of the URL."""


@dataclass(frozen=True, slots=True)
class FoundRange:
    """Addresses of one table that can be read, first and last included."""

    table: str
    first: int
    last: int
    open_below: bool = False
    """The range may begin lower: it was not looked at yet."""
    open_above: bool = False
    """The range may end higher: it was not looked at yet."""
    sampled: bool = False
    """Only places within were looked at, not every address: there may be holes."""
    values: tuple[int, ...] = ()
    """The first few raw values."""
    nonzero: int = 0
    """How many of those that were read were not 0."""
    read: int = 0
    """How many were read."""
    moving: tuple[int, ...] = ()
    """Addresses whose value was another one at the end of the scan."""

    @property
    def size(self) -> int:
        """How many addresses there are from the first to the last."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """One unit that answered."""

    unit: int
    identity: Mapping[str, str] = field(default_factory=dict)
    """What the device says of itself, by the standard's names (`VendorName`); empty where it says nothing."""
    ranges: tuple[FoundRange, ...] = ()
    notes: tuple[str, ...] = ()
    """What is odd about it, in sentences."""
    largest: Mapping[str, int] = field(default_factory=dict)
    """By table: how much one request may ask for, where that is less than the standard's most."""
    next: str = ""
    """The address to peek at first; empty where nothing can be read."""


@dataclass(frozen=True, slots=True)
class ScanReport:
    """How far a scan is, and what it has found so far; the last one is its result."""

    url: str
    """Where it found something; another than was asked for where rates and parities were tried."""
    doing: str = ""
    requests: int = 0
    budget: int = 0
    elapsed: float = 0.0
    """Seconds."""
    left: float | None = None
    """Seconds that the rest takes at most, as far as that can be said."""
    units: tuple[FoundUnit, ...] = ()
    notes: tuple[str, ...] = ()
    finished: bool = False
    """Whether it came to its end; False: its budget is used up, or it goes on."""


class Verdict(StrEnum):
    """How well a reading of registers goes with how they behave."""

    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"


@dataclass(frozen=True, slots=True)
class PeekCell:
    """One address as it stands there, raw."""

    address: int
    value: int
    changed: bool = False
    """Whether it has changed since the first reading."""
    here: bool = False
    """Whether it is the address that was asked for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read what stands at an address; the best first."""

    address: str
    """As it goes into the configuration: `holding:100:float32:CDAB`."""
    value: str
    """The value now, for people."""
    verdict: Verdict
    reason: str
    """Why, in a few words: "changes smoothly, by 0.4 % a reading"."""
    same: tuple[str, ...] = ()
    """Addresses whose values were the same all the time: which of them it is cannot be told."""


@dataclass(frozen=True, slots=True)
class PeekView:
    """One reading of an address and what is around it, and what all readings so far say of it."""

    address: str
    """Without a type: `holding:100@7`."""
    bits: bool
    """Whether the cells are single bits."""
    readings: int
    cells: tuple[PeekCell, ...]
    candidates: tuple[Candidate, ...]
    note: str = ""
    """What would tell more."""


@dataclass(frozen=True, slots=True)
class FoundEndpoint:
    """One way to talk to a server."""

    url: str
    """As the server writes it; the host in it may be a name that nobody else knows."""
    policy: str
    """As the setting `security` writes it."""
    mode: str
    """`SignAndEncrypt`, `Sign`, `None`."""
    logins: tuple[str, ...]
    """Kinds of users that it takes: `anonymous`, `user`, `user certificate`."""
    usable: bool = True
    """Whether the driver knows this policy; broken ones it does not."""


@dataclass(frozen=True, slots=True)
class FoundServer:
    """What a server tells everybody of itself."""

    url: str
    """Where it answers: the URL for the configuration."""
    name: str = ""
    uri: str = ""
    product: str = ""
    endpoints: tuple[FoundEndpoint, ...] = ()
    certificate: Certificate | None = None
    others: tuple[tuple[str, str], ...] = ()
    """Name and URL of further servers that it knows."""
    settings: Mapping[str, str | bool] = field(default_factory=dict)
    """What `[[device]]` needs beside the URL for the best that it offers."""
    notes: tuple[str, ...] = ()
    """What one should know, in sentences."""


@dataclass(frozen=True, slots=True)
class BrowseWish:
    """How far to walk through what a device has."""

    at: str | None = None
    """Below this; None: below the top, without what the device tells of itself."""
    depth: int = 0
    """Levels; 0: all."""
    values: bool = True
    """Whether to read the values now."""
    wanted: Callable[[TagCandidate], bool] | None = None
    """Whether a value is of interest; its sample is not known yet. What is not is left out, and not read."""


@dataclass(frozen=True, slots=True)
class FoundMachine:
    """A machine, or a part of one, that a device describes as a companion specification says."""

    name: str
    address: str
    type: str
    """What the device calls its kind: `MachineToolType`."""
    specification: str
    """`Machinery`, `MachineTool`, `DI`."""
    identification: Mapping[str, str] = field(default_factory=dict)
    """What it says of itself, by the specification's names (`Manufacturer`, `SerialNumber`)."""
    monitoring: str = ""
    """The address below which its measurements lie, where the specification says where."""

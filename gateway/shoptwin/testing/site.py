"""A live server, as the contract's tests need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from shoptwin.domain.tag import ValueKind


@dataclass(frozen=True, kw_only=True)
class Site:
    """A live server, and what a driver must read there."""

    settings: Mapping[str, object]
    """The driver's settings as they would stand in the configuration; the server must be on this box."""
    expected: Mapping[str, object]
    """Address -> the value that stands there; at least three. A sequence or array stands for a waveform's samples."""
    missing: str
    """A well-formed address where the server has nothing."""
    malformed: str
    """Text that is no address of this driver at all."""
    unreachable: Mapping[str, object]
    """Settings with which nothing can be reached (a port where no one listens)."""
    stop: Callable[[], Awaitable[None]]
    """Take the server away, connections and all."""
    start: Callable[[], Awaitable[None]]
    """Bring it back, at the same place with the same values."""
    kinds: Mapping[str, ValueKind] = field(default_factory=dict)
    """The kind that is wanted, for addresses that do not say their own."""
    say: Callable[[bytes], Awaitable[None]] | None = None
    """Send bytes to whoever is connected, unasked; None: this cannot be done here, and is not tested."""
    stray: bytes = b""
    """A well-formed reply that answers no question, for `say`; empty: there is none."""
    patience: float = 10.0
    """Seconds within which the driver must notice that a server is gone."""

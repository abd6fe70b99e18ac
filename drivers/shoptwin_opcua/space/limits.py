"""How much a server takes at a time: what it says of itself (Part 5, 6.3.2 and 6.3.11), what is known of its kind."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from asyncua.ua.object_ids import ObjectIds

from shoptwin_opcua.wire.decode import BAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin_opcua.profiles import Profile
    from shoptwin_opcua.wire.decode import Row

UNSAID = 500
"""Items in one request where nobody sets a limit; also the most, as more makes nothing faster and answers large."""
READ = 1000
"""The same for reads: two of 500 cost half as much again as one of 1,000, whose answer has about 30 KB."""


@dataclass
class Limits:
    """What the server takes. Items in one request, by service; those only shrink while the connection lives."""

    read: int = READ
    items: int = UNSAID
    browse: int = UNSAID
    history: int = UNSAID
    points: int = UNSAID
    """Nodes that may have a continuation point at a time, which is how many are browsed together."""
    subscriptions: int = 0
    """That one session may have; 0: it does not say."""
    watched: int = 0
    """Nodes that one subscription may watch; 0: it does not say."""
    together: int = 0
    """Nodes that the whole server may watch, for all its clients together; 0: it does not say."""
    publishing: float = 0.0
    """Seconds between two publications that it does not go below."""
    sampling: float = 0.0
    """Seconds between two samples that it does not go below."""

    def lower(self, name: str, told: float) -> None:
        """Take what somebody says of a limit, where it is more careful than what holds; 0 says nothing."""
        now = getattr(self, name)
        if name in _INTERVALS:
            setattr(self, name, max(now, told))
        elif told > 0:
            setattr(self, name, min(now or told, told))

    def __str__(self) -> str:
        """Say for people what is less than usual."""
        told = []
        for name, text in _WORDS.items():
            value = getattr(self, name)
            if value != _USUAL[name]:
                told.append(f"{value * 1000:g} ms {text}" if name in _INTERVALS else f"{value} {text}")
        return ", ".join(told)


_INTERVALS = ("publishing", "sampling")
_WORDS = {
    "read": "a read", "items": "monitored items a call", "browse": "a browse",
    "history": "a history read", "points": "continuation points", "subscriptions": "subscriptions",
    "watched": "monitored items a subscription", "together": "monitored items in all",
    "publishing": "between publications", "sampling": "between samples",
}  # fmt: skip
_USUAL = {field.name: field.default for field in fields(Limits)}
PER_CALL = ("read", "items", "browse", "history")
"""Those that the setting `batch` holds for."""

_LIMIT, _CAPABILITY = "Server_ServerCapabilities_OperationLimits_", "Server_ServerCapabilities_"
ASKED = tuple(
    (name, int(getattr(ObjectIds, id_)))
    for name, id_ in (
        ("read", _LIMIT + "MaxNodesPerRead"),
        ("items", _LIMIT + "MaxMonitoredItemsPerCall"),
        ("browse", _LIMIT + "MaxNodesPerBrowse"),
        ("history", _LIMIT + "MaxNodesPerHistoryReadData"),
        ("points", _CAPABILITY + "MaxBrowseContinuationPoints"),
        ("subscriptions", _CAPABILITY + "MaxSubscriptions"),
        ("subscriptions", _CAPABILITY + "MaxSubscriptionsPerSession"),
        ("watched", _CAPABILITY + "MaxMonitoredItemsPerSubscription"),
        ("together", _CAPABILITY + "MaxMonitoredItems"),
        ("sampling", _CAPABILITY + "MinSupportedSampleRate"),
    )
)
"""Which limit is told by which node; where two tell of one, the lower holds."""


def of_server(rows: Iterable[Row], most: int) -> Limits:
    """Return the limits by what the server answers to ASKED, in order; `most` in one request, 0 for no such wish."""
    limits = Limits()
    for (name, _), row in zip(ASKED, rows, strict=False):  # the first ones alone may have been asked for
        told = row.value
        if row.status < BAD and isinstance(told, int | float) and told > 0 and told < float("inf"):
            limits.lower(name, told / 1000 if name in _INTERVALS else int(told))
    for name in PER_CALL:
        limits.lower(name, most)
    return limits


def apply(limits: Limits, profile: Profile) -> None:
    """Lower limits to what is known of this kind of server."""
    known: dict[str, Any] = {
        "read": profile.nodes_per_read, "items": profile.items_per_call, "browse": profile.nodes_per_browse,
        "subscriptions": profile.subscriptions, "together": profile.items,
        "publishing": profile.publishing_ms / 1000, "sampling": profile.sampling_ms / 1000,
    }  # fmt: skip
    for name, told in known.items():
        limits.lower(name, told)

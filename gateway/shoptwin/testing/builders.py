"""Small things that tests of drivers need again and again."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoptwin.domain.device import Group, Point
from shoptwin.domain.quality import is_good, name
from shoptwin.domain.timing import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.ports import Plugin
    from shoptwin.domain.tag import ValueKind


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample of one tag, taken out of its batch."""

    value: Any
    status: int
    kind: ValueKind
    source_time: int

    @property
    def good(self) -> bool:
        """Whether the value may be looked at without a doubt."""
        return bool(is_good(self.status))

    def __str__(self) -> str:
        return f"{self.value!r} ({name(self.status)})"


def group_of(
    plugin: Plugin,
    addresses: Iterable[str],
    *,
    kinds: Mapping[str, ValueKind] | None = None,
    name: str = "group",
    period: int = SECOND,
    first: int = 0,
) -> Group:
    """Return a group whose tag `first + i` is the i-th address; `kinds`: what is wanted where one does not say."""
    wanted = kinds or {}
    points = tuple(
        Point(first + i, plugin.parse_address(text), wanted.get(text)) for i, text in enumerate(addresses)
    )  # fmt: skip
    return Group(name, "device", period, points)


def readings(batches: Iterable[SampleBatch]) -> dict[int, list[Reading]]:
    """Take batches apart: the readings of each tag, in order."""
    found: dict[int, list[Reading]] = {}
    for batch in batches:
        for tag, value, status, time in zip(batch.tag, batch.values, batch.status, batch.source_time, strict=True):
            found.setdefault(int(tag), []).append(Reading(value, int(status), batch.kind, int(time)))
    return found


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port

"""From tags to polling groups: what is read together, by device and period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.device import Group, Point
from shoptwin.domain.tag import Role, ValueKind

if TYPE_CHECKING:
    from shoptwin.domain.device import Device
    from shoptwin.domain.ports import Plugin
    from shoptwin.domain.tag import Tag, TagTable


def plan(device: Device, table: TagTable, plugin: Plugin) -> tuple[Group, ...]:
    """Group a device's tags by period, the shortest first.

    Raises:
        BadAddress: a tag's address is not one of this driver's.
    """
    by_period: dict[int, list[Point]] = {}
    for index, tag in table:
        if tag.device == device.name:
            by_period.setdefault(tag.period or device.period, []).append(_point(index, tag, plugin))
    return tuple(
        Group(f"{device.name}/{period}", device.name, period, tuple(points))
        for period, points in sorted(by_period.items())
    )


def _point(index: int, tag: Tag, plugin: Plugin) -> Point:
    kind = ValueKind.WAVEFORM if tag.role is Role.WAVEFORM else None
    unit = "" if tag.scaled else tag.unit
    return Point(index, plugin.parse_address(tag.address), kind, tag.rate, unit)


def tags_of(groups: tuple[Group, ...]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return the indices of all tags in the groups."""
    return np.array([point.tag for group in groups for point in group.points], np.int32)

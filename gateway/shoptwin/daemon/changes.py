"""What a reload has to touch: pure comparison of what is configured with what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.acquire.groups import plan
from shoptwin.domain.ports import Profiled
from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.acquire.device import DeviceTask
    from shoptwin.config import Config
    from shoptwin.domain.ports import Plugin
    from shoptwin.domain.tag import Tag, TagTable


def touched_devices(old: Config, new: Config) -> set[str]:
    """Return the devices that a reload has to end, start or start anew: those that are to be read otherwise."""
    before, after = _by_device(old), _by_device(new)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def moved_devices(tasks: Mapping[str, DeviceTask], table: TagTable, drivers: Mapping[str, Plugin]) -> set[str]:
    """Return those of the devices whose addresses lead elsewhere than they did: a profile names other registers now.

    They are to be devices that stay as they are configured; `table` is that of before the reload.
    """
    plugins = {name: drivers[task.device.driver] for name, task in tasks.items()}
    return {
        name for name, task in tasks.items()
        if isinstance(plugin := plugins[name], Profiled)
        and [group.points for group in plan(task.device, table, plugin)] != [group.points for group in task.groups]
    }  # fmt: skip


def _by_device(loaded: Config) -> dict[str, tuple[object, frozenset[object]]]:
    """Return each device with all that is read of it; in which order its tags stand does not matter."""
    tags: dict[str, list[object]] = {}
    for tag in loaded.tags:
        tags.setdefault(tag.device, []).append(_as_read(tag))
    return {device.name: (device, frozenset(tags.get(device.name, ()))) for device in loaded.devices}


def _as_read(tag: Tag) -> object:
    """Return what of a tag matters to its device; new limits, labels or names are no reason to read it anew."""
    conversion = (tag.scale, tag.offset, tag.missing, tag.loop)
    return (tag.id, tag.address, tag.period, tag.rate, tag.role is Role.WAVEFORM, *conversion)

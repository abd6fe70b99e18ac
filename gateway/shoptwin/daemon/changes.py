"""What a reload has to touch: pure comparison of two configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from shoptwin.config import Config
    from shoptwin.domain.tag import Tag


def touched_devices(old: Config, new: Config) -> set[str]:
    """Return the devices that a reload has to end, start or start anew: those that are to be read otherwise."""
    before, after = _by_device(old), _by_device(new)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _by_device(loaded: Config) -> dict[str, tuple[object, tuple[object, ...]]]:
    return {
        device.name: (device, tuple(_as_read(tag) for tag in loaded.tags if tag.device == device.name))
        for device in loaded.devices
    }


def _as_read(tag: Tag) -> object:
    """Return what of a tag matters to its device; new limits, labels or names are no reason to read it anew."""
    conversion = (tag.scale, tag.offset, tag.missing, tag.loop)
    return (tag.id, tag.address, tag.period, tag.rate, tag.role is Role.WAVEFORM, *conversion)

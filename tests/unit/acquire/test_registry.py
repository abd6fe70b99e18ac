"""Drivers are found, and made ready before the first device is reached."""

from __future__ import annotations

from typing import Any

from shoptwin.acquire.registry import plugins, preload
from shoptwin.domain.device import Device
from shoptwin.domain.ports import Preloading
from shoptwin.domain.timing import SECOND


class Slow:
    """A driver whose library takes its time."""

    def __init__(self) -> None:
        self.loaded = 0

    def preload(self) -> None:
        self.loaded += 1


def test_the_libraries_of_the_devices_drivers_are_loaded_once_and_no_others() -> None:
    """Two devices of one driver load it once; a driver without devices is not loaded, one without a library is fine."""
    drivers: dict[str, Any] = {"slow": Slow(), "other": Slow(), "plain": object()}
    preload([Device(name, name[:-1], SECOND) for name in ("slow1", "slow2", "plain1")], drivers)
    assert (drivers["slow"].loaded, drivers["other"].loaded) == (1, 0)


def test_every_driver_that_is_shipped_can_be_preloaded() -> None:
    """None of them leaves the import of its protocol library to the moment at which others are being read."""
    shipped = plugins()
    assert {"modbus", "mqtt", "opcua"} <= shipped.keys()
    for plugin in shipped.values():
        assert isinstance(plugin, Preloading)
        plugin.preload()

"""Drivers, found by entry points: a third party's driver is one installed package, with no change here."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from shoptwin.domain.errors import ConfigError
from shoptwin.domain.ports import Preloading, Trusting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from shoptwin.domain.device import Device
    from shoptwin.domain.ports import Plugin

ENTRY_POINTS = "shoptwin.drivers"


def plugins() -> dict[str, Plugin]:
    """Return every installed driver by name; loading one does not import its protocol library.

    Raises:
        ConfigError: a driver's package is there but cannot be loaded.
    """
    found: dict[str, Plugin] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the driver {point.name!r} cannot be loaded: {error}",
                f"reinstall the package that brings it ({point.value}), or remove it",
            ) from error
    return found


def keep_certificates(drivers: Mapping[str, Plugin], state: Path, site: str, gateway: str) -> None:
    """Tell each driver that has certificates to keep them in this state directory, as the gateway of this name."""
    for driver in drivers.values():
        if isinstance(driver, Trusting):
            driver.keep_in(state / "pki", site, gateway)


def preload(devices: Iterable[Device], drivers: Mapping[str, Plugin]) -> None:
    """Import the protocol libraries that these devices need. It may take seconds: not for the loop."""
    for name in dict.fromkeys(device.driver for device in devices):
        if isinstance(driver := drivers[name], Preloading):
            driver.preload()

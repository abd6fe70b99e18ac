"""From the tables [[device]] to devices: our keys here, every other key by the driver's own Settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from shoptwin.config import meaning
from shoptwin.config.decoding import decode
from shoptwin.config.forms import DeviceForm
from shoptwin.config.problems import did_you_mean
from shoptwin.config.tags import SHORTEST_PERIOD
from shoptwin.domain.device import Device
from shoptwin.domain.ports import Cautioning, Profiled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as FilePath

    from shoptwin.config.files import Files
    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems
    from shoptwin.domain.ports import Plugin

OURS = DeviceForm.__struct_fields__
FILES = ("_file", "certificate", "_key")
"""How the keys of a driver end whose texts name files."""


class Devices:
    """Builds the devices of one file. `plugins` then maps each name to its driver, None where the device is wrong.

    `settings` maps it to the driver's settings, where they are right.

    `profiles` is the folder in which the plant's own profiles lie, a folder a driver; it need not be there.
    """

    def __init__(self, problems: Problems, installed: Mapping[str, Plugin], files: Files, profiles: FilePath) -> None:
        self._problems = problems
        self._installed = installed
        self._files = files
        self._profiles = profiles
        self._first: dict[str, Path] = {}
        self.plugins: dict[str, Plugin | None] = {}
        self.settings: dict[str, Any] = {}

    def build(self, tables: object) -> tuple[Device, ...]:
        """Return the devices that could be built; what is wrong with the others is noted."""
        if not isinstance(tables, list):
            self._problems.add(("device",), "must be an array of tables", "write [[device]], with two brackets")
            return ()
        built = [self._device(table, ("device", n)) for n, table in enumerate(tables)]
        self._take_up_profiles()
        return tuple(device for device in built if device is not None)

    def _take_up_profiles(self) -> None:
        """Let each driver in use look for the plant's own profiles; a broken one is wrong where a tag needs it."""
        for plugin in {plugin.name: plugin for plugin in self.plugins.values() if plugin is not None}.values():
            if isinstance(plugin, Profiled):
                self._files.notes += map(str, plugin.look_in(self._profiles / plugin.name))

    def _device(self, table: object, at: Path) -> Device | None:
        problems = self._problems
        if not isinstance(table, dict):
            problems.add(at, "must be a table")
            return None
        plugin = self._installed.get(str(table.get("driver")))
        theirs = {key: value for key, value in table.items() if key not in OURS}
        ours = {key: value for key, value in table.items() if key in OURS}
        form = decode(DeviceForm, ours, at, problems)
        if isinstance(name := table.get("name"), str):
            self._named(name, plugin, at)
        if plugin is None:
            if form is not None:
                cure = did_you_mean(form.driver, self._installed) or "no driver is installed"
                problems.add((*at, "driver"), f"is not installed ({form.driver!r})", cure)
            return None
        settings = self._settings(plugin, theirs, at)
        if form is None:
            return None
        if settings is not None:
            self.settings.setdefault(form.name, settings)
            if isinstance(plugin, Cautioning):
                self._files.notes += [f"device {form.name}: {each}" for each in plugin.cautions(settings)]
        period = meaning.duration(form.period, (*at, "period"), problems, least=SHORTEST_PERIOD)
        return Device(form.name, form.driver, period or SHORTEST_PERIOD, settings)

    def _named(self, name: str, plugin: Plugin | None, at: Path) -> None:
        meaning.name(name, (*at, "name"), self._problems)
        if name in self._first:
            line = self._problems.line(self._first[name])
            self._problems.add((*at, "name"), f"{name!r} is already a device, on line {line}", "each needs its own")
        self._first.setdefault(name, (*at, "name"))
        self.plugins.setdefault(name, plugin)

    def _settings(self, plugin: Plugin, table: dict[str, Any], at: Path) -> msgspec.Struct | None:
        url = table.get("url")
        if isinstance(url, str) and "@" in url and _has_password(url):
            self._problems.add((*at, "url"), "has a password in it", "secrets do not stand in this file")
        settings: msgspec.Struct | None = decode(plugin.Settings, table, at, self._problems, OURS)
        if settings is None:
            return None
        return msgspec.structs.replace(settings, **self._found_files(settings, at))

    def _found_files(self, settings: msgspec.Struct, at: Path) -> dict[str, str]:
        """Find the files that the settings name: each text at a key that ends in FILES becomes an absolute path."""
        return {
            field.name: str(self._files.find(value, (*at, field.encode_name)))
            for field in msgspec.structs.fields(settings)
            if field.name.endswith(FILES) and isinstance(value := getattr(settings, field.name), str) and value
        }


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False

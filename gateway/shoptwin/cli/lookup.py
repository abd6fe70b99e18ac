"""Finding what a command talks to, by the name of a device or by a URL, and what else can be done there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from shoptwin.cli.printing import some

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoptwin.config import Config
    from shoptwin.domain.device import Device
    from shoptwin.domain.ports import Plugin

MOST_NAMED = 8
"""Devices that are named where none was meant that there is."""
settings_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="A setting of the driver, as in [[device]]: user=operator. May be repeated.",
)  # fmt: skip


class Target(NamedTuple):
    """What a command talks to."""

    plugin: Plugin
    settings: Any
    url: str
    device: str
    """Its name in the configuration; empty where it has none there."""
    words: tuple[str, ...]
    """How it was named, and what else a further command about it needs: `--set`, `--config`."""

    def command(self, *before: str, after: str = "") -> str:
        """Write a command about it: `shoptwin peek tcp://192.0.2.10 ADDRESS`."""
        name, *options = self.words
        return " ".join(part for part in (shlex.join(["shoptwin", *before, name]), after, shlex.join(options)) if part)


def find(
    which: str, drivers: Mapping[str, Plugin], config: Config | None, settings: Iterable[str] = (), *,
    of: Plugin | None = None, where: Iterable[str] = (),
) -> Target:  # fmt: skip
    """Return what `which` leads to: the name of a device of the configuration, or a URL.

    The settings are those of the device, which a URL may be that of too, and over them what `--set` says. `of` is the
    driver that it must be of; `where` are options that a further command needs.

    Raises:
        click.BadParameter: there is no such device, and no driver for such a URL. ConfigError: settings are refused.
    """
    from shoptwin.config import device_settings  # noqa: PLC0415 - `--help` needs none of it

    device = _device(which, config, of)
    given = dict(_setting(text) for text in settings)
    if device is None:
        plugin = by_scheme(which, drivers, config, of)
        given = {"url": which, **given}
    else:
        plugin = drivers[device.driver]
        if device.name != which:
            click.echo(f"with the settings of the device {device.name}", err=True)
    found = device_settings(plugin, given, device.settings if device else None)
    words = (which, *(word for text in settings for word in ("--set", text)), *where)
    return Target(plugin, found, getattr(found, "url", which), device.name if device else "", words)


def _device(which: str, config: Config | None, of: Plugin | None) -> Device | None:
    """Return the device of this name, or the only one of this URL; None where there is none."""
    devices = config.devices if config is not None else ()
    if named := next((device for device in devices if device.name == which), None):
        if of is not None and named.driver != of.name:
            raise click.BadParameter(f"{which} is a device of the driver {named.driver}", param_hint="DRIVER")
        return named
    there = [each for each in devices if _url(each) == which.rstrip("/") and (of is None or each.driver == of.name)]
    return there[0] if len(there) == 1 else None


def _url(device: Device) -> str:
    return str(getattr(device.settings, "url", "")).rstrip("/")


def by_scheme(url: str, plugins: Mapping[str, Plugin], config: Config | None, of: Plugin | None = None) -> Plugin:
    """Return the driver that knows a URL's scheme.

    Raises:
        click.BadParameter: none does.
    """
    scheme, colon, _ = url.partition("://")
    known = [of] if of is not None else list(plugins.values())
    if not colon:
        first = " or ".join(f"{plugin.schemes[0]}://{url}" for plugin in known if plugin.schemes)
        devices = [device.name for device in config.devices] if config is not None else []
        names = f"known are {some(devices, MOST_NAMED)}" if devices else "there is no configuration that names any"
        raise click.BadParameter(f"{url!r} is no URL and no device ({names}): write {first}", param_hint="URL")
    for plugin in known:
        if scheme in plugin.schemes:
            return plugin
    whose = f"the driver {of.name} does not know" if of is not None else "no driver knows"
    schemes = ", ".join(f"{scheme}://" for plugin in known for scheme in plugin.schemes)
    raise click.BadParameter(f"{whose} {scheme}://; known are {schemes}", param_hint="URL")


def by_name(name: str, plugins: Mapping[str, Plugin]) -> Plugin:
    """Return a driver by its name.

    Raises:
        click.BadParameter: there is none of that name.
    """
    if name in plugins:
        return plugins[name]
    raise click.BadParameter(f"there is no driver {name!r}; known are {', '.join(plugins)}", param_hint="DRIVER")


def ways(target: Target) -> str:
    """Say which commands tell what is there: those that the driver can."""
    from shoptwin.domain.ports import Browsable, Discovering, Peeking, Profiled, Scanning  # noqa: PLC0415 - numpy

    plugin, found = target.plugin, []
    if isinstance(plugin, Discovering):
        found.append(f"`{target.command('discover')}` (how it wants to be talked to)")
    if isinstance(plugin.open(target.settings), Browsable):
        found.append(f"`{target.command('browse')}` (what it has to offer)")
    if isinstance(plugin, Scanning):
        found.append(f"`{target.command('scan', plugin.name)}` (which units and addresses there are)")
    if isinstance(plugin, Peeking):
        found.append(f"`{target.command('peek', after='ADDRESS')}` (what stands at one of them)")
    if isinstance(plugin, Profiled):
        found.append("`shoptwin profiles` (maps of known devices)")
    return f"What it has is told by {', '.join(found)}" if found else "What it has stands in its documentation"


def _setting(text: str) -> tuple[str, str]:
    """Part KEY=VALUE."""
    key, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
    return key, value

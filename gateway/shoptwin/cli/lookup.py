"""Finding a driver by its name or by a URL's scheme, for commands that need no configuration."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoptwin.domain.ports import Plugin

settings_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="A setting of the driver, as in [[device]]: user=operator. May be repeated.",
)  # fmt: skip


def by_scheme(url: str, plugins: Mapping[str, Plugin]) -> Plugin:
    """Return the driver that knows a URL's scheme.

    Raises:
        click.BadParameter: none does.
    """
    scheme = url.partition("://")[0]
    for plugin in plugins.values():
        if scheme in plugin.schemes:
            return plugin
    known = ", ".join(f"{scheme}://" for plugin in plugins.values() for scheme in plugin.schemes)
    raise click.BadParameter(f"no driver knows {scheme}://; known are {known}", param_hint="URL")


def by_name(name: str, plugins: Mapping[str, Plugin]) -> Plugin:
    """Return a driver by its name.

    Raises:
        click.BadParameter: there is none of that name.
    """
    if name in plugins:
        return plugins[name]
    raise click.BadParameter(f"there is no driver {name!r}; known are {', '.join(plugins)}", param_hint="DRIVER")


def settings_table(url: str, settings: Iterable[str]) -> dict[str, Any]:
    """Return what `--set` says as a table of settings, the URL with it."""
    return {"url": url, **dict(_setting(text) for text in settings)}


def _setting(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE; the value is TOML where it can be (a number, a truth), else a text."""
    key, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value

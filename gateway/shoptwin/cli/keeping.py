"""Where the gateway keeps what outlives a command: found as the daemon finds it, whether it runs or not."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoptwin.cli.options import SYSTEM_CONFIG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.config import Config
    from shoptwin.domain.ports import Plugin

SYSTEM_STATE = Path("/var/lib/shoptwin")
"""What systemd's StateDirectory makes of the unit that comes with Shoptwin."""

state_dir_option = click.option(
    "--state-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="The daemon's state directory. Else that of the configuration; else $STATE_DIRECTORY, /var/lib/shoptwin "
    "or ./state beside the configuration.",
)  # fmt: skip


def settle(plugins: Mapping[str, Plugin], config_path: Path, state_dir: Path | None) -> Config | None:
    """Tell drivers where certificates are kept; return the configuration, None where there is no such file.

    Without one the gateway has no name yet, and no certificate of its own is made.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    from shoptwin import config  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.acquire.registry import keep_certificates  # noqa: PLC0415

    base = state_dir or usual_state(config_path)
    if config_path.exists():
        loaded = config.load(config_path, plugins, state_dir=base, secrets=False)
        keep_certificates(plugins, state_dir or loaded.store.directory, loaded.gateway.site, loaded.gateway.name)
        return loaded
    keep_certificates(plugins, base or Path.cwd() / "state", "", "")
    return None


def glance(plugins: Mapping[str, Plugin], config_path: Path, which: str) -> Config | None:
    """Return the configuration for the sake of its devices alone; None where there is none.

    One that is wrong keeps nobody from a URL: what is looked for there may be what it lacks.

    Raises:
        ConfigError: it cannot be used, and `which` is no URL.
    """
    from shoptwin import config  # noqa: PLC0415 - as above
    from shoptwin.domain.errors import ConfigError  # noqa: PLC0415

    if not config_path.exists():
        return None
    try:
        return config.load(config_path, plugins, secrets=False)
    except ConfigError:
        if "://" not in which:
            raise
        again = f"shoptwin check --config {shlex.quote(str(config_path))}"
        click.echo(f"{config_path} is wrong, and no settings are taken from it; see: {again}", err=True)
        return None


def usual_state(config_path: Path) -> Path | None:
    """Return the state directory of an installed daemon; None leaves it to the configuration."""
    if "STATE_DIRECTORY" in os.environ:
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    return SYSTEM_STATE if config_path.absolute() == SYSTEM_CONFIG and SYSTEM_STATE.is_dir() else None


def known_state(config_path: Path, state_dir: Path | None) -> Path:
    """Return the state directory of a gateway, for a command that reads what is in it.

    Raises:
        ConfigError: it is in the configuration, which cannot be used.
    """
    from shoptwin import config  # noqa: PLC0415 - as above
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415

    if state_dir is not None:
        return state_dir
    if not config_path.exists():
        raise click.UsageError(f"there is no {config_path}: give --config, or --state-dir DIR where twin.db lies")
    return config.load(config_path, plugins(), state_dir=usual_state(config_path), secrets=False).store.directory


def as_given(ctx: click.Context) -> list[str]:
    """Return --config and --state-dir as they were typed: what a command that is printed needs too."""
    return [
        word
        for option, name in (("--config", "config_path"), ("--state-dir", "state_dir"))
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        for word in (option, str(ctx.params[name]))
    ]

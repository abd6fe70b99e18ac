"""Where the gateway keeps what outlives a command: found as the daemon finds it, whether it runs or not."""

from __future__ import annotations

import os
import socket
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


def settle(
    plugins: Mapping[str, Plugin], config_path: Path, state_dir: Path | None, *, strict: bool = True
) -> Config | None:
    """Tell drivers where certificates are kept; return the configuration, None where there is no such file.

    `strict`: a configuration that is wrong is an error; else it is as good as none (it may just be being written).

    Raises:
        ConfigError: the configuration cannot be used.
    """
    from shoptwin import config  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.acquire.registry import keep_certificates  # noqa: PLC0415
    from shoptwin.domain.errors import ConfigError  # noqa: PLC0415

    base = state_dir or usual_state(config_path)
    if config_path.exists():
        try:
            loaded = config.load(config_path, plugins, state_dir=base, secrets=False)
        except ConfigError:
            if strict:
                raise
            base = base or config_path.parent / "state"
        else:
            directory = state_dir or loaded.store.directory
            keep_certificates(plugins, directory, loaded.gateway.site, loaded.gateway.name)
            return loaded
    keep_certificates(plugins, base or Path.cwd() / "state", "", socket.gethostname())
    return None


def usual_state(config_path: Path) -> Path | None:
    """Return the state directory of an installed daemon; None leaves it to the configuration."""
    if "STATE_DIRECTORY" in os.environ:
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    return SYSTEM_STATE if config_path == SYSTEM_CONFIG and SYSTEM_STATE.is_dir() else None

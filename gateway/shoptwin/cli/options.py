"""Options that several commands share."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoptwin.domain.timing import parse_duration, parse_time

if TYPE_CHECKING:
    from shoptwin.serve.client import Client

if TYPE_CHECKING:
    Nanoseconds = click.ParamType[int]
else:
    Nanoseconds = click.ParamType  # generic to the type checker alone, until click 8.1 is forgotten
_EARLIEST = 10**17
"""Nanoseconds: 1973. A smaller number is no time but a duration whose unit was forgotten."""
SYSTEM_CONFIG = Path("/etc/shoptwin/shoptwin.toml")
LOCAL_CONFIG = Path("shoptwin.toml")


def _usual_config() -> Path:
    """Return the configuration in this folder where there is one, else the system's."""
    return LOCAL_CONFIG if LOCAL_CONFIG.is_file() else SYSTEM_CONFIG


config_option = click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default=_usual_config, envvar="SHOPTWIN_CONFIG",
    show_default=f"{LOCAL_CONFIG} here, else {SYSTEM_CONFIG}", show_envvar=True, help="The configuration.",
    metavar="FILE",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
socket_option = click.option(
    "--socket", "client", type=click.Path(path_type=Path), callback=lambda _, __, value: _client(value), metavar="PATH",
    envvar="SHOPTWIN_SOCKET", show_envvar=True,
    help="The daemon's socket. Else /run/shoptwin/shoptwin.sock, or state/shoptwin.sock here.",
)  # fmt: skip
by_option = click.option("--by", default=None, callback=lambda _, __, value: value or _user(), metavar="NAME",
                         help="Who asks: it goes on record. Else your user name.")  # fmt: skip


def _client(given: Path | None) -> Client:
    from shoptwin.serve.client import Client, find_socket  # noqa: PLC0415 - `--help` needs none of it

    return Client(find_socket(given))


def _user() -> str:
    """Return who sits there, sudo or not."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid-{os.getuid()}"


class Name(click.ParamType):  # type: ignore[type-arg]  # generic to newer clicks alone
    """What a machine, device or tag may be called in the configuration."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        from shoptwin.config.meaning import why_no_name  # noqa: PLC0415 - msgspec comes with it

        if wrong := why_no_name(str(value)):
            self.fail(f"it {'; '.join(wrong)}", param, ctx)
        return str(value)


class Duration(Nanoseconds):
    """`90s`, `5m`, `2h`, `1h30m`: nanoseconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the nanoseconds."""
        if isinstance(value, int):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(Nanoseconds):
    """An ISO 8601 time with a zone: ns UTC. Plain digits are ns already."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the ns UTC."""
        text = str(value)
        if text.isdecimal():
            return int(text)
        try:
            return parse_time(text)
        except ValueError as error:
            self.fail(f"{error} (write 2026-11-22T06:00:00Z)", param, ctx)


class Ago(Nanoseconds):
    """Either of the two: a duration before now is negative, a moment is positive."""

    name = "duration|time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return minus the nanoseconds of a duration, or the ns UTC of a time."""
        if isinstance(value, int):
            return value
        try:
            return -parse_duration(text := str(value))
        except ValueError:
            if not text[:1].isdecimal():
                cure = "write how long ago (30m, 1h, 7d), or a time with its zone (2026-11-22T06:00:00Z, or +01:00)"
                self.fail(f"{text!r} is not a time: {cure}", param, ctx)
            if text.isdecimal() and int(text) < _EARLIEST:
                self.fail(f"{text} is neither a time nor how long ago: write {text}m or {text}h", param, ctx)
            return Moment().convert(value, param, ctx)

"""`shoptwin browse`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from shoptwin.cli.keeping import settle, state_dir_option
from shoptwin.cli.lookup import by_scheme, settings_option, settings_table
from shoptwin.cli.options import config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shoptwin.domain.device import TagCandidate
    from shoptwin.domain.ports import Plugin


WORDS = {"f4": "float32", "f8": "float64", "i8": "int64", "u8": "uint64", "str": "text"}
"""Kinds of values as the configuration of a driver and a PLC's program call them."""


@click.command(short_help="What a device has to offer.")
@click.argument("url")
@click.option("--at", default=None, metavar="NODE", help="List what is below this; else the top.")
@settings_option
@config_option
@state_dir_option
@json_option
def browse(
    url: str, at: str | None, *, settings: tuple[str, ...], config_path: Path, state_dir: Path | None, as_json: bool
) -> None:
    """List what the device at URL has to offer; the driver is found by the URL's scheme.

    What stands under "address" goes into the configuration as it is. Certificates are those of the gateway that the
    configuration is of: see `shoptwin trust`.

    \b
    Examples:
      shoptwin browse opc.tcp://192.0.2.20:4840
      shoptwin browse opc.tcp://192.0.2.20:4840 --at "ns=2;s=Press3"
    """  # noqa: D301 - click's mark
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.config import device_settings  # noqa: PLC0415

    drivers = plugins()
    plugin = by_scheme(url, drivers)
    settle(drivers, config_path, state_dir, strict=False)
    found = asyncio.run(_browse(plugin, device_settings(plugin, settings_table(url, settings)), at))
    if as_json:
        print_json([{"address": c.address, "name": c.name, "is_value": c.is_value, "kind": c.kind, "unit": c.unit,
                     "sample": c.sample} for c in found])  # fmt: skip
    elif found:
        headings = ("address", "name", "kind", "unit", "now")
        table(headings, ((c.address, c.name, _kind(c), c.unit, c.sample) for c in found))
    else:
        click.echo("nothing is below this")


def _kind(candidate: TagCandidate) -> str:
    if not candidate.is_value:
        return "folder"
    return WORDS.get(candidate.kind, str(candidate.kind)) if candidate.kind else ""


async def _browse(plugin: Plugin, settings: object, at: str | None) -> Sequence[TagCandidate]:
    from shoptwin.domain.errors import ShoptwinError  # noqa: PLC0415
    from shoptwin.domain.ports import Browsable  # noqa: PLC0415 - numpy comes with it

    connection = plugin.open(settings)
    if not isinstance(connection, Browsable):
        hint = "Its tags stand in the documentation of the device"
        raise ShoptwinError(f"A device of the driver {plugin.name} cannot be browsed", hint, code="not-browsable")
    try:
        async with asyncio.timeout(60):
            await connection.connect()
            return await connection.browse(at)
    except TimeoutError as error:
        from shoptwin.domain.errors import Timeout  # noqa: PLC0415

        raise Timeout("The device does not answer", "Check the address, the port and the firewall") from error
    finally:
        await connection.aclose()

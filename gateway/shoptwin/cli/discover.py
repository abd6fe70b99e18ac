"""`shoptwin discover`."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from shoptwin.cli.keeping import settle, state_dir_option
from shoptwin.cli.lookup import by_scheme, settings_option, settings_table
from shoptwin.cli.options import config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, table, title

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shoptwin.domain.discovery import FoundServer
    from shoptwin.domain.ports import Discovering, Plugin
    from shoptwin.domain.trust import Certificate

_STANDINGS = {"trusted": "trusted here", "rejected": "not accepted here yet"}


@click.command(short_help="How a server wants to be talked to.")
@click.argument("url")
@click.option("--device", default="plc-1", show_default=True, metavar="NAME", help="What to call it in [[device]].")
@settings_option
@config_option
@state_dir_option
@json_option
def discover(
    url: str, *, device: str, settings: tuple[str, ...], config_path: Path, state_dir: Path | None, as_json: bool
) -> None:
    """Ask the server at URL what it offers: endpoints, security, logins, its certificate. No login is needed.

    What follows "for the configuration" goes there as it is. A certificate that nobody has accepted is kept, so that
    `shoptwin trust accept` knows it.

    \b
    Examples:
      shoptwin discover opc.tcp://192.0.2.20:4840
      shoptwin discover opc.tcp://192.0.2.20 --device cell-4
    """  # noqa: D301 - click's mark
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.config import device_settings  # noqa: PLC0415

    drivers = plugins()
    plugin = by_scheme(url, drivers)
    settle(drivers, config_path, state_dir, strict=False)
    given = device_settings(plugin, settings_table(url, settings))
    found = asyncio.run(_discovering(plugin).discover(given))
    if as_json:
        print_json(asdict(found))
        return
    _print(found)
    where = ["--state-dir", str(state_dir)] if state_dir else []
    _print_next(found, where)
    title("for the configuration:")
    for line in device_block(found, device, plugin.name):
        click.echo(line)


def _discovering(plugin: Plugin) -> Discovering:
    from shoptwin.domain.errors import ShoptwinError  # noqa: PLC0415
    from shoptwin.domain.ports import Discovering  # noqa: PLC0415 - numpy comes with it

    if not isinstance(plugin, Discovering):
        hint = f"`shoptwin scan {plugin.name} URL` or `shoptwin browse URL` may tell what is there"
        raise ShoptwinError(
            f"Devices of the driver {plugin.name} do not tell such things", hint, code="not-discovering"
        )
    return plugin


def device_block(found: FoundServer, name: str, driver: str) -> Iterator[str]:
    """Yield the lines of a [[device]]."""
    yield "[[device]]"
    yield from (f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in
                (("name", name), ("driver", driver), ("url", found.url)))  # fmt: skip
    for key, value in found.settings.items():
        note = "  # yours to fill in" if isinstance(value, str) and value.isupper() else ""
        yield f"{key} = {json.dumps(value, ensure_ascii=False)}{note}"


def _print(found: FoundServer) -> None:
    title(f"{found.name or 'a server without a name'} at {found.url}")
    for what, text in (("application URI", found.uri), ("product URI", found.product)):
        if text:
            click.echo(f"  {what:<17}{text}")
    click.echo()
    table(("policy", "mode", "logins", "endpoint"),
          ((each.policy + ("" if each.usable else " (broken)"), each.mode, each.logins, each.url)
           for each in found.endpoints))  # fmt: skip
    if found.certificate is not None:
        _print_certificate(found.certificate, secured=found.settings.get("security") != "none")
    if found.others:
        title("other servers that it knows")
        table(("name", "url"), found.others)
    if found.notes:
        click.echo()
    for note in found.notes:
        below(note, "! ")


def _print_certificate(certificate: Certificate, *, secured: bool) -> None:
    title("its certificate" + (f": {_STANDINGS.get(certificate.standing, certificate.standing)}" if secured else ""))
    for what, text in (
        ("thumbprint", certificate.thumbprint), ("SHA-256", certificate.sha256), ("name", certificate.subject),
        ("application URI", certificate.uri), ("hosts", ", ".join(certificate.hosts)),
        ("valid", f"{_day(certificate.first)} to {_day(certificate.last)}"),
    ):  # fmt: skip
        click.echo(f"  {what:<17}{text or '-'}")
    for note in certificate.notes:
        below(note, "! ")


def _print_next(found: FoundServer, where: list[str]) -> None:
    title("next:")
    certificate, secured = found.certificate, found.settings.get("security") != "none"
    if certificate is not None and secured and certificate.standing == "rejected":
        click.echo("  # once the PLC's own tool has shown the same thumbprint:")
        click.echo(f"  {shlex.join(['shoptwin', 'trust', 'accept', certificate.thumbprint, *where])}")
    sets = [part for key, value in found.settings.items() for part in ("--set", f"{key}={_plain(value)}")]
    click.echo(f"  {shlex.join(['shoptwin', 'browse', found.url, *sets, *where])}")


def _plain(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1e9, UTC):%Y-%m-%d}"

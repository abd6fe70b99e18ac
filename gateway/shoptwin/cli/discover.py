"""`shoptwin discover`."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from shoptwin.cli.keeping import as_given, settle, state_dir_option
from shoptwin.cli.lookup import find, settings_option, ways
from shoptwin.cli.options import Name, config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, table, title

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shoptwin.cli.lookup import Target
    from shoptwin.domain.discovery import FoundServer
    from shoptwin.domain.ports import Discovering
    from shoptwin.domain.trust import Certificate

_GATEWAY = """[gateway]
site = "SITE"  # yours to fill in
name = "NAME"  # yours to fill in
"""
_STANDINGS = {"trusted": "trusted here", "rejected": "not accepted here yet"}


@click.command(short_help="How a server wants to be talked to.")
@click.argument("url", metavar="URL|DEVICE")
@click.option("--device", type=Name(), default=None, metavar="NAME",
              help="What to call it in [[device]]; else as the configuration does, or plc-1.")  # fmt: skip
@settings_option
@config_option
@state_dir_option
@json_option
@click.pass_context
def discover(
    ctx: click.Context, /, *, url: str, device: str | None, settings: tuple[str, ...], config_path: Path,
    state_dir: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Ask the server at URL what it offers: endpoints, security, logins, its certificate. No login is needed.

    A DEVICE of the configuration goes by its name. What follows "for the configuration" goes there as it is. A
    certificate that nobody has accepted is kept, so that `shoptwin trust accept` knows it.

    \b
    Examples:
      shoptwin discover opc.tcp://192.0.2.20:4840
      shoptwin discover opc.tcp://192.0.2.20 --device cell-4
    """  # noqa: D301 - click's mark
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it

    drivers = plugins()
    known = settle(drivers, config_path, state_dir)
    where = as_given(ctx)
    target = find(url, drivers, known, settings, where=where)
    found = asyncio.run(_discovering(target).discover(target.settings))
    if as_json:
        print_json(asdict(found))
        return
    _print(found)
    _print_next(found, target, where, named=known is not None)
    title("for the configuration:")
    if known is None:
        click.echo(_GATEWAY)
    for line in device_block(found, device or target.device or "plc-1", target.plugin.name):
        click.echo(line)


def _discovering(target: Target) -> Discovering:
    from shoptwin.domain.errors import ShoptwinError  # noqa: PLC0415
    from shoptwin.domain.ports import Discovering  # noqa: PLC0415 - numpy comes with it

    if not isinstance(target.plugin, Discovering):
        what = f"Devices of the driver {target.plugin.name} do not tell such things"
        raise ShoptwinError(what, ways(target), code="not-discovering")
    return target.plugin


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


def _print_next(found: FoundServer, target: Target, where: list[str], *, named: bool) -> None:
    title("next:")
    certificate, secured = found.certificate, found.settings.get("security") != "none"
    if certificate is not None and secured and certificate.standing == "rejected":
        click.echo("  # once the PLC's own tool has shown the same thumbprint:")
        click.echo(f"  {shlex.join(['shoptwin', 'trust', 'accept', certificate.thumbprint, *where])}")
    if secured and not named:
        click.echo("  # once shoptwin.toml in this folder says who this gateway is, as its certificate does:")
    if target.device == target.words[0]:  # its settings are known by its name
        click.echo(f"  {target.command('browse')}")
        return
    sets = [part for key, value in found.settings.items() for part in ("--set", f"{key}={_plain(value)}")]
    click.echo(f"  {shlex.join(['shoptwin', 'browse', found.url, *sets, *where])}")


def _plain(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1e9, UTC):%Y-%m-%d}"

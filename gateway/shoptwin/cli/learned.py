"""`shoptwin learned`, `relearn` and `rollback`: what is normal for a machine, as it was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import Ago, by_option, json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, table
from shoptwin.cli.zone import PlantTime
from shoptwin.domain.timing import parse_time

if TYPE_CHECKING:
    from shoptwin.serve.client import Client


@click.command(short_help="What was learned of a machine.")
@click.argument("machine")
@socket_option
@json_option
def learned(machine: str, client: Client, *, as_json: bool) -> None:
    """List what was learned of MACHINE and is kept, oldest first, and which of it is in use.

    \b
    Example:
      shoptwin learned press-3
    """  # noqa: D301 - click's mark
    found = client.get("/v1/learned", machine=machine)
    if as_json:
        print_json(found)
    elif not found:
        click.echo(f"nothing has been learned of {machine} yet; `shoptwin status` says how far it is")
    else:
        zone = PlantTime(client.get("/v1/status").get("timezone"))
        begun, first = zone.column("learned from", [each["learned_from"] for each in found])
        ended, last = zone.column("until", [each["learned_until"] for each in found])
        rows = [
            [each["indicator"], each["version"], each["used"], begin, end, each["rows"], each["false_alarms_per_month"]]
            for each, begin, end in zip(found, first, last, strict=True)
        ]  # fmt: skip
        table(["indicator", "version", "in use", begun, ended, "rows", "false alarms a month"], rows)
        for each in found:
            for doubt in each.get("doubts", ()):
                below(f"{each['indicator']} {each['version']}, but {doubt['text']}: {doubt['cure']}")


@click.command(short_help="Learn anew what is normal for a machine.")
@click.argument("machine")
@click.option("--since", type=Ago(), default=None, metavar="TIME",
              help="From when on: how long ago (2h), or a time (2026-11-22T06:00:00Z); else from now on.")  # fmt: skip
@by_option
@socket_option
@json_option
def relearn(machine: str, *, since: int | None, by: str, client: Client, as_json: bool) -> None:
    """Learn anew what is normal for MACHINE, as after maintenance that changed it.

    Nothing from before is learned from. Until enough has been seen the machine is guarded by its limit alarms. What was
    in use before is kept: `shoptwin rollback` goes back to it.

    \b
    Examples:
      shoptwin relearn press-3
      shoptwin relearn press-3 --since 2h
    """  # noqa: D301 - click's mark
    status = client.get("/v1/status")
    now = parse_time(status["now"])  # the daemon's time, which may be scaled
    start = 0 if since is None else now + since if since < 0 else since
    _tell(client.post("/v1/relearn", machine=machine, since=start, by=by), status, as_json=as_json)


@click.command(short_help="Go back to what was learned before.")
@click.argument("machine")
@click.argument("indicator")
@click.option("--to", "version", default="", metavar="VERSION", help="Which version; else the one before.")
@by_option
@socket_option
@json_option
def rollback(machine: str, indicator: str, *, version: str, by: str, client: Client, as_json: bool) -> None:
    """Judge MACHINE by what was learned of an INDICATOR before. `shoptwin learned` lists indicators and versions.

    \b
    Examples:
      shoptwin rollback press-3 process
      shoptwin rollback press-3 vibration --to 3
    """  # noqa: D301 - click's mark
    status = client.get("/v1/status")
    found = client.post("/v1/rollback", machine=machine, indicator=indicator, version=version, by=by)
    _tell(found, status, as_json=as_json)


def _tell(found: dict[str, Any], status: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(PlantTime(status.get("timezone")).text(found["text"]))

"""`shoptwin maintenance` and `shoptwin sensor-replaced`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoptwin.cli.options import Duration, by_option, json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.zone import PlantTime
from shoptwin.domain.timing import DAY, SECOND

if TYPE_CHECKING:
    from shoptwin.serve.client import Client

LONGEST = 366 * DAY
"""The longest maintenance that the daemon takes."""


@click.command(short_help="Begin or end the maintenance of a machine.")
@click.argument("machine")
@click.option(
    "--for", "span", type=Duration(), metavar="TIME", help="How long: 2h, 30m, at most 366d. It then ends by itself."
)
@click.option("--reason", default="", metavar="TEXT", help="What is done; it goes on record.")
@click.option("--end", is_flag=True, help="End it now.")
@by_option
@socket_option
@json_option
def maintenance(
    machine: str, *, span: int | None, reason: str, end: bool, by: str, client: Client, as_json: bool
) -> None:
    """Begin or end the maintenance of MACHINE.

    While it lasts the machine's alarms are suppressed, visibly, and nothing is learned.

    \b
    Examples:
      shoptwin maintenance press-3 --for 2h --reason "new drive belt"
      shoptwin maintenance press-3 --end
    """  # noqa: D301 - click's mark
    if end == (span is not None):
        raise click.UsageError("Say how long with --for, or end it with --end.")
    if not end and not reason.strip():
        raise click.UsageError("Maintenance needs a --reason: it goes on record.")
    if span is not None and not 0 < span <= LONGEST:
        raise click.BadParameter("at least a second, and at most 366d; to end it: --end", param_hint="--for")
    seconds = max(1, round((span or 0) / SECOND)) if not end else 0
    found = client.post("/v1/maintenance", machine=machine, seconds=seconds, reason=reason, by=by)
    if as_json:
        print_json(found)
    else:
        click.echo(PlantTime(client.get("/v1/status").get("timezone")).text(found["text"]))


@click.command("sensor-replaced", short_help="Learn anew what is normal for one tag.")
@click.argument("tag")
@by_option
@socket_option
@json_option
def sensor_replaced(tag: str, by: str, client: Client, as_json: bool) -> None:
    """Say that the sensor of TAG was replaced: what is normal for this tag alone is learned anew.

    \b
    Example:
      shoptwin sensor-replaced press-3.spindle_temp
    """  # noqa: D301 - click's mark
    found = client.post("/v1/sensor-replaced", tag=tag, by=by)
    if as_json:
        print_json(found)
    else:
        click.echo(found["text"])

"""`shoptwin history`."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import Ago, Duration, json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import table
from shoptwin.cli.zone import PlantTime
from shoptwin.domain.timing import iso, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.serve.client import Client


@click.command(short_help="What a tag was.")
@click.argument("tag")
@click.option("--since", type=Ago(), default="1h", show_default=True, metavar="TIME",
              help="From when on: how long ago (1h, 7d), or a time (2026-11-22T06:00:00Z).")  # fmt: skip
@click.option("--until", type=Ago(), default=None, metavar="TIME", help="Until when; now where not given.")
@click.option("--step", type=Duration(), default=None, metavar="TIME",
              help="Figures (minimum, mean, maximum …) over steps of 1m, 1h, instead of the samples.")  # fmt: skip
@click.option("--points", type=click.IntRange(min=1), default=None, metavar="N",
              help="The same, over the smallest step that gives at most N of them.")  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@json_option
@socket_option
def history(
    tag: str, *, since: int, until: int | None, step: int | None, points: int | None, as_csv: bool, as_json: bool,
    client: Client,
) -> None:  # fmt: skip
    """Print what TAG was, from the daemon's store. Times of the table are the plant's, of CSV and JSON UTC.

    \b
    Examples:
      shoptwin history press-3.spindle_temp --since 1h
      shoptwin history press-3.spindle_temp --since 7d --step 1h --csv
      shoptwin history press-3.spindle_temp --since 30d --points 40
    """  # noqa: D301 - click's mark
    if as_csv and as_json:
        raise click.UsageError("Either --csv or --json.")
    if step and points:
        raise click.UsageError("Either --step or --points.")
    status = client.get("/v1/status")
    now = parse_time(status["now"])  # the daemon's time, which may be scaled
    start = now + since if since < 0 else since
    stop = now + 1 if until is None else now + until if until < 0 else until
    if start >= stop:
        raise click.UsageError("The history ends before it begins: --until must be after --since.")
    found = client.get("/v1/history", tag=tag, start=start, stop=stop, resolution=step, points=points)
    if as_json:
        print_json(found)
        return
    names = [key for key, column in found.items() if isinstance(column, list)]
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(_rows(found, names))
    elif not found.get("time"):
        zone = PlantTime(status.get("timezone"))
        click.echo(f"{tag}: nothing from {zone.day(start)} to {zone.day(stop)}")
    else:
        heading, times = PlantTime(status.get("timezone")).column("time", found["time"], fine=not (step or points))
        rest = [name for name in names if name != "time"]
        table([heading, *rest], ([time, *row] for time, row in zip(times, _rows(found, rest), strict=True)))


def _rows(found: dict[str, Any], names: list[str]) -> Iterator[list[Any]]:
    columns = [found[name] for name in names]
    for row in zip(*columns, strict=True):
        yield [iso(value) if name == "time" else value for name, value in zip(names, row, strict=True)]

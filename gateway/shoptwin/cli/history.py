"""`shoptwin history`."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import Ago, Duration, json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import table
from shoptwin.domain.timing import iso, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.serve.client import Client


@click.command(short_help="What a tag was.")
@click.argument("tag")
@click.option("--since", type=Ago(), default="1h", show_default=True, metavar="TIME",
              help="From when on: how long ago (1h), or a time (2026-11-22T06:00:00Z).")  # fmt: skip
@click.option("--until", type=Ago(), default=None, metavar="TIME", help="Until when; now where not given.")
@click.option("--step", type=Duration(), default=None, metavar="TIME",
              help="Figures (minimum, mean, maximum …) over steps of 1m, 1h, instead of the samples.")  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@json_option
@socket_option
def history(
    tag: str, *, since: int, until: int | None, step: int | None, as_csv: bool, as_json: bool, client: Client
) -> None:
    """Print what TAG was, from the daemon's store. Times are UTC.

    \b
    Examples:
      shoptwin history press-3.spindle_temp --since 1h
      shoptwin history press-3.spindle_temp --since 7d --step 1h --csv
    """  # noqa: D301 - click's mark
    if as_csv and as_json:
        raise click.UsageError("Either --csv or --json.")
    now = _now(client) if since < 0 or until is None or until < 0 else 0
    start = now + since if since < 0 else since
    stop = now + 1 if until is None else now + until if until < 0 else until
    if start >= stop:
        raise click.UsageError("The history ends before it begins: --until must be after --since.")
    found = client.get("/v1/history", tag=tag, start=start, stop=stop, resolution=step)
    if as_json:
        print_json(found)
        return
    names = [key for key, column in found.items() if isinstance(column, list)]
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(_rows(found, names))
    elif not found.get("time"):
        click.echo(f"{tag}: nothing from {iso(start)} to {iso(stop)}")
    else:
        table(names, _rows(found, names))


def _now(client: Client) -> int:
    """Return the daemon's time, which may be scaled."""
    now = client.get("/v1/status")["now"]
    return now if isinstance(now, int) else parse_time(now)


def _rows(found: dict[str, Any], names: list[str]) -> Iterator[list[Any]]:
    columns = [found[name] for name in names]
    for row in zip(*columns, strict=True):
        yield [iso(value) if name == "time" else value for name, value in zip(names, row, strict=True)]

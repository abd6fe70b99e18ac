"""`shoptwin mark` and `shoptwin thresholds`: what people found of alarms, and what that moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import by_option, json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, table, title
from shoptwin.cli.zone import PlantTime

if TYPE_CHECKING:
    from shoptwin.serve.client import Client

_SHORT = 8
"""Characters of an occurrence's id that are shown; so many name it to `shoptwin mark` too."""


@click.command(short_help="Say whether an alarm was true or false.")
@click.argument("alarm", metavar="ID")
@click.argument("verdict", metavar="true|false|maintenance-done",
                type=click.Choice(["true", "false", "maintenance-done"]))  # fmt: skip
@click.option("--note", default="", metavar="TEXT", help="What was found; it goes on record.")
@by_option
@socket_option
@json_option
def mark(alarm: str, *, verdict: str, note: str, by: str, client: Client, as_json: bool) -> None:
    """Mark the alarm ID: `true`, `false`, or `maintenance-done` once the machine was worked on because of it.

    ID is its key, for the latest time that it was raised, or the id of an earlier time (`shoptwin thresholds` lists
    them). A false alarm of a machine's health raises the threshold of the regime that it was raised in, within bounds.
    A mark may be changed: all are kept, the last one counts.

    \b
    Examples:
      shoptwin mark press-3/health.abnormal false --note "new product, all is well"
      shoptwin mark 5f2a91c0 true
    """  # noqa: D301 - click's mark
    found = client.post("/v1/alarms/mark", alarm=alarm, mark=verdict, note=note, by=by)
    if as_json:
        print_json(found)
    else:
        click.echo(PlantTime(client.get("/v1/status").get("timezone")).text(found["text"]))


@click.command(short_help="Alarms, their marks, and the thresholds that moved.")
@click.argument("machine")
@click.option("--reset", is_flag=True, help="Put all thresholds of the machine back to what was learned.")
@by_option
@socket_option
@json_option
def thresholds(machine: str, *, reset: bool, by: str, client: Client, as_json: bool) -> None:
    """Show where the thresholds of MACHINE differ from what was learned, and why: its alarms, marks and moves.

    \b
    Examples:
      shoptwin thresholds press-3
      shoptwin thresholds press-3 --reset
    """  # noqa: D301 - click's mark
    if reset:
        told = client.post("/v1/thresholds/reset", machine=machine, by=by)
        if as_json:
            print_json(told)
        else:
            click.echo(told["text"])
        return
    found = client.get("/v1/thresholds", machine=machine)
    if as_json:
        print_json(found)
        return
    zone = PlantTime(client.get("/v1/status").get("timezone"))
    if found["regimes"]:
        keys = ("indicator", "regime", "factor", "false_alarms")
        table(("indicator", "regime", "times the learned", "false alarms"),
              ([regime[key] for key in keys] for regime in found["regimes"]))  # fmt: skip
    else:
        click.echo(f"all thresholds of {machine} are as they were learned")
    _alarms(found["alarms"], zone)
    _marks(found["marks"], zone)
    _moves(found["moves"], zone)


def _alarms(alarms: list[dict[str, Any]], zone: PlantTime) -> None:
    if not alarms:
        return
    title("alarms")
    heading, times = zone.column("raised", [alarm["raised_at"] for alarm in alarms])
    rows = (
        (a["occurrence"][:_SHORT], time, a["alarm"], a["mark"], a["by"]) for a, time in zip(alarms, times, strict=True)
    )
    table(("id", heading, "alarm", "mark", "by"), rows)


def _marks(marks: list[dict[str, Any]], zone: PlantTime) -> None:
    if not marks:
        return
    title("marks")
    heading, times = zone.column("time", [mark["time"] for mark in marks])
    rows = ((t, m["occurrence"][:_SHORT], m["mark"], m["by"]) for m, t in zip(marks, times, strict=True))
    table((heading, "id", "mark", "by"), rows)
    for made in marks:
        if made["note"]:
            below(f"{made['occurrence'][:_SHORT]} {made['mark']}: {made['note']}")


def _moves(moves: list[dict[str, Any]], zone: PlantTime) -> None:
    if not moves:
        return
    title("moves")
    heading, times = zone.column("time", [move["time"] for move in moves])
    rows = (
        (t, m["indicator"], m["regime"], m["why"], m["factor"], m["by"], m["occurrence"][:_SHORT])
        for m, t in zip(moves, times, strict=True)
    )
    table((heading, "indicator", "regime", "why", "times the learned", "by", "id"), rows)

"""`shoptwin alarms`, `shoptwin alarms test` and `shoptwin ack`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import by_option, json_option, socket_option
from shoptwin.cli.printing import aligned, below, columns
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.words import priority_rank
from shoptwin.cli.zone import PlantTime

if TYPE_CHECKING:
    from shoptwin.serve.client import Client

_STATES = {"returned-unacknowledged": "returned"}
"""Shorter, so that a row has room on a small terminal."""


@click.group(invoke_without_command=True, short_help="The alarms that stand.")
@click.option("--all", "every", is_flag=True, help="Every alarm that there is, not only those that stand.")
@socket_option
@json_option
@click.pass_context
def alarms(ctx: click.Context, client: Client, every: bool, as_json: bool) -> None:
    """List the alarms that stand: active, or returned to normal and not yet acknowledged.

    Below each stands what it is about, on what evidence, and what to check next.

    \b
    Examples:
      shoptwin alarms
      shoptwin alarms --all --json
    """  # noqa: D301 - click's mark
    if ctx.invoked_subcommand is not None:
        return
    found = client.get("/v1/alarms", active="false" if every else "true")
    if as_json:
        print_json(found)
    elif found:
        _print(found, PlantTime(client.get("/v1/status").get("timezone")))
    else:
        click.echo("no alarm stands")


def _print(found: list[dict[str, Any]], zone: PlantTime) -> None:
    found.sort(key=priority_rank)
    heading, times = zone.column("since", (alarm["since"] for alarm in found))
    states = [_STATES.get(alarm["state"], alarm["state"]) for alarm in found]
    names = [(alarm["key"], alarm["priority"]) for alarm in found]
    rows = ((*name, state, time) for name, state, time in zip(names, states, times, strict=True))
    head, *lines = aligned(("alarm", "priority", "state", heading), rows)
    # Where a long name leaves no room for the state, the state goes below too.
    narrow = max(map(len, (head, *lines))) > columns()
    if narrow:
        short = ((*name, time) for name, time in zip(names, times, strict=True))
        head, *lines = aligned(("alarm", "priority", heading), short)
    click.echo(head)
    for alarm, line, state in zip(found, lines, states, strict=True):
        click.echo(line)
        if alarm["suppressed"] or alarm["state"] != "normal":
            if narrow:
                below(state)
            _explain(alarm, zone)


def _explain(alarm: dict[str, Any], zone: PlantTime) -> None:
    """Say below the row of an alarm what it is about, why it is believed, and what to check, in order."""
    if alarm["text"]:
        below(zone.text(alarm["text"]))
    if alarm["suppressed"]:
        below(f"suppressed: {alarm['suppressed']}")
    if alarm.get("acknowledged_by"):
        below(f"acknowledged by {alarm['acknowledged_by']}")
    for line in alarm.get("evidence", ()):
        if line not in alarm["text"]:
            below(zone.text(line), "- ")
    if alarm.get("advice"):
        below("; ".join(alarm["advice"]), "check: ")


@alarms.command(short_help="Send an alarm that is marked as a test.")
@click.argument("machine")
@by_option
@socket_option
@json_option
def test(machine: str, by: str, client: Client, as_json: bool) -> None:
    """Send an alarm of MACHINE that is marked as a test, to check the whole way to the SCADA.

    \b
    Example:
      shoptwin alarms test press-3
    """  # noqa: D301 - click's mark
    found = client.post("/v1/alarms/test", machine=machine, by=by)
    if as_json:
        print_json(found)
    else:
        click.echo(_where(found, client.get("/v1/status")["outbox"]))


def _where(found: dict[str, Any], outbox: dict[str, Any]) -> str:
    """Say where the alarm that was just sent can be found."""
    if "connected" not in outbox:
        return f"the test alarm of {found['machine']} reaches nobody: there is no [mqtt] in the configuration"
    if not outbox["connected"]:
        return f"the test alarm of {found['machine']} waits in the outbox: the broker is away"
    return f"{found['text']}: look for it in the SCADA"


@click.command(short_help="Acknowledge an alarm.")
@click.argument("alarm", metavar="ID")
@by_option
@socket_option
@json_option
def ack(alarm: str, by: str, client: Client, as_json: bool) -> None:
    """Acknowledge the alarm ID: its key (`press-3/spindle_temp.hi`), or its id where only one machine has it.

    \b
    Example:
      shoptwin ack press-3/spindle_temp.hi
    """  # noqa: D301 - click's mark
    found = client.post("/v1/alarms/acknowledge", alarm=alarm, by=by)
    if as_json:
        print_json(found)
    elif found.get("already"):
        click.echo(f"{found['key']} is already acknowledged by {found['acknowledged_by']}")
    else:
        click.echo(f"{found['key']} is acknowledged by {by}")

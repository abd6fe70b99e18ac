"""`shoptwin alarms`, `shoptwin alarms test` and `shoptwin ack`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import by_option, json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import table

if TYPE_CHECKING:
    from shoptwin.serve.client import Client


@click.group(invoke_without_command=True, short_help="The alarms that stand.")
@click.option("--all", "every", is_flag=True, help="Every alarm that there is, not only those that stand.")
@socket_option
@json_option
@click.pass_context
def alarms(ctx: click.Context, client: Client, every: bool, as_json: bool) -> None:
    """List the alarms that stand: active, or returned to normal and not yet acknowledged.

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
        headings = ("alarm", "priority", "state", "since", "value", "limit", "unit", "text")
        table(headings, map(_row, found))
    else:
        click.echo("no alarm stands")


def _row(alarm: dict[str, Any]) -> tuple[Any, ...]:
    state = alarm["state"]
    if alarm["suppressed"]:
        state += f" (suppressed: {alarm['suppressed']})"
    return (
        alarm["key"], alarm["priority"], state, alarm["since"], alarm["value"], alarm["limit"], alarm["unit"],
        alarm["text"],
    )  # fmt: skip


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
        click.echo(f"{found['text']}: look for it in the SCADA")


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
    else:
        click.echo(f"{found['key']} is acknowledged by {by}")

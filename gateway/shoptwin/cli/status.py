"""`shoptwin status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import pick, table, title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.serve.client import Client


@click.command(short_help="How the gateway, its devices and its machines are.")
@click.option("--tags", is_flag=True, help="Every tag too, with value, quality and age.")
@click.option("--follow", is_flag=True, help="A live view until Ctrl-C: machines, tags, health, alarms, outbox.")
@socket_option
@json_option
def status(client: Client, tags: bool, follow: bool, as_json: bool) -> None:
    """Show how the gateway, its devices and its machines are.

    \b
    Examples:
      shoptwin status
      shoptwin status --tags
      shoptwin status --follow
      shoptwin status --json
    """  # noqa: D301 - click's mark
    if follow:
        from shoptwin.cli.view import watch  # noqa: PLC0415 - rich, for the live view alone

        watch(client)
        return
    found = client.get("/v1/status")
    if as_json:
        print_json(found)
        return
    _head(found)
    _devices(found["devices"])
    _machines(found["machines"])
    if tags:
        title("tags")
        headings = ("tag", "value", "unit", "quality", "age s")
        rows = (tag for machine in found["machines"] for tag in machine["tags"])
        table(headings, ((t["id"], t["value"], t["unit"], t["quality"], t["age_s"]) for t in rows))


def _head(found: dict[str, Any]) -> None:
    click.echo(f"{found['site']}/{found['gateway']}: shoptwin {found['version']}, up {found['uptime']}, {found['now']}")
    standing = {priority: count for priority, count in found["alarms"].items() if count}
    told = ", ".join(f"{count} {priority}" for priority, count in standing.items())
    click.echo(f"alarms    {told or 'none'}")
    outbox = found["outbox"]
    if "connected" not in outbox:
        broker = "no [mqtt]: nothing is published"
    else:
        broker = "connected" if outbox["connected"] else f"away: {outbox.get('error') or 'not reached yet'}"
    click.echo(f"broker    {broker}, {outbox.get('messages', 0)} messages in the outbox")
    for line in found["degraded"]:
        click.echo(f"{click.style('degraded', fg='yellow')}  {line}")


def _devices(devices: list[dict[str, Any]]) -> None:
    title("devices")
    headings = ("device", "driver", "health", "tags", "polls", "missed", "bad", "p50 ms", "reason")
    keys = ("device", "driver", "health", "tags", "polls", "missed_polls", "bad_samples", "latency_p50_ms", "reason")
    table(headings, ([device.get(key) for key in keys] for device in devices))


def _machines(machines: list[dict[str, Any]]) -> None:
    title("machines")
    table(("machine", "state", "health", "score", "learned", "alarms", "maintenance"), map(_machine, machines))
    for machine in machines:
        for line in _evidence(machine):
            click.echo(f"  {machine['name']}: {line}")


def _machine(machine: dict[str, Any]) -> tuple[Any, ...]:
    progress, window = pick(machine, "health", "progress"), machine["maintenance"]
    return (
        machine["name"], machine["state"], pick(machine, "health", "state"), pick(machine, "health", "score"),
        None if progress is None else f"{progress:.0%}", machine["alarms"],
        window and f"until {window['until'] or 'switched off'}: {window['reason']}",
    )  # fmt: skip


def _evidence(machine: dict[str, Any]) -> Iterator[str]:
    """Say what moved, where the health is not normal, and why where it abstains."""
    if pick(machine, "health", "state") == "abnormal":
        yield from machine["health"]["evidence"]
    if note := pick(machine, "health", "note"):
        yield note

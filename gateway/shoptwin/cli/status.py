"""`shoptwin status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import pick, table, title

if TYPE_CHECKING:
    from shoptwin.serve.client import Client


@click.command(short_help="How the gateway, its devices and its machines are.")
@click.option("--tags", is_flag=True, help="Every tag too, with value, quality and age.")
@socket_option
@json_option
def status(client: Client, tags: bool, as_json: bool) -> None:
    r"""Show how the gateway, its devices and its machines are.

    \b
    Examples:
      shoptwin status
      shoptwin status --tags
      shoptwin status --json
    """
    found = client.get("/v1/status")
    listed = client.get("/v1/tags") if tags else None
    if as_json:
        print_json(found if listed is None else {**found, "tags": listed})
        return
    _head(found)
    _devices(found.get("devices", []))
    _machines(found.get("machines", []))
    if listed is not None:
        title("tags")
        headings = ("tag", "value", "unit", "quality", "age")
        table(headings, ((t.get("id"), t.get("value"), t.get("unit"), t.get("status"), t.get("age")) for t in listed))


def _head(found: dict[str, Any]) -> None:
    click.echo(f"{found.get('site')}/{found.get('gateway')}  shoptwin {found.get('version')}")
    for key in ("started", "now", "clock_rate", "alarms", "outbox", "broker", "mqtt", "store"):
        value = found.get(key)
        if value not in (None, "", {}, []):
            told = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            click.echo(f"{key.replace('_', ' '):10}  {told}")
    for line in found.get("degraded", []):
        click.echo(f"{click.style('degraded', fg='yellow'):10}  {line}")


def _devices(devices: list[dict[str, Any]]) -> None:
    title("devices")
    rows = (
        (
            d.get("device"), d.get("driver"), d.get("health"), d.get("tags"), d.get("polls"), d.get("missed_polls"),
            d.get("bad_samples"), d.get("latency_p50_ms"), d.get("reason"),
        )
        for d in devices
    )  # fmt: skip
    table(("device", "driver", "health", "tags", "polls", "missed", "bad", "p50 ms", "reason"), rows)


def _machines(machines: list[dict[str, Any]]) -> None:
    title("machines")
    rows = (
        (
            m.get("machine", m.get("name")), m.get("state"), pick(m, "health", "state"), pick(m, "health", "score"),
            _share(pick(m, "health", "progress")), m.get("alarms"), m.get("maintenance"),
        )
        for m in machines
    )  # fmt: skip
    table(("machine", "state", "health", "score", "learned", "alarms", "maintenance"), rows)


def _share(progress: float | None) -> str | None:
    return None if progress is None else f"{progress:.0%}"

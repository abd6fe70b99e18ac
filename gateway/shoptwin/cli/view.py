"""The live view of a running gateway on a terminal: what `status --follow` and the demo show."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shoptwin.domain.errors import NotRunning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from shoptwin.serve.client import Client

_VERDICT = {"normal": "green", "learning": "cyan", "abnormal": "bold red", "unknown-regime": "yellow"}
_PRIORITY = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}


def render(
    status: dict[str, Any], alarms: Sequence[dict[str, Any]], received: Sequence[str] = (), *, tags_most: int = 10
) -> RenderableType:
    """Draw what the gateway's status and its standing alarms say; `received` are lines of what an MQTT client got."""
    parts = [_head(status), *(_machine(machine, tags_most) for machine in status["machines"]), _alarms(alarms)]
    if received:
        title = "received over MQTT by an independent client"
        parts.append(Panel(Text("\n".join(received)), title=title, title_align="left", box=box.ROUNDED))
    return Group(*parts)


def watch(client: Client, *, every: float = 1.0) -> None:
    """Show the live view on the terminal until Ctrl-C; a daemon that is away is said to be, and waited for.

    Raises:
        NotRunning: no daemon answers at the start.
    """
    view: RenderableType = render(client.get("/v1/status"), client.get("/v1/alarms"))
    with Live(view, screen=True, auto_refresh=False) as live, contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(every)
            try:
                view = render(client.get("/v1/status"), client.get("/v1/alarms"))
            except NotRunning as error:
                view = Group(view, Text(f"{error.message}: what is shown is old", "bold red"))
            live.update(view, refresh=True)


def _head(status: dict[str, Any]) -> RenderableType:
    line = Text()
    line.append(f"{status['site']}/{status['gateway']} ", "bold")
    line.append(f"· {clock(status['now'])} · up {status['uptime']} · ")
    for device in status["devices"]:
        well = device["health"] == "connected"
        line.append(f"{device['device']} {device['health']} ", "green" if well else "bold red")
    outbox = status["outbox"]
    if "connected" in outbox:
        line.append("· broker ")
        line.append("connected" if outbox["connected"] else "away", "green" if outbox["connected"] else "bold red")
        line.append(f" · {outbox['messages']} in the outbox")
    for reason in status["degraded"]:
        line.append(f"\n! {reason}", "yellow")
    return Panel(line, title="Shoptwin", box=box.ROUNDED)


def _machine(machine: dict[str, Any], most: int) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    table.add_column("tag", ratio=3)
    table.add_column("value", ratio=3, justify="right")
    table.add_column("unit", ratio=2)
    table.add_column("quality", ratio=3)
    table.add_column("age", ratio=2, justify="right")
    for tag in machine["tags"][:most]:
        style = "green" if tag["quality"] == "Good" else "bold red" if tag["quality"].startswith("Bad") else "yellow"
        age = "-" if tag["age_s"] is None else f"{tag['age_s']:.0f} s"
        table.add_row(tag["name"], number(tag["value"]), tag["unit"], Text(tag["quality"], style), age)
    if len(machine["tags"]) > most:
        table.add_row(f"… {len(machine['tags']) - most} more", "", "", "", "")
    return Panel(table, title=_title(machine), title_align="left", box=box.ROUNDED)


def _title(machine: dict[str, Any]) -> Text:
    title = Text(machine["name"], "bold")
    title.append(f" · {machine['state']}", "cyan")
    if machine["maintenance"]:
        until = machine["maintenance"]["until"]
        title.append(f" · in maintenance {f'until {clock(until)}' if until else '(key switch)'}", "bold yellow")
    health = machine["health"]
    if health is None:
        title.append(" · health: nothing to judge yet", "dim")
    elif health["state"] == "learning":
        title.append(f" · learning {health['progress']:.0%}", "cyan")
    else:
        title.append(f" · health {health['state']}", _VERDICT.get(health["state"], "dim"))
        title.append(f" (score {health['score']:.2f}, alarm at 1)", "dim")
    return title


def _alarms(alarms: Sequence[dict[str, Any]]) -> RenderableType:
    if not alarms:
        return Panel(Text("no alarm stands", "green"), title="alarms", title_align="left", box=box.ROUNDED)
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    for name in ("since", "priority", "alarm", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("what", ratio=1, no_wrap=True, overflow="ellipsis")
    for alarm in alarms:
        priority = Text(alarm["priority"], _PRIORITY.get(alarm["priority"], ""))
        table.add_row(clock(alarm["since"]), priority, alarm["key"], alarm["state"], alarm["text"])
    return Panel(table, title=f"alarms: {len(alarms)}", title_align="left", box=box.ROUNDED)


def clock(moment: str | None) -> str:
    """Write the time of day of an ISO time, which is enough on a screen that lives."""
    return moment[11:19] if moment else "-"


def number(value: object) -> str:
    """Write a value in the width that a person reads at a glance."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

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

from shoptwin.cli.words import learning, measured, outlook, priority_rank
from shoptwin.cli.zone import PlantTime
from shoptwin.domain.errors import NotRunning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from shoptwin.serve.client import Client

_VERDICT = {"normal": "green", "learning": "cyan", "abnormal": "bold red", "unknown-regime": "yellow"}
_PRIORITY = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}
_WIDE = 100
"""Columns from which on an alarm's row has room for all of it."""
_FRAME = 3
"""Lines of a machine's frame: its title, the headings, the lower edge."""


def render(
    status: dict[str, Any],
    alarms: Sequence[dict[str, Any]],
    received: Sequence[str] = (),
    *,
    tags_most: int = 10,
    height: int | None = None,
) -> RenderableType:
    """Draw what the gateway's status and its standing alarms say; `received` are lines of what an MQTT client got.

    Where it would not fit `height` lines tags give way first, then what was received, then whole machines; of the
    alarms, which come first, only those are left out that have no room on the screen at all, and they are counted.
    """
    return _View(status, alarms, received, tags_most, height)


def watch(client: Client, *, every: float = 1.0) -> None:
    """Show the live view on the terminal until Ctrl-C; a daemon that is away is said to be, and waited for.

    Raises:
        NotRunning: no daemon answers at the start.
    """
    seen = client.get("/v1/status"), client.get("/v1/alarms")
    with Live(render(*seen), screen=True, auto_refresh=False) as live, contextlib.suppress(KeyboardInterrupt):
        while True:
            height, away = live.console.size.height, ""
            try:
                seen = client.get("/v1/status"), client.get("/v1/alarms")
            except NotRunning as error:
                away = f"{error.message}: what is shown is old"
            note = [Text(away, "bold red", no_wrap=True, overflow="ellipsis")] if away else []
            live.update(Group(*note, render(*seen, height=height - len(note))), refresh=True)
            time.sleep(every)


class _View:
    """One picture, cut to the size of the terminal when it is drawn."""

    def __init__(
        self,
        status: dict[str, Any],
        alarms: Sequence[dict[str, Any]],
        received: Sequence[str],
        tags_most: int,
        height: int | None,
    ) -> None:
        self._status = status
        self._alarms = sorted(alarms, key=lambda alarm: (bool(alarm.get("suppressed")), priority_rank(alarm)))
        self._received = received
        self._most = tags_most
        self._height = height
        self._zone = PlantTime(status.get("timezone"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        def lines(*parts: RenderableType) -> int:
            return sum(len(console.render_lines(part, options.update(height=None))) for part in parts)

        wide = options.max_width >= _WIDE
        head = _head(self._status, self._zone)
        yield head
        if self._height is None:
            yield _alarms(self._alarms, self._zone, wide=wide)
            yield from self._rest(self._most, len(self._received))
            return
        # One line is kept for the machines, which are at least counted.
        room = max(self._height - lines(head) - 1, 1)
        shown = len(self._alarms)
        while shown > 1 and lines(_alarms(self._alarms, self._zone, wide=wide, most=shown)) > room:
            shown -= 1
        alarms = _alarms(self._alarms, self._zone, wide=wide, most=shown)
        yield alarms
        yield from self._fitting(room + 1 - lines(alarms))

    def _rest(self, tags: int, received: int) -> RenderResult:
        yield from (_machine(machine, self._zone, tags) for machine in self._status["machines"])
        if received:
            title = "received over MQTT by an independent client"
            text = Text("\n".join(self._received[-received:]), no_wrap=True, overflow="ellipsis")
            yield Panel(text, title=title, title_align="left", box=box.ROUNDED)

    def _fitting(self, room: int) -> RenderResult:
        """Yield machines and what was received in at most `room` lines."""
        machines, received = self._status["machines"], len(self._received)
        for told in sorted({received, min(received, 3), 0}, reverse=True):
            for tags in range(self._most, -1, -1):
                if sum(_lines(machine, tags) for machine in machines) + (told + 2 if told else 0) <= room:
                    yield from self._rest(tags, told)
                    return
        if room < 1:
            return
        shown = len(machines) if len(machines) <= room else room - 1
        yield from (_machine(machine, self._zone, 0) for machine in machines[:shown])
        if len(machines) > shown:
            yield Text(f"… {len(machines) - shown} more machines: shoptwin status", "dim", no_wrap=True)


def _head(status: dict[str, Any], zone: PlantTime) -> RenderableType:
    line = Text()
    line.append(f"{status['site']}/{status['gateway']} ", "bold")
    line.append(f"· {zone.clock(status['now'])} {zone.zone(status['now'])} · up {status['uptime']} · ")
    if (rate := status.get("clock_rate", 1)) != 1:
        line.append(f"plant clock {rate:g} times real time", "cyan")
        line.append(" · ")
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


def _machine(machine: dict[str, Any], zone: PlantTime, most: int) -> RenderableType:
    title = _title(machine, zone)
    if not most:
        title.no_wrap, title.overflow = True, "ellipsis"
        return title
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    table.add_column("tag", ratio=3, no_wrap=True)
    table.add_column("value", ratio=3, justify="right", no_wrap=True)
    table.add_column("unit", ratio=2, no_wrap=True)
    table.add_column("quality", ratio=3, no_wrap=True)
    table.add_column("age", ratio=2, justify="right", no_wrap=True)
    tags = machine["tags"]
    for tag in tags[: _rows(machine, most)]:
        style = "green" if tag["quality"] == "Good" else "bold red" if tag["quality"].startswith("Bad") else "yellow"
        age = "-" if tag["age_s"] is None else f"{tag['age_s']:.0f} s"
        value = tag.get("text") or number(tag["value"])
        table.add_row(tag["name"], value, tag["unit"], Text(tag["quality"], style), age)
    if left := len(tags) - _rows(machine, most):
        table.add_row(f"… {left} more", "", "", "", "")
    return Panel(table, title=title, title_align="left", box=box.ROUNDED)


def _rows(machine: dict[str, Any], most: int) -> int:
    """Return how many tags are shown in `most` rows, of which one tells how many are not shown."""
    return len(machine["tags"]) if len(machine["tags"]) <= most else most - 1


def _lines(machine: dict[str, Any], most: int) -> int:
    """Return how many lines the machine takes on the screen."""
    return _FRAME + min(len(machine["tags"]), most) if most else 1


def _title(machine: dict[str, Any], zone: PlantTime) -> Text:
    title = Text(machine["name"], "bold")
    title.append(f" · {machine['state']}", "cyan")
    if machine["maintenance"]:
        until = machine["maintenance"]["until"]
        told = f"until {zone.clock(until)}" if until else "(key switch)"
        title.append(f" · in maintenance {told}", "bold yellow")
    health = machine["health"]
    if health is None:
        title.append(" · health: nothing to judge yet", "dim")
    elif health["state"] == "learning":
        title.append(f" · learning {learning(machine)}", "cyan")
    else:
        title.append(f" · health {health['state']}", _VERDICT.get(health["state"], "dim"))
        title.append(f" (score {health['score']:.2f}, alarm at 1)", "dim")
        if index := outlook(machine):
            title.append(f" · index {index}", "cyan")
    return title


def _alarms(
    alarms: Sequence[dict[str, Any]], zone: PlantTime, *, wide: bool, most: int | None = None
) -> RenderableType:
    if not alarms:
        return Panel(Text("no alarm stands", "green"), title="alarms", title_align="left", box=box.ROUNDED)
    shown = alarms[:most]
    since, times = zone.column("since", (alarm["since"] for alarm in shown))
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    for name in (since, "priority", "alarm", "state") if wide else ("priority", "alarm"):
        table.add_column(name, no_wrap=True)
    table.add_column("what", ratio=1, no_wrap=True, overflow="ellipsis")
    for alarm, moment in zip(shown, times, strict=True):
        cells = (Text(alarm["priority"], _PRIORITY.get(alarm["priority"], "")), Text(alarm["key"]))
        if wide:
            state = "suppressed" if alarm.get("suppressed") else alarm["state"].replace("returned-un", "returned, un")
            table.add_row(moment[11:], *cells, Text(state), Text(alarm["text"]))
        else:
            table.add_row(*cells, Text(measured(alarm)))
    if left := len(alarms) - len(shown):
        table.add_row(*([""] * (4 if wide else 2)), f"… {left} more: shoptwin alarms")
    return Panel(table, title=f"alarms: {len(alarms)}", title_align="left", box=box.ROUNDED)


def number(value: object) -> str:
    """Write a value in the width that a person reads at a glance."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""`shoptwin peek`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.keeping import as_given, glance
from shoptwin.cli.lookup import find, settings_option, ways
from shoptwin.cli.options import Duration, config_option, json_option
from shoptwin.cli.printing import below, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shoptwin.domain.discovery import PeekCell, PeekView
    from shoptwin.domain.ports import Peeker

QUIET = 12
"""Readings where there is no terminal and no --count."""
ENOUGH = 3
"""Readings from which on a type that is merely possible is named for the configuration."""
FASTEST = 100_000_000
"""Nanoseconds between two readings at least."""
MOST_UNLIKELY = 3
"""Unlikely ways to read it that are shown beside the others, where there is a terminal to look at."""


@click.command(short_help="What stands at an address whose type nobody knows.")
@click.argument("url", metavar="URL|DEVICE")
@click.argument("address")
@click.option("--every", type=Duration(), default="1s", show_default=True, metavar="TIME",
              help="How often to read it; 100ms at least.")  # fmt: skip
@click.option("--count", type=click.IntRange(1), default=None, metavar="N",
              help="How many readings. Else until Ctrl-C; without a terminal 12.")  # fmt: skip
@settings_option
@config_option
@json_option
@click.pass_context
def peek(
    ctx: click.Context, /, *, url: str, address: str, every: int, count: int | None, settings: tuple[str, ...],
    config_path: Path, as_json: bool,
) -> None:  # fmt: skip
    """Read ADDRESS of the device at URL again and again, and say which types go with how it behaves.

    A DEVICE of the configuration goes by its name, and has its settings. The address needs no type. It shows
    the registers there and around it raw, and the value in every type and word order, the most plausible first. It
    ends with the line for the configuration. --json gives one document a line for each reading.

    \b
    Examples:
      shoptwin peek tcp://192.0.2.10 holding:100
      shoptwin peek plc1 holding:100 --config shoptwin.toml
      shoptwin peek tcp://192.0.2.10 input:30@7 --every 500ms --count 60
    """  # noqa: D301 - click's mark
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.domain.errors import ShoptwinError  # noqa: PLC0415
    from shoptwin.domain.ports import Peeking  # noqa: PLC0415 - numpy comes with it

    if every < FASTEST:
        raise click.BadParameter("100ms is the least: the device has other work", param_hint="--every")
    drivers = plugins()
    target = find(url, drivers, glance(drivers, config_path, url), settings, where=as_given(ctx))
    plugin = target.plugin
    if not isinstance(plugin, Peeking):
        what = f"Devices of the driver {plugin.name} cannot be peeked at"
        raise ShoptwinError(what, ways(target), code="not-peekable")
    lively = sys.stdout.isatty() and not as_json
    most = count or (None if lively or as_json else QUIET)
    last: list[PeekView] = []
    with _screen(lively=lively, url=url) as show, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_look(plugin.peek(target.settings, address), every / 1e9, most, _line if as_json else show, last))
    if as_json:
        return
    if not last:
        raise ShoptwinError("There was no reading", "Give it more time, or a longer timeout: --set timeout=3s")
    _print(last[0])


async def _look(
    peeker: Peeker, every: float, most: int | None, show: Callable[[PeekView | None, str], None], last: list[PeekView]
) -> None:  # fmt: skip
    """Read until there are `most` readings; what was seen last stays in `last`. A reply that is lost is told."""
    from shoptwin.domain.errors import NotConnected, Timeout  # noqa: PLC0415

    clock = asyncio.get_running_loop().time
    try:
        await peeker.connect()
        due, tries = clock(), 0
        while most is None or tries < most:
            tries += 1
            away = ""
            try:
                last[:] = [await peeker.look()]
            except (NotConnected, Timeout) as error:
                away = error.message
            show(last[0] if last else None, away)
            due = max(due + every, clock())
            if most is None or tries < most:
                await asyncio.sleep(due - clock())
    finally:
        await peeker.aclose()


@contextlib.contextmanager
def _screen(*, lively: bool, url: str) -> Any:  # noqa: ANN401 - a generator of a function
    """Give what shows a view: on the terminal, live; elsewhere nothing, as the last one is printed."""
    if not lively:
        yield lambda _view, away: click.echo(away, err=True) if away else None
        return
    from rich.live import Live  # noqa: PLC0415 - where there is something to draw alone

    from shoptwin.cli.peek_view import render  # noqa: PLC0415

    with Live("", screen=True, auto_refresh=False) as live:
        yield lambda view, away: live.update(
            render(view, url, away, height=live.console.size.height), refresh=True
        )  # fmt: skip


def _line(view: PeekView | None, away: str) -> None:
    """Print one reading as a line of JSON; one that failed says why."""
    from shoptwin.domain.discovery import Verdict  # noqa: PLC0415

    if view is None or away:
        click.echo(json.dumps({"error": away}))
        return
    document = {
        "address": view.address, "readings": view.readings,
        "cells": [{"address": c.address, "value": c.value, "changed": c.changed, "here": c.here} for c in view.cells],
        "candidates": [
            {"address": c.address, "value": c.value, "verdict": c.verdict.value, "reason": c.reason, "same": c.same}
            for c in view.candidates if c.verdict is not Verdict.UNLIKELY
        ],
        "note": view.note,
    }  # fmt: skip
    click.echo(json.dumps(document, ensure_ascii=False))


def _print(view: PeekView) -> None:
    """Print the last view as tables."""
    from shoptwin.domain.discovery import Verdict  # noqa: PLC0415

    click.echo(click.style(f"{view.address}, {view.readings} readings", bold=True))
    table(headings(view), (cells(view, cell) for cell in view.cells))
    click.echo()
    shown = [c for c in view.candidates if c.verdict is not Verdict.UNLIKELY]
    table(("type", "now", "", "why"), ((type_of(c.address), c.value, c.verdict.value, c.reason) for c in shown))
    if hidden := len(view.candidates) - len(shown):
        below(f"{hidden} more ways to read it are unlikely")
    if view.note:
        below(view.note, "! ")
    for line in advice(view):
        click.echo(line)


def headings(view: PeekView) -> tuple[str, ...]:
    """Return the headings over raw cells."""
    return ("", "address", "value", "moves") if view.bits else ("", "address", "hex", "int", "bits", "text", "moves")


def cells(view: PeekView, cell: PeekCell) -> tuple[str, ...]:
    """Return one raw cell as a row."""
    here, moves = ">" if cell.here else " ", "yes" if cell.changed else ""
    if view.bits:
        return here, str(cell.address), str(cell.value), moves
    text = "".join(chr(b) if 32 <= b < 127 else "." for b in divmod(cell.value, 256))  # noqa: PLR2004 - printable
    bits = f"{cell.value:016b}"
    signed = cell.value - 0x10000 if cell.value >= 0x8000 else cell.value  # noqa: PLR2004 - two's complement
    return (
        here, str(cell.address), f"{cell.value:04X}",
        f"{cell.value}" if signed == cell.value else f"{cell.value} ({signed})",
        " ".join(bits[n : n + 4] for n in range(0, 16, 4)), text, moves,
    )  # fmt: skip


def advice(view: PeekView) -> list[str]:
    """Return the line for the configuration, and which others read the same."""
    from shoptwin.domain.discovery import Verdict  # noqa: PLC0415 - `--help` needs none of it

    if not view.candidates:
        return []
    best = view.candidates[0]
    if view.readings < ENOUGH and best.verdict is not Verdict.LIKELY:
        return []
    lines = [f'address = "{best.address}"']
    if best.same:
        lines.append(f"so far the same: {', '.join(type_of(address) for address in best.same)}")
    return lines


def type_of(address: str) -> str:
    """Return type and order of an address."""
    return ":".join(address.partition("@")[0].split(":")[2:]) or "bit"

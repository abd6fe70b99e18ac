"""The live view of `shoptwin peek` on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shoptwin.cli.peek import advice, cells, headings, type_of
from shoptwin.domain.discovery import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shoptwin.domain.discovery import PeekView

_STYLE = {Verdict.LIKELY: "bold green", Verdict.POSSIBLE: "yellow", Verdict.UNLIKELY: "dim"}
_AROUND = 10
"""Cells that are shown at most."""
_FRAME = 12
"""Lines of frames, headings, notes and advice."""


def render(view: PeekView | None, url: str, away: str, *, height: int) -> RenderableType:
    """Draw one view in at most `height` lines; `away` says what went wrong with the last reading."""
    note = [Text(f"{away}: what is shown is old", "bold red", no_wrap=True, overflow="ellipsis")] if away else []
    if view is None:
        return Group(*note, Text("no reading yet"))
    raw = Table(box=None, padding=(0, 1), header_style="dim")
    for name in headings(view):
        raw.add_column(name, no_wrap=True)
    at = next(n for n, cell in enumerate(view.cells) if cell.here)
    first = max(0, min(at - 2, len(view.cells) - _AROUND))
    shown = view.cells[first : first + max(3, min(_AROUND, height // 3))]
    for cell in shown:
        raw.add_row(*cells(view, cell), style="bold" if cell.here else "cyan" if cell.changed else "")
    ways = Table(box=None, padding=(0, 1), header_style="dim", expand=True)
    for name, ratio in (("type", None), ("now", None), ("", None), ("why", 1)):
        ways.add_column(name, no_wrap=True, ratio=ratio, overflow="ellipsis")
    room = max(height - len(shown) - _FRAME - len(note), 2)
    for each in view.candidates[:room]:
        ways.add_row(type_of(each.address), each.value, Text(each.verdict.value, _STYLE[each.verdict]), each.reason,
                     style="" if each.verdict is not Verdict.UNLIKELY else "dim")  # fmt: skip
    title = f"{view.address} at {url}: {view.readings} readings"
    below = [Text(line, "bold" if n == 0 else "dim", no_wrap=True, overflow="ellipsis")
             for n, line in enumerate(advice(view))]  # fmt: skip
    if view.note:
        below.append(Text(view.note, "yellow", no_wrap=True, overflow="ellipsis"))
    return Group(
        *note,
        Panel(raw, title=title, title_align="left", box=box.ROUNDED),
        Panel(ways, title="read as", title_align="left", box=box.ROUNDED),
        *below,
        Text("Ctrl-C ends it", "dim"),
    )

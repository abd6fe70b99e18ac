"""Printing: aligned tables that can be read, cut and grepped, and JSON."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NOTHING = "-"
_EXACT = 2**53
"""Below it a float holds every whole number."""
_LARGE = 1e6
"""From here on six digits leave none behind the point."""
WIDEST = 120
"""Columns beyond which a sentence is hard to read."""


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()) -> None:
    """Print rows under headings; on a terminal that is too narrow for them the columns `spare` give way first."""
    for line in aligned(headings, rows, spare, room()):
        click.echo(line)


def aligned(
    headings: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = (), most: int = sys.maxsize
) -> Iterator[str]:
    """Yield headings and rows as lines; columns are as wide as their widest cell, numbers stand to the right.

    Where a line would be longer than `most`, columns move to a line of their own below each row: those of `spare`, in
    this order, then the last ones.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(_number(row[n]) for row in cells) and bool(cells) for n in range(len(headings))]
    widths = [max(len(row[n]) for row in [list(headings), *cells]) for n in range(len(headings))]
    upper = list(range(len(headings)))
    given = [n for name in spare for n in upper if headings[n] == name]
    for n in [*given, *(n for n in reversed(upper) if n not in given)]:
        if sum(widths[k] + 2 for k in upper) - 2 <= most or len(upper) == 1:
            break
        upper.remove(n)
    lower = [n for n in range(len(headings)) if n not in upper]
    for row in [list(headings), *cells]:
        line = (row[n].rjust(widths[n]) if numeric[n] else row[n].ljust(widths[n]) for n in upper)
        yield "  ".join(line).rstrip()
        if lower:
            yield from hung("    ", "  ".join(row[n] for n in lower), most)


def sentence(lead: str, text: str) -> None:
    """Print a sentence behind a lead; on a terminal it is broken between words, elsewhere it is one line."""
    for line in hung(lead, text, room()):
        click.echo(line)


def hung(lead: str, text: str, most: int) -> Iterator[str]:
    """Yield a text behind a lead in lines of at most `most`, the later ones as far to the right as the first."""
    indent = len(click.unstyle(lead))
    if indent + len(text) <= most:
        yield lead + text
        return
    parts = textwrap.wrap(text, max(most - indent, 20), break_long_words=False, break_on_hyphens=False)
    yield from ((" " * indent if n else lead) + part for n, part in enumerate(parts))


def room() -> int:
    """Return how long a line may be: as wide as the terminal, as long as it is where there is none."""
    return columns() if sys.stdout.isatty() else sys.maxsize


def below(text: str, lead: str = "") -> None:
    """Print a sentence below a row, broken to the width of the terminal; `lead` stands before its first line."""
    start = f"    {lead}"
    for n, line in enumerate(wrapped(text, len(start))):
        click.echo((" " * len(start) if n else start) + line)


def wrapped(text: str, indent: int) -> list[str]:
    """Break a text into lines that fit the terminal behind an indent; at least one."""
    width = max(min(columns(), WIDEST) - indent, 30)
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def columns() -> int:
    """Return how wide the terminal is; 80 where there is none."""
    return shutil.get_terminal_size().columns


def counted(count: int, one: str, many: str) -> str:
    """Write a number with its word: `1 retry`, `2,000 retries`."""
    return f"{count:,} {one if count == 1 else many}"


def some(names: Sequence[str], most: int) -> str:
    """Name the first `most`, and say how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def as_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Print JSON, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def title(text: str) -> None:
    """Print the heading of a part."""
    click.echo(f"\n{click.style(text, bold=True)}")


def pick(row: Mapping[str, Any], *path: str) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Return what stands at a path of keys, None where it breaks off."""
    found: Any = row
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _cell(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        whole = abs(value) < _EXACT and (value.is_integer() or abs(value) >= _LARGE)
        return f"{value:.0f}" if whole else f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items()) or NOTHING
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or NOTHING
    return str(value)


def _number(text: str) -> bool:
    return text == NOTHING or text.replace(".", "", 1).replace("-", "", 1).replace("e", "", 1).isdecimal()

"""Printing: aligned tables that can be read, cut and grepped, and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOTHING = "-"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; columns are as wide as their widest cell, numbers stand to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(_number(row[n]) for row in cells) and bool(cells) for n in range(len(headings))]
    widths = [max(len(row[n]) for row in [list(headings), *cells]) for n in range(len(headings))]
    for row in [list(headings), *cells]:
        line = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        )
        click.echo("  ".join(line).rstrip())


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
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items()) or NOTHING
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or NOTHING
    return str(value)


def _number(text: str) -> bool:
    return text == NOTHING or text.replace(".", "", 1).replace("-", "", 1).replace("e", "", 1).isdecimal()

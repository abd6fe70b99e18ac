"""One row of the table, and the table: aligned text for people, JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One number. `baseline` is in the same unit; `ratio` says how many times better we are than it."""

    name: str
    value: float | None
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    hold: str = ""
    ok: bool | None = None
    """Whether it holds what DESIGN §7 asks; None where nothing is asked, or nothing could be measured."""
    note: str = ""
    """What the baseline is, or why there is no number."""


def better(name: str, value: float, unit: str, *, baseline: float, against: str, least: float | None = None) -> Row:
    """Return a row of a rate (more is better), held against a baseline that it must beat `least` times."""
    return _held(Row(name, value, unit, baseline, value / baseline, note=f"against {against}"), least)


def cheaper(
    name: str, value: float, unit: str, *, baseline: float, against: str, least: float | None = None,
    ratio: float | None = None,
) -> Row:  # fmt: skip
    """Return a row of a cost (less is better), held against a baseline that it must beat `least` times.

    `ratio`: where it was measured in pairs, which is steadier than the quotient of the two medians.
    """
    return _held(Row(name, value, unit, baseline, ratio or baseline / value, note=f"against {against}"), least)


def _held(row: Row, least: float | None) -> Row:
    if least is None or row.ratio is None:
        return row
    return replace(row, hold=f">= {least:g}x", ok=row.ratio >= least)


def at_most(name: str, value: float, unit: str, most: float, note: str = "", *, baseline: float | None = None) -> Row:
    """Return a row of a cost with a bound of its own."""
    ratio = None if baseline is None else baseline / value
    return Row(name, value, unit, baseline, ratio, f"<= {most:g}", value <= most, note)


def plain(name: str, value: float, unit: str, note: str = "") -> Row:
    """Return a row of a number that nothing is asked of."""
    return Row(name, value, unit, note=note)


def skipped(name: str, unit: str, why: str) -> Row:
    """Return a row of what could not be measured here."""
    return Row(name, None, unit, note=f"skipped: {why}")


HEADINGS = ("name", "value", "unit", "baseline", "ratio", "hold", "ok", "")


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as the table shows it."""
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
    ok = "" if row.ok is None else "yes" if row.ok else "NO"
    return row.name, figure(row.value), row.unit, figure(row.baseline), ratio, row.hold, ok, row.note


def figure(value: float | None) -> str:
    """Return a number with three digits that count, and thousands in groups."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def lines(rows: Sequence[Row]) -> list[str]:
    """Return the table as text, numbers to the right."""
    table = [HEADINGS, *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]
    out = ["  ".join(_padded(i, cell, widths[i]) for i, cell in enumerate(line)).rstrip() for line in table]
    return [out[0], "-" * max(map(len, out)), *out[1:]]


def _padded(column: int, cell: str, width: int) -> str:
    return cell.rjust(width) if HEADINGS[column] in {"value", "baseline", "ratio"} else cell.ljust(width)


def write(path: Path, rows: Sequence[Row], about: dict[str, object]) -> None:
    """Write the rows, and what they were measured on, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | {"rows": [asdict(row) for row in rows]}, indent=2) + "\n", "utf-8")

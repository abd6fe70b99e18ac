"""The table of the plant's trial, and how sure its figures are."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plant_trial import Result

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "detection.md"
FALSE_ALARMS, FOUND = 1.0, 0.95
"""The goals: false alarms a machine-month at most, and the share of faults found before the failure at least."""
_Z = 1.959964
"""Standard deviations of a two-sided interval of 95 %."""
_MISSED = "✗"


def poisson(count: int) -> tuple[float, float]:
    """Return the interval of 95 % of what is expected where `count` was seen (Byar's approximation)."""
    low = count * (1 - 1 / (9 * count) - _Z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    n = count + 1
    return low, n * (1 - 1 / (9 * n) + _Z / (3 * math.sqrt(n))) ** 3


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the interval of 95 % of a share of which `hits` of `n` were seen (Wilson's score interval)."""
    share, z2 = hits / n, _Z**2 / n
    middle, half = share + z2 / 2, _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return (middle - half) / (1 + z2), (middle + half) / (1 + z2)


def table(kinds: Sequence[Sequence[Result]]) -> list[str]:
    """Return the table's lines, a row for the runs of each kind."""
    head = "fault", "machines", "runs", "found", "median severity", "median lead, days", "false alarms", "months"
    lines = [f"| {' | '.join(head)} |", "| --- | --- |" + " ---: |" * 6]
    for runs in kinds:
        kind = runs[0].kind
        machines = ", ".join(sorted({run.machine for run in runs}))
        found = [run for run in runs if run.found is not None]
        cells = ["", "", ""]
        if kind != "healthy":
            missed = "" if len(found) >= FOUND * len(runs) else f" {_MISSED}"
            severity = _median([run.severity for run in found if run.severity is not None])
            lead = _median([run.lead for run in found if run.lead is not None])
            cells = [f"{len(found)}{missed}", severity, lead]
        false, months = sum(len(run.false) for run in runs), sum(run.months for run in runs)
        lines.append(f"| {kind} | {machines} | {len(runs)} | {' | '.join(cells)} | {false} | {months:.1f} |")
    return lines


def totals(runs: Sequence[Result]) -> tuple[list[str], bool]:
    """Return both figures in words with their intervals, and whether both goals are met."""
    false, months = sum(len(run.false) for run in runs), sum(run.months for run in runs)
    low, high = poisson(false)
    rate = false / months
    met = rate <= FALSE_ALARMS
    figure = f"{rate:.2f} (95 %: {low / months:.2f} to {high / months:.2f}; {false} in {months:.1f})"
    lines = [f"False alarms a healthy machine-month: {figure}, goal at most {FALSE_ALARMS:g}{_mark(met)}."]
    if faulty := [run for run in runs if run.kind != "healthy"]:
        found = sum(run.found is not None for run in faulty)
        low, high = wilson(found, len(faulty))
        met = met and found >= FOUND * len(faulty)
        lines.append(
            f"Faults found before the failure: {found / len(faulty):.1%} (95 %: {low:.1%} to {high:.1%}; "
            f"{found} of {len(faulty)}), goal at least {FOUND:.0%}{_mark(found >= FOUND * len(faulty))}."
        )
    if running := sum(run.running for run in runs):
        share = sum(run.abstained for run in runs) / running
        lines.append(f"No verdict on healthy rows of a machine that is not off: {share:.1%} of {running}.")
    return lines, met


def _median(values: Sequence[float]) -> str:
    return f"{median(values):.2f}" if values else ""


def _mark(met: bool) -> str:
    return "" if met else f" {_MISSED}"

"""How a history of values behaves, in a few words for people."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from shoptwin_modbus.discovery.telling import GREATEST, LEAST

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW = 3
"""Readings before which nothing can be said of changes."""
SMOOTH = 0.05
"""Change from reading to reading, as a part of the value, up to which it counts as smooth."""
WILD = 0.5
"""And from which on it leaps."""
SMALL = 16
"""Whole numbers of which parts of a hundred say nothing."""


def behaviour(values: Sequence[Any], readings: int) -> str:
    """Return what a person sees in values, of one or more readings: numbers, or texts."""
    if isinstance(values[-1], str):
        return f"{len(values[-1])} printable characters" + ("" if _still(values) else "; they change")
    numbers: list[float] = list(values)
    bad = sum(not math.isfinite(v) for v in numbers)
    if bad:
        return f"NaN or infinite in {bad} of {readings} readings"
    if odd := _magnitude(numbers):
        return odd
    if readings < FEW:
        return "too few readings to tell"
    if _still(numbers):
        return "does not change"
    return _changes(numbers)


def _still(values: Sequence[Any]) -> bool:
    return all(value == values[0] for value in values)


def _magnitude(numbers: Sequence[Any]) -> str:
    """Say so where floats are larger or smaller than measured values are; empty for whole numbers."""
    floats = [abs(v) for v in numbers if isinstance(v, float) and v]
    if not floats:
        return ""
    if max(floats) > GREATEST:
        return f"as large as {max(floats):.0e}: hardly a measured value"
    if max(floats) < LEAST:
        return f"as small as {max(floats):.0e}: hardly a measured value"
    return ""


def _changes(numbers: Sequence[float]) -> str:
    moved = [step for step in (b - a for a, b in pairwise(numbers)) if step]
    whole = all(isinstance(v, int) for v in numbers)
    if whole and len(moved) > 1 and (min(moved) > 0 or max(moved) < 0):
        way = "a counter: only rises" if moved[0] > 0 else "only falls"
        return f"{way}, by {_range([abs(step) for step in moved])} a reading"
    if len(set(numbers)) == 2 and len(moved) > 1:  # noqa: PLR2004 - two states
        return f"switches between {_short(min(numbers))} and {_short(max(numbers))}"
    largest, size = max(abs(step) for step in moved), max(abs(v) for v in numbers)
    if whole and max(largest, size) <= SMALL:
        return f"small whole numbers, by {_range([abs(step) for step in moved])} a reading"
    if largest / size > WILD:
        return f"leaps, by up to {_short(largest)}"
    part = median(abs(step) for step in moved) / size
    return f"changes{' smoothly,' if part <= SMOOTH else ''} by {_percent(part)} a reading"


def _range(steps: Sequence[float]) -> str:
    low, high = min(steps), max(steps)
    return _short(low) if low == high else f"{_short(low)} to {_short(high)}"


def _percent(part: float) -> str:
    return f"{part * 100:.2g} %" if part >= 1e-4 else "less than 0.01 %"  # noqa: PLR2004 - too little to matter


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"

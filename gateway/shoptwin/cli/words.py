"""What the tables and the live view say alike."""

from __future__ import annotations

from typing import Any

from shoptwin.domain.timing import SECOND, format_duration

_UNITS = ((86_400, "days"), (3600, "h"), (60, "min"))
_PRIORITIES = ("critical", "high", "medium", "low")


def priority_rank(alarm: dict[str, Any]) -> int:
    """Return where the alarm's priority stands, the most urgent first."""
    return _PRIORITIES.index(alarm["priority"]) if alarm["priority"] in _PRIORITIES else len(_PRIORITIES)


def measured(alarm: dict[str, Any]) -> str:
    """Write the value against its limit, which is the shortest that says how bad it is; else the alarm's own words."""
    value, limit = alarm["value"], alarm["limit"]
    if value is None or limit is None:
        return str(alarm["text"])
    unit = f" {alarm['unit']}" if alarm["unit"] else ""
    told = f"{value:.4g}{unit} (limit {limit:.6g})"
    if alarm.get("tag"):
        return told
    return ": ".join([f"score {told}", *alarm.get("evidence", ())[:1]])


def outlook(machine: dict[str, Any]) -> str | None:
    """Write the health index and how long is left; nothing where the index cannot be told."""
    health = machine["health"] or {}
    if (index := health.get("index")) is None:
        return None
    left = health.get("remaining")
    return f"{index:.0f}" if left is None else f"{index:.0f} · {remaining(left)}"


def remaining(left: dict[str, Any]) -> str:
    """Write an interval in one unit: `5 to 12 days left (80 %)`, `more than 3 h left (80 %)` without an end."""
    low, high, sure = left["low_s"], left["high_s"], f"({left['confidence']:.0%})".replace("%", " %")
    largest = low if high is None else high
    size, unit = next(((s, u) for s, u in _UNITS if largest >= 2 * s), _UNITS[-1])
    if high is None:
        return f"more than {low / size:.0f} {unit} left {sure}"
    return f"{low / size:.0f} to {high / size:.0f} {unit} left {sure}"


def learning(machine: dict[str, Any]) -> str:
    """Write how far learning is, and how long it still takes where that can be told."""
    told = f"{machine['health']['progress']:.0%}"
    left = machine.get("learning_left_s")
    return told if left is None else f"{told}, about {format_duration(round(left * SECOND))} left"

"""Nanoseconds since 1970 UTC, which is how time is kept everywhere inside, and how people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"ms": SECOND // 1000, "s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)\s*")


def parse_duration(text: str) -> int:
    """Return the nanoseconds of `500ms`, `10s`, `5m` or `5min`, `2h`, `7d`, `1w`, or several in a row (`1h30m`).

    Raises:
        ValueError: the text is not such a duration.
    """
    total, at = 0, 0
    for part in _DURATION.finditer(text):
        if part.start() != at:
            break
        total, at = total + round(float(part[1]) * _UNITS[part[2]]), part.end()
    if text.strip().replace(".", "", 1).isdecimal():
        raise ValueError(f"{text!r} is not a duration, it has no unit: write {text.strip()}s for seconds, or ms, m, h")
    if at != len(text) or not text.strip():
        raise ValueError(f"{text!r} is not a duration: write 500ms, 10s, 5m, 2h, 7d or 1h30m")
    return total


def format_duration(ns: int) -> str:
    """Write a duration for people: its two largest units (`2 h 5 min`, `42 s`, `0.5 s`)."""
    seconds = abs(ns) / SECOND
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"  # noqa: PLR2004
    parts, left = [], round(seconds)
    for word, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {word}")
            left %= size
    return " ".join(parts[:2])


def iso(ns: int) -> str:
    """Write a time as ISO 8601 UTC with milliseconds: `2026-11-22T06:00:00.000Z`."""
    moment = _EPOCH + timedelta(microseconds=ns // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_datetime(moment: datetime) -> int:
    """Return the ns UTC of an aware datetime, exact to the microsecond.

    Raises:
        ValueError: the datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: end it with Z or +01:00")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def parse_time(text: str) -> int:
    """Return the ns UTC of an ISO 8601 text that has a time zone.

    Raises:
        ValueError: not a time, or without a time zone.
    """
    return from_datetime(datetime.fromisoformat(text))

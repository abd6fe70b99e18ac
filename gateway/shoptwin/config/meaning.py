"""What the texts of a configuration mean: durations, sizes, rates, names, URLs. Each notes a problem and gives None."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shoptwin.domain.timing import parse_duration

if TYPE_CHECKING:
    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B\s*")
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:per|/|a)\s*(day|week|month|year)\s*")
_PER_MONTH = {"day": 30.0, "week": 30 / 7, "month": 1.0, "year": 1 / 12}
_NAME = re.compile(r"\w[\w.-]*")
_LONGEST = 64


def duration(text: str, at: Path, problems: Problems, *, least: int = 0) -> int | None:
    """Return the nanoseconds of `10s`; `least` is the shortest that is allowed."""
    try:
        ns = parse_duration(text)
    except ValueError as error:
        problems.add(at, f"is wrong: {error}")
        return None
    if ns < least:
        problems.add(
            at, f"is too short ({text!r})", f"at least {least // 10**6}ms" if least > 1 else "more than nothing"
        )
        return None
    return ns


def size(text: str, at: Path, problems: Problems) -> int | None:
    """Return the bytes of `500MB` (powers of 1000) or `2GiB` (powers of 1024)."""
    if (found := _SIZE.fullmatch(text)) is None:
        problems.add(at, f"is not a size ({text!r})", "write 500MB or 2GB")
        return None
    factor: int = (1024 if found[3] else 1000) ** " kMGT".index(found[2] or " ")
    return round(float(found[1]) * factor)


def per_month(text: str, at: Path, problems: Problems) -> float | None:
    """Return how often a month (of 30 days) `1 per week` is."""
    if (found := _RATE.fullmatch(text)) is None or float(found[1]) <= 0:
        problems.add(at, f"is not a rate ({text!r})", "write '1 per month', '2 per week' or '1 per year'")
        return None
    return float(found[1]) * _PER_MONTH[found[2]]


def name(text: str, at: Path, problems: Problems) -> str | None:
    """Return a name that topics, files and URLs can carry as it is."""
    if wrong := why_no_name(text):
        problems.add(at, *wrong)
        return None
    return text


def why_no_name(text: str) -> tuple[str, str] | None:
    """Say why a text cannot be a name, and what to write; None where it can."""
    if _NAME.fullmatch(text) and len(text) <= _LONGEST and not text.startswith("_"):
        return None
    strange = sorted({c for c in text if not re.fullmatch(r"[\w.-]", c)})
    told = " ".join("a space" if c == " " else repr(c) for c in strange)
    why = (
        f"has {told} in it"
        if strange
        else "is empty"
        if not text
        else "begins wrongly"
        if len(text) <= _LONGEST
        else "is long"
    )
    return (
        f"cannot be {text!r}: it {why}",
        f"use letters, digits, '-', '_' and '.', a letter or digit first, at most {_LONGEST}: topics contain it",
    )


def finite(number: float | None, at: Path, problems: Problems) -> bool:
    """Tell whether a number is one that can be compared (TOML knows nan and inf)."""
    if number is None or math.isfinite(number):
        return True
    problems.add(at, f"cannot be {number}", "leave it out where there is none")
    return False


def once(key: str, at: Path, seen: dict[str, Path], what: str, problems: Problems) -> None:
    """Note a problem where `key` was there before; `seen` says where, and learns of it."""
    if (first := seen.setdefault(key, at)) != at:
        where = problems.where(first, seen_from=at)
        problems.add(at, f"{key!r} is already the name of a {what}, {where}", "each needs its own")


def broker(url: str, at: Path, problems: Problems) -> str | None:
    """Return an MQTT URL that has a scheme we know, a host and no password."""
    if not _host_and_port(url, at, problems):
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"}:
        problems.add(at, f"has the scheme {parts.scheme!r}", "write mqtt://host:1883, or mqtts://host:8883 for TLS")
    elif parts.username or parts.password:
        problems.add(at, "has a user or password in it", "use the keys 'user' and 'password_file'")
    elif parts.path.strip("/") or parts.query or parts.fragment:
        problems.add(at, "goes on after the port", "write mqtt://host:1883 and nothing after it")
    else:
        return url
    return None


def listen(text: str, at: Path, problems: Problems) -> str | None:
    """Return a `host:port` to listen on."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        problems.add(at, f"is not an address to listen on ({text!r})", 'write "127.0.0.1:9464"')
        return None
    return text


def _host_and_port(url: str, at: Path, problems: Problems) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        problems.add(at, f"is not a URL ({error})", "write mqtt://host:1883")
        return False
    if not parts.hostname:
        problems.add(at, f"names no host ({url!r})", "write mqtt://host:1883, or mqtts://host:8883 for TLS")
    return bool(parts.hostname)

"""Times as people in the plant read them: in the plant's time zone, its abbreviation beside them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shoptwin.domain.timing import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


class PlantTime:
    """Writes moments, which are ns UTC or ISO texts, in the zone that the plant's configuration names."""

    def __init__(self, name: str | None) -> None:
        self._zone: tzinfo = UTC
        try:
            self._zone = ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._zone = UTC  # the daemon's system knows it, this one does not: UTC is said to be UTC

    def at(self, moment: int | str) -> datetime:
        """Return the plant's date and time."""
        ns = parse_time(moment) if isinstance(moment, str) else moment
        return (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(self._zone)

    def zone(self, moment: int | str) -> str:
        """Return the zone's abbreviation at a moment (CET, CEST), or its offset where it has none (UTC-03)."""
        name = self.at(moment).tzname() or "UTC"
        return f"UTC{name}" if name[0] in "+-" else name

    def clock(self, moment: int | str | None) -> str:
        """Write the time of day, which is enough on a screen that lives."""
        return f"{self.at(moment):%H:%M:%S}" if moment else "-"

    def day(self, moment: int | str) -> str:
        """Write date, time and zone, as within a sentence."""
        return f"{self.at(moment):%Y-%m-%d %H:%M:%S} {self.zone(moment)}"

    def column(self, heading: str, moments: Iterable[int | str | None], *, fine: bool = False) -> tuple[str, list[str]]:
        """Return a column's heading and cells; the zone stands in the heading, or in each cell where it changes.

        `fine` adds milliseconds.
        """
        given = list(moments)
        zones = {self.zone(moment) for moment in given if moment}
        cells = [self._cell(moment, fine=fine) if moment else "" for moment in given]
        if len(zones) > 1:  # the hour that comes twice in autumn would else be told twice
            cells = [f"{cell} {self.zone(moment)}" if moment else "" for cell, moment in zip(cells, given, strict=True)]
            return heading, cells
        return (f"{heading} ({zones.pop()})" if zones else heading), cells

    def text(self, sentence: str) -> str:
        """Write the ISO times within a sentence as plant time."""
        return _STAMP.sub(lambda found: self.day(found[0]), sentence)

    def _cell(self, moment: int | str, *, fine: bool) -> str:
        text = f"{self.at(moment):%Y-%m-%d %H:%M:%S.%f}"
        return text[:-3] if fine else text[:19]

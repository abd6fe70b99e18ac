"""Time zones by the names of the tz database."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

from shoptwin.config.problems import nearest

if TYPE_CHECKING:
    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems


def check_zone(name: str, at: Path, problems: Problems) -> None:
    """Note a problem where the system knows no such time zone."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        zones = zoneinfo.available_timezones()
        near = nearest(name, sorted(zones)) or nearest(name, sorted({zone.rpartition("/")[2] for zone in zones}))
        meant = next((zone for zone in sorted(zones) if zone == near or zone.endswith(f"/{near}")), None)
        cure = f"did you mean '{meant}'?" if meant else "write it as the tz database does: 'Europe/Berlin', 'UTC'"
        problems.add(at, f"is not a time zone ({name!r})", cure if zones else "install the package tzdata")

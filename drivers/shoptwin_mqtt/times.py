"""Times that cannot be: from the future, or from so long ago that a clock must be wrong.

A broker tells no time of its own by which they could be judged, so it is the gateway's clock that judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import StatusCode

if TYPE_CHECKING:
    from shoptwin_mqtt.rows import Row

_MINUTE = 60 * 10**9
AHEAD = 30 * _MINUTE
"""ns by which a sensor's clock may be fast. A wrong time zone is out by more; less is skew, reported as such."""
BEHIND = 31 * 1440 * _MINUTE
"""ns by which what comes live may be old: a sensor that had no network tells later what it has kept."""
KEPT_AHEAD = _MINUTE
"""ns by which two clocks that are set may differ. By a faster one nobody can tell how old a retained message is."""


def judged(row: Row, wall: int, *, retained: bool, stale: float) -> Row:
    """Return a row as `wall` (ns UTC) and its own time let it be trusted; an impossible time becomes that of receipt.

    Kept, an impossible one would file the value where nobody looks for it, and one from the future would stay the
    latest until that day comes. What is Bad or Uncertain already keeps its code, and history its time.
    """
    age = wall - row.time if row.time else 0
    impossible = age < -AHEAD or (age > BEHIND and not row.past)
    time, value = 0 if impossible else row.time, row.value
    if value.status == StatusCode.GOOD:
        if retained and not row.past and not (time and -KEPT_AHEAD <= age <= stale * 1e9):
            value = value._replace(status=StatusCode.UNCERTAIN_LAST_USABLE_VALUE)
        elif impossible:
            value = value._replace(status=StatusCode.UNCERTAIN)
    return row._replace(value=value, time=time)

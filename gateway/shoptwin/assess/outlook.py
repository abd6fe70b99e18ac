"""The outlook of one indicator of one machine over time: its history, its health index, how long it has left."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shoptwin.assess.degradation import FLOOR, fit
from shoptwin.assess.history import POINTS, History
from shoptwin.assess.prognosis import AS_LEARNED, index, remaining

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shoptwin.domain.assessment import Remaining

MEMORY = 6
"""Judged rows over which the index is smoothed: as many as raise an alarm."""
DEADBAND = 1.5
"""Points by which the index must have moved before another whole number is told: it does not flicker between two."""
GROWTH = 0.02
"""By what share the history must have grown before its trend is told anew …"""
ABNORMAL_GROWTH = 0.005
"""… and where it is abnormal: by two of the points that it keeps."""
_ALARM = 1.0


@dataclass(slots=True)
class Outlook:
    """One indicator's, since it was learned or maintained; belongs to the worker thread."""

    version: str = ""
    """The baseline whose severity it is: that of another is another."""
    history: History = field(default_factory=History)
    smooth: float | None = None
    """ln of the smoothed severity."""
    index: float | None = None
    """Health index, 0 to 100, a whole number; None before the first row."""
    _remaining: Remaining | None = None
    _told: int = 0
    """When `_remaining` was told, ns UTC …"""
    _looked: int = 0
    """… and how many rows of history there were then."""

    def add(self, now: int, severity: float) -> bool:
        """Take the severity of a judged row, its score; tells whether it was time to look anew."""
        logarithm = math.log(max(severity, FLOOR))
        self.smooth = logarithm if self.smooth is None else self.smooth + (logarithm - self.smooth) / MEMORY
        smooth = math.exp(self.smooth)
        exact = index(smooth)
        if self.index is None or abs(exact - self.index) >= DEADBAND:
            self.index = float(round(exact))
        growth = ABNORMAL_GROWTH if smooth > _ALARM else GROWTH
        if not self.history.add(now, severity) or self.history.length < (1 + growth) * self._looked:
            return False
        self._looked = self.history.length
        self._remaining, self._told = self._look(smooth), now
        return True

    def remaining(self, now: int) -> Remaining | None:
        """Return how long is left from `now` (ns UTC) on; None where no trend tells."""
        told, since = self._remaining, (now - self._told) / 1e9
        if told is None or self.smooth is None or math.exp(self.smooth) <= AS_LEARNED:
            return None  # as it was learned: what its trend was when it was last looked at is over
        return replace(told, **{name: max(getattr(told, name) - since, 0.0) for name in ("low", "middle", "high")})

    def _look(self, severity: float) -> Remaining | None:
        """Tell by the trend of all that was seen, or by one of late that is abnormal and higher than ever before."""
        if severity <= AS_LEARNED:
            return None
        if len(self.history.means) > POINTS and severity > max(_ALARM, self.history.highest_before()):
            told = _tell(*self.history.recent())
            if told is not None:
                return told
        return _tell(*self.history.whole())

    def dump(self) -> dict[str, Any]:
        """Return what must outlast a restart, in what JSON can write."""
        return {"version": self.version, "smooth": self.smooth, "index": self.index, "history": self.history.dump()}

    @classmethod
    def load(cls, told: dict[str, Any]) -> Outlook:
        """Return what was dumped.

        Raises:
            KeyError, TypeError, ValueError: it was not.
        """
        smooth, shown = (None if told[name] is None else float(told[name]) for name in ("smooth", "index"))
        if not all(math.isfinite(x) for x in (smooth, shown) if x is not None):
            raise ValueError("not an outlook")
        return cls(str(told["version"]), History.load(told["history"]), smooth, shown)


def _tell(points: NDArray[np.float64], seconds: float) -> Remaining | None:
    trend = fit(points)
    return None if trend is None else remaining(trend, seconds)

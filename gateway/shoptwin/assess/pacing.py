"""Whether a window is worth assessing now, told from which tags got a value, and how often each does."""

from __future__ import annotations

from dataclasses import dataclass, field

from shoptwin.domain.timing import SECOND

_FAST = 2.0
"""A tag is fast if its interval is at most so many times the shortest."""
_PATIENCE = 3.0
"""Intervals of the fastest tag after which what is there is assessed, though not all of it is new."""
_LEARN = 0.25


@dataclass(slots=True)
class Pacing:
    """The rhythm of one machine's tags. Lives in the loop's thread."""

    interval: dict[int, float] = field(default_factory=dict)
    _seen: dict[int, int] = field(default_factory=dict)
    _before: frozenset[int] = frozenset()
    _last: int = 0

    def due(self, wanted: frozenset[int], fresh: frozenset[int], now: int) -> bool:
        """Tell whether the fast ones of the `wanted` tags are all in `fresh`, or are overdue."""
        news = fresh & wanted
        for tag in news - self._before if news >= self._before else news:
            if (seen := self._seen.get(tag)) is not None:
                gap = float(now - seen)
                self.interval[tag] = self.interval.get(tag, gap) + _LEARN * (gap - self.interval.get(tag, gap))
            self._seen[tag] = now
        self._before = news
        self._last = self._last or now
        if not news:
            return False
        shortest = max(min(self.interval.values(), default=float(SECOND)), 1.0)
        fast = {t for t in wanted if self._estimate(t, now) <= _FAST * shortest}
        if fast <= news or now - self._last > _PATIENCE * shortest:
            self._last, self._before = now, frozenset()
            return True
        return False

    def _estimate(self, tag: int, now: int) -> float:
        """Return a tag's interval: at least as long as it has already kept us waiting; 0 before it was ever seen."""
        seen = self._seen.get(tag)
        return 0.0 if seen is None else max(self.interval.get(tag, 0.0), float(now - seen))

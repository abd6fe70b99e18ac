"""When which group is due: a fixed grid a group, so that a late poll does not shift all later ones."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from shoptwin.domain.timing import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.domain.device import Group


class Schedule:
    """The groups of one device by due time, in real seconds of a monotonic clock.

    A poll whose whole period has passed unserved is missed: it is counted and not made up for.
    """

    def __init__(self, groups: Sequence[Group], now: float) -> None:
        self._due = [(now, i, group) for i, group in enumerate(groups)]
        heapq.heapify(self._due)

    def next(self) -> tuple[float, Group]:
        """Return the group that is due next and when."""
        due, _, group = self._due[0]
        return due, group

    def served(self, now: float) -> int:
        """Put the group that was due next on its grid again, at the first instant after `now`; tell what it missed."""
        due, i, group = self._due[0]
        period = group.period / SECOND
        behind = int((now - due) / period)
        heapq.heapreplace(self._due, (due + (behind + 1) * period, i, group))
        return behind

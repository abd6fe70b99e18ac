"""Which tags have been silent for too long, on the loop's clock."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

from shoptwin.sdk import StatusCode
from shoptwin_mqtt.rows import Row
from shoptwin_mqtt.values import bad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin_mqtt.rows import Want

NEVER = float("inf")


class Silence:
    """Tags by when they are to be looked at; each is held once, and again only where that is earlier."""

    def __init__(self) -> None:
        self.told = 0
        """How often a tag was silent for too long."""
        self._clock: list[tuple[float, int, Want]] = []
        self._turn = count()

    @property
    def next(self) -> float | None:
        """When the next tag is to be looked at."""
        return self._clock[0][0] if self._clock else None

    def expect(self, want: Want, deadline: float) -> None:
        """Let a tag be silent until then."""
        want.deadline = deadline
        if deadline < want.due:
            want.due = deadline
            heapq.heappush(self._clock, (deadline, next(self._turn), want))

    def rows(self, now: float) -> Iterator[Row]:
        """Say of tags that have been silent for too long, and for which nothing else speaks, that there is no value."""
        while self._clock and self._clock[0][0] <= now:
            due, _, want = heapq.heappop(self._clock)
            if due != want.due:
                continue  # it was brought forward
            want.due = NEVER
            if want.deadline <= now and (until := _spoken_for(want)) > now:
                want.deadline = until
                if not want.sure:
                    yield from want.unsure()
            if want.deadline > now:
                if want.deadline != NEVER:
                    self.expect(want, want.deadline)
                continue
            want.deadline = NEVER
            self.told += want.heard
            if want.heard and want.life is not None:
                want.life.silenced.append(want)
            yield Row(want, bad(StatusCode.BAD_TIMEOUT if want.heard else StatusCode.BAD_WAITING_FOR_INITIAL_DATA))


def _spoken_for(want: Want) -> float:
    """Return until when something else speaks for what a tag has said last."""
    return want.life.heard + want.stale if want.life is not None and want.heard else -NEVER

"""Who may use a wire next: first come, first served, and units that are not known to answer after those that do."""

from __future__ import annotations

import asyncio
from collections import deque

PASSED = 4
"""Others that may go before a request that waits, because its unit may not answer."""


class Turns:
    """So many requests at once. Each that gets its turn gives it back with `release`.

    A request to a unit that does not answer holds a line for its whole time-out. Were it first come first served alone,
    a unit that lives would wait for that of each dead one, again and again.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._sure: deque[asyncio.Future[None]] = deque()
        self._doubtful: deque[asyncio.Future[None]] = deque()
        self._passed = 0

    async def acquire(self, *, doubtful: bool = False) -> None:
        """Wait for a turn; `doubtful`: it is not known that the unit answers."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._doubtful if doubtful else self._sure
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came just now
                self.release()
            raise

    def release(self) -> None:
        """Give a turn back: to whoever is next."""
        while waiting := self._next():
            if not (turn := waiting.popleft()).done():
                turn.set_result(None)
                return
        self._free += 1

    def _next(self) -> deque[asyncio.Future[None]] | None:
        if self._doubtful and (not self._sure or self._passed >= PASSED):
            self._passed = 0
            return self._doubtful
        self._passed += bool(self._doubtful)
        return self._sure or None

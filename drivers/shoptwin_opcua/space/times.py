"""A server's own clock, and source times that cannot be: from the future, or from long before anything happened there.

They are judged by the server's own clock, which it tells when it is asked and with each value, not by the gateway's: a
server whose clock is an hour off is wrong by an hour in all its times alike, which is skew, estimated and reported as
such; but a value that is newer than the very clock it was read by was stamped by nobody who knew the time. So stamp
sensors with a clock of their own, and PLCs that count from 1970, or from 2012, until somebody sets them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shoptwin.sdk import StatusCode
from shoptwin_opcua.wire.decode import EPOCH

if TYPE_CHECKING:
    from shoptwin.sdk import SampleBatch
    from shoptwin_opcua.wire.decode import Row

AHEAD = 60 * 10**9
"""ns by which a source may be ahead of its server: two clocks that are set now and then."""
LONG_AGO = 12 * 365 * 86_400 * 10**9
"""ns after which a value is not old any more, but was never stamped: a setpoint of ten years ago may well stand."""
FASTER = 200 * 10**6
"""ns that a server's clock must gain on ours between two looks to be one that runs faster, as a practice plant's does.
A real one does so when it is set or slow to answer; until the next look that makes us more lenient, and no more."""
_SEVERITY = np.uint32(0xC000_0000)


class Shown(NamedTuple):
    """What a server's clock shows."""

    time: int = 0
    """ns UTC; 0 where it does not tell."""
    slack: int = AHEAD
    """ns by which a source may be ahead of it."""


@dataclass(slots=True)
class ServerClock:
    """A server's clock, by what it told when it was asked; `now` is seconds of the loop's clock."""

    _told: int = 0
    _when: float = 0.0
    _rate: float = 1.0
    """Its seconds in one of ours."""

    def tell(self, time: int, now: float) -> None:
        """Note what it shows now, ns UTC; what is none is passed over."""
        if time <= 0:
            return
        if self._told and now > self._when:
            gained = time - self._told - round((now - self._when) * 1e9)
            self._rate = (time - self._told) / 1e9 / (now - self._when) if gained > FASTER else 1.0
        self._told, self._when = time, now

    def at(self, now: float) -> int:
        """Return what it shows, or showed, ns UTC; 0 where it has told no time."""
        return self._told + round((now - self._when) * self._rate * 1e9) if self._told else 0

    def shown(self, now: float) -> Shown:
        """Return what it shows."""
        return Shown(self.at(now), round(AHEAD * self._rate))


def time_of(row: Row) -> int:
    """Return a DateTime as ns since 1970, 0 where there is none."""
    return (row.value - EPOCH) * 100 if row.status < StatusCode.BAD and isinstance(row.value, int) else 0


def plausible(batch: SampleBatch, clock: Shown = Shown()) -> SampleBatch:  # noqa: B008 - it cannot be changed
    """Return the batch with impossible source times replaced by the server's, and their values Uncertain.

    `clock`: what the server's clock shows now, where it tells; some servers stamp with the source's
    time what has one from the future. The server's time is when the value was so for sure. An impossible one, kept,
    would file the sample where nobody looks for it, and one from the future would stay the latest until that day comes.
    A value that is Bad or Uncertain already keeps its code.
    """
    source, server = batch.source_time, batch.server_time
    now, slack = clock
    if now:
        server = np.where((server == 0) | (server > now + slack), now, server)
    ahead = source - server
    odd = ((ahead > slack) | (ahead < -LONG_AGO)) & (source != 0) & (server != 0)
    if not odd.any():
        return batch
    good = odd & (batch.status & _SEVERITY == 0)
    return replace(
        batch,
        source_time=np.where(odd, server, source),
        status=np.where(good, np.uint32(StatusCode.UNCERTAIN), batch.status),
    )

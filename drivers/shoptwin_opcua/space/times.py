"""Source times that cannot be: from the future, or from long before anything happened there.

They are judged by the server's own clock, which it tells when it is asked and with each value, not by the gateway's: a
server whose clock is an hour off is wrong by an hour in all its times alike, which is skew, estimated and reported as
such; but a value that is newer than the very clock it was read by was stamped by nobody who knew the time. So stamp
sensors with a clock of their own, and PLCs that count from 1970, or from 2012, until somebody sets them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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
_SEVERITY = np.uint32(0xC000_0000)


def time_of(row: Row) -> int:
    """Return a DateTime as ns since 1970, 0 where there is none."""
    return (row.value - EPOCH) * 100 if row.status < StatusCode.BAD and isinstance(row.value, int) else 0


def plausible(batch: SampleBatch, clock: int = 0) -> SampleBatch:
    """Return the batch with impossible source times replaced by the server's, and their values Uncertain.

    `clock`: what the server's clock shows now, ns UTC, 0 where it does not tell; then its stamp of each value stands
    for it, which is less to be trusted: some servers stamp with the source's time what has one from the future, others
    with the time of the first value ever after. The server's time is when the value was so for sure. An impossible one,
    kept, would file the sample where nobody looks for it, and one from the future would stay the latest until that day
    comes. A value that is Bad or Uncertain already keeps its code. A server's time from the future is replaced by its
    clock's, so that one such node does not make the whole server's clock look wrong.
    """
    source, server = batch.source_time, batch.server_time
    borrowed = (server > clock + AHEAD) & (clock != 0)
    known = clock or server
    ahead = source - known
    odd = ((ahead > AHEAD) | (ahead < -LONG_AGO)) & (source != 0) & (known != 0)
    if not (odd | borrowed).any():
        return batch
    good = odd & (batch.status & _SEVERITY == 0)
    return replace(
        batch,
        source_time=np.where(odd, known, source),
        server_time=np.where(borrowed, clock, server),
        status=np.where(good, np.uint32(StatusCode.UNCERTAIN), batch.status),
    )

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

if TYPE_CHECKING:
    from shoptwin.sdk import SampleBatch

AHEAD = 60 * 10**9
"""ns by which a source may be ahead of its server: two clocks that are set now and then."""
FAR = 366 * 86_400 * 10**9
"""ns by which a server's stamp may be ahead of its clock as it was asked for last: a practice plant's runs faster."""
LONG_AGO = 12 * 365 * 86_400 * 10**9
"""ns after which a value is not old any more, but was never stamped: a setpoint of ten years ago may well stand."""
_SEVERITY = np.uint32(0xC000_0000)


def plausible(batch: SampleBatch, clock: int = 0) -> SampleBatch:
    """Return the batch with impossible source times replaced by the server's, and their values Uncertain.

    `clock`: what the server's clock shows now, ns UTC, 0 where it does not tell; some servers stamp with the source's
    time what has one from the future. The server's time is when the value was so for sure. An impossible one, kept,
    would file the sample where nobody looks for it, and one from the future would stay the latest until that day comes.
    A value that is Bad or Uncertain already keeps its code.
    """
    source, server = batch.source_time, batch.server_time
    if clock:
        server = np.where((server == 0) | (server > clock + FAR), clock, server)
    ahead = source - server
    odd = ((ahead > AHEAD) | (ahead < -LONG_AGO)) & (source != 0) & (server != 0)
    if not odd.any():
        return batch
    good = odd & (batch.status & _SEVERITY == 0)
    return replace(
        batch,
        source_time=np.where(odd, server, source),
        status=np.where(good, np.uint32(StatusCode.UNCERTAIN), batch.status),
    )

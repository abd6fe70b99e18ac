"""What `twin.db` tells of that is not in it any more, or never was: one row a day and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.timing import iso

if TYPE_CHECKING:
    import sqlite3

_DROPPED = """
INSERT INTO dropped (day, reason, samples, observations, time) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  samples = samples + excluded.samples, observations = observations + excluded.observations, time = excluded.time
"""


def note_dropped(tx: sqlite3.Connection, reason: str, samples: int, observations: int, time: int) -> None:
    """Add to what was dropped at `time` (ns UTC) for a reason: `age`, `no room`, `queue full` or `damaged`."""
    tx.execute(_DROPPED, (iso(time)[:10], reason, samples, observations, time))

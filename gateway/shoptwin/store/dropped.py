"""What `twin.db` tells of that is not in it any more, or never was: one row a day and reason."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from shoptwin.domain.timing import iso

if TYPE_CHECKING:
    import sqlite3

_DROPPED = """
INSERT INTO dropped (day, reason, samples, observations, rollups, waveforms, time) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
  samples = samples + excluded.samples, observations = observations + excluded.observations,
  rollups = rollups + excluded.rollups, waveforms = waveforms + excluded.waveforms, time = excluded.time
"""


@dataclass(frozen=True, slots=True)
class Gone:
    """How many of each went at once."""

    samples: int = 0
    observations: int = 0
    rollups: int = 0
    """Rows of minutes, hours, days and state times."""
    waveforms: int = 0

    def __bool__(self) -> bool:
        return any(astuple(self))

    def __add__(self, other: Gone) -> Gone:
        return Gone(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def note_dropped(tx: sqlite3.Connection, reason: str, gone: Gone, time: int) -> None:
    """Add to what was dropped at `time` (ns UTC) for a reason: `age`, `no room`, `queue full` or `damaged`."""
    tx.execute(_DROPPED, (iso(time)[:10], reason, *astuple(gone), time))

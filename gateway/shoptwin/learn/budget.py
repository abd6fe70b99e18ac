"""From the false alarms that a user bears in a month to the chance that one row may have of a false exceedance."""

from __future__ import annotations

from dataclasses import dataclass

from shoptwin.domain.timing import DAY

TAIL = 1e-4
"""Largest chance a row at one false alarm a month: less evidence than that asks for is seldom there to tell it by."""
_MONTH = 30 * DAY


@dataclass(frozen=True, slots=True)
class Budget:
    """What may go wrong, over how many rows."""

    false_alarms_per_month: float
    pace: float
    """Nanoseconds between two rows: the faster they come, the more of them a month holds."""

    def tail(self, run: float) -> float:
        """Return the chance a row that thresholds are set for, where exceedances come in runs of `run` rows.

        A month has month / pace rows, and each run of them is one alarm.
        """
        share = min(TAIL, run * self.pace / _MONTH) * self.false_alarms_per_month
        return min(max(share, 1e-9), 1e-2)

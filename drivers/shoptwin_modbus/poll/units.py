"""How the units behind one URL behave: a breaker for each, shared by all devices there. Pure bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.sdk import StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STRIKES = 3
"""Turns in a row without anything useful after which a unit's breaker opens."""
FIRST_REST = 1.0
LONGEST_REST = 60.0
"""Seconds between two probes of a unit whose breaker is open, at most."""
PROBE_SHARE = 20
"""A probe may take one part in so many of the line's time: what a dead unit may cost its neighbours."""
ALIVE = 120.0
"""Seconds since its last reply for which a unit counts as a neighbour that must not be kept waiting."""


@dataclass(slots=True)
class _Unit:
    failures: int = 0
    rest_until: float = 0.0
    answered: float | None = None
    status: StatusCode = StatusCode.GOOD
    silent: bool = False
    cost: float = 0.0
    """Seconds for which its last turn held up the line, where it was silent."""


class Units:
    """Every unit that was asked for anything; times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._units: dict[int, _Unit] = {}

    def answered(self, unit: int, now: float) -> None:
        """Note that a unit was of use in its turn: one such turn closes its breaker."""
        known = self._units.setdefault(unit, _Unit())
        known.failures, known.rest_until, known.answered, known.silent = 0, 0.0, now, False

    def failed(self, unit: int, now: float, status: StatusCode, *, silent: bool, cost: float = 0.0) -> None:
        """Note that a unit was of no use in its turn; from the third time on it rests, twice as long each time.

        `silent`: it did not even reply. `cost`: seconds for which that held up the line; a rest is so long that probes,
        of all silent units together, take no more than a twentieth of the line's time.
        """
        known = self._units.setdefault(unit, _Unit())
        known.failures += 1
        known.status, known.silent, known.cost = status, silent, cost
        if not silent:
            known.answered = now
        if known.failures >= STRIKES:
            doubled = 2.0 ** min(known.failures - STRIKES, 10)
            known.rest_until = now
            own = min(LONGEST_REST, max(FIRST_REST, PROBE_SHARE * cost) * doubled)
            known.rest_until = now + max(own, PROBE_SHARE * self._probing(now))

    def _probing(self, now: float) -> float:
        """Return the seconds for which one probe of each silent unit holds up the line; forgotten ones cost nothing."""
        return sum(
            known.cost
            for known in self._units.values()
            if known.silent and known.failures >= STRIKES and now - known.rest_until < ALIVE
        )

    def failures(self, unit: int) -> int:
        """Return the turns in a row in which a unit was of no use."""
        return self._get(unit).failures

    def healthiest_first(self, units: Iterable[int], behind: Sequence[int] = ()) -> list[int]:
        """Return units in the order in which to ask them: those that fail come last, those `behind` before others."""
        rank = {unit: i for i, unit in enumerate(behind)}
        return sorted(units, key=lambda unit: (self.failures(unit), rank.get(unit, len(rank)), unit))

    def doubtful(self, unit: int) -> bool:
        """Tell whether a unit is not known to answer: it has failed, or was not heard yet."""
        known = self._get(unit)
        return known.failures > 0 or known.answered is None

    def open(self, unit: int) -> bool:
        """Tell whether a unit's breaker is open: it is left alone, but for one cheap request now and then."""
        return self.failures(unit) >= STRIKES

    def rests(self, unit: int, now: float) -> bool:
        """Tell whether to leave a unit alone for now."""
        return self.rest(unit, now) > 0

    def rest(self, unit: int, now: float) -> float:
        """Return for how many more seconds to leave a unit alone.

        One that is silent is asked on where no neighbour lives whom that could cost anything: whether the whole
        connection is lost is then for the runtime to find out, and to pace.
        """
        known = self._get(unit)
        if not self.open(unit):
            return 0.0
        neighbours = (other for number, other in self._units.items() if number != unit)
        if known.silent and not any(o.answered is not None and now - o.answered < ALIVE for o in neighbours):
            return 0.0
        return max(0.0, known.rest_until - now)

    def status(self, unit: int) -> StatusCode:
        """Return the status of what is not read while a unit rests: that of its last failure."""
        return self._get(unit).status

    def dead(self, units: Iterable[int]) -> bool:
        """Tell whether all of these units have been silent for long enough to say so."""
        return all(self.open(unit) and self._get(unit).silent for unit in units)

    def none_answers(self, units: Iterable[int]) -> bool:
        """Tell whether each of these units was silent in its last turn."""
        return all(self._get(unit).silent for unit in units)

    def _get(self, unit: int) -> _Unit:
        return self._units.get(unit) or _Unit()

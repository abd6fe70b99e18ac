"""What is behind one URL, and shared by all devices there: the wire of a serial port, and how its units behave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin_modbus.target import Target
    from shoptwin_modbus.wire import Wire

STRIKES = 3
"""Turns in a row without a reply after which a unit counts as dead."""
LONGEST_REST = 60.0
"""Seconds between two probes of a dead unit, at most."""
ALIVE = 120.0
"""Seconds since its last reply for which a unit counts as a neighbour that must not be kept waiting."""


class Units:
    """How each unit behaves: pure bookkeeping; times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._failures: dict[int, int] = {}
        self._rest: dict[int, float] = {}
        self._answered: dict[int, float] = {}

    def answered(self, unit: int, now: float) -> None:
        """Note that a unit replied."""
        self._failures[unit] = 0
        self._answered[unit] = now
        self._rest.pop(unit, None)

    def silent(self, unit: int, now: float) -> None:
        """Note that a unit did not reply in its turn; from the third time on it rests, longer each time."""
        failures = self._failures[unit] = self._failures.get(unit, 0) + 1
        if failures >= STRIKES:
            self._rest[unit] = now + min(LONGEST_REST, 2.0 ** min(failures - STRIKES, 10))

    def failures(self, unit: int) -> int:
        """Return the turns in a row in which a unit was silent."""
        return self._failures.get(unit, 0)

    def rests(self, unit: int, now: float) -> bool:
        """Tell whether to leave a unit alone for now: it is dead, and asking it would cost others that live."""
        if self._rest.get(unit, now) <= now:
            return False
        return any(now - then < ALIVE for other, then in self._answered.items() if other != unit)

    def dead(self, units: Iterable[int]) -> bool:
        """Tell whether all of these units have been silent for long enough to say so."""
        return all(self.failures(unit) >= STRIKES for unit in units)

    def none_answers(self, units: Iterable[int]) -> bool:
        """Tell whether each of these units was silent in its last turn."""
        return all(self.failures(unit) > 0 for unit in units)


class Line:
    """One URL. Devices on one serial port share its wire, counted; over TCP each has a wire of its own."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.units = Units()
        self._transaction = 0
        self._shared: Wire | None = None
        self._users = 0

    def join(self, target: Target) -> Wire:
        """Return a wire to use, not dialled yet where it is new; give it back with `leave`.

        Raises:
            NotConnected: another device uses the same port with other parameters.
        """
        from shoptwin_modbus.wire import Wire  # noqa: PLC0415 - brings pymodbus, which importing the driver must not

        if not target.serial:
            return Wire(target, self._transaction)
        if self._shared is None:
            self.target = target
            self._shared = Wire(target)
        elif target != self.target:
            raise NotConnected(
                f"{target} is in use as {self.target}",
                "give all devices on one port the same baud, parity, stop and bits",
            )
        self._users += 1
        return self._shared

    def leave(self, wire: Wire) -> None:
        """Give a wire back; the last one to leave a shared wire closes it."""
        if wire is self._shared:
            self._users -= 1
            if self._users:
                return
            self._shared = None
        self._transaction = wire.transaction
        wire.close()

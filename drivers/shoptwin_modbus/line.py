"""What is behind one URL, and shared by all devices there: the wire of a line, and how its units behave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected
from shoptwin_modbus.poll.units import Units
from shoptwin_modbus.wire.transactions import Transactions

if TYPE_CHECKING:
    from shoptwin_modbus.target import Target
    from shoptwin_modbus.wire.rtu import Debts
    from shoptwin_modbus.wire.wire import Wire


class Line:
    """One URL. Devices on one line, a serial port's or a converter's, share its wire, counted.

    Two connections to a converter would each hear what the other has asked for. Over TCP and TLS, where a reply says
    what it answers, each device has a wire of its own; their transactions are numbered together.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.units = Units()
        self.gibberish = 0
        """Polls in a row, of whichever device, in which nothing that was heard was a proper reply."""
        self._transactions = Transactions()
        self._debts: Debts = {}
        self._shared: Wire | None = None
        self._users = 0

    def join(self, target: Target, in_flight: int = 1) -> Wire:
        """Return a wire to use, not dialled yet where it is new; give it back with `leave`.

        `in_flight`: how many requests the device takes at once, over TCP and TLS.

        Raises:
            NotConnected: another device uses the same port with other parameters.
        """
        from shoptwin_modbus.wire.wire import Wire  # noqa: PLC0415 - brings pymodbus, which importing the driver must not

        if target.checked:
            return Wire(target, self._transactions, in_flight)
        if self._shared is None:
            self.target = target
            self._shared = Wire(target, debts=self._debts)
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
        wire.close()

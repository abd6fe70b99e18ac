"""Machines in maintenance: from when until when, by whom and why. Pure: the caller keeps the time and the record.

A window is begun by a command, and ends by itself, or by the machine's key switch, and ends with it. A machine has one
window at most; where both want one, the command's goes first and the key switch's takes over when that ends.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.alarm import Action, AlarmDef, Command
from shoptwin.domain.errors import ShoptwinError
from shoptwin.domain.maintenance import KEY_SWITCH, MaintenanceWindow
from shoptwin.domain.quality import is_good
from shoptwin.domain.timing import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import TagTable
    from shoptwin.domain.twin import TwinDelta

_OWN_WORD = "maintenance"


class ChangeKind(StrEnum):
    """What happened to a window."""

    BEGUN = "begun"
    CHANGED = "changed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class MaintenanceChange:
    """One entry of the record. `window` is as it is after the change, or as it last was."""

    kind: ChangeKind
    window: MaintenanceWindow
    time: int
    by: str
    why: str

    @property
    def text(self) -> str:
        """Tell it in one line."""
        window = self.window
        until = f"until {iso(window.until)}" if window.until else "as long as its key switch is on"
        told = f" {until}" if self.kind is not ChangeKind.ENDED else ""
        return f"maintenance of {window.machine} {self.kind.value}{told} by {self.by}: {self.why}"


class Maintenance:
    """Which machines are in maintenance now."""

    def __init__(self, table: TagTable, machines: Sequence[Machine], windows: Iterable[MaintenanceWindow] = ()) -> None:
        self._windows = {window.machine: window for window in windows}
        self._on: dict[str, bool] = {window.machine: True for window in self._windows.values() if window.switched}
        self._now = 0
        self._setup(table, machines)

    def configure(self, table: TagTable, machines: Sequence[Machine], now: int) -> tuple[MaintenanceChange, ...]:
        """Take on another configuration. The window of a machine that went, or of a switch that went, ends."""
        self._setup(table, machines)
        self._on = {machine: on for machine, on in self._on.items() if machine in self._switches.values()}
        gone = [
            window
            for window in self._windows.values()
            if window.machine not in self._names or (window.switched and window.machine not in self._on)
        ]
        return tuple(self._close(window, now, "configuration", "no longer configured") for window in gone)

    @property
    def machines(self) -> frozenset[str]:
        """The machines in maintenance: what `Twin.maintenance` wants."""
        return frozenset(self._windows)

    @property
    def windows(self) -> tuple[MaintenanceWindow, ...]:
        """The windows that are open, to be saved and shown."""
        return tuple(self._windows[machine] for machine in sorted(self._windows))

    def active(self, machine: str) -> MaintenanceWindow | None:
        """Return the window that a machine is in, None where it is in operation."""
        return self._windows.get(machine)

    def next_due(self) -> int | None:
        """Return when the next window ends by itself (ns UTC), None where none does."""
        return min((window.until for window in self._windows.values() if window.until), default=None)

    def begin(self, machine: str, until: int, reason: str, by: str, now: int) -> MaintenanceChange:
        """Begin a window, or give the open one another end.

        Raises:
            ShoptwinError: there is no such machine, or `until` is not in the future.
        """
        self._check(machine)
        if until <= now:
            raise ShoptwinError(
                f"Maintenance of {machine} would end at {iso(until)}, which is over", "Say for how long: --for 2h.",
                code="bad-time",
            )  # fmt: skip
        before = self._windows.get(machine)
        window = MaintenanceWindow(machine, before.since if before else now, until, reason, by)
        self._windows[machine] = window
        kind = ChangeKind.CHANGED if before else ChangeKind.BEGUN
        return MaintenanceChange(kind, window, now, by, reason or "no reason given")

    def end(self, machine: str, by: str, now: int) -> MaintenanceChange:
        """End the window that a command began; where the key switch is on, it takes over.

        Raises:
            ShoptwinError: the machine does not exist or is not in maintenance, or its key switch holds it there.
        """
        self._check(machine)
        window = self._windows.get(machine)
        if window is None:
            raise ShoptwinError(f"{machine} is not in maintenance", code="not-in-maintenance")
        if window.switched:
            raise ShoptwinError(f"The key switch holds {machine} in maintenance", "Turn it off.", code="key-switch")
        return self._over(window, now, by, "ended by command")

    def tick(self, now: int) -> tuple[MaintenanceChange, ...]:
        """End what has run out. A clock that steps back between two ticks takes the windows along."""
        if (step := now - self._now) < 0:
            self._windows = {m: _moved(window, step) for m, window in self._windows.items()}
        self._now = now
        over = [window for window in self._windows.values() if window.until and window.until <= now]
        return tuple(self._over(window, now, window.by, "its time was over") for window in over)

    def observe(self, delta: TwinDelta, now: int) -> tuple[MaintenanceChange, ...]:
        """Follow the key switches: true begins a window, false ends one that the switch began; Bad changes nothing."""
        if not self._switches:
            return ()
        at = np.flatnonzero(np.isin(delta.tag, self._indices) & is_good(delta.status) & ~np.isnan(delta.values))
        changes = (self._switch(self._switches[int(delta.tag[i])], bool(delta.values[i]), now) for i in at)
        return tuple(change for change in changes if change is not None)

    def commands(self, definitions: Mapping[str, AlarmDef]) -> tuple[Command, ...]:
        """Return what brings all alarms in line with the windows: also those that a reload has added.

        What is in line already is not touched by it (the engine passes over a second suppression), so this may be
        applied after every change.
        """
        return tuple(
            Command(key, Action.SUPPRESS, window.by, f"{_OWN_WORD}: {window.reason}" if window.reason else _OWN_WORD)
            if (window := self._windows.get(definition.machine or ""))
            else Command(key, Action.UNSUPPRESS, _OWN_WORD, "maintenance is over")
            for key, definition in definitions.items()
            if definition.machine is not None
        )

    def _setup(self, table: TagTable, machines: Sequence[Machine]) -> None:
        self._names = [machine.name for machine in machines]
        wanted = {(machine.name, machine.maintenance_tag) for machine in machines if machine.maintenance_tag}
        self._switches = {index: tag.machine for index, tag in table if (tag.machine, tag.name) in wanted}
        self._indices = np.array(sorted(self._switches), np.int32)

    def _check(self, machine: str) -> None:
        if machine not in self._names:
            near = difflib.get_close_matches(machine, self._names, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(self._names) or 'none'}."
            raise ShoptwinError(f"There is no machine {machine!r}", hint, code="unknown-machine")

    def _switch(self, machine: str, on: bool, now: int) -> MaintenanceChange | None:
        self._on[machine] = on
        window = self._windows.get(machine)
        if on and window is None:
            self._windows[machine] = window = _switched(machine, now)
            return MaintenanceChange(ChangeKind.BEGUN, window, now, KEY_SWITCH, window.reason)
        if not on and window is not None and window.switched:
            return self._close(window, now, KEY_SWITCH, "key switch off")
        return None

    def _over(self, window: MaintenanceWindow, now: int, by: str, why: str) -> MaintenanceChange:
        """End a command's window, or hand it over to the key switch."""
        if not self._on.get(window.machine):
            return self._close(window, now, by, why)
        kept = replace(_switched(window.machine, now), since=window.since)
        self._windows[window.machine] = kept
        return MaintenanceChange(ChangeKind.CHANGED, kept, now, by, f"{why}, but the key switch is on")

    def _close(self, window: MaintenanceWindow, now: int, by: str, why: str) -> MaintenanceChange:
        del self._windows[window.machine]
        return MaintenanceChange(ChangeKind.ENDED, window, now, by, why)


def _switched(machine: str, now: int) -> MaintenanceWindow:
    return MaintenanceWindow(machine, now, 0, "key switch on", KEY_SWITCH)


def _moved(window: MaintenanceWindow, step: int) -> MaintenanceWindow:
    """Move a window with the clock, so that what is left of it stays as long as it was."""
    return replace(window, since=max(0, window.since + step), until=max(1, window.until + step) if window.until else 0)

"""Maintenance of a machine: while a window is open its alarms are suppressed by design, and nothing is learned."""

from __future__ import annotations

from dataclasses import dataclass

KEY_SWITCH = "key switch"
"""Who began a window that the machine's own key switch began; such a window lasts as long as the switch is on."""


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """One machine in maintenance; a machine has at most one. Times are ns UTC; survives a restart as it is."""

    machine: str
    since: int
    until: int
    """When it ends by itself; 0 while only the key switch ends it."""
    reason: str
    by: str

    @property
    def switched(self) -> bool:
        """Whether the key switch began it, so that only the key switch ends it."""
        return self.by == KEY_SWITCH

"""What the doors ask of the daemon. All that it returns can be written as JSON by msgspec."""

from __future__ import annotations

from typing import Any, Protocol


class Control(Protocol):
    """The daemon, as seen from its doors. Methods raise ShoptwinError, whose code decides the HTTP status.

    `status()` has `version`, `site`, `gateway`, `started`, `timezone`, `now`, `clock_rate`,
    `clock` (`set`, `synchronised`, `error_s`), `devices` (each as `acquire` reports it), `machines`,
    `alarms` (how many stand, by priority), `outbox` (`messages`, and `connected` where there is a broker), `store` and
    `degraded` (what does not work, in words).
    """

    def status(self) -> dict[str, Any]:
        """Return how the gateway, its devices and its machines are."""

    def alarms(self, *, active: bool) -> list[dict[str, Any]]:
        """Return the alarms that stand, or every alarm that there is."""

    def tags(self) -> list[dict[str, Any]]:
        """Return every tag with its value, quality and age."""

    async def acknowledge(self, alarm: str, by: str) -> dict[str, Any]:
        """Acknowledge an alarm, named by its key or an unambiguous id."""

    async def mark(self, alarm: str, mark: str, note: str, by: str) -> dict[str, Any]:
        """Mark an occurrence of an alarm (its id, or the latest one of an alarm) true, false or maintenance-done."""

    async def thresholds(self, machine: str) -> dict[str, Any]:
        """Return the ledger of a machine: its alarms, their marks, the threshold moves, and what they come to now."""

    async def reset_thresholds(self, machine: str, by: str) -> dict[str, Any]:
        """Put all thresholds of a machine back to what was learned."""

    async def maintenance(self, machine: str, seconds: int, reason: str, by: str) -> dict[str, Any]:
        """Begin the maintenance of a machine, or end it where `seconds` is 0."""

    async def sensor_replaced(self, tag: str, by: str) -> dict[str, Any]:
        """Learn anew what is normal for one tag."""

    async def relearn(self, machine: str, since: int, by: str) -> dict[str, Any]:
        """Learn anew what is normal for a machine, from `since` (ns UTC) on; 0 is from now on."""

    async def learned(self, machine: str) -> list[dict[str, Any]]:
        """Return what was learned of a machine and is on disk, which of it is in use among it."""

    async def roll_back(self, machine: str, indicator: str, version: str, by: str) -> dict[str, Any]:
        """Judge a machine by another version of what was learned, the one before where none is named."""

    async def test_alarm(self, machine: str, by: str) -> dict[str, Any]:
        """Send an alarm that is marked as a test."""

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again; where it is wrong, keep the old one and raise ConfigError."""

    async def history(self, tag: str, start: int, stop: int, resolution: int) -> dict[str, Any]:
        """Return a tag's samples in columns (times in ns UTC), or figures per `resolution` ns where it is not 0."""

"""What a device's connections tell of themselves: summed up since the start, remembered, logged where it changes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from shoptwin.domain import quality
from shoptwin.domain.device import Talk
from shoptwin.domain.ports import Remembering, Talking

if TYPE_CHECKING:
    from shoptwin.domain.device import Device
    from shoptwin.domain.ports import Connection

log = structlog.get_logger(__name__)


class Memories(Protocol):
    """Where what drivers learn about their devices outlives a restart (the ledger). No call waits or raises."""

    def recall(self, device: str, settings: str) -> str | None:
        """Return what was kept of a device while its settings were these, or None."""

    def keep(self, device: str, settings: str, text: str) -> None:
        """Keep this, in the place of what was kept before."""


class Conversation:
    """The talk with one device, over all its connections."""

    def __init__(self, device: Device, memories: Memories | None = None) -> None:
        self._device = device.name
        self._settings = fingerprint(device.settings)
        self._memories = memories
        self._past = Talk()
        self._connection: Connection | None = None
        self._told = Talk()

    def begin(self, connection: Connection) -> None:
        """Take up a new connection, before it connects: it is given what is remembered."""
        self._connection = connection
        if isinstance(connection, Remembering) and self._memories is not None:
            text = self._memories.recall(self._device, self._settings)
            if text is not None:
                connection.recall(text)

    def look(self) -> None:
        """Keep what was learned, and log once what has changed since the last look."""
        connection = self._connection
        if connection is None:
            return
        if isinstance(connection, Remembering) and self._memories is not None:
            text = connection.memory()
            if text is not None:
                self._memories.keep(self._device, self._settings, text)
        if isinstance(connection, Talking):
            self._tell(connection.talk())

    def end(self) -> None:
        """Let go of the connection; its figures stay."""
        if self._connection is not None:
            self.look()
            self._past, self._connection = self.total, None

    @property
    def total(self) -> Talk:
        """All figures since the start."""
        connection = self._connection
        if connection is not None and isinstance(connection, Talking):
            return self._past + connection.talk()
        return self._past

    def _tell(self, now: Talk) -> None:
        before, self._told = self._told, now
        if now.parts != before.parts:
            for part, answers in now.parts.items():
                if not answers and before.parts.get(part, True):
                    log.warning("does not answer", device=self._device, part=part)
                elif answers and not before.parts.get(part, True):
                    log.info("answers again", device=self._device, part=part)
        if now.holes != before.holes:
            for hole in now.holes:
                if hole not in before.holes:
                    why = quality.name(hole.status)
                    log.warning("refuses an address", device=self._device, address=hole.address, status=why)
            there = {hole.address for hole in now.holes}
            for hole in before.holes:
                if hole.address not in there:
                    log.info("serves an address again", device=self._device, address=hole.address)

    def report(self) -> dict[str, Any]:
        """Return the figures for `status`, empty where the driver tells none."""
        talk = self.total
        if talk == Talk():
            return {}
        return {
            "requests": talk.requests,
            "bytes_sent": talk.bytes_sent,
            "bytes_received": talk.bytes_received,
            "timeouts": talk.timeouts,
            "garbled": talk.garbled,
            "retries": talk.retries,
            "torn_waveforms": talk.torn,
            "exceptions": dict(talk.exceptions),
            "parts": dict(talk.parts),
            "holes": [{"address": hole.address, "status": quality.name(hole.status)} for hole in talk.holes],
        }


def fingerprint(settings: object) -> str:
    """Return a short text that is another one for other settings, and tells none of their secrets."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]

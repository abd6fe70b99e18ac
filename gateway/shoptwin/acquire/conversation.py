"""What a device's connections tell of themselves: summed up since the start, remembered, logged where it changes."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from shoptwin.acquire.statistics import quantiles
from shoptwin.domain import quality
from shoptwin.domain.device import Talk
from shoptwin.domain.ports import Remembering, Talking
from shoptwin.domain.timing import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from shoptwin.domain.device import Device
    from shoptwin.domain.ports import Connection

KEEP_EVERY = 60.0
"""Real seconds between two writes of what was learned: a device that is never the same must not wear out the card."""
STEADY = 10.0
"""Real seconds for which something must have been well before that is logged: what comes and goes is told once."""
MOST_NAMED = 5
"""What is named in one line of the log where there is more of it."""

log = structlog.get_logger(__name__)


class Memories(Protocol):
    """Where what drivers learn about their devices outlives a restart (the ledger). No call waits or raises."""

    def recall(self, device: str, settings: str) -> str | None:
        """Return what was kept of a device while its settings were these, or None."""

    def keep(self, device: str, settings: str, text: str) -> None:
        """Keep this, in the place of what was kept before."""


class Conversation:
    """The talk with one device, over all its connections. `clock` gives real seconds of any steady clock."""

    def __init__(
        self, device: Device, memories: Memories | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.silent: tuple[str, ...] = ()
        """Parts that do not answer: from the look that said so until one that says that they do."""
        self._past = Talk()
        self._connection: Connection | None = None
        self._talks = False
        self._memory = None if memories is None else _Memory(device, memories, clock)
        self._journal = _Journal(device.name, clock)

    def begin(self, connection: Connection) -> None:
        """Take up a new connection, before it connects: it is given what is remembered."""
        self._connection = connection
        self._talks = isinstance(connection, Talking)
        if isinstance(connection, Remembering) and self._memory is not None and self._memory.text is not None:
            connection.recall(self._memory.text)

    def look(self) -> None:
        """Keep what was learned, and log once what has changed since the last look.

        Called when each group was read at least once: before that a connection does not know what is so now.
        """
        self._learn()
        if (talk := self._talk()) is not None:
            known = {**dict.fromkeys(self.silent, False), **talk.parts}
            self.silent = tuple(part for part, answers in known.items() if not answers)
            self._journal.tell(talk)

    def end(self) -> None:
        """Let go of the connection; its figures stay."""
        if self._connection is not None:
            self._learn()
            self._past, self._connection = self.total, None

    def close(self) -> None:
        """Write down what was learned and is not written yet."""
        if self._memory is not None:
            self._memory.write()

    @property
    def total(self) -> Talk:
        """All figures since the start."""
        talk = self._talk()
        return self._past if talk is None else self._past + talk

    def report(self) -> dict[str, Any]:
        """Return the figures for `status`, empty where the driver tells none."""
        if not self._talks:
            return {}
        talk = self.total
        p50, p99 = quantiles(talk.took)
        return {
            "requests": talk.requests,
            "request_p50_ms": p50,
            "request_p99_ms": p99,
            "bytes_sent": talk.bytes_sent,
            "bytes_received": talk.bytes_received,
            "timeouts": talk.timeouts,
            "garbled": talk.garbled,
            "retries": talk.retries,
            "torn_waveforms": talk.torn,
            "exceptions": dict(talk.exceptions),
            "parts": dict(talk.parts),
            "holes": [{"address": hole.address, "status": quality.name(hole.status)} for hole in talk.holes],
            "notes": dict(talk.notes),
            "certificates": {whose: iso(last) for whose, last in talk.expires.items()},
        }

    def _talk(self) -> Talk | None:
        connection = self._connection
        return connection.talk() if connection is not None and isinstance(connection, Talking) else None

    def _learn(self) -> None:
        connection = self._connection
        if self._memory is not None and connection is not None and isinstance(connection, Remembering):
            self._memory.learn(connection.memory())


class _Memory:
    """What is remembered of one device: at hand at once, written once in KEEP_EVERY at most."""

    def __init__(self, device: Device, memories: Memories, clock: Callable[[], float]) -> None:
        self._memories, self._clock = memories, clock
        self._key = device.name, fingerprint(device.settings)
        self.text = self._written = memories.recall(*self._key)
        self._next = clock()

    def learn(self, text: str | None) -> None:
        """Take in what is to be kept from now on, None for nothing new; write it where it is time."""
        if text is not None:
            self.text = text
        if self._clock() >= self._next:
            self.write()

    def write(self) -> None:
        """Write what is not written yet."""
        if self.text is not None and self.text != self._written:
            self._memories.keep(*self._key, self.text)
            self._written, self._next = self.text, self._clock() + KEEP_EVERY


class _Journal:
    """Logs what does not answer behind a device, and what it refuses: one line when it begins, one when it is over."""

    def __init__(self, device: str, clock: Callable[[], float]) -> None:
        self._log, self._clock = log.bind(device=device), clock
        self._silent, self._refused = _Troubles(), _Troubles()

    def tell(self, talk: Talk) -> None:
        """Log what is another than it was; all that changes at once goes into one line."""
        now = self._clock()
        silent = [part for part, answers in talk.parts.items() if not answers]
        began, over = self._silent.update(silent, now, known=talk.parts)
        if began:
            self._log.warning("does not answer", parts=_named(began))
        if over:
            self._log.info("answers again", parts=_named(over))
        status = {hole.address: hole.status for hole in talk.holes}
        began, over = self._refused.update(status, now)
        for code in dict.fromkeys(status[address] for address in began):
            alike = [address for address in began if status[address] == code]
            self._log.warning("refuses addresses", addresses=_named(alike), status=quality.name(code))
        if over:
            self._log.info("serves addresses again", addresses=_named(over))


class _Troubles:
    """What is wrong, by name, until it has been well for STEADY."""

    def __init__(self) -> None:
        self._well_since: dict[str, float | None] = {}

    def update(
        self, wrong: Collection[str], now: float, *, known: Collection[str] | None = None
    ) -> tuple[list[str], list[str]]:
        """Return what is wrong anew and what is over; of what is not among `known` (None: all is) nothing is known."""
        began = [name for name in wrong if name not in self._well_since]
        for name, since in self._well_since.items():
            if since is None and name not in wrong and (known is None or name in known):
                self._well_since[name] = now
        self._well_since.update(dict.fromkeys(wrong))
        over = [name for name, since in self._well_since.items() if since is not None and now - since >= STEADY]
        for name in over:
            del self._well_since[name]
        return began, over


def _named(names: Sequence[str]) -> str:
    """Write names for people: the first few, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def fingerprint(settings: object) -> str:
    """Return a short text that is another one for other settings, and tells none of their secrets."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]

"""Publisher: keeps the broker up to date. What the outbox holds stays there until the broker has said that it has it.

The order of things: commit, `wake()`, read the outbox, publish, PUBACK, delete. A crash anywhere in between sends a
message again, never not at all: at least once, in order within each topic, with its original time and id.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from shoptwin.domain.errors import PublishError
from shoptwin.publish.connection import is_slow
from shoptwin.publish.dispatch import Dispatcher
from shoptwin.publish.mailbox import Mailbox
from shoptwin.publish.readback import SETTLE_SECONDS, ReadBack
from shoptwin.publish.session import Session
from shoptwin.publish.status import PublisherStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoptwin.config.settings import Mqtt
    from shoptwin.domain.message import OutboxMessage
    from shoptwin.publish.composer import Composer
    from shoptwin.runtime.clock import Clock
    from shoptwin.runtime.supervise import Attempt
    from shoptwin.store.ledger import Ledger

_HEARTBEAT = 10.0
"""Seconds between two looks around when nothing happens; the watchdog is told each time."""
_STEADY = 2.0
"""A connection that has stood for so long (s) counts as back: two gateways with one client_id never get there."""
_UNANSWERED = 30.0
"""A broker that acknowledges nothing for so long (s) is given up."""
_GLANCE = 0.05
"""Seconds between two looks at whether all is done, when leaving."""
_OVERHEAD = 16
"""Bytes of a PUBLISH beside topic and payload, at most."""
_UNSENT = -1

log = structlog.get_logger(__name__)


class Publisher:
    """One gateway's way to its broker. `connected` is called at each (re)connect, before anything is sent.

    That is the moment to hand in a fresh status, and to put the standing alarms into the outbox again for a broker
    that has lost what it retained. `retry`: seconds until what was refused is tried again.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        composer: Composer,
        ledger: Ledger,
        clock: Clock,
        *,
        connected: Callable[[], None] = lambda: None,
        retry: float = 60.0,
    ) -> None:
        self._mqtt = mqtt
        self._composer = composer
        self._clock = clock
        self._connected = connected
        self._retry = retry
        self._mailbox = Mailbox(ledger, self.wake)
        self._dispatcher = Dispatcher(self._mailbox.read, retry=retry)
        self._status = PublisherStatus(f"{mqtt.host}:{mqtt.port}", "5" if mqtt.version == 5 else "3.1.1")  # noqa: PLR2004 - as they are called
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup = asyncio.Event()
        self._session: Session | None = None
        self._readback: ReadBack | None = None
        self._not_before = 0.0
        self._leave_by: float | None = None
        self._left = asyncio.Event()
        self._goodbye: OutboxMessage | None = None

    # What the others call.

    def latest(self, *messages: OutboxMessage) -> None:
        """Give the newest state or status; it is sent now or at the next connect, unless a newer one comes first."""
        for message in messages:
            self._dispatcher.latest(message)
        self._wakeup.set()

    def wake(self) -> None:
        """Say that something was committed to the outbox; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just ended, and with it the need to hurry
                self._loop.call_soon_threadsafe(self._wakeup.set)

    def status(self) -> PublisherStatus:
        """Return how it goes."""
        refused = {topic: refusal.reason for topic, refusal in self._dispatcher.refused.items()}
        return replace(self._status, refused=refused, inflight=self._dispatcher.inflight, trouble=self._mailbox.trouble)

    async def run(self, attempt: Attempt | None = None) -> None:
        """Connect, and keep the broker up to date until the connection ends; for `supervise`. Returns after `aclose`.

        Raises:
            PublishError: the broker cannot be reached, refuses, or was lost. Run it again: it goes on where it was.
        """
        self._loop = asyncio.get_running_loop()
        await self._wait_turn(attempt)
        if self._is_leaving():
            return
        will = self._composer.status(self._clock.now(), online=False)
        client_id = self._mqtt.client_id or f"shoptwin-{self._composer.gateway}"
        session = Session(self._mqtt, will, client_id, self, self._clock.now)
        try:
            await session.open()
            self._begin(session)
            began = self._loop.time()
            while not self._is_leaving():
                await self._step(session)
                self._settle(attempt, self._loop.time() - began)
            await self._leave(session)
        except PublishError as error:
            self._failed(error)
            raise
        finally:
            session.abort()
            self._session = None
            self._mailbox.close()
            if self._is_leaving():
                self._left.set()

    async def aclose(self, deadline: float = 4.0, goodbye: OutboxMessage | None = None) -> None:
        """Send what can be sent, say goodbye and disconnect, all within `deadline` seconds; `run` returns then.

        `goodbye` is the last status; where none is given it says no more than offline, and on purpose.
        """
        self._goodbye = goodbye
        self._leave_by = asyncio.get_running_loop().time() + deadline
        self._wakeup.set()
        if self._session is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline):
                    await self._left.wait()

    # What the session tells.

    def acknowledged(self, mid: int, refused: str | None) -> None:
        """Take note of the broker's answer to a message."""
        if refused is None:
            self._dispatcher.acknowledge(mid)
            self._status = replace(self._status, sent=self._status.sent + 1)
        else:
            self._refuse(mid, refused)
        self._wakeup.set()

    def received(self, topic: str, *, retained: bool) -> None:
        """Take note of what was read back."""
        if self._readback is not None and self._session is not None:
            proved = self._readback.received(topic, retained=retained)
            if proved is not None:
                self._session.unsubscribe([proved])

    def lost(self) -> None:
        """Wake up to the loss."""
        self._wakeup.set()

    # The life of a connection.

    def _is_leaving(self) -> bool:
        return self._leave_by is not None

    async def _wait_turn(self, attempt: Attempt | None) -> None:
        """After an error that a person must cure, wait before the next try."""
        now = asyncio.get_running_loop().time
        while not self._is_leaving() and now() < self._not_before:
            if attempt is not None:
                attempt.expect(self._not_before - now() + 3 * _HEARTBEAT)
            self._wakeup.clear()
            await self._sleep(self._not_before)

    def _begin(self, session: Session) -> None:
        self._session = session
        now = self._clock.now()
        self._status = replace(self._status, connected=True, since=now, error="", unverified=())
        self._readback = None
        if not session.tells_reasons:
            self._readback = ReadBack(self._composer.bases().values(), self._composer.base)
            session.subscribe(list(self._readback.filters.values()))
            for topic in self._readback.probes:
                session.publish_unacknowledged(topic, b"")
        self._connected()
        if not self._dispatcher.knows(self._composer.status_topic):
            self._dispatcher.latest(self._composer.status(now))
        self._dispatcher.connected(session.window, first=self._composer.status_topic)

    def _settle(self, attempt: Attempt | None, age: float) -> None:
        """Tell the supervisor that all is well, and judge what has been read back."""
        if attempt is not None:
            attempt.expect(3 * _HEARTBEAT)
            if age >= _STEADY:
                attempt.up()
        if (
            self._readback is not None
            and age >= SETTLE_SECONDS
            and self._readback.unverified != self._status.unverified
        ):
            if not self._status.unverified:
                log.warning("cannot verify that the broker takes everything", topics=self._readback.unverified)
            self._status = replace(self._status, unverified=self._readback.unverified)

    def _failed(self, error: PublishError) -> None:
        since = self._clock.now() if self._status.connected or not self._status.error else self._status.since
        self._status = replace(self._status, connected=False, since=since, error=str(error))
        if is_slow(error):
            self._not_before = asyncio.get_running_loop().time() + self._retry

    async def _step(self, session: Session, until: float | None = None) -> None:
        """Send what can be sent, delete what has arrived, and sleep until something happens, or `until`."""
        self._wakeup.clear()
        if session.failure is not None:
            raise session.failure
        now = asyncio.get_running_loop().time()
        self._send(session, now)
        self._mailbox.delete(self._dispatcher, now, at_once=until is not None)
        given_up = None if (oldest := self._dispatcher.oldest) is None else oldest + _UNANSWERED
        if given_up is not None and given_up <= now:
            raise PublishError(f"The broker at {self._status.broker} acknowledges nothing", "It may be overloaded")
        heartbeat = now + (_STEADY if session.age < 2 * SETTLE_SECONDS else _HEARTBEAT)
        times = (heartbeat, until, given_up, self._mailbox.due, self._dispatcher.retry_at)
        await self._sleep(min(time for time in times if time is not None))

    async def _sleep(self, until: float) -> None:
        await asyncio.sleep(0)  # waiting for an event that is set already would not let the others run
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wakeup.wait()

    def _send(self, session: Session, now: float) -> None:
        while (outgoing := self._dispatcher.next(now)) is not None:
            message = outgoing.message
            if session.largest and len(message.topic.encode()) + len(message.payload) + _OVERHEAD > session.largest:
                self._dispatcher.sent(_UNSENT, outgoing, now)
                self._refuse(_UNSENT, f"too large: the broker takes {session.largest} bytes at most")
                continue
            mid = session.publish(message)
            if mid is None:
                return  # lost: the session says so
            self._dispatcher.sent(mid, outgoing, now)
        if self._dispatcher.more:
            self._wakeup.set()

    def _refuse(self, mid: int, reason: str) -> None:
        news = self._dispatcher.refuse(mid, reason, asyncio.get_running_loop().time())
        if news is not None:
            log.warning("refused by the broker", topic=news, reason=reason)

    async def _leave(self, session: Session) -> None:
        """Empty the outbox as far as time allows, then say goodbye: offline, and on purpose."""
        loop = asyncio.get_running_loop()
        leave_by = self._leave_by or loop.time()
        half = loop.time() + (leave_by - loop.time()) / 2
        while loop.time() < half:
            self._send(session, loop.time())
            if self._dispatcher.idle:
                break
            await self._step(session, min(half, loop.time() + _GLANCE))
        goodbye = self._goodbye or self._composer.status(self._clock.now(), online=False, clean=True)
        self._dispatcher.latest(goodbye)
        while loop.time() < leave_by and (self._dispatcher.waiting(goodbye) or self._dispatcher.done()):
            await self._step(session, min(leave_by, loop.time() + _GLANCE))
        await session.close(max(0.1, leave_by - loop.time()))
        self._status = replace(self._status, connected=False, since=self._clock.now())

"""One device: connected, polled or listened to, and never silent: what cannot be read is Bad."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from shoptwin.acquire.breaker import Breaker, BreakerState
from shoptwin.acquire.conversation import Conversation
from shoptwin.acquire.groups import tags_of
from shoptwin.acquire.schedule import Schedule
from shoptwin.acquire.statistics import Statistics
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.device import DeviceChange, DeviceHealth
from shoptwin.domain.errors import AuthFailed, ConfigError, DriverError, NotConnected, Timeout
from shoptwin.domain.ports import Polled, Subscribed
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.timing import SECOND, iso
from shoptwin.runtime.cancelling import cancelled
from shoptwin.runtime.supervise import supervise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shoptwin.acquire.conversation import Memories
    from shoptwin.acquire.scaling import Scaling
    from shoptwin.domain.device import Device, Group
    from shoptwin.domain.ports import Connection, Plugin
    from shoptwin.runtime.clock import Clock
    from shoptwin.runtime.supervise import Attempt, Progress

CONNECT_WITHIN = 30.0
"""Seconds after which a driver that does not come back from `connect` or `read` is taken for hung."""

CLOSE_WITHIN = 1.5
LATE = 0.1
"""The part of its period by which a poll may begin after its time before it counts as late."""
LOOK_EVERY = 1.0
"""Real seconds between two looks at what the driver has learned; also done when a connection ends."""
STEADY = 10.0
"""Real seconds for which a device must have been well before its breaker closes and its return is logged."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class DeviceTask:
    """Runs one device until cancelled; hands over batches, stamped and in engineering units, and its own health."""

    def __init__(
        self,
        device: Device,
        plugin: Plugin,
        groups: tuple[Group, ...],
        scaling: Scaling,
        clock: Clock,
        *,
        take: Callable[[SampleBatch], None],
        changed: Callable[[DeviceChange], None],
        memories: Memories | None = None,
    ) -> None:
        self.device = device
        # From here on periods are real time, as the device and the driver know no other.
        self.groups = tuple(replace(g, period=round(clock.real(g.period) * SECOND)) for g in groups)
        self.health = DeviceHealth.CONNECTING
        self.reason = ""
        self.since = clock.now()
        """When it came into this health, ns UTC."""
        self.began = self.since
        """Since when it is counted."""
        self.breaker = Breaker()
        self.statistics = Statistics()
        self.conversation = Conversation(device, memories)
        self._plugin = plugin
        self._scaling = scaling
        self._clock = clock
        self._take = take
        self._changed = changed
        self._tags = tags_of(groups)
        self._look_at = 0.0
        self._told_bad = False
        self._handing_over = False
        """Whether what runs now is ours, on a batch that the driver has delivered."""

    async def run(self, progress: Progress) -> None:
        """Acquire until cancelled. A device that refuses us or whose driver breaks is left alone until a reload."""
        name = f"device {self.device.name}"
        try:
            await supervise(
                name, self._session, progress=progress, backoff=self.breaker, steady=STEADY, failed=self._lost
            )
        except AuthFailed as error:
            self._stop(DeviceHealth.AUTH_FAILED, error)
        except Exception as error:  # boundary (DESIGN §3): one plug-in's fault must not stop the others
            if self._handing_over:
                raise  # it is not the driver that failed
            log.exception("driver failed; the device is quarantined until a reload", device=self.device.name)
            self._stop(DeviceHealth.QUARANTINED, error)
        finally:
            self.conversation.close()

    async def _session(self, attempt: Attempt) -> None:
        """One connection, from connect to loss."""
        connection = self._plugin.open(self.device.settings)
        self.conversation.begin(connection)
        try:
            attempt.expect(2 * CONNECT_WITHIN)
            await _within(CONNECT_WITHIN, connection.connect(), f"{self.device.name} did not let us connect")
            if isinstance(connection, Subscribed):
                await self._listen(connection, attempt)
            elif isinstance(connection, Polled):
                await self._poll(connection, attempt)
            else:
                raise ConfigError(f"the driver {self.device.driver!r} can neither be read nor subscribed to")
        finally:
            self.conversation.end()
            await _close(connection)

    async def _poll(self, connection: Polled, attempt: Attempt) -> None:
        schedule = Schedule(self.groups, time.monotonic())
        if not self.groups:
            await self._nothing_to_read(attempt)
        unread = set(self.groups)
        while True:
            due, group = schedule.next()
            attempt.expect(max(0.0, due - time.monotonic()) + 2 * CONNECT_WITHIN)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            late = began - due > LATE * group.period / SECOND
            hung = f"{self.device.name} did not answer within {CONNECT_WITHIN:g} s"
            batches = await _within(CONNECT_WITHIN, connection.read(group), hung)
            took = time.monotonic() - began
            if unread:
                unread.discard(group)
            if not unread:  # a device that answers one group and dies at the next is not well
                self._up(attempt)
            for batch in batches:
                self._deliver(batch)
            ended = time.monotonic()
            self.statistics.poll(took, ended, late=late, missed=schedule.served(ended))
            if not unread:
                self._look()

    async def _listen(self, connection: Subscribed, attempt: Attempt) -> None:
        if not self.groups:
            await self._nothing_to_read(attempt)
        attempt.expect(float("inf"))  # the driver watches the data: silence beyond its keep-alive raises
        stream = connection.batches(self.groups)
        try:
            async for batch in stream:
                self._up(attempt)
                self._deliver(batch)
                self._look()
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
        raise NotConnected(f"{self.device.name} ended its subscription", "it is subscribed to anew")

    async def _nothing_to_read(self, attempt: Attempt) -> None:
        """Wait for ever: a device without tags is connected, and that is all."""
        self._up(attempt)
        attempt.expect(float("inf"))
        await asyncio.Event().wait()

    def _look(self) -> None:
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self.conversation.look()

    def _deliver(self, batch: SampleBatch) -> None:
        now = self._clock.now()
        self._told_bad &= batch.backfill
        self._handing_over = True
        for scaled in self._scaling.apply(batch.received(now)):
            if not batch.backfill:  # old times tell nothing of the device's clock
                self.statistics.batch(scaled, now)
            self._take(scaled)
        self._handing_over = False

    def _up(self, attempt: Attempt) -> None:
        attempt.up()
        self._turn(DeviceHealth.CONNECTED, "")

    def _lost(self, error: Exception) -> None:
        """Say of every tag that there is no value: a lost PLC is Bad, never silence.

        Once, until there are values again: said at each try, a machine that is off for a week would fill the store.
        """
        self.statistics.error(error.code if isinstance(error, DriverError) else "error")
        if not self._told_bad:
            self._bad(StatusCode.BAD_TIMEOUT if isinstance(error, Timeout) else StatusCode.BAD_NOT_CONNECTED)
        self._turn(DeviceHealth.LOST, str(error), error.code if isinstance(error, DriverError) else "")

    def _stop(self, health: DeviceHealth, error: Exception) -> None:
        self.statistics.error(health.value)
        self._bad(StatusCode.BAD_NOT_CONNECTED if health is DeviceHealth.AUTH_FAILED else StatusCode.BAD_DEVICE_FAILURE)
        self._turn(health, str(error) or type(error).__name__)

    def _bad(self, status: StatusCode) -> None:
        self._told_bad = True
        if len(self._tags):
            self._take(SampleBatch.bad(self.device.name, self._tags, status, self._clock.now()))

    def _turn(self, health: DeviceHealth, reason: str, cause: str = "") -> None:
        if health is not self.health:
            self.since = self._clock.now()
        elif reason == self.reason:
            return
        # Lost for another reason than at first is told too: it has another cure (one side accepts us, the other not).
        self.health, self.reason = health, reason
        self._changed(DeviceChange(self.device.name, health, self.since, reason, cause))

    def report(self) -> dict[str, Any]:
        """Return what `status` shows of this device."""
        return {
            "device": self.device.name,
            "driver": self.device.driver,
            "health": self.health.value,
            "reason": self.reason,
            "since": iso(self.since),
            "breaker": (BreakerState.CLOSED if self.health is DeviceHealth.CONNECTED else self.breaker.state).value,
            "tags": len(self._tags),
            "period_s": self.device.period / 1e9,
            "counted_since": iso(self.began),
            **self.statistics.report(),
            **self.conversation.report(),
        }


async def _within(seconds: float, doing: Awaitable[T], otherwise: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            done = await doing
    except TimeoutError as error:
        raise Timeout(otherwise, "check that the device is not overloaded") from error
    # `asyncio.wait_for` of Python 3.11, on which pymodbus waits for a reply, swallows a cancellation that comes in the
    # same turn of the loop as the reply: the device would be polled on, and whoever ends it would wait for ever.
    if cancelled():
        raise asyncio.CancelledError
    return done


async def _close(connection: Connection) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await connection.aclose()
    except TimeoutError:
        log.warning("a connection did not close in time and is left behind")

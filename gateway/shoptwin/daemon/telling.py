"""What the broker is told about *now*: each machine's state, and the gateway's own status."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from shoptwin.domain.device import DeviceHealth
from shoptwin.domain.timing import iso
from shoptwin.publish.payloads import DeviceReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoptwin.daemon.gateway import Gateway
    from shoptwin.domain.message import OutboxMessage

LOOK_EVERY = 0.5
VALUES_EVERY = 5.0
STATUS_EVERY = 30.0
"""Real seconds: a change of state is told at the next look; new values alone, and an unchanged status, less often."""


class Teller:
    """Composes the latest of each machine and of the gateway, by exception and with a heartbeat."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._told: dict[str, tuple[Any, float]] = {}
        self._status: tuple[Any, float] = (None, 0.0)

    async def run(self) -> None:
        """Tell what has changed, until cancelled."""
        while True:
            self._gateway.progress.expect("tell", 30)
            if self._gateway.publisher is not None:
                self._tell()
            await asyncio.sleep(LOOK_EVERY)

    def connected(self) -> None:
        """Hand the broker, which may have forgotten all, a fresh status, all states and all standing alarms."""
        gateway = self._gateway
        self._told.clear()
        gateway.pipeline.touched |= set(gateway.pipeline.machines)
        if gateway.publisher is not None:
            gateway.publisher.latest(self.status())
        gateway.record.standing(gateway.pipeline.book.standing())

    def move(self, gone: Mapping[str, str], alarms: Sequence[tuple[str | None, str]]) -> None:
        """Empty the topics of machines that went or moved, and tell what stands of those that moved at their new place.

        `gone` is machine -> base topic until now, `alarms` (machine, id) of all alarms until now.
        """
        gateway, now = self._gateway, self._gateway.clock.now()
        for machine, base in gone.items():
            self._told.pop(machine, None)
            emptied = gateway.composer.retire(base, [i for m, i in alarms if m == machine], now)
            gateway.record.send(emptied)
            if gateway.publisher is not None:  # it keeps the latest state of each topic, to send it again
                gateway.publisher.latest(emptied[0])
        standing = gateway.pipeline.book.standing()
        gateway.record.standing([(d, s) for d, s in standing if d.machine in gone])

    def status(self, *, online: bool = True, clean: bool = False) -> OutboxMessage:
        """Return the gateway's status as a message; `online=False, clean=True` is its goodbye."""
        gateway = self._gateway
        devices = [
            DeviceReport(name=d.device.name, state=d.health.value, since=iso(d.since), reason=d.reason)
            for d in gateway.devices.values()
        ]
        return gateway.composer.status(
            gateway.clock.now(), devices=devices, outbox=gateway.caretaker.outbox.messages,
            degraded=gateway.caretaker.degraded(), online=online, clean=clean,
        )  # fmt: skip

    def _tell(self) -> None:
        gateway, now = self._gateway, asyncio.get_running_loop().time()
        for machine in sorted(gateway.pipeline.touched.intersection(gateway.pipeline.machines)):
            key, (told, at) = self._key(machine), self._told.get(machine, (None, 0.0))
            if key != told or now - at >= VALUES_EVERY:
                gateway.pipeline.touched.discard(machine)
                self._told[machine] = key, now
                self._latest(self.state(machine))
        health = [(d.device.name, d.health, d.reason) for d in gateway.devices.values()]
        health += [("", DeviceHealth.CONNECTED, reason) for reason in gateway.caretaker.degraded()]
        if health != self._status[0] or now - self._status[1] >= STATUS_EVERY:
            self._status = health, now
            self._latest(self.status())

    def state(self, machine: str) -> OutboxMessage:
        """Return a machine as it is now, as a message."""
        gateway, pipeline = self._gateway, self._gateway.pipeline
        tags = [(gateway.table[i], pipeline.twin.live(i)) for i in gateway.table.of_machine(machine)]
        return gateway.composer.state(
            machine, pipeline.twin.state(machine), tags, pipeline.verdicts.get(machine, {}).values(),
            pipeline.maintenance.active(machine), gateway.clock.now(),
        )  # fmt: skip

    def _key(self, machine: str) -> tuple[Any, ...]:
        """Return what must be told at once when it changes."""
        pipeline = self._gateway.pipeline
        verdicts = tuple((a.indicator, a.state, a.alarm) for a in pipeline.verdicts.get(machine, {}).values())
        return pipeline.twin.state(machine), verdicts, pipeline.maintenance.active(machine)

    def _latest(self, message: OutboxMessage) -> None:
        if self._gateway.publisher is not None:
            self._gateway.publisher.latest(message)

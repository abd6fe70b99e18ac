"""The caretaker: looks after the gateway itself, and says in alarms and in words what does not work."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import structlog

from shoptwin.alarms.gateway import (
    assess_failed,
    certificate_expiring,
    clock_invalid,
    device_doubts,
    learning_failed,
    models_rejected,
    store_corrupt,
    store_full,
)
from shoptwin.daemon.verifying import Verifier
from shoptwin.domain.device import DeviceHealth
from shoptwin.domain.errors import ModelRejected, StoreCorrupt, StoreError
from shoptwin.domain.timing import HOUR
from shoptwin.runtime.clock import clock_problem
from shoptwin.runtime.lean import settle, tidy
from shoptwin.runtime.notify import notify, watchdog_interval
from shoptwin.store.files import translate
from shoptwin.store.ledger import Counts, counts, prune

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.acquire.device import DeviceTask
    from shoptwin.daemon.gateway import Gateway
    from shoptwin.domain.alarm import Condition
    from shoptwin.runtime.clock import Clock

LOOK_EVERY = 1.0
TIDY_EVERY = 60.0
RETAIN_EVERY = 600.0
"""Real seconds."""

log = structlog.get_logger(__name__)


class Caretaker:
    """Watches the stores, the models, the clock, the outbox and the progress of every task."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.outbox = Counts()
        self._said: dict[str, str] = {}
        self._late: list[str] = []
        self._aside: dict[str, Path] = {}
        self.verifier = Verifier(gateway)

    async def run(self) -> None:
        """Look after everything, until cancelled."""
        pet_every = watchdog_interval()
        while True:
            self._gateway.progress.expect("care", 60)
            self._look()
            if pet_every is not None:
                self._pet()
            await asyncio.sleep(min(LOOK_EVERY, pet_every or LOOK_EVERY))

    def degraded(self) -> list[str]:
        """Say in words what does not work as it should; nothing where all is well."""
        gateway = self._gateway
        reasons = [
            f"{task.device.name}: {task.reason or task.health.value}"
            for task in gateway.devices.values()
            if task.health not in {DeviceHealth.CONNECTED, DeviceHealth.CONNECTING}
        ]
        reasons += [text for text in self._said.values() if text]
        reasons += [f"no progress: {task}" for task in self._late]
        if gateway.publisher is not None:
            status = gateway.publisher.status()
            reasons += [f"the broker is away: {status.error}"] if status.error and not status.connected else []
            reasons += status.degraded()
        return reasons

    def _look(self) -> None:
        gateway, now = self._gateway, self._gateway.clock.now()
        stores = {"twin.db": gateway.samples.failure, "ledger.db": gateway.ledger.failure}
        self._say("store", "; ".join(f"{file}: {error}" for file, error in stores.items() if error))
        problem = clock_problem(gateway.clock)
        self._say("clock", problem or "")
        assessor, failed = gateway.pipeline.assessor, gateway.assessing.failed
        refused = [ModelRejected(f"{model}: {why}") for model, why in assessor.refused.items()]
        self._say("models", "; ".join(filter(None, [assessor.unavailable, *map(str, refused)])))
        self._say("assess", "; ".join(f"{machine} cannot be assessed: {error}" for machine, error in failed.items()))
        self._say("learning", gateway.learner.problem)
        self._say("chunks", self.verifier.problem)
        gateway.pipeline.inform(
            store_full(stores, now),
            clock_invalid(problem is not None, now),
            models_rejected(refused, now),
            learning_failed(gateway.learner.problem or None, now),
            *(assess_failed(machine, failed.get(machine), now) for machine in gateway.pipeline.machines),
            *(doubt for task in gateway.devices.values() for doubt in _doubts(task, gateway.clock)),
        )
        for task in gateway.devices.values():
            if task.health is DeviceHealth.CONNECTED:
                gateway.pipeline.parts(task.device.name, task.conversation.silent)
        self._quarantined()
        self._count()

    def _say(self, what: str, text: str) -> None:
        """Log a trouble once when it begins and once when it is over."""
        before = self._said.get(what, "")
        if bool(text) != bool(before):
            (log.warning if text else log.info)("degraded" if text else "well again", part=what, reason=text or before)
        self._said[what] = text

    def _count(self) -> None:
        try:
            reader = self._gateway.ledger.reader()
        except StoreError as error:
            self._say("ledger", str(error))
            return
        try:
            self.outbox = counts(reader)
        except sqlite3.DatabaseError as error:
            if isinstance(trouble := translate(error, self._gateway.ledger.path), StoreCorrupt):
                self._gateway.ledger.writer.condemn(trouble)
            self._say("ledger", f"ledger.db cannot be read: {error}")
        else:
            self._say("ledger", "")
        finally:
            reader.close()

    def _quarantined(self) -> None:
        """Tell once of each damaged file that was set aside, at the start or since."""
        gateway = self._gateway
        for file, store in (("twin.db", gateway.samples), ("ledger.db", gateway.ledger)):
            aside = store.quarantined
            if aside is not None and aside != self._aside.get(file):
                self._aside[file] = aside
                log.error("a damaged file was set aside", file=file, kept_as=aside.name)
                gateway.pipeline.inform(*store_corrupt(file, aside.name, gateway.clock.now()))

    def _pet(self) -> None:
        """Pet systemd's watchdog while every task makes progress; otherwise it will start us anew."""
        self._late = self._gateway.progress.late()
        if not self._late:
            notify("WATCHDOG=1")
        else:
            log.error("no progress", tasks=self._late)

    async def tidy(self) -> None:
        """Give back the memory of what was lost, until cancelled."""
        settle()
        while True:
            self._gateway.progress.expect("tidy", TIDY_EVERY + 60)
            await asyncio.sleep(TIDY_EVERY)
            tidy()

    async def retain(self) -> None:
        """Drop what is too old or too much, until cancelled; beside `run`, since a slow card takes its time."""
        while True:
            self._gateway.progress.expect("retain", RETAIN_EVERY + 3600)
            await asyncio.sleep(RETAIN_EVERY)
            await self._retain()

    async def _retain(self) -> None:
        gateway, now = self._gateway, self._gateway.clock.now()
        before = now - gateway.config.store.keep
        gateway.ledger.writer.submit(lambda tx: prune(tx, before), sheddable=True)
        if dropped := await asyncio.to_thread(gateway.samples.retain, now):
            log.info("dropped by retention", what=str(dropped), keep_h=gateway.config.store.keep // HOUR)


def _doubts(task: DeviceTask, clock: Clock) -> tuple[Condition, ...]:
    """Return what is doubtful of a device that is there; of one that is lost its own alarm tells all there is to tell.

    A clock that is not set, or runs faster than real time, is no measure for another.
    """
    if task.health is not DeviceHealth.CONNECTED:
        return ()
    comparable = clock.trusted and clock.rate == 1
    figures, name, now = task.statistics, task.device.name, clock.now()
    expires = task.conversation.total.expires if comparable else {}
    return (
        *device_doubts(name, figures.missed_share, figures.skew if comparable else None, now),
        certificate_expiring(name, expires, now),
    )

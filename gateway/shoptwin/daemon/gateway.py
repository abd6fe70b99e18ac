"""The gateway: makes every part from the configuration, ties them together, runs them, and ends them in order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from shoptwin import __version__
from shoptwin.acquire.device import DeviceTask
from shoptwin.acquire.groups import plan
from shoptwin.acquire.registry import keep_certificates, preload
from shoptwin.acquire.scaling import Scaling
from shoptwin.alarms.bad_data import BadData
from shoptwin.alarms.book import AlarmBook
from shoptwin.alarms.definitions import define
from shoptwin.alarms.limits import LimitJudge
from shoptwin.alarms.maintenance import Maintenance
from shoptwin.assess.assessor import Assessor
from shoptwin.assess.shelf import ModelShelf
from shoptwin.daemon.assessing import Assessing
from shoptwin.daemon.changes import moved_devices, touched_devices
from shoptwin.daemon.control import Door
from shoptwin.daemon.health import Caretaker
from shoptwin.daemon.learning import Learner
from shoptwin.daemon.memories import LedgerMemories
from shoptwin.daemon.record import Record
from shoptwin.daemon.telling import Teller
from shoptwin.domain.errors import ConfigError, ShoptwinError
from shoptwin.domain.tag import TagTable
from shoptwin.domain.timing import HOUR, MINUTE
from shoptwin.pipeline import Pipeline
from shoptwin.publish.composer import Composer
from shoptwin.publish.publisher import Publisher
from shoptwin.runtime.executor import Worker
from shoptwin.runtime.notify import notify
from shoptwin.runtime.supervise import Progress, supervise
from shoptwin.serve.server import serve
from shoptwin.store.feedback import load_moves
from shoptwin.store.ledger import Ledger, load_alarms, load_maintenance, next_sequence
from shoptwin.store.mark import check_whole
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore
from shoptwin.twin.summary import Summaries
from shoptwin.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from shoptwin.config import Config
    from shoptwin.domain.ports import Plugin
    from shoptwin.runtime.clock import Clock

CANCEL_AGAIN = 1.5
"""Real seconds that a task is given to end; closing a session in good manners takes a device some of them."""
TICK_EVERY = 0.1
"""Real seconds between two looks for delays that have run out."""

log = structlog.get_logger(__name__)


class Gateway:
    """One running gateway. Its parts are its public attributes, for its doors and its caretaker."""

    def __init__(self, loaded: Config, drivers: Mapping[str, Plugin], clock: Clock, load: Callable[[], Config]) -> None:
        self.config = loaded
        self.drivers = drivers
        self.directory = loaded.store.directory
        self._load = load
        self.clock = clock
        preload(loaded.devices, drivers)
        self.started = clock.now()
        self.table = TagTable(loaded.tags)
        self.progress = Progress()
        self.worker = Worker()
        self.devices: dict[str, DeviceTask] = {}
        self.publisher: Publisher | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stopping = False
        self._reload_wanted = asyncio.Event()
        self._changing = asyncio.Lock()
        """Held by a reload and by the end: one at a time."""
        keep_certificates(drivers, self.directory, loaded.gateway.site, loaded.gateway.name)
        self._open_stores()
        self._build()

    # What there is.

    def _open_stores(self) -> None:
        check_whole(self.directory)
        self.ledger = Ledger.open(self.directory / "ledger.db")
        self._memories = LedgerMemories(self.ledger)
        self.samples = SampleStore.open(self.directory / "twin.db", self.table, Keep.of(self.config.store))

    def _build(self) -> None:
        loaded, table, now = self.config, self.table, self.clock.now()
        starts = self.ledger.writer.submit(lambda tx: next_sequence(tx, "starts")).result(30)
        with self.ledger.reader() as reader:
            states, windows, moves = load_alarms(reader), load_maintenance(reader), load_moves(reader)
        reader.close()
        self.composer = Composer(
            loaded.gateway.site, loaded.gateway.name, loaded.machines, version=__version__, started=now, start=starts
        )
        self.record = Record(self.ledger, self.composer, self.wake, publishing=loaded.mqtt is not None)
        judge = LimitJudge(table, loaded.machines)
        judge.restore(states)
        shelf = ModelShelf(unsigned=loaded.unsigned_models)
        assessor = Assessor(table, loaded.machines, shelf, self.directory / "learned")
        assessor.restore(states)
        assessor.allowances.take(moves)
        self.pipeline = Pipeline(
            clock=self.clock,
            table=table,
            configured=loaded.machines,
            twin=Twin(table, loaded.machines),
            judge=judge,
            bad_data=BadData(table),
            book=AlarmBook(define(loaded.machines, loaded.devices), states),
            maintenance=Maintenance(table, loaded.machines, windows),
            assessor=assessor,
            summaries=(Summaries(table, loaded.machines, MINUTE), Summaries(table, loaded.machines, HOUR)),
            samples=self.samples,
            transitions=self.record,
        )
        self.assessing = Assessing(self.pipeline, self.worker, self.progress, self.record.exceeded)
        self.learner = Learner(self.pipeline, self.samples, self.worker, self.progress, self.directory)
        self.teller = Teller(self)
        self.caretaker = Caretaker(self)

    def wake(self) -> None:
        """Say that something was committed to the outbox; called in the ledger's thread."""
        if self.publisher is not None:
            self.publisher.wake()

    # What runs.

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end in order: no more polls, flush, goodbye, close; within 5 s."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.pipeline.resume()
                self._start_devices()
                self._start_publisher()
                self._start("assess", self.assessing.run())
                self._start("tick", self._tick())
                self._start("learn", self.learner.run())
                self._start("care", self.caretaker.run())
                self._start("retain", self.caretaker.retain())
                self._start("tidy", self.caretaker.tidy())
                self._start("verify", self.caretaker.verifier.run())
                self._start("tell", self.teller.run())
                self._start("serve", serve(Door(self), self.config.serve))
                self._start("reload", self._reload())
                notify("READY=1")
                log.info("running", machines=len(self.config.machines), tags=len(self.config.tags))
                await stop.wait()
                notify("STOPPING=1")
                async with self._changing:
                    await self._stop()
        finally:
            self.worker.close()
            self.samples.close()
            self.ledger.close()

    def _start(self, name: str, body: Coroutine[None, None, None]) -> None:
        assert self._group is not None  # noqa: S101 - tasks are started in `run` alone
        self._tasks[name] = self._group.create_task(body, name=name)

    async def _end(self, *names: str) -> None:
        tasks = {task for name in names if (task := self._tasks.pop(name, None))}
        while tasks:  # whatever swallows a cancellation is asked again
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN)

    async def _stop(self) -> None:
        """End in order, each step within its share of the 5 s that are promised."""
        log.info("stopping")
        self._stopping = True
        await self._end(*(name for name in self._tasks if name != "publish"))
        async with asyncio.TaskGroup() as last:
            last.create_task(asyncio.to_thread(self.samples.flush, 1.0))
            last.create_task(self.assessing.end())
            if self.publisher is not None:
                last.create_task(self.publisher.aclose(2.0, self.teller.status(online=False, clean=True)))
        await self._end("publish")

    async def _tick(self) -> None:
        while True:
            self.progress.expect("tick", 30)
            self.pipeline.tick()
            await asyncio.sleep(TICK_EVERY)

    # Devices and broker.

    def _start_devices(self) -> None:
        scaling = Scaling(self.table)
        for device in self.config.devices:
            name = f"device {device.name}"
            if name in self._tasks:
                continue
            plugin = self.drivers[device.driver]
            task = DeviceTask(
                device, plugin, plan(device, self.table, plugin), scaling, self.clock,
                take=self.pipeline.take, changed=self.pipeline.device, memories=self._memories,
            )  # fmt: skip
            self.devices[device.name] = task
            self._start(name, task.run(self.progress))

    def _start_publisher(self) -> None:
        if self.config.mqtt is None:
            return
        self.publisher = publisher = Publisher(
            self.config.mqtt, self.composer, self.ledger, self.clock, connected=self.teller.connected
        )
        self._start("publish", supervise("publish", publisher.run, progress=self.progress))

    # Reload.

    def reload_soon(self) -> None:
        """Reload when the loop comes to it: for SIGHUP, where there is nobody to tell an error but the log."""
        self._reload_wanted.set()

    async def _reload(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            with suppress(ShoptwinError):  # it is in the log, and the old configuration goes on
                await self.reload()

    async def reload(self) -> list[str]:
        """Take on what changed in the file, and nothing else; return what changed, in words.

        Raises:
            ConfigError: the file is wrong; the old configuration goes on.
        """
        async with self._changing:
            return await self._reloaded()

    async def _reloaded(self) -> list[str]:
        if self._stopping:
            raise ConfigError("the daemon is stopping", "reload it once it runs again")
        notify("RELOADING=1")
        try:
            changes = await self._apply(await asyncio.to_thread(self._load))
        except ConfigError as error:
            log.error("not reloaded; the old configuration goes on", reason=str(error))  # noqa: TRY400 - foreseen
            raise
        finally:
            notify("READY=1")
        log.info("reloaded", changes=changes)
        return changes

    async def _apply(self, new: Config) -> list[str]:
        old = self.config
        if new.gateway != old.gateway or new.serve != old.serve or new.store != old.store:
            raise ConfigError(
                "[gateway], [serve] and [store] are read at the start alone", "restart the daemon to change them"
            )
        await asyncio.to_thread(preload, new.devices, self.drivers)
        definitions = define(new.machines, new.devices)
        touched = touched_devices(old, new) | self._left_alone()
        stay = {name: task for name, task in self.devices.items() if name not in touched}
        touched |= await asyncio.to_thread(moved_devices, stay, self.table, self.drivers)
        await self._end(*(f"device {name}" for name in touched))
        for name in touched:
            self.devices.pop(name, None)
        bases, alarms = self.composer.bases(), self.pipeline.book.definitions.values()
        async with self.worker.turn:  # no window is being judged, and nothing learned put into use, meanwhile
            self.config = new
            self.record.publishing = new.mqtt is not None
            self.table.replace(new.tags)
            self.samples.configure(self.table, Keep.of(new.store))
            self.composer.configure(new.machines)
            await self.worker.run(lambda: self.pipeline.assessor.configure(self.table, new.machines))
            self.pipeline.configure(self.table, new.machines, definitions)
        gone = {name: base for name, base in bases.items() if self.composer.bases().get(name) != base}
        self.teller.move(gone, [(a.machine, a.id) for a in alarms])
        self._start_devices()
        changes = [f"device {name}" for name in sorted(touched)]
        if new.mqtt != old.mqtt:
            await self._change_broker()
            changes.append("mqtt")
        if new.machines != old.machines:
            changes.append("machines")
        return changes

    async def _change_broker(self) -> None:
        if self.publisher is not None:
            await self.publisher.aclose(3.0)
            await self._end("publish")
            self.publisher = None
        self._start_publisher()

    def _left_alone(self) -> set[str]:
        """Return the devices that refused us or whose driver failed: a reload tries them again."""
        return {name for name in self.devices if (task := self._tasks.get(f"device {name}")) and task.done()}

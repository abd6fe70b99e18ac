"""The practice plant as a whole: machines, clock, servers and control port, from start to end."""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shoptwin.sdk import ConfigError, iso
from shoptwin_plant.clock import MILLI, SECOND, PlantClock, wall
from shoptwin_plant.config_text import config_text, write_config
from shoptwin_plant.control import Desk, ask, control
from shoptwin_plant.faults import KINDS, Faults
from shoptwin_plant.info import ClockInfo, MachineInfo, PlantInfo, PlantOptions, TagInfo
from shoptwin_plant.machines import simulated
from shoptwin_plant.physics.life import calendar
from shoptwin_plant.recorded import Recorded
from shoptwin_plant.registers import ENDED, RUNNING, Registers, node_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoptwin_plant.model import PlantMachine
    from shoptwin_plant.serve_opcua import OpcUaPlant
    from shoptwin_plant.simulated import Simulated

FASTEST_SIMULATION = 3600.0
"""Plant seconds a real second that the simulated machines can keep up with."""


class PracticePlant:
    """What the entry point `practice` in the group `shoptwin.plants` gives."""

    name = "practice"

    async def serve(self, options: PlantOptions, ready: Callable[[PlantInfo], None]) -> None:
        """Serve until cancelled, or until all recordings have ended where `exit_at_end` asks for it.

        `ready` is called once everything can be reached.

        Raises:
            ConfigError: an option cannot be met. RecordingError: nothing of a recording can be read; or, at the end
                with `exit_at_end`, that one was cut off or damaged.
        """
        if not (math.isfinite(options.rate) and options.rate > 0):
            raise ConfigError(f"the rate {options.rate} cannot be", "Give a number above 0", code="plant")
        await _Run(options).serve(ready)

    def inject(
        self, control: str, fault: str, machine: str, over: str = "", *, growth: str = "", tag: str = ""
    ) -> dict[str, Any]:
        """Inject a fault into a running plant (its control port as HOST:PORT); `over` is plant time such as `40m`.

        Raises:
            NotConnected: no plant answers there. ConfigError: it refuses; says why, and what it would accept.
        """
        request = {"fault": fault, "machine": machine, "over": over, "growth": growth, "tag": tag}
        return ask(control, {key: value for key, value in request.items() if value})

    def clear(self, control: str, machine: str, fault: str = "") -> dict[str, Any]:
        """Repair one fault of a machine, or all. Raises as `inject` does."""
        return ask(control, {"clear": fault, "machine": machine})

    def status(self, control: str) -> dict[str, Any]:
        """Return plant time, faults with their severity, and how far recordings are. Raises as `inject` does."""
        return ask(control, {"status": True})

    def faults(self) -> list[tuple[str, str]]:
        """Return name and description of every fault there is."""
        return [(kind.name, kind.description) for kind in KINDS.values()]


class _Run:
    """One run of the plant."""

    def __init__(self, options: PlantOptions) -> None:
        self._options = options
        self._recorded = _open(options)
        begin = options.epoch
        if begin is None:
            begin = self._recorded[0].recording.start if self._recorded else wall()
        self._epoch = begin // MILLI * MILLI
        for machine in self._recorded:
            machine.start_at(self._epoch)
        self._simulated = () if self._recorded else self._simulate()
        self._machines: tuple[PlantMachine, ...] = (*self._recorded, *self._simulated)

    def _simulate(self) -> tuple[Simulated, ...]:
        rate = self._options.rate
        if rate > FASTEST_SIMULATION:
            hint = f"Simulated machines run at most {FASTEST_SIMULATION:g} times as fast as the wall clock"
            raise ConfigError(f"the rate {rate:g} is too fast", hint, code="plant")
        life = calendar(self._epoch) if self._options.calendar else None
        return simulated(self._options.seed, self._epoch, rate, life)

    async def serve(self, ready: Callable[[PlantInfo], None]) -> None:
        from shoptwin_plant.serve_modbus import modbus_rtu, modbus_tcp  # noqa: PLC0415 - heavy, so only when serving
        from shoptwin_plant.serve_opcua import opcua  # noqa: PLC0415

        options = self._options
        async with AsyncExitStack() as stack:
            url, nodes = await stack.enter_async_context(opcua(self._machines, self._epoch, options.opcua_port))
            # Building the address space takes a second or two: the clock starts only now.
            clock = PlantClock(self._epoch, self._origin(), options.rate)
            registers = Registers(self._machines, clock)
            port = await stack.enter_async_context(modbus_tcp(registers, options.modbus_port))
            rtu = await stack.enter_async_context(modbus_rtu(registers)) if options.rtu else ""
            door = await stack.enter_async_context(control(Desk(self._faults(), clock, self._status)))
            info = PlantInfo(
                f"tcp://127.0.0.1:{port}", rtu, url, door,
                ClockInfo(iso(clock.epoch), iso(clock.origin), clock.rate),
                tuple(_told(machine, registers) for machine in self._machines),
            )  # fmt: skip
            await nodes.tell_time(clock.now(), clock.rate)
            if (now := clock.now()) >= clock.epoch:  # whoever reads at once finds values
                for machine in self._machines:
                    await _show(machine, now, registers, nodes)
            ready(self._with_config(info))
            await self._play(clock, registers, nodes)

    async def _play(self, clock: PlantClock, registers: Registers, nodes: OpcUaPlant) -> None:
        """Play all machines; return at the end of all recordings, if that is asked for."""
        await clock.until(clock.epoch)
        registers.status = RUNNING
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(_tell_time(clock, nodes), name="plant time")
            async with asyncio.TaskGroup() as playing:
                for machine in self._machines:
                    playing.create_task(_play(machine, clock, registers, nodes), name=f"play {machine.name}")
            registers.status = ENDED
            if not self._options.exit_at_end:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(self._options.linger)
            ticking.cancel()
        for recorded in self._recorded:
            if recorded.problem is not None:
                raise recorded.problem

    def _origin(self) -> int:
        """Return the wall time at which the plant's clock shows its epoch, in whole milliseconds (ns UTC)."""
        options = self._options
        if self._simulated and options.epoch is None and options.rate == 1:
            return self._epoch  # then plant time is wall time
        return (wall() + round(max(0.0, options.delay) * SECOND)) // MILLI * MILLI

    def _faults(self) -> dict[str, Faults]:
        return {m.name: m.faults for m in self._recorded} | {m.name: m.faults for m in self._simulated}

    def _status(self) -> dict[str, Any]:
        recordings = {
            machine.name: {"ended": machine.ended, "problem": str(machine.problem or "")} for machine in self._recorded
        }
        return {"recordings": recordings}

    def _with_config(self, info: PlantInfo) -> PlantInfo:
        """Write the configuration, where one is asked for, and say where it is."""
        if self._options.directory is None:
            return info
        # Twice as often as rows come, so that none is missed between two polls.
        period = min((machine.interval // 2 for machine in self._recorded), default=SECOND)
        file = write_config(self._options.directory, config_text(info, self._machines, period))
        return replace(info, config=str(file))


async def _play(machine: PlantMachine, clock: PlantClock, registers: Registers, nodes: OpcUaPlant) -> None:
    """Bring one machine's news to the servers as its time comes, until there are no more."""
    while (due := machine.due(clock.now())) is not None:
        await clock.until(due)
        await _show(machine, max(due, clock.now()), registers, nodes)


async def _show(machine: PlantMachine, now: int, registers: Registers, nodes: OpcUaPlant) -> None:
    """Bring what a machine has to tell up to `now` to the servers."""
    for updates in machine.advance(now):
        registers.put(machine.name, updates)
        await nodes.put(machine.name, updates, now)
        await asyncio.sleep(0)  # whoever reads gets a turn between two moments, however late we are


async def _tell_time(clock: PlantClock, nodes: OpcUaPlant) -> None:
    """Tell OPC UA clients the plant's time, every real second."""
    while True:
        await nodes.tell_time(clock.now(), clock.rate)
        await asyncio.sleep(1)


def _open(options: PlantOptions) -> tuple[Recorded, ...]:
    """Open the recordings; machines of the same name get a number."""
    machines: list[Recorded] = []
    for path in options.recordings:
        machine = Recorded(path)
        taken = {other.name for other in machines}
        name, number = machine.name, 2
        while machine.name in taken:
            machine.name = f"{name}-{number}"
            number += 1
        machines.append(machine)
    return tuple(machines)


def _told(machine: PlantMachine, registers: Registers) -> MachineInfo:
    """Return where a machine's tags are served."""
    tags = tuple(
        TagInfo(tag.name, tag.role, tag.unit, registers.address(machine.name, tag.name),
                node_address(machine.name, tag.name), tag.rate)
        for tag in machine.tags
    )  # fmt: skip
    if not isinstance(machine, Recorded):
        return MachineInfo(machine.name, tags)
    start, end = machine.recording.start + machine.shift, machine.recording.end + machine.shift
    return MachineInfo(machine.name, tags, iso(start), iso(end), machine.shift / SECOND, len(machine.recording))

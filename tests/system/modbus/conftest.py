"""The rig of the fault tests: a real server, a proxy that spoils what passes, and a device polled through it."""

from __future__ import annotations

import asyncio
import math
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from pyModbusTCP.server import DataBank, DataHandler, ModbusServer
from umodbus.client.serial.redundancy_check import CRCError
from umodbus.server.serial import get_server
from umodbus.server.serial.rtu import RTUServer

from shoptwin.acquire.device import DeviceTask
from shoptwin.acquire.scaling import Scaling
from shoptwin.domain.device import Device
from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import Role, Tag, TagTable
from shoptwin.runtime.clock import SystemClock
from shoptwin.runtime.supervise import Progress
from shoptwin.testing import free_port, group_of
from shoptwin.testing.faults import (
    Assumption,
    ConverterFaultProxy,
    Fault,
    Link,
    Place,
    PtyFaultProxy,
    TcpFaultProxy,
    Truth,
)
from shoptwin_modbus.plugin import ModbusPlugin
from shoptwin_modbus.target import ModbusSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.testing.faults import FaultProxy

TIMEOUT, TURNAROUND, GAP = 0.08, 0.08, 0.005
PERIOD = 20 * 10**6
BACKOFF = 0.1
"""Seconds between two tries to connect, at most."""
SIDE_BY_SIDE = 12
TICK = 0.05
ASSUMED = Assumption(TIMEOUT, TURNAROUND, GAP)


def flows_within(link: Link) -> float:
    """Return the seconds after a fault within which every tag must be Good again.

    That is the longest backoff that can be in force by then, the runtime's or that of a unit's breaker, and a poll with
    a late reply to each of its blocks. A breaker opens after three silent polls, for a second or, if that is longer, so
    long that a probe of each silent unit takes a twentieth of the line's time. There are two, or the longest fault can
    take one probe of one too, and double that. What a probe takes is measured: on a busy box it is some more.
    """
    silence = TIMEOUT + TURNAROUND * link.checked
    return BACKOFF + 2 * max(1.0, 25 * silence) + 10 * silence


class Wanted(NamedTuple):
    """One tag: its address as it is configured, what it stands on, and its value by the words there."""

    address: str
    place: Place
    value: Callable[[list[int]], Any]


def _number(code: str, *, swapped: bool = False) -> Callable[[list[int]], Any]:
    def value(words: list[int]) -> Any:
        return struct.unpack(f">{code}", struct.pack(f">{len(words)}H", *(words[::-1] if swapped else words)))[0]

    return value


def _block(unit: int, table: int, name: str, start: int) -> list[Wanted]:
    """Return the tags of ten registers: a torn, shifted or foreign block shows in each of them."""
    at = lambda offset, size: Place(unit, table, start + offset, size)  # noqa: E731 - only here
    return [
        Wanted(f"{name}:{start}:uint64@{unit}", at(0, 4), _number("Q")),
        Wanted(f"{name}:{start + 4}:uint32:CDAB@{unit}", at(4, 2), _number("I", swapped=True)),
        Wanted(f"{name}:{start + 6}:int16@{unit}", at(6, 1), _number("h")),
        Wanted(f"{name}:{start + 7}:bit3@{unit}", at(7, 1), lambda words: bool(words[0] >> 3 & 1)),
        Wanted(f"{name}:{start + 8}:int32@{unit}", at(8, 2), _number("i")),
    ]


def _bits(unit: int, table: int, name: str, start: int, count: int) -> list[Wanted]:
    return [
        Wanted(f"{name}:{at}@{unit}", Place(unit, table, at, 1), lambda words: bool(words[0]))
        for at in range(start, start + count)
    ]


# Replies of one shape one after another, of one unit and of two: a late reply of one has the right shape for the next.
LAYOUT = (
    *_block(1, 3, "holding", 0), *_block(1, 3, "holding", 100), *_block(1, 3, "holding", 200),
    *_block(1, 4, "input", 0), *_bits(1, 1, "coil", 0, 32), *_bits(1, 1, "coil", 1000, 32),
    *_block(2, 3, "holding", 0), *_block(2, 3, "holding", 100),
)  # fmt: skip

NEIGHBOUR = (
    *_block(1, 3, "holding", 5000), *_block(1, 3, "holding", 5100), *_block(1, 4, "input", 5000),
    *_bits(1, 1, "coil", 5000, 32), *_block(2, 3, "holding", 5000),
)  # fmt: skip
"""Those of a second device at the same URL: replies of the same shapes, none of which the first may take."""

SEQ, WAVEFORM = Place(1, 3, 2000, 1), Place(1, 3, 2001, 24)
BURST = f"holding:2001:int16[24]:seq=holding:2000@{WAVEFORM.unit}"
"""A waveform, of two requests: the device begins a new one whenever it has served `SLOW` requests."""
SLOW = 30
LARGEST = 16
"""Registers in a request."""


class _Handler(DataHandler):
    """The truth behind pyModbusTCP's server."""

    def __init__(self, truth: Truth) -> None:
        super().__init__(DataBank(virtual_mode=True))
        self._truth = truth
        for table, name in enumerate(("read_coils", "read_d_inputs", "read_h_regs", "read_i_regs"), 1):
            setattr(self, name, lambda address, count, info, table=table: self._read(table, address, count, info))

    def _read(self, table: int, address: int, count: int, info: Any) -> Any:
        return self.Return(0, self._truth.read(info.recv_frame.mbap.unit_id, table, address, count))


class _SerialPort:
    """All that uModbus wants to know of a port whose frames we hand it ourselves."""

    baudrate = 115_200
    timeout = inter_byte_timeout = 0.0


class _Slave(RTUServer):
    """uModbus' slave, the truth behind it."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.truth = Truth(SEQ.start, SLOW)

    def execute_route(self, meta_data: dict[str, int], request_pdu: bytes) -> bytes:
        function, start, count = struct.unpack(">BHH", request_pdu[:5])
        served = self.truth.read(meta_data["unit_id"], function, start, count)
        self.words = dict(zip(range(start, start + count), served, strict=True))
        return super().execute_route(meta_data, request_pdu)


def slave(truth: Truth) -> Callable[[bytes], bytes | None]:
    """Return uModbus' serial slave as a function from a frame to its reply; units 1 and 2 answer, to reading."""
    server = get_server(_Slave, _SerialPort())
    server.truth = truth

    @server.route(slave_ids=[1, 2], function_codes=[1, 2, 3, 4], addresses=range(0x10000))
    def read(slave_id: int, function_code: int, address: int) -> int:  # noqa: ARG001 - uModbus names them
        return server.words[address]

    def answer(frame: bytes) -> bytes | None:
        if len(frame) < 4 or frame[0] not in {1, 2}:
            return None
        try:
            return bytes(server.process(frame))
        except (CRCError, struct.error):
            return None

    return answer


@dataclass
class Outcome:
    """What came of one fault."""

    fault: Fault
    wrong: list[str] = field(default_factory=list)
    """Values that were delivered as Good, or Uncertain, and were not so."""
    stuck: str = ""
    """Why data did not flow again."""
    seconds: float = 0.0
    """From the fault's end to the end of the first poll in which every tag is Good."""
    log: list[str] = field(default_factory=list)
    """What went over the wire."""

    def __str__(self) -> str:
        return "\n  ".join([str(self.fault), *self.wrong[:3], *([self.stuck] if self.stuck else []), *self.log])


class Judge:
    """Looks at every value that a device task hands over, as the store would get it; and is the plugin it opens."""

    outcome: Outcome
    """What comes of the fault that happens now."""

    def __init__(self, truth: Truth, plugin: ModbusPlugin, layout: Sequence[Wanted]) -> None:
        self.layout = layout
        self._good = asyncio.Event()
        """A poll that began after `flows` was called is Good in all tags."""
        self._truth = truth
        self._plugin = plugin
        self._clock = asyncio.get_running_loop().time
        self._before = self._since = self._until = 0
        self._began = self._from = 0.0
        self._count = 0

    def open(self, settings: ModbusSettings) -> Any:
        """Open a connection, and note which generations the device served during each poll."""
        connection = self._plugin.open(settings)
        read = connection.read

        async def watched(group: Any) -> Any:
            self._before = self._since
            self._since, self._count, self._began = self._truth.generation + 1, 0, self._clock()
            try:
                return await read(group)
            finally:
                self._until = self._truth.generation

        connection.read = watched
        return connection

    def take(self, batch: SampleBatch) -> None:
        """Judge a batch."""
        for tag, value, status in zip(batch.tag, batch.values, batch.status, strict=True):
            if is_bad(status):
                continue
            if tag == len(self.layout):
                self._judge_waveform(value.samples.view(np.uint16).tolist())
                continue
            self._count += 1
            candidates = self._truth.candidates(self.layout[tag].place, self._since, self._until)
            if all(self.layout[tag].value(words) != value for words in candidates):
                self.outcome.wrong.append(
                    f"{self.layout[tag].address} = {value!r}, generations {self._since} to {self._until}"
                )
        if self._count == len(self.layout) and self._began >= self._from:
            self._good.set()

    def _judge_waveform(self, words: list[int]) -> None:
        """It must be all of one measurement, and of one that was there since the poll before."""
        measurements = range(self._before, self._until + 1, SLOW)
        if words not in [self._truth.words(WAVEFORM, at) for at in (*measurements, self._until)]:
            where = self._truth.explain(words)
            self.outcome.wrong.append(f"{BURST}, generations {self._before} to {self._until}: {where}")

    async def flows(self, seconds: float) -> bool:
        """Wait until all data flow; tell whether they do in time. While the whole box stands still no time goes by."""
        self._good.clear()
        self._from = self._clock()
        for _ in range(math.ceil(seconds / TICK)):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._good.wait()
                    return True
        return False


class Rig:
    """Servers for as long as a test runs, and what makes a fault happen before one of them."""

    def __init__(self) -> None:
        self._idle: list[tuple[ModbusServer, Truth]] = []
        self._all: list[ModbusServer] = []

    async def run(self, faults: Sequence[Fault], *, devices: int = 1, **settings: Any) -> list[Outcome]:
        """Poll, let one fault of a link after another happen, and poll on until all is Good again after each.

        `devices`: how many are polled at the one URL, side by side.
        """
        outcomes: list[Outcome] = []
        link = faults[0].link
        async with self._proxied(link) as (proxy, truth):
            plugin = ModbusPlugin()
            judges = [Judge(truth, plugin, layout) for layout in (LAYOUT, NEIGHBOUR)[:devices]]
            tasks = [self._task(proxy.url, judge, link, settings) for judge in judges]
            running = [asyncio.create_task(task.run(Progress())) for task in tasks]
            try:
                for fault in faults:
                    outcomes.append(outcome := Outcome(fault))
                    await self._happen(outcome, proxy, judges)
                    if any(each.done() for each in running):
                        outcome.stuck = "; ".join(f"{task.health} {task.reason}" for task in tasks)
                    outcome.log = list(proxy.log)
            finally:
                for each in running:
                    each.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        return outcomes

    async def run_all(self, faults: Iterable[Fault], *, in_a_row: int = 1, **settings: Any) -> list[Outcome]:
        """Run many side by side, each on a connection of its own or so many in a row on one."""
        faults = list(faults)
        queue = iter([faults[i : i + in_a_row] for i in range(0, len(faults), in_a_row)])

        async def work() -> list[Outcome]:
            return [outcome for some in queue for outcome in await self.run(some, **settings)]

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for _ in range(SIDE_BY_SIDE)]
        return [outcome for task in tasks for outcome in task.result()]

    def stop(self) -> None:
        """Stop the servers."""
        with ThreadPoolExecutor(len(self._all) or 1) as pool:  # each takes up to half a second
            list(pool.map(ModbusServer.stop, self._all))

    async def _happen(self, outcome: Outcome, proxy: FaultProxy, judges: Sequence[Judge]) -> None:
        for judge in judges:
            judge.outcome = outcome
        if not await self._flow(judges, 5):
            outcome.stuck = "no data before the fault"
            return
        proxy.arm(outcome.fault)
        async with asyncio.timeout(30):
            await proxy.over()
        began, within = asyncio.get_running_loop().time(), flows_within(outcome.fault.link)
        if not await self._flow(judges, within):
            outcome.stuck = f"no data {within:.1f} s after the fault"
        outcome.seconds = asyncio.get_running_loop().time() - began

    @staticmethod
    async def _flow(judges: Sequence[Judge], seconds: float) -> bool:
        """Wait until all data of all devices flow; tell whether they do in time."""
        return all(await asyncio.gather(*(judge.flows(seconds) for judge in judges)))

    @asynccontextmanager
    async def _proxied(self, link: Link) -> AsyncIterator[tuple[FaultProxy, Truth]]:
        if link.checked:
            truth = Truth(SEQ.start, SLOW)
            make = PtyFaultProxy if link is Link.RTU else ConverterFaultProxy
            async with make(slave(truth), ASSUMED) as proxy:
                yield proxy, truth
            return
        server, truth = self._idle.pop() if self._idle else self._serve()
        async with TcpFaultProxy(server.port, ASSUMED, pipelined=link is Link.PIPELINED) as proxy:
            yield proxy, truth
        self._idle.append((server, truth))

    def _serve(self) -> tuple[ModbusServer, Truth]:
        truth = Truth(SEQ.start, SLOW)
        server = ModbusServer("127.0.0.1", free_port(), no_block=True, data_hdl=_Handler(truth))
        server.start()
        self._all.append(server)
        return server, truth

    @staticmethod
    def _task(url: str, judge: Judge, link: Link, more: dict[str, Any]) -> DeviceTask:
        settings = ModbusSettings(
            url=url, timeout=f"{TIMEOUT}s", turnaround=f"{TURNAROUND}s", frame_gap=f"{GAP}s",
            in_flight=4 if link is Link.PIPELINED else 1, max_block=LARGEST, **more,
        )  # fmt: skip
        addresses = [wanted.address for wanted in judge.layout]
        group = group_of(ModbusPlugin(), [*addresses, BURST] if judge.layout is LAYOUT else addresses, period=PERIOD)
        group = replace(group, points=tuple(replace(point, rate=1000.0) for point in group.points))
        table = TagTable([Tag(str(i), str(i), "m", Role.OTHER) for i in range(len(group.points))])
        task = DeviceTask(
            Device("device", "modbus", PERIOD, settings), judge, (group,), Scaling(table), SystemClock(),
            take=judge.take, changed=lambda _: None,
        )  # fmt: skip
        task.breaker.first = task.breaker.most = BACKOFF
        return task


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one fault be repeated: `make faults ARGS="--fault tcp/reply/late/7"`."""
    parser.addoption("--fault", type=Fault.parse, help="repeat one seeded fault by its name, and show what it did")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests here, run those of many faults or, where one is named, the test of that one."""
    named = config.getoption("--fault", default=None) is not None
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    left_out = [item for item in here if ("named_fault" in getattr(item, "fixturenames", ())) != named]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def named_fault(request: pytest.FixtureRequest) -> Fault:
    """Give the fault that was named on the command line."""
    fault: Fault = request.config.getoption("--fault")
    return fault


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[list[Outcome]], None]:
    """Give what shows, of many outcomes, how many there are and how soon data flowed again."""

    def tell(outcomes: list[Outcome]) -> None:
        seconds = sorted(outcome.seconds for outcome in outcomes)
        median, last = seconds[len(seconds) // 2], seconds[-1]
        with capsys.disabled():
            sys.stdout.write(f"\n{len(outcomes)} faults; data flow again after {median:.2f} s, {last:.2f} s at most ")

    return tell


@pytest.fixture
def check() -> Callable[[list[Outcome]], None]:
    """Give what fails with all that went wrong, which an assertion would cut."""

    def check(outcomes: list[Outcome]) -> None:
        if failed := "\n".join(str(outcome) for outcome in outcomes if outcome.wrong or outcome.stuck):
            pytest.fail(failed, pytrace=False)

    return check


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Give what makes faults happen."""
    rig = Rig()
    yield rig
    rig.stop()

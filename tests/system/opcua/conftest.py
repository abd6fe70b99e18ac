"""The rig of the fault tests: a real server, a proxy that spoils what passes, a device acquired through it, a judge."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from asyncua import Client, ua

from shoptwin.acquire.device import DeviceTask
from shoptwin.acquire.scaling import Scaling
from shoptwin.domain.device import Device
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import Role, Tag, TagTable
from shoptwin.runtime.clock import SystemClock
from shoptwin.runtime.supervise import Progress
from shoptwin.testing import group_of
from shoptwin.testing.faults.opcua import ON_THE_WIRE, OpcUaFaultProxy, Round, Times
from shoptwin.testing.faults.opcua_truth import COUNT, FAST, GENERATION, OpcUaTruth
from shoptwin.testing.node_opcua import NodeOpcua, missing
from shoptwin_opcua.plugin import OpcUaPlugin
from shoptwin_opcua.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from shoptwin.domain.batch import SampleBatch

REPOSITORY = Path(__file__).resolve().parents[3]
TIMEOUT, KEEP_ALIVE, PERIOD = 1.0, 0.3, 0.1
SILENCE = (math.ceil(KEEP_ALIVE / PERIOD) + 1) * PERIOD + TIMEOUT
"""Seconds after which a subscription that says nothing is taken for lost (README, "What happens when")."""
TIMES = Times(TIMEOUT, SILENCE)
CLOSING = 1.5
BACKOFF = 0.2
"""Seconds between two tries to connect, at most."""
MOST_SESSIONS = 2
OLDEST = SILENCE + 4 * TIMEOUT + 1.0
"""Seconds by which a value may be late: what was under way when a subscription fell silent, until that was noticed."""
LATE = 0.1
"""Seconds by which two clocks may differ that are read one after another by two processes."""
FLOWS_WITHIN = SILENCE + CLOSING + BACKOFF + 4 * TIMEOUT + BACKOFF + 1.0
"""Seconds after a fault within which every tag is there again: the loss is noticed, or a try that hangs given up, the
old connection closed, one backoff, and a new connection."""
REFRESH = 3.0
"""Seconds after which the driver reads silent nodes: longer than SETTLES, so that what it has lost is seen before."""
TICK = 0.05
FLOWS_ON = 3 * PERIOD + TICK
"""Seconds within which data come that flow."""
LEARNS_WITHIN = 1.5
"""Seconds after which the driver knows the sampling rates of what has come back: it asks for them 1 s after that."""
SETTLES = 1.5
"""Seconds after data flow again within which what changed rarely, and stays, is known as it is."""
_UNBUILT = frozenset({
    StatusCode.BAD_NODE_ID_UNKNOWN, StatusCode.BAD_NODE_ID_INVALID, StatusCode.BAD_CONFIGURATION_ERROR,
})  # fmt: skip
"""What the driver says of variables that are not there yet, and of an array whose rate was not there."""
OVERLOADED = TIMEOUT / 2
"""Seconds for a direct answer of the server from which on a try that fails proves nothing: the box is too busy."""
FREEZES = (75.0, 120.0)
"""Seconds for which a server that is stopped for minutes is; it drops a silent session after 30."""
TRIES = 3
"""How often a round may be let happen until the box is not."""


@dataclass
class Outcome:
    """What came of one round."""

    round: Round
    wrong: list[str] = field(default_factory=list)
    """What was delivered, and was not so."""
    stuck: str = ""
    """Why data did not flow again."""
    sessions: int = 0
    """The most that the server held of ours at a time."""
    left: int = 0
    """How many it holds when data flow again."""
    disturbed: bool = False
    """Whether the box was too busy to tell."""
    seconds: float = 0.0
    """From the fault's end until all tags are there again."""
    log: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether it is as it must not be."""
        return bool(self.wrong or self.stuck or self.sessions > MOST_SESSIONS)

    def __str__(self) -> str:
        told = [str(self.round), *self.wrong[:3], self.stuck, f"{self.sessions} sessions", *self.log]
        return "\n  ".join(line for line in told if line)


class Judge:
    """Looks at all that a device task hands over, as the store would get it; and is the plugin that it opens."""

    outcome: Outcome

    def __init__(self, truth: OpcUaTruth, plugin: OpcUaPlugin) -> None:
        self.opened = 0
        """Connections since the fault was over."""
        self.unbuilt = -1
        """The last generation in which the server was not whole."""
        self._truth, self._plugin = truth, plugin
        self._oldest = 0
        self._fresh: set[int] = set()
        self._changes: dict[int, int] = {}
        """Of the variables that change rarely: which change was told last."""
        self._from = 0
        self._all = asyncio.Event()

    def open(self, settings: Settings) -> Any:
        """Open a connection. What comes by it is no older than it, and what is read no older than the request."""
        self.opened += 1
        self._oldest = self._now(LATE)
        connection = self._plugin.open(settings)
        if settings.mode == "poll":
            read = connection.read  # type: ignore[attr-defined]

            async def watched(group: Any) -> Any:
                self._oldest = self._now(LATE)
                return await read(group)

            connection.read = watched  # type: ignore[attr-defined]
        return connection

    def take(self, batch: SampleBatch) -> None:
        """Judge a batch."""
        if batch.group == "device":  # the runtime says that there is no value
            return
        oldest = max(self._oldest, self._now(OLDEST))
        columns = zip(batch.tag, batch.values, batch.status, batch.source_time, strict=True)
        for tag, value, status, at in columns:
            if status in _UNBUILT and self.unbuilt >= oldest:
                continue
            if wrong := self._truth.judge(int(tag), value, int(status), int(at), oldest):
                self.outcome.wrong.append(wrong)
            elif tag >= FAST:
                self._changes[int(tag)] = self._truth.change(int(tag), value, sys.maxsize) or 0
            elif self._truth.generation(int(at)) >= self._from:
                self._fresh.add(int(tag))
        if len(self._fresh) == FAST:
            self._all.set()

    async def flows(self, seconds: float) -> bool:
        """Wait until all tags have come anew; tell whether they do in time, in which this process did run."""
        self._from = self._now(0)
        self._fresh.clear()
        self._all.clear()
        for _ in range(math.ceil(seconds / TICK)):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._all.wait()
                    return True
        return False

    async def settles(self, seconds: float) -> str:
        """Wait until all that changes rarely is known as it is by now; return what is not in time, empty for none."""
        by = time.time_ns() - round(LATE * 1e9)
        wanted = {n: self._truth.changes(n, by) for n in range(FAST, COUNT)}
        for _ in range(math.ceil(seconds / TICK)):
            await asyncio.sleep(TICK)
            behind = {n: change for n, change in wanted.items() if self._changes.get(n, -1) < change}
            if not behind:
                return ""
        told = [f"t{n} stays at change {self._changes.get(n)}, and is at {change}" for n, change in behind.items()]
        return "; ".join(told)

    def _now(self, before: float) -> int:
        return self._truth.generation() - math.ceil(before * 1e9 / GENERATION)


class Census:
    """Asks the server, by a session of its own, how many others there are (CurrentSessionCount, Part 5, 6.3.3)."""

    def __init__(self) -> None:
        self.most = self.now = 0
        self._over = False
        self._slowest = 0.0
        self._asked: float | None = None

    def begin(self) -> None:
        """Reckon from now on how long the server takes."""
        self._slowest = 0.0
        self._asked = None if self._asked is None else asyncio.get_running_loop().time()

    @property
    def slowest(self) -> float:
        """The longest that an answer took, or has taken so far, or that this process stood still, s."""
        waits = 0.0 if self._asked is None else asyncio.get_running_loop().time() - self._asked
        return max(self._slowest, waits)

    async def end(self, counting: asyncio.Task[None]) -> None:
        """End the count, even where asyncua makes another error of the cancellation."""
        self._over = True
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)

    async def count(self, url: str) -> None:
        """Count until the end, on a new session where the server was started anew; a stopped server is waited for."""
        loop = asyncio.get_running_loop()
        while not self._over:
            self._asked = loop.time()
            with suppress(OSError, TimeoutError, ua.UaError):
                async with Client(url, timeout=2 * FREEZES[1]) as client:
                    node = client.get_node(
                        ua.NodeId(ua.ObjectIds.Server_ServerDiagnostics_ServerDiagnosticsSummary_CurrentSessionCount)
                    )
                    while not self._over:
                        self.now = await node.read_value() - 1
                        self.most, self._slowest, self._asked = max(self.most, self.now), self.slowest, None
                        slept = loop.time()
                        await asyncio.sleep(TICK)
                        self._asked = loop.time()
                        # Where this very process stood still, so did the client that runs in it.
                        self._slowest = max(self._slowest, self._asked - slept - TICK)
            await asyncio.sleep(TICK)


class Lane:
    """One server, and the rounds that happen to its one client one after another."""

    def __init__(self, folder: Path, mode: str, security: str, starting: asyncio.Semaphore) -> None:
        """`starting`: how many servers may start at a time."""
        self._starting = starting
        self._folder, self._mode, self._security = folder, mode, security
        self._truth = OpcUaTruth.now()
        self._server = NodeOpcua(
            REPOSITORY, truth=self._truth.since // 10**6, secure=security != "none", pki=str(folder / "server")
        )
        self._census = Census()
        plugin = OpcUaPlugin()
        plugin.keep_in(folder / "gateway", "plant", "gateway")
        self._plugin = plugin
        self._judge = Judge(self._truth, plugin)

    async def run(self, rounds: Sequence[Round]) -> list[Outcome]:
        """Let one round after another happen to a device that is acquired, each once all is well again."""
        outcomes: list[Outcome] = []
        async with self._proxied() as proxy:
            task = await self._task(proxy)
            running = asyncio.create_task(task.run(Progress()))
            try:
                for round_ in rounds:
                    for _ in range(TRIES):
                        outcome = await self._round(round_, proxy)
                        if running.done() or outcome.wrong or not outcome.stuck or not outcome.disturbed:
                            break
                    if running.done():
                        outcome.stuck = f"the device task ended: {task.health} {task.reason}"
                    outcomes.append(outcome)
                    if running.done():
                        break
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        return outcomes

    async def _round(self, round_: Round, proxy: OpcUaFaultProxy) -> Outcome:
        judge, census = self._judge, self._census
        judge.outcome = outcome = Outcome(round_)
        census.most = census.now
        census.begin()
        if not await judge.flows(2 * FLOWS_WITHIN):
            outcome.stuck, outcome.disturbed = "no data before the fault", census.slowest > OVERLOADED
            outcome.log = list(proxy.log)
            return outcome
        if round_.kind in ON_THE_WIRE:
            await proxy.happen(round_, TIMES)
        else:
            await self._at_the_server(round_)
        began, judge.opened = asyncio.get_running_loop().time(), 0
        census.begin()
        for _ in range(2):
            if not await judge.flows(FLOWS_WITHIN):
                outcome.stuck = f"no data {FLOWS_WITHIN:.1f} s after the fault, and {judge.opened} tries"
                break
            outcome.seconds, opened = asyncio.get_running_loop().time() - began, judge.opened
            outcome.stuck = await judge.settles(SETTLES)
            if not outcome.stuck or (opened == judge.opened and await judge.flows(FLOWS_ON)):
                break  # else that was the last word of a connection that was dead already, as answers go on in a hole
        if judge.opened > 1:
            outcome.stuck = outcome.stuck or f"{judge.opened} tries after the fault"
        outcome.left = census.now
        outcome.sessions, outcome.log, outcome.disturbed = census.most, list(proxy.log), census.slowest > OVERLOADED
        return outcome

    async def _at_the_server(self, round_: Round) -> None:
        draw, server, judge = round_.draw("server"), self._server, self._judge
        if round_.kind in {"stop", "freeze"}:
            server.pause()
            await asyncio.sleep(draw.uniform(1, 4) * SILENCE if round_.kind == "stop" else draw.uniform(*FREEZES))
            server.resume()
            return
        server.kill()
        await asyncio.sleep(draw.uniform(0, 1))
        empty = round_.kind == "empty"
        moved = {"namespaces": draw.randint(0, 3)} if round_.kind == "moved" else {}
        judge.unbuilt = sys.maxsize if empty else judge.unbuilt
        async with self._starting:
            await asyncio.to_thread(server.start, empty=empty, **moved)
        if empty:
            await asyncio.sleep(draw.uniform(0, 1))
            half = draw.randrange(1, COUNT)
            server.do("build", first=0, last=half)
            await asyncio.sleep(draw.uniform(0, 1))
            server.do("build", first=half, last=COUNT)
            judge.unbuilt = self._truth.generation() + round(LEARNS_WITHIN * 1e9) // GENERATION

    @asynccontextmanager
    async def _proxied(self) -> AsyncIterator[OpcUaFaultProxy]:
        async with self._starting:
            await asyncio.to_thread(self._server.start)
        counting = asyncio.create_task(self._census.count(self._server.url))
        try:
            async with OpcUaFaultProxy(self._server.port) as proxy:
                yield proxy
        finally:
            await self._census.end(counting)
            self._server.kill()

    async def _task(self, proxy: OpcUaFaultProxy) -> DeviceTask:
        settings = Settings(
            url=f"opc.tcp://127.0.0.1:{proxy.port}", mode=self._mode, security=self._security,  # type: ignore[arg-type]
            timeout=f"{TIMEOUT}s", keep_alive=f"{KEEP_ALIVE}s", refresh=f"{REFRESH:g}s",
        )  # fmt: skip
        if self._security != "none":
            # Without haste: the gateway makes its key at first.
            self._plugin.accept(await self._plugin.seen(msgspec.structs.replace(settings, timeout="20s")))
        group = group_of(self._plugin, self._truth.addresses, period=round(PERIOD * 1e9))
        table = TagTable([Tag(str(i), str(i), "m", Role.OTHER) for i in range(COUNT)])
        task = DeviceTask(
            Device("device", "opcua", group.period, settings), self._judge, (group,), Scaling(table), SystemClock(),  # type: ignore[arg-type]
            take=self._judge.take, changed=lambda change: proxy.note(f"{change.health} {change.reason}"),
        )  # fmt: skip
        task.breaker.first = task.breaker.most = BACKOFF
        return task


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one round be repeated: `make faults ARGS="--round subscribe/none/stall/17"`."""
    parser.addoption("--round", type=Round.parse, help="repeat one seeded round of OPC UA by its name")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where a fault or a round is named, run the test of that one alone."""
    round_, fault = (config.getoption(name, default=None) for name in ("--round", "--fault"))
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if round_ is None:
        left_out = [item for item in here if fault is not None or "named_round" in getattr(item, "fixturenames", ())]
    else:
        left_out = [item for item in items if "named_round" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def named_round(request: pytest.FixtureRequest) -> Round:
    """Give the round that was named on the command line."""
    found: Round = request.config.getoption("--round")
    return found


@pytest.fixture
def judge() -> Callable[[OpcUaTruth], Judge]:
    """Give a judge of what is handed to it: `judge(truth)`."""

    def make(truth: OpcUaTruth) -> Judge:
        made = Judge(truth, OpcUaPlugin())
        made.outcome = Outcome(Round("subscribe", "none", "cut", 1))
        return made

    return make


@pytest.fixture
def happen(tmp_path: Path) -> Callable[..., Awaitable[list[Outcome]]]:
    """Give what lets rounds happen: those of each lane one after another, the lanes side by side."""
    if why := missing(REPOSITORY):
        pytest.skip(why)

    async def happen(*lanes: Sequence[Round]) -> list[Outcome]:
        starting = asyncio.Semaphore(4)
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number, rounds in enumerate(lanes):
                folder = tmp_path / str(number)
                folder.mkdir()
                tasks.append(group.create_task(Lane(folder, rounds[0].mode, rounds[0].security, starting).run(rounds)))
        return [outcome for task in tasks for outcome in task.result()]

    return happen


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[list[Outcome]], None]:
    """Give what shows, of many outcomes, how many there are and how soon data flowed again."""

    def tell(outcomes: list[Outcome]) -> None:
        seconds = sorted(outcome.seconds for outcome in outcomes)
        median, last = seconds[len(seconds) // 2], seconds[-1]
        most = max(outcome.sessions for outcome in outcomes)
        with capsys.disabled():
            sys.stdout.write(
                f"\n{len(outcomes)} rounds; data flow again after {median:.2f} s, {last:.2f} s at most; "
                f"{most} sessions at most "
            )

    return tell

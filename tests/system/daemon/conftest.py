"""The daemon as a process of its own, against real servers; between the two a watch on every wire."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.domain.errors import ShoptwinError
from shoptwin.serve.client import Client
from shoptwin.testing.node_opcua import NodeOpcua, missing
from shoptwin.testing.watch import ModbusWatch
from shoptwin.testing.watch_opcua import OpcUaWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

REPOSITORY = Path(__file__).resolve().parents[3]
SHOPTWIN = [sys.executable, "-m", "shoptwin"]
_DEVICE_URL = re.compile(r"\b(tcp|opc\.tcp)://127\.0\.0\.1:(\d+)")
_HEAD = '[gateway]\nsite = "plant-1"\nname = "gw"\n'


class Floor:
    """A loop in a thread of its own: the slaves and the watches live there, beside blocking tests."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="floor", daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any], seconds: float = 30) -> Any:
        """Run a coroutine there and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def close(self) -> None:
        """End the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture(scope="session")
def floor() -> Iterator[Floor]:
    """Give the loop."""
    made = Floor()
    yield made
    made.close()


class Wire:
    """What a daemon's device URL leads to: a watch that can be cut, taken away and brought back."""

    def __init__(self, floor: Floor, scheme: str, target: int) -> None:
        self.watch: Any = (ModbusWatch if scheme == "tcp" else OpcUaWatch)(target)
        self.target = target
        self.scheme = scheme
        self._floor = floor
        self._up = False
        self.up()

    @property
    def port(self) -> int:
        """Where the daemon connects to; always the same."""
        port: int = self.watch.port
        return port

    @property
    def faults(self) -> list[str]:
        """Say what was asked for that is not reading."""
        watch = self.watch
        asked = [f"Modbus function {f}: {d!r}" for _, f, d in watch.violations] if self.scheme == "tcp" else []
        asked += [f"OPC UA service {name}" for name in watch.outside] if self.scheme != "tcp" else []
        return asked + ["bytes that are not of the protocol"] * watch.broken

    def up(self) -> None:
        """Answer."""
        if not self._up:
            self._floor.do(self.watch.__aenter__())
            self._up = True

    def down(self) -> None:
        """Be gone: connections are cut, and new ones are refused."""
        if self._up:
            self._floor.do(self.watch.__aexit__(None, None, None))
            self._up = False


class Wires:
    """Every wire of the whole run."""

    def __init__(self, floor: Floor) -> None:
        self.all: list[Wire] = []
        self._floor = floor

    def to(self, scheme: str, target: int) -> Wire:
        """Return a new wire to the server at a port of this box."""
        self.all.append(Wire(self._floor, scheme, target))
        return self.all[-1]

    def asked(self) -> tuple[Counter[int], Counter[str]]:
        """Return how often each Modbus function and each OPC UA service was asked for."""
        functions: Counter[int] = Counter()
        services: Counter[str] = Counter()
        for wire in self.all:
            (functions if wire.scheme == "tcp" else services).update(
                wire.watch.functions if wire.scheme == "tcp" else wire.watch.services
            )
        return functions, services

    def verify(self) -> None:
        """Raise AssertionError where anything but reading was seen on any of them."""
        faults = [fault for wire in self.all for fault in wire.faults]
        assert not faults, f"the daemon asked for more than reading: {faults}"


@pytest.fixture(scope="session")
def wires(floor: Floor) -> Iterator[Wires]:
    """Give the watches of the whole suite; at its end nothing but reading may have been seen on any of them."""
    made = Wires(floor)
    yield made
    for wire in made.all:
        wire.down()
    made.verify()


@pytest.fixture
def own_wires(floor: Floor) -> Iterator[Wires]:
    """Give watches of a test's own, on which it may do what the daemon must not."""
    made = Wires(floor)
    yield made
    for wire in made.all:
        wire.down()


class Slave:
    """A Modbus TCP slave (pymodbus) with registers 0 to 1999; what lies beyond does not exist."""

    def __init__(self, floor: Floor) -> None:
        self.words = [0] * 2000
        self.mute = False
        """Whether it keeps its connections and answers nothing."""
        self.port = 0
        self._floor = floor
        self._server: Any = None
        self.start()

    def start(self) -> None:
        """Listen, on the port of last time."""
        self._floor.do(self._start())

    def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            self._floor.do(self._server.shutdown())
            self._server = None

    def put(self, address: int, *values: float) -> None:
        """Put float32 values, high word first; all words of one value change at once."""
        count = 2 * len(values)
        self.words[address : address + count] = struct.unpack(f">{count}H", struct.pack(f">{len(values)}f", *values))

    async def _start(self) -> None:
        async def answer(_f: int, first: int, start: int, count: int, current: list[int], written: Any) -> Any:
            while self.mute:
                await asyncio.sleep(0.05)
            if written is None:
                current[start - first : start - first + count] = self.words[start : start + count]
                return None
            return ExcCodes.ILLEGAL_FUNCTION

        block = SimData(0, count=len(self.words), values=0, datatype=DataType.REGISTERS, readonly=True)
        self._server = ModbusTcpServer(SimDevice(0, [block], action=answer), address=("127.0.0.1", self.port))
        assert await self._server.listen()
        self.port = self._server.transport.sockets[0].getsockname()[1]


@pytest.fixture
def slave(floor: Floor) -> Iterator[Callable[[], Slave]]:
    """Give a factory of Modbus slaves."""
    made: list[Slave] = []

    def make() -> Slave:
        made.append(Slave(floor))
        return made[-1]

    yield make
    for one in made:
        one.stop()


_PUMP = """
[[device]]
name = "plc1"
driver = "modbus"
url = "tcp://127.0.0.1:{port}"
period = "{period}"

[[machine]]
name = "pump-1"

[machine.learning]
{learning}

[[machine.tag]]
name = "flow"
role = "flow"
unit = "l/min"
device = "plc1"
address = "holding:0:float32"
limits = {{ hi = {hi} }}

[[machine.tag]]
name = "pressure"
role = "pressure"
unit = "bar"
device = "plc1"
address = "holding:2:float32"
"""


class Pump:
    """A pump behind a slave: its flow scatters about 100 l/min and `off`, its pressure about 4 bar."""

    def __init__(self, plc: Slave) -> None:
        self.off = 0.0
        self._plc, self._draw = plc, random.Random(1)

    def work(self, over: threading.Event) -> None:
        """Run until it is over."""
        while not over.wait(0.05):
            self._plc.put(0, self._draw.gauss(100, 2) + self.off, self._draw.gauss(4, 0.1))

    def configuration(self, learning: str, *, period: str = "100ms", hi: float = 500) -> str:
        """Return what a user would write of it."""
        return _PUMP.format(port=self._plc.port, learning=learning, period=period, hi=hi)


@pytest.fixture
def running_pump(slave: Callable[[], Slave]) -> Iterator[Pump]:
    """Give a pump that runs."""
    pump, over = Pump(slave()), threading.Event()
    thread = threading.Thread(target=pump.work, args=(over,))
    thread.start()
    yield pump
    over.set()
    thread.join()


@pytest.fixture
def node_opcua() -> Iterator[Callable[..., NodeOpcua]]:
    """Give a factory of node-opcua servers: `node_opcua(nodes=500)`."""
    if why := missing(REPOSITORY):
        pytest.skip(why)
    made: list[NodeOpcua] = []

    def make(**options: object) -> NodeOpcua:
        made.append(NodeOpcua(REPOSITORY, **options).start())
        return made[-1]

    yield make
    for one in made:
        one.kill()


class Daemon:
    """One gateway: `python -m shoptwin run` on a folder that outlives the process."""

    def __init__(self, folder: Path, wires: Wires) -> None:
        self.folder = folder
        self.path = folder / "shoptwin.toml"
        self.state = folder / "state"
        self.log_path = folder / "daemon.log"
        self.socket = self.state / "shoptwin.sock"
        self.client = Client(self.socket)
        self.process: subprocess.Popen[bytes] | None = None
        self.wires: dict[tuple[str, int], Wire] = {}
        self._all = wires

    def write(self, text: str, broker: Any = None) -> None:
        """Write the configuration: every device's URL leads through a watch."""
        mqtt = f'[mqtt]\nurl = "{broker.url}"\n' if broker else ""
        self.path.write_text(_DEVICE_URL.sub(self._wired, ("" if "[gateway]" in text else _HEAD) + mqtt + text))

    def wire(self, server: Any) -> Wire:
        """Return the wire to a server (anything with a `port`), made where there is none yet."""
        key = ("opc.tcp" if isinstance(server, NodeOpcua) else "tcp"), server.port
        return self.wires.setdefault(key, self.wires.get(key) or self._all.to(*key))

    def urls(self) -> list[str]:
        """Return the devices' URLs as the daemon knows them, each through its watch."""
        return [f"{scheme}://127.0.0.1:{wire.port}" for (scheme, _), wire in self.wires.items()]

    def _wired(self, found: re.Match[str]) -> str:
        key = found[1], int(found[2])
        if key not in self.wires:
            self.wires[key] = self._all.to(*key)
        return f"{found[1]}://127.0.0.1:{self.wires[key].port}"

    def start(self, *options: str, env: dict[str, str] | None = None, wait: bool = True) -> Daemon:
        """Start, and return once it answers on its socket."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*SHOPTWIN, "run", "--config", str(self.path), "--log-format", "json", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | (env or {}),
            )  # fmt: skip
        if wait:
            self.until(lambda _: True, 30)
        return self

    @property
    def log(self) -> str:
        """What it has written so far, over all its runs."""
        return self.log_path.read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        """Ask it how it is."""
        found: dict[str, Any] = self.client.get("/v1/status")
        return found

    def until(self, true: Callable[[dict[str, Any]], object], seconds: float = 15) -> dict[str, Any]:
        """Wait until something is true of its status; return that."""
        assert self.process is not None
        end, found = time.monotonic() + seconds, {}
        while time.monotonic() < end:
            with suppress(ShoptwinError):
                if true(found := self.status()):
                    return found
            assert self.process.poll() is None, f"the daemon ended with {self.process.poll()}:\n{self.log[-3000:]}"
            time.sleep(0.05)
        raise AssertionError(f"in vain: {json.dumps(found)[:3000]}\n{self.log[-3000:]}")

    def tag(self, tag: str) -> dict[str, Any]:
        """Return a tag as it is now, by its id."""
        return next(t for m in self.status()["machines"] for t in m["tags"] if t["id"] == tag)

    def standing(self) -> dict[str, dict[str, Any]]:
        """Return the alarms that stand, by key."""
        return {alarm["key"]: alarm for alarm in self.client.get("/v1/alarms", active="true")}

    def until_standing(self, *keys: str, seconds: float = 15) -> dict[str, dict[str, Any]]:
        """Wait until these alarms are active (a returned one is not)."""
        active = {"unacknowledged", "acknowledged"}
        self.until(lambda _: all(self.standing().get(k, {"state": ""})["state"] in active for k in keys), seconds)
        return self.standing()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line against its socket."""
        return subprocess.run(
            [*SHOPTWIN, *arguments, "--socket", str(self.socket)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def ledger(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return rows of the ledger's file."""
        with closing(sqlite3.connect(f"file:{self.state / 'ledger.db'}?mode=ro", uri=True)) as db:
            return db.execute(query, values).fetchall()

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory, wires: Wires) -> Iterator[Callable[..., Daemon]]:
    """Give a factory of daemons: `daemon(text, broker)`, not started yet; text begins with the first [[device]]."""
    made: list[Daemon] = []

    def make(text: str = "", broker: Any = None) -> Daemon:
        made.append(Daemon(tmp_path_factory.mktemp("gw"), wires))
        made[-1].write(text, broker)
        return made[-1]

    yield make
    for one in made:
        one.kill()
    faults = [fault for one in made for wire in one.wires.values() for fault in wire.faults]
    assert not faults, f"the daemon asked for more than reading: {faults}"

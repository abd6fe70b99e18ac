"""The others: a Modbus slave, a broker, an OPC UA server and the daemon itself, each a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from shoptwin.domain.errors import ShoptwinError
from shoptwin.serve.client import Client
from shoptwin.testing import free_port
from shoptwin.testing.node_opcua import NodeOpcua, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SBIN = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
"""Debian puts mosquitto where only root's PATH looks."""
MIB = 1 << 20
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bytecode")}
"""A daemon that has been installed finds its bytecode; one that compiles its sources at each start is 6 MB larger."""


@cache
def installed() -> dict[str, str]:
    """Return the environment of a daemon whose bytecode was written as an installation writes it."""
    environment = os.environ | BYTECODE
    subprocess.run([sys.executable, "-m", "shoptwin.daemon.bytecode"], env=environment, check=True)
    return environment


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder on the disk of the project, not in memory: what is measured here waits for a real disk."""
    parent = ROOT / "build"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        yield Path(name)


class Slave:
    """The Modbus slave of slave.py."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "slave.py"), str(self.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._answer()

    @property
    def url(self) -> str:
        """What a user would write into the configuration."""
        return f"tcp://127.0.0.1:{self.port}"

    def set(self, address: int, word: int) -> int:
        """Write a holding register; return when (monotonic clock, ns)."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(f"set {address} {word}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if line := self._process.stdout.readline():
            return line.strip()
        raise RuntimeError("the Modbus slave ended")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def slave() -> Iterator[Slave]:
    """Give a running Modbus slave."""
    one = Slave()
    try:
        yield one
    finally:
        one.close()


class Helper:
    """One of this folder's scripts in a process of its own, which answers each line with one line of JSON."""

    def __init__(self, script: str, argument: object) -> None:
        text = argument if isinstance(argument, str) else json.dumps(argument)
        self._script = script
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), text],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.greeting = self._answer()

    def tell(self) -> Any:  # noqa: ANN401 - whatever JSON the script answers with
        """Return what the script has counted."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def cpu(self) -> float:
        """Return the CPU seconds that it has used, all threads."""
        return float(self.tell()["cpu"])

    def _answer(self) -> Any:  # noqa: ANN401
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if line := self._process.stdout.readline():
            return json.loads(line)
        self._log.seek(0)
        raise RuntimeError(f"{self._script} ended:\n{self._log.read()[-2000:]}")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


@contextmanager
def helper(script: str, argument: object) -> Iterator[Helper]:
    """Give a running script of this folder."""
    one = Helper(script, argument)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and those that it starts meanwhile, on one core.

    A write to a process that sleeps on another core wakes that core, and the kernel bills it to the writer, or does not
    where the other is still awake: 40 us that no network has, and most of the noise of what costs 100 us.
    """
    if not hasattr(os, "sched_setaffinity"):  # Linux has it
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def slaves(*plan: dict[str, Any]) -> Iterator[tuple[Helper, list[str]]]:
    """Give the slaves of slaves.py, and their URLs."""
    with helper("slaves.py", plan) as one:
        yield one, one.greeting


def no_node() -> str:
    """Return why node-opcua cannot run here, naming the package; empty where it can."""
    return missing(ROOT)


@contextmanager
def opcua(**options: object) -> Iterator[NodeOpcua]:
    """Give a running node-opcua."""
    server = NodeOpcua(ROOT, **options)
    try:
        yield server.start()
    finally:
        server.kill()


def no_broker() -> str:
    """Return why mosquitto cannot run here, naming the package; empty where it can."""
    return "" if shutil.which("mosquitto", path=SBIN) else "mosquitto is not installed (apt install mosquitto)"


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Give the port of a running mosquitto."""
    port, config = free_port(), folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n")
    program = shutil.which("mosquitto", path=SBIN)
    if program is None:
        raise RuntimeError(no_broker())
    process = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield port
    finally:
        process.kill()
        process.wait()


class Daemon:
    """`shoptwin run` on a configuration, started by `daemon()`."""

    def __init__(self, folder: Path, text: str, *arguments: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "shoptwin.toml"
        config.write_text(text)
        environment, began = installed(), time.perf_counter()
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "shoptwin", "run", "--config", str(config), "--state-dir", str(folder / "state"),
                 "--log-format", "json", *arguments],
                stdout=log, stderr=log, cwd=folder, env=environment,
            )  # fmt: skip
        self.client = Client(folder / "state" / "shoptwin.sock")
        self._process_info = psutil.Process(self._process.pid)
        self._wait(bool)
        self.started_in = time.perf_counter() - began
        """Seconds from the start of the process until its door answers."""

    def status(self) -> dict[str, Any]:
        """Return what `shoptwin status` shows."""
        found: dict[str, Any] = self.client.get("/v1/status")
        return found

    def connected(self) -> Daemon:
        """Wait until all devices are read and the broker is there."""
        self._wait(lambda status: all(d["health"] == "connected" for d in status["devices"])
                   and status["outbox"].get("connected", True))  # fmt: skip
        return self

    def _wait(self, until: Any) -> None:  # noqa: ANN401 - a predicate over JSON
        for _ in range(1200):
            if self._process.poll() is not None:
                break
            with suppress(ShoptwinError):
                if until(self.status()):
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the daemon did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def cpu(self) -> float:
        """Return the CPU seconds that it has used, without its children (learning)."""
        times = self._process_info.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> tuple[float, float]:
        """Return RSS and PSS in MB (2**20 bytes)."""
        info = self._process_info.memory_full_info()
        return info.rss / MIB, getattr(info, "pss", 0) / MIB

    def resident(self) -> int:
        """Return its RSS in bytes, which costs less than `memory`."""
        return int(self._process_info.memory_info().rss)

    def close(self) -> None:
        """End it as systemd would."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def daemons(*wanted: tuple[Path, str], well: bool = True) -> Iterator[list[Daemon]]:
    """Give running daemons, one for each folder and configuration; `well`: once all their devices are read."""
    with ExitStack() as stack:
        running = []
        for folder, text in wanted:
            one = Daemon(folder, text)
            stack.callback(one.close)
            running.append(one.connected() if well else one)
        yield running

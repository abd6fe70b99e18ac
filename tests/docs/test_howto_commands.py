"""The commands of how-to pages run, in the page's order, against real servers that stand in for the page's devices.

A page takes part by a comment that says which server answers at which of its addresses:

    <!-- run: device 192.0.2.10 = transmitter -->

Its shell blocks (sh) then run in one folder, one after the other, the page's addresses replaced by the servers' own.
A comment right before a block changes that: `<!-- run: exit 1 -->`, `<!-- run: skip: needs root -->`,
`<!-- run: background until TEXT -->` (it is ended at the page's end), `<!-- run: file NAME -->` and
`<!-- run: append NAME -->` (the block is written to a file). Each line of a text block (text) must occur in what the
block before it printed, in this order; spaces count as one, and `…` stands for anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
STEP = re.compile(
    r"(?:^<!-- run: (?P<how>[^\n]*?) -->\n+)?^```(?P<kind>\w+)[^\n]*\n(?P<text>.*?)^```[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
DEVICE = re.compile(r"^<!-- run: device (?P<place>\S+) = (?P<name>[\w-]+) -->$", re.MULTILINE)
PATIENCE = 45


@contextmanager
def transmitter() -> Iterator[dict[str, str]]:
    """Serve what the page on an unknown device finds: a float, a counter and a text, with an identification."""
    begun = time.monotonic()

    def registers() -> list[int]:
        age = time.monotonic() - begun
        low_high = struct.unpack(">HH", struct.pack(">f", 21.5 + 2 * math.sin(age / 9) + 0.01 * math.sin(age * 40)))[
            ::-1
        ]
        strokes = struct.unpack(">HH", struct.pack(">I", 704_211 + int(age * 4)))
        text = struct.unpack(">10H", b"TX8-004711".ljust(20, b"\0"))
        return [*low_high, *strokes, *[0] * 6, *text]

    async def answer(  # noqa: PLR0917 - pymodbus calls it so
        function: int, first: int, start: int, count: int, current: list[int], written: Any
    ) -> ExcCodes | None:
        if written is not None or function not in {3, 4}:
            return ExcCodes.ILLEGAL_FUNCTION
        current[start - first : start - first + count] = registers()[start - 100 : start - 100 + count]
        return None

    identity = ModbusDeviceIdentification(
        {0: "Example Instruments", 1: "TX-8", 2: "1.4", 4: "Temperature transmitter"}
    )  # fmt: skip
    data = SimData(100, count=20, values=0, datatype=DataType.REGISTERS, readonly=True)
    with in_thread(lambda: ModbusTcpServer(SimDevice(0, [data], action=answer), identity=identity,
                                           address=("127.0.0.1", 0))) as port:  # fmt: skip
        yield at_tcp("192.0.2.10", port)


@contextmanager
def in_thread(make: Callable[[], Any]) -> Iterator[int]:
    """Run one of pymodbus's servers in a thread of its own; give its port."""
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> Any:
        server = make()
        assert await server.listen()
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def at_tcp(host: str, port: int) -> dict[str, str]:
    """Return what stands for a page's address: with the usual port, and without."""
    return {f"tcp://{host}:502": f"tcp://127.0.0.1:{port}", f"tcp://{host}": f"tcp://127.0.0.1:{port}"}


SERVERS: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {"transmitter": transmitter}
"""By name: what serves a device of a page, and gives the texts that stand for the page's own."""


def pages() -> list[Path]:
    """Return the pages that take part."""
    return [path for path in sorted((ROOT / "docs").rglob("*.md")) if DEVICE.search(path.read_text("utf-8"))]


@dataclass
class Walk:
    """A reader who does what a page says."""

    folder: Path
    places: dict[str, str]
    said: str = ""
    background: list[subprocess.Popen[str]] = field(default_factory=list)

    def go(self, kind: str, text: str, how: str) -> None:
        """Do one step."""
        verb, _, rest = how.partition(" ")
        if verb in {"file", "append"}:
            with (self.folder / rest).open("a" if verb == "append" else "w") as file:
                file.write(self._here(text))
        elif verb == "skip:" or kind not in {"sh", "text"}:
            return
        elif kind == "text":
            self._expect(text)
        elif verb == "background":
            self._begin(text, rest.removeprefix("until "))
        else:
            self._run(text, int(rest) if verb == "exit" else 0)

    def _run(self, text: str, code: int) -> None:
        done = subprocess.run(
            ["bash", "-e", "-c", self._here(text)], cwd=self.folder, env=environment(), text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=PATIENCE,
        )  # fmt: skip
        self.said = self._there(done.stdout)
        assert done.returncode == code, f"{text}\nended with {done.returncode}:\n{self.said}"

    def _begin(self, text: str, sign: str) -> None:
        log = self.folder / f"background-{len(self.background)}.log"
        with log.open("w") as out:
            self.background.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {self._here(text)}"], cwd=self.folder, env=environment(), text=True,
                    stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                )
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while sign not in log.read_text() and time.monotonic() < deadline and self.background[-1].poll() is None:
            time.sleep(0.05)
        self.said = self._there(log.read_text())
        assert sign in self.said, f"{text}\nnever said {sign!r}:\n{self.said}"

    def _expect(self, text: str) -> None:
        at, said = 0, " ".join(self.said.split())
        for line in filter(str.strip, text.splitlines()):
            parts = [re.escape(" ".join(part.split())) for part in line.split("…")]
            found = re.compile(r".*?".join(parts)).search(said, at)
            assert found, f"{line!r} is not in what was printed, or not there:\n{self.said}"
            at = found.end()

    def end(self) -> None:
        """End what runs in the background, as Ctrl-C does; each must end well."""
        for process in self.background:
            process.send_signal(signal.SIGINT)
        for process in self.background:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            assert process.wait() == 0

    def _here(self, text: str) -> str:
        for theirs, ours in self.places.items():
            text = text.replace(theirs, ours)
        return text

    def _there(self, text: str) -> str:
        for theirs, ours in self.places.items():
            text = text.replace(ours, theirs.removesuffix(":502"))
        return text


def environment() -> dict[str, str]:
    """Return an environment in which `shoptwin` is the one under test."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SHOPTWIN_")}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_commands_run(path: Path, tmp_path: Path) -> None:
    """What a page tells the reader to type does what the page says, from its first command to its last."""
    text = path.read_text("utf-8")
    with ExitStack() as stack:
        places: dict[str, str] = {}
        for device in DEVICE.finditer(text):
            given = stack.enter_context(SERVERS[device["name"]]())
            assert any(device["place"] in theirs for theirs in given)
            places |= given
        walk = Walk(tmp_path, places)
        stack.callback(walk.end)
        steps = [step for step in STEP.finditer(text) if step["kind"] in {"sh", "text", "toml", "csv"}]
        assert any(step["kind"] == "sh" for step in steps)
        for step in steps:
            walk.go(step["kind"], step["text"], step["how"] or "")


def test_pages_take_part() -> None:
    """The pages whose commands need a device are among those that run."""
    assert {"unknown-device"} <= {path.stem for path in pages()}


@pytest.mark.parametrize(
    ("said", "wanted", "right"),
    [
        ("a  1\nb 2", "a 1\nb 2", True),
        ("a 1\nb 2", "b 2\na 1", False),
        ("now 63.4 degC", "now … degC", True),
        ("now 63.4 degF", "now … degC", False),
    ],
)
def test_expectations_can_fail(tmp_path: Path, said: str, wanted: str, right: bool) -> None:
    """A line that was not printed, or not in this order, is a failure."""
    walk = Walk(tmp_path, {}, said)
    with contextlib.nullcontext() if right else pytest.raises(AssertionError):
        walk.go("text", wanted, "")


def test_exit_codes_are_watched(tmp_path: Path) -> None:
    """A command that ends in another way than the page says is a failure."""
    Walk(tmp_path, {}).go("sh", "exit 3", "exit 3")
    with pytest.raises(AssertionError, match="ended with 3"):
        Walk(tmp_path, {}).go("sh", "exit 3", "")

"""The commands of how-to pages run, in the page's order, against real servers that stand in for the page's devices.

A page takes part by a comment that says which server answers at which of its addresses:

    <!-- run: device 192.0.2.10 = transmitter -->

Its shell blocks (sh) then run in one folder, one after the other, the page's addresses replaced by the servers' own.
A comment right before a block changes that: `<!-- run: exit 1 -->`, `<!-- run: skip: needs root -->`,
`<!-- run: until TEXT -->` (again and again, until it prints that and all of the text block that may follow it),
`<!-- run: background until TEXT -->` (it is ended at the page's end), `<!-- run: file NAME -->` and `<!-- run: append
NAME -->` (the block is written to a file). Each line of a text block (text) must occur in what the block before it
printed, in this order; spaces count as one, and `…` stands for anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import pwd
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import tty
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerRTU
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.testing import free_port
from shoptwin.testing.node_opcua import NodeOpcua, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

ROOT = Path(__file__).parents[2]
STEP = re.compile(
    r"(?:^<!-- run: (?P<how>[^\n]*?) -->\n+)?^```(?P<kind>\w+)[^\n]*\n(?P<text>.*?)^```[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
DEVICE = re.compile(r"^<!-- run: device (?P<place>\S+) = (?P<name>[\w-]+) -->$", re.MULTILINE)
PATIENCE = 45
URI = "urn:example:press-hall"
PASSWORD = "four-words-of-your-own"  # it stands on the page


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
def old_plc() -> Iterator[dict[str, str]]:
    """Serve what the page on slow devices has: busy now and then, short blocks alone, a place not to be touched."""
    asked, touched = 0, []
    numbers = {100: 54.25, 110: 7.5}
    registers = dict.fromkeys(range(400), 0)
    for start, value in numbers.items():
        registers[start + 1], registers[start] = struct.unpack(">HH", struct.pack(">f", value))

    async def answer(  # noqa: PLR0917 - pymodbus calls it so
        function: int, first: int, start: int, count: int, current: list[int], written: Any
    ) -> ExcCodes | None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.03)
        if written is not None or function != 3:
            return ExcCodes.ILLEGAL_FUNCTION
        if range(max(start, 200), min(start + count, 300)):
            touched.append(start)
        if asked % 4 == 0:
            return ExcCodes.DEVICE_BUSY
        if count > 32:
            return ExcCodes.ILLEGAL_VALUE
        current[start - first : start - first + count] = [registers[at] for at in range(start, start + count)]
        return None

    data = SimData(0, count=400, values=0, datatype=DataType.REGISTERS, readonly=True)
    with in_thread(lambda: ModbusTcpServer(SimDevice(0, [data], action=answer), address=("127.0.0.1", 0))) as port:
        yield at_tcp("192.0.2.10", port)
    assert not touched


@contextmanager
def bus() -> Iterator[dict[str, str]]:
    """Serve the page's RS-485 bus on a pseudo terminal: a meter is unit 1, a drive unit 2, and nobody else answers.

    A pseudo terminal takes any baud rate, but no parity.
    """
    power = dict(zip((52, 53), struct.unpack(">HH", struct.pack(">f", 6543.0)), strict=True))
    maps = {(1, 4): dict.fromkeys(range(60), 0) | power, (2, 3): dict.fromkeys(range(100, 110), 0) | {100: 1480}}
    line, port = os.openpty()
    tty.setraw(port)
    ended = threading.Event()

    def answer(frame: bytes) -> bytes:
        unit, function, start, count = struct.unpack(">BBHH", frame[:6])
        if unit not in {1, 2} or FramerRTU.compute_CRC(frame[:6]).to_bytes(2, "big") != frame[6:]:
            return b""
        places = maps.get((unit, function))
        wanted = [places.get(at) for at in range(start, start + count)] if places else []
        if places and None not in wanted:
            reply = struct.pack(f">BBB{count}H", unit, function, 2 * count, *wanted)
        else:
            reply = bytes((unit, function | 0x80, 2 if places else 1))
        return reply + FramerRTU.compute_CRC(reply).to_bytes(2, "big")

    def serve() -> None:
        frame = b""
        while not ended.is_set():
            if select.select([line], [], [], 0.02)[0]:
                frame += os.read(line, 256)
            else:
                frame = b""
            if len(frame) == 8:
                time.sleep(0.005)
                os.write(line, answer(frame))
                frame = b""

    thread = threading.Thread(target=serve)
    thread.start()
    ours = os.ttyname(port)
    try:
        yield {"/dev/ttyUSB0?baud=19200&parity=E": f"{ours}?baud=19200&parity=N", "/dev/ttyUSB0": ours}
    finally:
        ended.set()
        thread.join(10)
        os.close(line)
        os.close(port)


@contextmanager
def opcua_plc() -> Iterator[dict[str, str]]:
    """Serve the OPC UA node of the page on the first PLC, encrypted, with a certificate that nobody knows."""
    here = f"opc.tcp://127.0.0.1:{free_port()}"

    async def start(folder: Path) -> Server:
        server = Server()
        await server.init()
        server.set_endpoint(here)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        key, certificate = folder / "key.pem", folder / "certificate.der"
        await setup_self_signed_certificate(
            key, certificate, URI, "127.0.0.1", [ExtendedKeyUsageOID.SERVER_AUTH], {"commonName": "press-hall"}
        )
        await server.set_application_uri(URI)
        await server.load_certificate(certificate)
        await server.load_private_key(key)
        index = await server.register_namespace(f"{URI}:nodes")
        press = await server.nodes.objects.add_folder(ua.NodeId("Press4", index), "Press4")
        await press.add_variable(ua.NodeId("Press4.SpindleTemperature", index), "SpindleTemperature", 63.4)
        await server.start()
        return server

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with TemporaryDirectory() as folder, thread() as run:
        server = run(start(Path(folder)))
        try:
            yield {"opc.tcp://192.0.2.20:4840": here}
        finally:
            run(server.stop())


@contextmanager
def strict_plc() -> Iterator[dict[str, str]]:
    """Serve the page on certificates: for one user alone, and for clients whose certificate is trusted."""
    with node(strict=True, user="shoptwin", password=PASSWORD) as plc:
        yield {"192.0.2.30:4840": f"127.0.0.1:{plc.port}", "/srv/plc-pki": str(plc.ready["pki"])}


@contextmanager
def small_plc(host: str = "192.0.2.40", **options: object) -> Iterator[dict[str, str]]:
    """Serve a PLC of the page on small ones, that takes 10 of anything at a time and has one session."""
    tens = dict.fromkeys(("max_nodes_per_read", "max_nodes_per_browse", "max_items_per_call"), 10)
    with node(nodes=20, product="CPU 1214C", max_sessions=1, **tens, **options) as plc:
        yield {f"{host}:4840": f"127.0.0.1:{plc.port}"}


@contextmanager
def node(**options: object) -> Iterator[NodeOpcua]:
    """Run node-opcua, which talks encrypted or not at all."""
    if why := missing(ROOT):
        pytest.skip(why)
    server = NodeOpcua(ROOT, policies="Basic256Sha256", modes="SignAndEncrypt", **options)
    try:
        yield server.start()
    finally:
        server.kill()


@contextmanager
def broker() -> Iterator[dict[str, str]]:
    """Run mosquitto for the user and the password of the page, without TLS."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    program, passwords = shutil.which("mosquitto", path=path), shutil.which("mosquitto_passwd", path=path)
    if program is None or passwords is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    port = free_port()
    with TemporaryDirectory() as folder:
        users, settings = Path(folder, "users"), Path(folder, "mosquitto.conf")
        subprocess.run([passwords, "-c", "-b", users, "press-hall-gw", PASSWORD], check=True, capture_output=True)
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\n"
            f"user {pwd.getpwuid(os.getuid()).pw_name}\n"
        )  # fmt: skip
        process = subprocess.Popen([program, "-c", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield {"mqtts://scada.example": f"mqtt://127.0.0.1:{port}"}
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def thread() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run an event loop in a thread of its own; give what runs a coroutine there and waits for it."""
    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_forever)
    running.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        running.join(10)
        loop.close()


@contextmanager
def in_thread(make: Callable[[], Any]) -> Iterator[int]:
    """Run one of pymodbus's servers in a thread of its own; give its port."""
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

    async def start() -> Any:
        server = make()
        assert await server.listen()
        return server

    with thread() as run:
        server = run(start())
        try:
            yield server.transport.sockets[0].getsockname()[1]
        finally:
            run(server.shutdown())


def at_tcp(host: str, port: int) -> dict[str, str]:
    """Return what stands for a page's address: with the usual port, and without."""
    return {f"tcp://{host}:502": f"tcp://127.0.0.1:{port}", f"tcp://{host}": f"tcp://127.0.0.1:{port}"}


SERVERS: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {
    "broker": broker, "bus": bus, "full-plc": partial(small_plc, "192.0.2.41", max_monitored=2), "old-plc": old_plc,
    "opcua-plc": opcua_plc, "small-plc": small_plc, "strict-plc": strict_plc, "transmitter": transmitter,
}  # fmt: skip
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
    then: str = ""
    """What the text block after this step wants to be printed, where one follows."""
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
        elif verb == "until":
            self._repeat(text, rest)
        else:
            self._run(text, int(rest) if verb == "exit" else 0)

    def _run(self, text: str, code: int) -> None:
        ended = self._shell(text)
        assert ended == code, f"{text}\nended with {ended}:\n{self.said}"

    def _repeat(self, text: str, sign: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while (ended := self._shell(text)) or not self._told(sign):
            assert time.monotonic() < deadline, f"{text}\nended with {ended}, never said {sign!r}:\n{self.said}"
            time.sleep(0.3)

    def _shell(self, text: str) -> int:
        done = subprocess.run(
            ["bash", "-e", "-c", self._here(text)], cwd=self.folder, env=environment(), text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=PATIENCE,
        )  # fmt: skip
        self.said = self._there(done.stdout)
        return done.returncode

    def _told(self, sign: str) -> bool:
        return " ".join(sign.split()) in " ".join(self.said.split()) and self._untold(self.then) is None

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
        line = self._untold(text)
        assert line is None, f"{line!r} is not in what was printed, or not there:\n{self.said}"

    def _untold(self, text: str) -> str | None:
        """Return the first line that was not printed, or not after those before it."""
        at, said = 0, " ".join(self.said.split())
        for line in filter(str.strip, text.splitlines()):
            parts = [re.escape(" ".join(part.split())) for part in line.split("…")]
            found = re.compile(r".*?".join(parts)).search(said, at)
            if not found:
                return line
            at = found.end()
        return None

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
        for step, then in zip_longest(steps, steps[1:]):
            walk.then = then["text"] if then and then["kind"] == "text" and not then["how"] else ""
            walk.go(step["kind"], step["text"], step["how"] or "")


def test_pages_take_part() -> None:
    """The pages whose commands need a device are among those that run."""
    assert {
        "first-plc", "opcua-certificates", "rtu-bus", "slow-device", "small-plc", "unknown-device",
    } <= {path.stem for path in pages()}  # fmt: skip


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


def test_waiting_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command is repeated until it ends well and prints what was waited for, and not for ever."""
    monkeypatch.setattr(sys.modules[__name__], "PATIENCE", 2)
    Walk(tmp_path, {}).go("sh", "echo Good; test -e there || { touch there; exit 1; }", "until Good")
    assert (tmp_path / "there").exists()
    with pytest.raises(AssertionError, match="never said 'Good'"):
        Walk(tmp_path, {}).go("sh", "echo Bad", "until Good")


def test_waiting_is_for_the_text_below_too(tmp_path: Path) -> None:
    """What a page says is printed may still be on its way when the first words of it are there."""
    walk = Walk(tmp_path, {}, then="plc … connected\ntag … Good")
    walk.go(
        "sh",
        "test -e there && echo plc 1 connected || echo plc 1 connecting; touch there; echo tag 1 Good",
        "until Good",
    )
    walk.go("text", walk.then, "")


def test_exit_codes_are_watched(tmp_path: Path) -> None:
    """A command that ends in another way than the page says is a failure."""
    Walk(tmp_path, {}).go("sh", "exit 3", "exit 3")
    with pytest.raises(AssertionError, match="ended with 3"):
        Walk(tmp_path, {}).go("sh", "exit 3", "")

"""`shoptwin scan` and `shoptwin peek`, against pyModbusTCP's server."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOPTWIN = [sys.executable, "-m", "shoptwin"]


@pytest.fixture
def bank(free_port: int) -> Iterator[DataBank]:
    """Serve 60 registers; 20 and 21 are a temperature, ABCD, that moves."""
    bank = DataBank(h_regs_size=60, i_regs_size=1, coils_size=1, d_inputs_size=1)
    server = ModbusServer(host="127.0.0.1", port=free_port, no_block=True, data_bank=bank)
    server.start()
    over = threading.Event()

    def move() -> None:
        value = 63.4
        while not over.wait(0.005):
            value += 0.0131
            bank.set_holding_registers(20, list(struct.unpack(">HH", struct.pack(">f", value))))

    thread = threading.Thread(target=move)
    thread.start()
    yield bank
    over.set()
    thread.join()
    server.stop()


@pytest.fixture
def url(bank: DataBank, free_port: int) -> str:
    del bank
    return f"tcp://127.0.0.1:{free_port}"


def test_a_wrong_url_is_told_without_all_settings(shoptwin: Any) -> None:
    """The cure of a url that is wrong is in what is said of it; all settings are listed where one is not known."""
    wrong = shoptwin("peek", "rtu:///tmp/ttyBOX", "holding:0")
    assert wrong.exit_code == 78
    assert "a serial port is below /dev/" in wrong.stderr
    assert "max_block" not in wrong.stderr
    assert "max_block" in shoptwin("peek", "tcp://127.0.0.1", "holding:0", "--set", "max_blok=4").stderr


def test_scan(shoptwin: Any, url: str) -> None:
    """A scan prints a table a unit, and the command that comes next, which runs."""
    found = shoptwin("scan", "modbus", url, "--rate", "1000")
    assert found.exit_code == 0, found.output
    assert "unit 1: it does not say what it is" in found.stdout
    row = next(line.split() for line in found.stdout.splitlines() if line.startswith("holding"))
    assert row[:3] == ["holding", "0-59", "60"]
    assert "nothing was written" in found.stdout
    command = re.search(r"^  shoptwin (peek .*)$", found.stdout, re.MULTILINE)
    assert command
    assert command[1] == f"peek {url} holding:20"
    peeked = shoptwin(*shlex.split(command[1]), "--every", "100ms", "--count", "20")
    assert peeked.exit_code == 0
    assert 'address = "holding:20:float32"' in peeked.stdout


def test_scan_as_json(shoptwin: Any, url: str) -> None:
    """As JSON it is one document, and nothing else on stdout."""
    found = shoptwin("scan", "modbus", url, "--units", "1,3-4", "--tables", "holding", "--rate", "100", "--from", "10",
                     "--to", "30", "--json")  # fmt: skip
    told = json.loads(found.stdout)
    assert told["finished"]
    assert told["requests"] <= told["budget"] == 2000
    [unit] = told["units"]
    [span] = unit["ranges"]
    assert (span["table"], span["first"], span["last"], span["open_above"]) == ("holding", 10, 30, True)
    assert {20, 21} & set(span["moving"])


def test_scan_finds_nobody(shoptwin: Any) -> None:
    """Where no unit answers the exit code is 1, and the cure is told."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        place = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        found = shoptwin("scan", "modbus", place, "--units", "1", "--timeout", "50ms")
    assert found.exit_code == 1
    assert "no unit answers" in found.stderr
    assert "--units" in found.stderr
    refused = shoptwin("scan", "modbus", "tcp://127.0.0.1:1")
    assert refused.exit_code == 1
    assert "refused the connection" in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["scan", "nothing", "tcp://192.0.2.10"], "there is no driver 'nothing'"),
        (["scan", "modbus", "tcp://192.0.2.10", "--units", "1-x"], "write 1-20,247"),
        (["scan", "modbus", "tcp://192.0.2.10", "--units", "9-2"], "write 1-20,247"),
        (["scan", "modbus", "tcp://192.0.2.10", "--units", "0-9999999"], "is too large"),
        (["scan", "modbus", "tcp://192.0.2.10", "--from", "9", "--to", "2"], "--from is beyond --to"),
        (["scan", "modbus", "tcp://192.0.2.10", "--set", "unit"], "is not KEY=VALUE"),
        (["scan", "modbus", "tcp://192.0.2.10", "--units", "300"], "units there are 0 to 255"),
        (["scan", "modbus", "rtu:///dev/ttyUSB0", "--units", "0"], "units there are 1 to 247"),
        (["scan", "modbus", "rtu:///dev/ttyUSB0", "--baud", "abc"], "write 9600,19200"),
        (["scan", "modbus", "rtu:///dev/ttyUSB0", "--parity", "X"], "write --parity N,E,O"),
        (["scan", "modbus", "192.0.2.10"], "write tcp://192.0.2.10"),
        (["scan", "modbus", "opc.tcp://192.0.2.10"], "the driver modbus does not know opc.tcp://"),
        (["peek", "192.0.2.10:502", "holding:1"], " or opc.tcp://192.0.2.10:502"),
        (["browse", "127.0.0.1:4840"], "opc.tcp://127.0.0.1:4840"),
        (["discover", "plc"], "no device (there is no configuration that names any)"),
        (["peek", "http://192.0.2.10", "holding:1"], "no driver knows http://"),
        (["peek", "tcp://192.0.2.10", "holding:1", "--every", "soon"], "is not a duration"),
        (["peek", "tcp://192.0.2.10", "holding:1", "--every", "0s"], "100ms is the least"),
        (["peek", "tcp://192.0.2.10", "holding:1", "--every", "99ms"], "100ms is the least"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_use(shoptwin: Any, words: list[str], told: str) -> None:
    """What was typed wrongly is told, with exit code 2, before anything is asked."""
    found = shoptwin(*words)
    assert found.exit_code == 2
    assert told in found.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["scan", "modbus", "tcp://192.0.2.10", "--timeout", "3"], "timeout: '3' is not a duration, it has no unit"),
        (["browse", "mqtt://192.0.2.10", "--set", "first=2"], "'2' is not a duration, it has no unit: write 2s"),
        (["browse", "opc.tcp://192.0.2.10", "--set", "security=None"], "cannot be 'None'; did you mean 'none'?"),
        (["browse", "opc.tcp://192.0.2.10", "--set", "security=off"], "one of: Basic256Sha256, Aes128Sha256RsaOaep"),
        (["peek", "tcp://192.0.2.10", "holding:1", "--set", "unit=seven"], "unit must be a whole number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_wrong_settings(shoptwin: Any, words: list[str], told: str) -> None:
    """A setting that is wrong is told in plain words, with what to write."""
    found = shoptwin(*words)
    assert found.exit_code == 78
    assert told in found.stderr
    assert "Expected" not in found.stderr


def test_a_modbus_device_by_its_name(
    shoptwin: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Scan and peek take a device's name or URL with its settings; a configuration that is wrong stops no URL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHOPTWIN_CONFIG", raising=False)
    config = tmp_path / "shoptwin.toml"
    device = f'[[device]]\nname = "plc1"\ndriver = "modbus"\nurl = "{url}"\nunit = 7\navoid = ["holding:0-19"]\n'
    config.write_text(f'[gateway]\nsite = "a"\nname = "b"\n{device}')
    peeked = shoptwin("peek", "plc1", "holding:20", "--every", "100ms", "--count", "2", "--json")
    assert peeked.exit_code == 0, peeked.output
    assert min(cell["address"] for cell in json.loads(peeked.stdout.splitlines()[0])["cells"]) == 20
    scanned = shoptwin("scan", "modbus", "plc1", "--units", "7", "--tables", "holding", "--rate", "1000")
    assert "  shoptwin peek plc1 holding:20@7\n" in scanned.stdout
    assert "with the settings of the device plc1" in shoptwin("peek", url, "holding:20", "--count", "1").stderr
    assert "is a device of the driver modbus" in shoptwin("scan", "opcua", "plc1").stderr
    config.write_text("[gateway\n")
    assert "shoptwin check --config shoptwin.toml" in shoptwin("peek", url, "holding:20", "--count", "1").stderr
    assert shoptwin("peek", "plc1", "holding:20").exit_code == 78


def test_what_modbus_can(shoptwin: Any) -> None:
    """Where a device cannot be browsed the commands are named that tell what it has."""
    for command in ("browse", "discover"):
        found = shoptwin(command, "tcp://192.0.2.10")
        assert found.exit_code == 1
        for way in ("scan modbus tcp://192.0.2.10", "peek tcp://192.0.2.10 ADDRESS", "profiles"):
            assert f"`shoptwin {way}`" in found.stderr
        assert "shoptwin browse" not in found.stderr


def test_drivers_that_browse(shoptwin: Any) -> None:
    """A driver whose devices cannot be scanned says what to do instead."""
    for words in (["scan", "opcua", "opc.tcp://192.0.2.20"], ["peek", "opc.tcp://192.0.2.20", "ns=2;s=a"]):
        found = shoptwin(*words)
        assert found.exit_code == 1
        assert "shoptwin browse opc.tcp://192.0.2.20" in found.stderr


def test_no_such_address(shoptwin: Any, url: str) -> None:
    """An address that is not there, or is none, is told with the cure."""
    missing = shoptwin("peek", url, "holding:500", "--count", "1")
    assert missing.exit_code == 1
    assert "no such address" in missing.stderr
    assert "shoptwin scan" in missing.stderr
    assert shoptwin("peek", url, "500", "--count", "1").exit_code == 1


def test_peek_as_json(shoptwin: Any, url: str) -> None:
    """As JSON it is one document a line for each reading."""
    lines = shoptwin("peek", url, "holding:20", "--every", "100ms", "--count", "15", "--json").stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert [each["readings"] for each in told] == list(range(1, 16))
    assert told[-1]["candidates"][0]["address"] == "holding:20:float32"
    assert told[-1]["candidates"][0]["verdict"] == "likely"
    assert [cell["address"] for cell in told[-1]["cells"] if cell["here"]] == [20]


def test_peek_without_a_terminal(shoptwin: Any, url: str) -> None:
    """Without a terminal the last view is printed once, and says what cannot be told."""
    found = shoptwin("peek", url, "holding:21@1", "--every", "100ms", "--count", "3")
    assert found.exit_code == 0
    assert "holding:21, 3 readings" in found.stdout
    assert found.stdout.count("address = ") == 1
    assert "more certain" in found.stdout
    still = shoptwin("peek", url, "holding:0", "--every", "100ms", "--count", "3").stdout
    assert 'address = "holding:0:int16"' in still
    once = shoptwin("peek", url, "holding:0", "--count", "1").stdout
    assert "one reading tells no type" in " ".join(once.split())
    assert "address = " not in once
    assert "has changed" not in once
    bit = shoptwin("peek", url, "coil:0", "--count", "1")
    assert 'address = "coil:0"' in bit.stdout


class Terminal:
    """A program on a terminal of 30 lines and 100 columns."""

    def __init__(self, *words: str) -> None:
        self._here, there = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        self.process = subprocess.Popen([*SHOPTWIN, *words], stdin=there, stdout=there, stderr=there, env=env)
        os.close(there)
        self.text = ""

    def until(self, wanted: str, seconds: float = 20) -> None:
        """Read until a text has appeared."""
        deadline = time.monotonic() + seconds
        while wanted not in self.text and time.monotonic() < deadline:
            try:
                self.text += os.read(self._here, 65_536).decode(errors="replace")
            except OSError:
                break
        assert wanted in self.text, self.text[-3000:]

    def stop(self) -> int:
        """Type Ctrl-C; read to the end and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            while chunk := os.read(self._here, 65_536):
                self.text += chunk.decode(errors="replace")
        except OSError:
            pass  # the terminal is gone with the program
        finally:
            os.close(self._here)
        return self.process.wait(10)


def test_a_scan_that_is_stopped(url: str) -> None:
    """A scan on a terminal shows how far it is, and Ctrl-C shows what was found so far."""
    terminal = Terminal("scan", "modbus", url, "--rate", "25", "--units", "1")
    terminal.until("holding 1000")
    assert "of 2000 requests" in terminal.text
    assert terminal.stop() == 0
    assert "the scan was stopped" in terminal.text
    assert "0-59" in terminal.text
    assert f"shoptwin peek {url} holding:20" in terminal.text


def test_peek_on_a_terminal(url: str) -> None:
    """On a terminal peek is live until Ctrl-C, and then prints the last view for copying."""
    terminal = Terminal("peek", url, "holding:20", "--every", "100ms")
    terminal.until("read as")
    terminal.until("changes smoothly")
    terminal.until("22 readings")
    assert terminal.stop() == 0
    end = terminal.text.rpartition("\x1b[?1049l")[2]
    assert 'address = "holding:20:float32"' in end
    assert "Traceback" not in terminal.text

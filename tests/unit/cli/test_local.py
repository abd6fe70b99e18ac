"""Commands that need no daemon, and the command line as a whole."""

from __future__ import annotations

import contextlib
import json
import socketserver
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import click
import jsonschema
import pytest

from shoptwin.acquire.registry import plugins
from shoptwin.cli.app import COMMANDS, cli
from shoptwin.cli.probe import cure
from shoptwin.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

simulate = import_module("shoptwin.cli.simulate")  # the package has a command of that name
EXAMPLE = Path(__file__).parents[3] / "deploy/example.toml"
HEAVY = {"numpy", "asyncua", "pymodbus", "onnxruntime", "paho", "starlette", "uvicorn", "msgspec", "rich", "structlog"}


def _commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from _commands(command, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in _commands(cli)], ids=" ".join)
def test_help(shoptwin: Any, path: tuple[str, ...]) -> None:
    """Every command has a help with an example that runs it."""
    found = shoptwin(*path, "--help")
    assert found.exit_code == 0
    assert "\\b" not in found.output
    assert f"  shoptwin {' '.join(path)}".rstrip() in found.output.split("Usage:")[1].split("\n", 1)[1]


def test_help_is_light() -> None:
    """`shoptwin --help` imports nothing that is heavy."""
    code = "import sys; from shoptwin.cli.app import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "shoptwin.cli.status" in shown.splitlines()[-1]
    assert not HEAVY & set(shown.splitlines()[-1].split())


def test_a_command_is_imported_alone() -> None:
    """`shoptwin run` imports no other command: what they bring would stay in the daemon's memory."""
    code = (
        "import sys; from shoptwin.cli.app import cli; cli(['run', '-h'], standalone_mode=False); print(*sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = {f"shoptwin.cli.{module}" for module in COMMANDS.values()}
    assert modules & set(shown.splitlines()[-1].split()) == {"shoptwin.cli.run"}


def test_check(shoptwin: Any) -> None:
    """Check prints devices, tags, what is on, and what would switch on the rest; as JSON too."""
    found = shoptwin("check", "--config", str(EXAMPLE))
    assert found.exit_code == 0
    assert "holding:100:float32:CDAB" in found.output
    assert "press-3: limit alarms" in found.output
    assert "packer-2: ISO 20816 zones - to switch it on, give the machine its class" in found.output
    told = json.loads(shoptwin("check", "--config", str(EXAMPLE), "--json").output)
    off = [feature for feature in told["features"] if feature["machine"] == "packer-2" and not feature["on"]]
    assert {feature["feature"] for feature in off} == {
        "ISO 20816 zones", "vibration model",
    }  # fmt: skip


def test_check_says_that_models_were_changed(shoptwin: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Where the shipped models are not those that were signed, check says so, but for who wants them unsigned."""
    monkeypatch.setattr("shoptwin.assess.shelf.PACKAGE", "shoptwin.assess")  # a package without a signed list
    text = '[gateway]\nsite = "a"\nname = "b"\n'
    path = tmp_path / "shoptwin.toml"
    path.write_text(text)
    [note] = json.loads(shoptwin("check", "--config", str(path), "--json").output)["notes"]
    assert "the signature of the shipped models cannot be checked" in note
    path.write_text(text + "[models]\nunsigned = true\n")
    [note] = json.loads(shoptwin("check", "--config", str(path), "--json").output)["notes"]
    assert note.startswith("models.unsigned runs models")


def test_check_tag_lists(shoptwin: Any, tmp_path: Path) -> None:
    """Check names the lists that were read, tells what is made of each tag, and of inputs whose wire is watched."""
    path = tmp_path / "shoptwin.toml"
    path.write_text(
        '[gateway]\nsite = "a"\nname = "b"\n[[device]]\nname = "d"\ndriver = "modbus"\nurl = "tcp://192.0.2.1"\n'
        '[[machine]]\nname = "m"\ntag_list = "m.csv"\n'
    )
    (tmp_path / "m.csv").write_text(
        "name;role;device;address;current_loop.raw;current_loop.value;labels;missing;report.percent\n"
        "p;pressure;d;input:0:int16;4 20;0 8;;;1,5\n"
        "s;other;d;input:1:int16;;;0=off 1=on;0x8000;\n"
    )
    found = shoptwin("check", "--config", str(path)).output
    assert f"{tmp_path / 'm.csv'}  m           2\n" in found
    assert "on   m: broken wires - watched by NAMUR NE 43: p\n" in found
    assert "on   m: kept on change - p (by more than 1.5 %, at least every 10 min)\n" in found
    told = json.loads(shoptwin("check", "--config", str(path), "--json").output)
    assert told["tag_lists"] == [{"file": str(tmp_path / "m.csv"), "machine": "m", "tags": 2}]
    p, s = told["tags"]
    assert (p["scale"], p["offset"], p["current_loop"]) == (0.5, -2.0, [4, 20])
    assert p["report"] == {"each": False, "deadband": 0.0, "percent": 1.5, "heartbeat_s": 600}
    assert (s["missing"], s["labels"], s["report"]) == ([-32768], {"0": "off", "1": "on"}, {"each": True})


def test_check_what_is_wrong(shoptwin: Any, tmp_path: Any) -> None:
    """A configuration that is wrong ends with 78, every problem on stderr and nothing on stdout."""
    path = tmp_path / "shoptwin.toml"
    path.write_text('[gateway]\nsit = "a"\nname = "b c"\n')
    wrong = shoptwin("check", "--config", str(path))
    assert (wrong.exit_code, wrong.stdout) == (78, "")
    assert "shoptwin.toml:2: gateway.sit is not a known key; did you mean 'site'?" in wrong.stderr
    assert wrong.stderr.endswith(f"then try: shoptwin check --config {path}\n")


def test_probe_of_a_device_that_is_away(shoptwin: Any, tmp_path: Any, free_port: int) -> None:
    """Probing says per tag why it cannot be read, and ends with 1."""
    path = tmp_path / "shoptwin.toml"
    path.write_text(
        f"""
        [gateway]
        site = "a"
        name = "b"
        [[device]]
        name = "plc1"
        driver = "modbus"
        url = "tcp://127.0.0.1:{free_port}"
        [[machine]]
        name = "m"
        [[machine.tag]]
        name = "t"
        device = "plc1"
        address = "holding:100:float32"
        role = "other"
        """
    )
    found = shoptwin("check", "--config", str(path), "--probe", "--json")
    assert found.exit_code == 1
    (tag,) = json.loads(found.output)["tags"]
    assert not tag["good"]
    assert "not-connected" in tag["status"]
    told = shoptwin("check", "--config", str(path), "--probe").output
    assert told.startswith(f"{path} can be used, but 1 of 1 tags cannot be read\n")
    assert "is right" not in told
    assert "plc1: not-connected\n    m.t\n" in told


@pytest.mark.parametrize(
    ("status", "driver", "told"),
    [
        ("BadNodeIdUnknown", "modbus", "40101 is holding:100"),
        ("BadNodeIdUnknown", "opcua", "shoptwin browse cell-4 --config gw.toml"),
        ("BadWaitingForInitialData", "mqtt", "nothing was published on this topic within `first`"),
        ("BadWaitingForInitialData", "mqtt", "shoptwin browse cell-4 --config gw.toml"),
        ("BadSensorFailure", "modbus", "the sensor itself"),
        (
            "BadConfigurationError",
            "modbus",
            "the device was not asked: its settings or the tag's own forbid it (avoid, max_block",
        ),
        ("Bad(0x80FF0000)", "opcua", "address in the configuration"),
    ],
)
def test_cures_of_a_bad_value(status: str, driver: str, told: str) -> None:
    """A value that cannot be read has a cure in the words of its driver."""
    assert told in cure(status, plugins()[driver], "cell-4 --config gw.toml")


def test_any_driver_words_its_cures() -> None:
    """A driver that the gateway has never heard of is asked for its words, and one that has none needs none."""
    own = SimpleNamespace(cure=lambda status, device: f"turn it on: {device}" if status == "BadNoData" else "")
    assert cure("BadNoData", cast("Any", own), "meter") == "turn it on: meter"
    assert "its cable" in cure("BadSensorFailure", cast("Any", own), "meter")
    assert "stands for no value" in cure("BadNoData", cast("Any", SimpleNamespace()), "meter")


def test_schema(shoptwin: Any) -> None:
    """Schema prints JSON Schema that knows the installed drivers."""
    found = json.loads(shoptwin("schema").output)
    jsonschema.Draft202012Validator.check_schema(found)
    assert {device["properties"]["driver"]["const"] for device in found["$defs"]["DeviceForm"]["oneOf"]} >= {
        "modbus", "opcua",
    }  # fmt: skip


def test_browse_says_what_it_needs(shoptwin: Any) -> None:
    """An unknown scheme, a setting that is none and a device without browsing each end with a message."""
    wrong = shoptwin("browse", "gopher://x")
    assert wrong.exit_code == 2
    assert "opc.tcp://" in wrong.stderr
    assert shoptwin("browse", "opc.tcp://127.0.0.1:1", "--set", "user").exit_code == 2
    refused = shoptwin("browse", "opc.tcp://127.0.0.1:1", "--set", "usr=me")
    assert refused.exit_code == 78
    assert "usr" in refused.stderr
    away = shoptwin("browse", "opc.tcp://127.0.0.1:1")
    assert away.exit_code == 1
    assert "error:" in away.stderr


def test_faults_of_the_plant(shoptwin: Any) -> None:
    """The practice plant, found by its entry point, says what can go wrong; a plant that is not there is told."""
    assert {"bearing-outer", "fan"} <= {
        fault["fault"] for fault in json.loads(shoptwin("simulate", "faults", "--json").output)
    }
    away = shoptwin("simulate", "inject", "fan", "mill-5", "--control", "127.0.0.1:1")
    assert away.exit_code == 1
    assert away.stderr == "error: No plant answers at 127.0.0.1:1\ncure: Start one with: shoptwin simulate\n"


class _Plant:
    """A plant's answers."""

    def inject(self, _: str, fault: str, *__: str, **___: str) -> dict[str, str]:
        if fault == "fun":
            raise ConfigError("this machine has no fault 'fun'", "One of: fan", code="plant")
        return {"tag": "temp"}


def test_inject(shoptwin: Any, monkeypatch: Any) -> None:
    """A fault of a sensor says which it took; one that there is not is a wrong usage."""
    monkeypatch.setattr(simulate, "_plant", lambda: (_Plant(), None))
    words = ("simulate", "inject", "--control", "127.0.0.1:1")
    assert shoptwin(*words, "sensor-stuck", "mill-5").stdout == "sensor-stuck befalls mill-5.temp\n"
    refused = shoptwin(*words, "fun", "mill-5")
    assert (refused.exit_code, "One of: fan" in refused.stderr) == (2, True)


def test_a_disk_that_is_full() -> None:
    """Where what is printed cannot be written it is told in a line, and the exit code is not 0."""
    words = [sys.executable, "-m", "shoptwin", "check", "--config", str(EXAMPLE)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    first, cure = ended.stderr.splitlines()
    assert first == "error: The output cannot be written: No space left on device"
    assert "df -h" in cure


def test_run_with_a_wrong_configuration() -> None:
    """`shoptwin run` on a file that is not there ends with 78 and no traceback."""
    words = [sys.executable, "-m", "shoptwin", "run", "--config", "/nowhere/shoptwin.toml"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 78
    assert "There is no file" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_replay(shoptwin: Any, tmp_path: Any) -> None:
    """A recording becomes a file of events; one that is not there ends with 65, a wrong machine.toml with 78."""
    recording, out = tmp_path / "recording", tmp_path / "events.jsonl"
    missing = shoptwin("replay", str(recording), "--out", str(out))
    assert missing.exit_code == 65
    recording.mkdir()
    machine = recording / "machine.toml"
    machine.write_text('[[machine]]\nname = "pump-1"\n[[machine.tag]]\nname = "temp"\nrole = "temperature"\n')
    rows = [f"2020-01-01T00:{minute:02}:00.000Z,{40 + minute % 3}" for minute in range(30)]
    (recording / "scalars.csv").write_text("\n".join(["time,temp", *rows]) + "\n")
    done = shoptwin("replay", str(recording), "--out", str(out))
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert {event["machine"] for event in events} == {"pump-1"}
    nowhere = shoptwin("replay", str(recording), "--out", str(tmp_path / "none" / "x"))
    assert nowhere.exit_code == 1
    assert nowhere.stderr.endswith("No such file or directory\ncure: Create the folder first, or name another\n")
    machine.write_text('[[machine]]\nname = "pump-1"\nnam = 1\n')
    assert shoptwin("replay", str(recording), "--out", str(out)).exit_code == 78


def test_probe_of_what_does_not_speak_modbus(shoptwin: Any, tmp_path: Any) -> None:
    """Where another kind of server answers the cure is the port, not the type of the value."""

    class Other(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while self.request.recv(100):
                    self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    path = tmp_path / "shoptwin.toml"
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path.write_text(
            f"""
            [gateway]
            site = "a"
            name = "b"
            [[device]]
            name = "plc1"
            driver = "modbus"
            url = "tcp://127.0.0.1:{server.server_address[1]}"
            [[machine]]
            name = "m"
            [[machine.tag]]
            name = "t"
            device = "plc1"
            address = "holding:100:float32"
            role = "other"
            """
        )
        told = " ".join(shoptwin("check", "--config", str(path), "--probe").output.split())
        server.shutdown()
    assert "not in proper Modbus: check the port" in told
    assert "order of words" not in told

"""Recordings of real machines, served by the plant over the wire, must be alarmed before their failure."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shoptwin.domain.timing import iso, parse_time

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = REPOSITORY.parent / "shared"
MINUTE = 60 * 10**9


@pytest.fixture(scope="session")
def formats() -> Any:
    """Return the code that writes recordings and knows the truth about them, from beside the project."""
    for needed in (SHARED / "evaluate" / "recordings.py", SHARED / "data" / "femto", SHARED / "data" / "nab"):
        if not needed.exists():
            pytest.skip(f"no recorded data: ../shared/{needed.relative_to(SHARED)} is absent")
    loaded = {}
    for name in ("recording", "recordings"):
        spec = importlib.util.spec_from_file_location(name, SHARED / "evaluate" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded[name] = importlib.util.module_from_spec(spec)
        sys.modules[name] = loaded[name]  # recordings.py imports the other by this name
        spec.loader.exec_module(loaded[name])
    yield loaded["recordings"]
    for name in loaded:
        sys.modules.pop(name, None)


def bearing(formats: Any, work: Path, first: int = 0) -> tuple[Path, Any]:
    """Write femto's Bearing2_1 from snapshot `first` on to its failure; the first ten minutes of it are normal."""
    run = np.load(SHARED / "data" / "femto" / "Bearing2_1.npz")
    samples, scale, rate, step = run["acc_i16"], float(run["lsb_g"]), float(run["fs"]), float(run["period_s"])
    when = formats.EPOCH + step * np.arange(len(samples))
    tags = [("acc_h", "waveform", "g"), ("acc_v", "waveform", "g")]
    waves = {tag: (samples[first:, :, k], rate, scale) for k, (tag, _, _) in enumerate(tags)}
    made: tuple[Path, Any] = formats.record(
        work, "bearing-1", tags, when[first:], int(600 / step), None, waves, name="Bearing2_1", kind="life"
    )
    return made


def machine(formats: Any, work: Path, first: str = "2014-01-23", last: str = "2014-02-09 14:05:00") -> tuple[Path, Any]:
    """Write nab's machine temperature up to the end of the labelled window of its failure; 750 rows are normal."""
    folder = SHARED / "data" / "nab"
    _, rows = formats.table(folder / "machine_temperature_system_failure.csv")
    when, same = np.unique(formats.clock([r[0] for r in rows]), return_inverse=True)
    values = np.bincount(same, [float(r[1]) for r in rows]) / np.bincount(same)
    (labels,) = json.loads((folder / "combined_windows.json").read_text()).values()
    begin, end = formats.clock(labels[-1])
    start, stop = formats.clock([first, last])
    assert stop == end
    part = (when >= start) & (when <= stop)
    made: tuple[Path, Any] = formats.record(
        work, "machine-1", [("temperature", "temperature", "degF")], when[part], 750, values[part][:, None],
        name="machine temperature", kind="machine", window=(begin, end),
    )  # fmt: skip
    return made


class Listener:
    """`mosquitto_sub` as a process of its own; each line is stamped with the wall time at which it came."""

    def __init__(self, port: int) -> None:
        program = shutil.which("mosquitto_sub")
        if program is None:
            pytest.skip("mosquitto_sub is not installed (apt install mosquitto-clients)")
        self.events: list[tuple[int, dict[str, Any]]] = []
        self._process = subprocess.Popen(
            [program, "-h", "127.0.0.1", "-p", str(port), "-V", "5", "-q", "1", "-t", "shoptwin/v1/+/+/+/+/event"],
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._read, name="mosquitto_sub", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append((time.time_ns(), json.loads(line)))

    def raised(self, machine: str) -> list[tuple[int, dict[str, Any]]]:
        """Return the model's alarms of a machine that were raised, with the time at which each arrived."""
        mine = [(at, e) for at, e in list(self.events) if e["machine"] == machine and e.get("kind") == "raised"]
        return [(at, e) for at, e in mine if e["alarm"]["id"] == "health.abnormal"]

    def close(self) -> None:
        """Leave."""
        self._process.terminate()
        self._process.communicate()


@dataclass
class Show:
    """A plant that plays one recording, and the daemon that reads it."""

    plant: subprocess.Popen[bytes]
    info: dict[str, Any]
    truth: Any
    daemon: Any = None
    clock: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The machine's name."""
        name: str = self.info["machines"][0]["name"]
        return name

    def plant_time(self, wall: int) -> int:
        """Return what the plant's clock shows at a wall time (both ns UTC)."""
        clock = self.info["clock"]
        return round(parse_time(clock["epoch"]) + (wall - parse_time(clock["origin"])) * clock["rate"])


@pytest.fixture
def play(daemon: Any, tmp_path: Path) -> Any:
    """Give what plays a recording: `play(path, truth, rate, mosquitto, period)` -> Show, with its daemon running."""
    plants: list[subprocess.Popen[bytes]] = []

    def start(path: Path, truth: Any, rate: float, mosquitto: Any, period: str = "") -> Show:
        folder = tmp_path / truth.kind
        with (tmp_path / f"{truth.kind}.log").open("wb") as log:
            plant = subprocess.Popen(
                [sys.executable, "-m", "shoptwin", "simulate", "--recording", str(path), "--rate", str(rate),
                 "--delay", "4", "--write-config", str(folder), "--json"],
                stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        plants.append(plant)
        assert plant.stdout is not None
        told = b""
        for line in plant.stdout:
            told += line
            if line.startswith(b"}"):
                break
        show = Show(plant, json.loads(told), truth)
        config = (folder / "shoptwin.toml").read_text()
        if period:
            config = config.replace(config.split("period = ")[1].split("\n")[0], f'"{period}"')
        config = config.replace('name = "practice-gw"', f'name = "gw-{truth.kind}"')
        show.daemon = daemon()
        show.daemon.write(config, mosquitto)
        clock = show.info["clock"]
        show.daemon.start(
            "--clock-rate", f"{clock['rate']:g}", "--clock-epoch", clock["epoch"], "--clock-origin", clock["origin"]
        )
        return show

    yield start
    for plant in plants:
        plant.terminate()
    for plant in plants:
        plant.communicate(timeout=10)


def judge(show: Show, listener: Listener, lead: int) -> None:
    """Check that the alarm that stood at the failure came after learning, and `lead` ns before the failure."""
    raised = listener.raised(show.name)
    assert raised, f"no alarm of {show.name} came: {json.dumps(show.daemon.status())[:3000]}"
    learned, failure = round(show.truth.learned * 1e9), round(show.truth.end * 1e9)
    for arrived, event in raised:
        told = f"{event['alarm']['text']} at {event['time']}, arrived at {iso(show.plant_time(arrived))}"
        assert parse_time(event["time"]) > learned, f"before learning had ended: {told}"
    arrived, event = raised[-1]
    assert parse_time(event["time"]) <= failure - lead
    assert show.plant_time(arrived) <= failure - lead, f"{iso(show.plant_time(arrived))} is too late"
    (_device,) = show.daemon.status()["devices"]


def wait(shows: list[Show], listener: Listener) -> None:
    """Wait until each machine has an alarm, or its recording is over."""
    waiting = list(shows)
    while waiting:
        for show in list(waiting):
            over = show.plant_time(time.time_ns()) > show.truth.end * 1e9
            if listener.raised(show.name) or over:
                waiting.remove(show)
        time.sleep(0.2)


def judge_rows(show: Show) -> None:
    """Check that what was played was also read: each row once at least, but for a few."""
    (device,) = show.daemon.status()["devices"]
    machine = show.info["machines"][0]
    tags, rows = len(machine["tags"]), machine["rows"]
    begin, end = parse_time(machine["start"]), parse_time(machine["end"])
    played = rows * min(1.0, (show.plant_time(time.time_ns()) - begin) / (end - begin))
    assert device["samples"] >= 0.8 * tags * played, f"{played:.0f} rows were played: {device}"


def run(shows: list[Show], listener: Listener) -> None:
    """Let all play, and judge each."""
    wait(shows, listener)
    judge(shows[0], listener, 2 * MINUTE)
    judge(shows[1], listener, 60 * MINUTE)
    for show in shows:
        judge_rows(show)


@pytest.mark.timeout(180)
def test_real_failures_are_told_before_they_happen(formats: Any, play: Any, broker: Any, tmp_path: Path) -> None:
    """A bearing over OPC UA and a machine over Modbus, both real, alarm at mosquitto_sub before their failures."""
    mosquitto = broker()
    with closing(Listener(mosquitto.port)) as listener:
        shows = [
            play(*bearing(formats, tmp_path, first=300), 100, mosquitto),
            play(*machine(formats, tmp_path), 24_000, mosquitto, "5m"),
        ]
        run(shows, listener)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_real_failures_from_the_first_snapshot_on(formats: Any, play: Any, broker: Any, tmp_path: Path) -> None:
    """The bearing's whole life, and the machine's last weeks, played slower, are told as early."""
    mosquitto = broker()
    with closing(Listener(mosquitto.port)) as listener:
        shows = [
            play(*bearing(formats, tmp_path), 65, mosquitto),
            play(*machine(formats, tmp_path), 12_000, mosquitto, "5m"),
        ]
        run(shows, listener)


def test_the_how_to(tmp_path: Path) -> None:
    """The page about a recording of one's own: its code makes a recording of an export, and its replay judges that."""
    page = (REPOSITORY / "docs" / "how-to" / "your-own-recording.md").read_text()
    toml, python = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("toml", "python"))
    (tmp_path / "my-pump").mkdir()
    (tmp_path / "my-pump" / "machine.toml").write_text(toml)
    rows = [f"{1 + i // 24:02}.01.2026 {i % 24:02}:00:00;{40 + i % 24},5;{7 + i % 3},25" for i in range(240)]
    (tmp_path / "export.csv").write_text("\n".join(["Zeit;Motortemperatur;Leistung", *rows]) + "\n")
    subprocess.run([sys.executable, "-c", python], cwd=tmp_path, check=True)
    (replay,) = re.findall(r"^shoptwin (replay .*)$", page, re.MULTILINE)
    subprocess.run([sys.executable, "-m", "shoptwin", *replay.split()], cwd=tmp_path, check=True)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert len({e["time"] for e in events if e["kind"] == "assessment"}) >= 216, "nine in ten rows of 240 are judged"
    assert events[-1]["machine"] == "pump-1"

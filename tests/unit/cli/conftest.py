from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shoptwin.cli.app import cli
from shoptwin.config import Serve
from shoptwin.domain.errors import ConfigError, ShoptwinError
from shoptwin.serve.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

NOW = "2026-11-22T06:00:00.000Z"
NOW_NS = 1_795_327_200_000_000_000
TAG = {
    "id": "press-3.temp", "name": "temp", "machine": "press-3", "device": "plc1", "role": "temperature", "unit": "degC",
    "value": 81.25, "quality": "Good", "time": NOW, "age_s": 0.4,
}  # fmt: skip
ALARM = {
    "key": "press-3/temp.hi", "id": "temp.hi", "machine": "press-3", "tag": "temp", "priority": "medium",
    "state": "unacknowledged", "suppressed": "maintenance", "since": NOW, "value": 81.25, "limit": 80.0, "unit": "degC",
    "text": "temp 81.25 degC is above hi 80 degC", "evidence": ["it rose by 9 K in an hour"],
    "advice": ["cooling: is the fan turning, is the filter clean, is coolant flowing",
               "load and speed: more than usual?"],
    "acknowledged_by": None,
}  # fmt: skip


class Daemon:
    """A daemon's control side as the real one answers, keeping what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.kept: list[dict[str, Any]] = []
        self.feedback: dict[str, Any] = {}
        self.standing = [ALARM]
        self.acknowledged = False

    def status(self) -> dict[str, Any]:
        device = {
            "device": "plc1", "driver": "modbus", "health": "lost", "reason": "no route to host", "tags": 1, "polls": 7,
            "missed_polls": 0, "bad_samples": 2, "errors": {}, "latency_p50_ms": 4.0,
            "counted_since": NOW,
            "latency_p99_ms": 9.5, "late_polls": 3, "skew_s": -0.25, "breaker": "open", "requests": 1021, "timeouts": 4,
            "garbled": 1, "retries": 2, "bytes_sent": 12252, "bytes_received": 90000, "exceptions": {"2": 6, "6": 1},
            "parts": {"unit 1": True, "unit 7": False},
            "holes": [{"address": "holding:9", "status": "BadNodeIdUnknown"}], "notes": {"path": "fast"},
            "request_p50_ms": 3.25, "request_p99_ms": 8.5,
        }  # fmt: skip
        health = {"state": "abnormal", "score": 1.25, "progress": 1.0, "evidence": ["temp is 4 K high"], "note": ""}
        health |= {"index": 61.0, "remaining": {"low_s": 5 * 86_400, "middle_s": 8 * 86_400, "high_s": 12.2 * 86_400,
                                                "confidence": 0.8, "model": "exponential"}}  # fmt: skip
        machine = {
            "name": "press-3", "state": "producing", "alarms": 1, "health": health, "tags": [TAG],
            "maintenance": {"until": NOW, "reason": "new belt"},
        }  # fmt: skip
        return {
            "version": "0.1.0", "site": "plant-1", "gateway": "gw", "timezone": "Europe/Berlin", "now": NOW,
            "clock_rate": 60.0, "uptime": "2 h", "devices": [device],
            "machines": [machine], "alarms": {"high": 0, "medium": 1}, "degraded": ["plc1: no route to host"],
            "outbox": {"messages": 5, "connected": False, "error": "refused"}, "store": {},
        }  # fmt: skip

    def alarms(self, *, active: bool) -> list[dict[str, Any]]:
        self.asked.append(("alarms", active))
        return self.standing

    def tags(self) -> list[dict[str, Any]]:
        return [TAG]

    async def acknowledge(self, alarm: str, by: str) -> dict[str, Any]:
        self.asked.append(("acknowledge", alarm, by))
        if alarm != "temp.hi":
            raise ShoptwinError(f"There is no alarm {alarm!r}", "Did you mean press-3/temp.hi?", code="unknown-alarm")
        return ALARM | {"acknowledged_by": "robin" if self.acknowledged else by, "already": self.acknowledged}

    async def mark(self, alarm: str, mark: str, note: str, by: str) -> dict[str, Any]:
        self.asked.append(("mark", alarm, mark, note, by))
        return {"alarm": alarm, "text": f"{alarm} of 2026-11-22T05:30:00Z is marked {mark} by {by}"}

    async def thresholds(self, machine: str) -> dict[str, Any]:
        self.asked.append(("thresholds", machine))
        return {"machine": machine, "regimes": [], "alarms": [], "marks": [], "moves": []} | self.feedback

    async def reset_thresholds(self, machine: str, by: str) -> dict[str, Any]:
        self.asked.append(("reset-thresholds", machine, by))
        return {"machine": machine, "text": f"the thresholds of {machine} are back to what was learned"}

    async def maintenance(self, machine: str, seconds: int, reason: str, by: str) -> dict[str, Any]:
        self.asked.append(("maintenance", machine, seconds, reason, by))
        return {"machine": machine, "text": f"maintenance of {machine} until {NOW}"}

    async def sensor_replaced(self, tag: str, by: str) -> dict[str, Any]:
        self.asked.append(("sensor-replaced", tag, by))
        return {"tag": tag, "text": "learned anew"}

    async def relearn(self, machine: str, since: int, by: str) -> dict[str, Any]:
        self.asked.append(("relearn", machine, since, by))
        return {"machine": machine, "text": f"{machine} is learned anew, from 2026-11-22T05:30:00Z on"}

    async def learned(self, machine: str) -> list[dict[str, Any]]:
        self.asked.append(("learned", machine))
        return self.kept

    async def roll_back(self, machine: str, indicator: str, version: str, by: str) -> dict[str, Any]:
        self.asked.append(("rollback", machine, indicator, version, by))
        return {"machine": machine, "version": version or "1", "text": f"{machine} is judged by {version or '1'}"}

    async def test_alarm(self, machine: str, by: str) -> dict[str, Any]:
        self.asked.append(("test", machine, by))
        return {"machine": machine, "text": f"a test of {machine}"}

    async def reload(self) -> dict[str, Any]:
        raise ConfigError("shoptwin.toml:3: machine[0].nam is not a known key", "The old one stays")

    async def history(self, tag: str, start: int, stop: int, resolution: int) -> dict[str, Any]:
        self.asked.append(("history", tag, start, stop, resolution))
        return {"tag": tag, "unit": "degC", "time": [start], "value": [None], "quality": ["BadNotConnected"]}


def _listens(path: Path) -> bool:
    """Tell whether somebody answers there: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """Run a daemon's real doors in a thread; the command line finds them by $SHOPTWIN_SOCKET."""
    path, control, loop = tmp_path / "s", Daemon(), asyncio.new_event_loop()
    monkeypatch.setenv("SHOPTWIN_SOCKET", str(path))
    task = loop.create_task(serve(control, Serve(path)))

    def run() -> None:
        loop.run_until_complete(asyncio.wait({task}))

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 10
    while not _listens(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    yield control
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)
    loop.close()


@pytest.fixture
def shoptwin() -> Callable[..., Result]:
    """Run a command line; gives its output, its stderr and its exit code."""

    def run(*words: str, env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(cli, words, prog_name="shoptwin", env=env)

    return run


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

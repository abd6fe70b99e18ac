from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.config import Serve
from shoptwin.domain.errors import ConfigError, ShoptwinError, StoreFull
from shoptwin.serve.client import Client
from shoptwin.serve.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


class Recorder:
    """A daemon's control side that keeps what it was asked and answers as the real one does."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.slow = asyncio.Event()
        self.kept: list[dict[str, Any]] = []
        self.feedback: dict[str, Any] = {}

    def status(self) -> dict[str, Any]:
        device = {
            "device": "plc1", "driver": "modbus", "health": "connected", "reason": "", "polls": 7, "missed_polls": 1,
            "samples": 70, "bad_samples": 2, "errors": {"timeout": 3}, "latency_p50_ms": 4.0, "latency_p99_ms": None,
            "late_polls": 2, "breaker": "closed", "skew_s": 0.25, "requests": 21, "bytes_sent": 252,
            "bytes_received": 900, "timeouts": 3, "garbled": 1, "retries": 4, "torn_waveforms": 5,
            "exceptions": {"2": 6}, "parts": {"unit 1": True, "unit 7": False},
            "holes": [{"address": "holding:9", "status": "BadNodeIdUnknown"}],
            "request_p50_ms": 3.0, "request_p99_ms": 8.0,
        }  # fmt: skip
        return {
            "version": "0.1.0", "site": "plant-1", "gateway": "gw", "devices": [device], "alarms": {"high": 2},
            "outbox": {"messages": 5, "connected": True}, "degraded": [],
            "store": {"bytes": 4096, "written": 9, "lost": 0},
        }  # fmt: skip

    def alarms(self, *, active: bool) -> list[dict[str, Any]]:
        return [{"id": "temp.hi", "active": active}]

    def tags(self) -> list[dict[str, Any]]:
        return [{"id": "m.temp", "value": 2**63, "status": "Good"}]

    async def acknowledge(self, alarm: str, by: str) -> dict[str, Any]:
        self.asked.append(("acknowledge", alarm, by))
        if alarm == "temp.hihi":
            raise ShoptwinError("There is no alarm 'temp.hihi'", "Did you mean m/temp.hi?", code="unknown-alarm")
        return {"alarm": alarm}

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
        return {"machine": machine}

    async def sensor_replaced(self, tag: str, by: str) -> dict[str, Any]:
        self.asked.append(("sensor-replaced", tag, by))
        raise StoreFull("The disk is full", "Make room")

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
        await self.slow.wait()
        return {"machine": machine}

    async def reload(self) -> dict[str, Any]:
        raise ConfigError("shoptwin.toml:3: machine[0].nam is not a known key", "The old one stays")

    async def history(self, tag: str, start: int, stop: int, resolution: int) -> dict[str, Any]:
        return {"tag": tag, "time": [start, stop], "values": [1.5, float("nan")], "resolution": resolution}


@pytest.fixture
def control() -> Recorder:
    return Recorder()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serving(control: Recorder, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Client]]:
    """Run the doors in this test's loop; gives a client of them (to be used in a thread)."""

    @asynccontextmanager
    async def run(metrics: str | None = None) -> AsyncIterator[Client]:
        path = tmp_path / "run" / "shoptwin.sock"
        task = asyncio.create_task(serve(control, Serve(path, metrics)))
        async with asyncio.timeout(5):
            while not path.exists():
                await asyncio.sleep(0.01)
        try:
            yield Client(path)
        finally:
            task.cancel()
            async with asyncio.timeout(5):
                await asyncio.wait({task})

    return run

"""Metrics over real HTTP, and that each is documented."""

from __future__ import annotations

import asyncio
import re
import socket
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from shoptwin.serve.metrics import StatusCollector

DOCS = Path(__file__).parents[3] / "docs/reference/metrics.md"


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text


async def _scraped(port: int) -> dict[str, float]:
    async with asyncio.timeout(10):
        while True:
            try:
                text = await asyncio.to_thread(_scrape, port)
                break
            except OSError:
                await asyncio.sleep(0.02)
    families = text_string_to_metric_families(text)
    return {f"{s.name}{sorted(s.labels.items())}": s.value for family in families for s in family.samples}


async def test_scrape(serving: Any, free_port: int) -> None:
    """Prometheus' own parser reads the figures of the status."""
    async with serving(f"127.0.0.1:{free_port}"):
        found = await _scraped(free_port)
    device = "('device', 'plc1'), ('driver', 'modbus')"
    assert found[f"shoptwin_device_up[{device}]"] == 1
    assert found[f"shoptwin_device_polls_total[{device}]"] == 7
    assert found[f"shoptwin_device_errors_total[('code', 'timeout'), {device}]"] == 3
    assert (
        found["shoptwin_device_bytes_total[('device', 'plc1'), ('direction', 'received'), ('driver', 'modbus')]"] == 900
    )
    assert found[f"shoptwin_device_exceptions_total[('code', '2'), {device}]"] == 6
    assert found[f"shoptwin_device_part_up[{device}, ('part', 'unit 7')]"] == 0
    assert found[f"shoptwin_device_holes[{device}]"] == 1
    assert found["shoptwin_outbox_messages[]"] == 5
    assert found["shoptwin_alarms_standing[('priority', 'high')]"] == 2
    assert found[f"shoptwin_device_latency_seconds[{device}, ('quantile', '0.5')]"] == 0.004
    assert found[f"shoptwin_device_request_seconds[{device}, ('quantile', '0.99')]"] == 0.008


async def test_a_taken_port_stops_nothing(serving: Any, free_port: int, monkeypatch: Any) -> None:
    """While the metrics' port is taken the other doors are open, and the metrics come once it is free."""
    monkeypatch.setattr("shoptwin.serve.server.RETRY_SECONDS", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        async with serving(f"127.0.0.1:{free_port}") as client:
            assert (await asyncio.to_thread(client.get, "/v1/status"))["gateway"] == "gw"
            taken.close()
            assert await _scraped(free_port)


def test_every_metric_is_documented(control: Any) -> None:
    """docs/reference/metrics.md lists every metric, and none that there is not."""
    documented = set(re.findall(r"^\| `(shoptwin_\w+)`", DOCS.read_text(), re.MULTILINE))
    assert documented == {sample.name for metric in StatusCollector(control).collect() for sample in metric.samples}

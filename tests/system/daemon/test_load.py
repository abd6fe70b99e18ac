"""Five hundred tags a second over Modbus and five hundred over OPC UA, without a missed poll."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import psutil
import pytest

TAGS = 500
MACHINES = 10
"""Machines on each of the two devices."""
LONG = float(os.environ.get("SHOPTWIN_LOAD_SECONDS", "600"))
DEVICES = """
[[device]]
name = "plc1"
driver = "modbus"
url = "tcp://127.0.0.1:{modbus}"
period = "1s"

[[device]]
name = "edge"
driver = "opcua"
url = "{opcua}"
security = "none"
mode = "poll"
period = "1s"
"""
TAG = """
[[machine.tag]]
name = "t{n}"
role = "other"
device = "{device}"
address = "{address}"
limits = {{ hi = 1e6 }}
"""


def text(modbus: int, opcua: str) -> str:
    """Return the configuration: ten machines of fifty tags on each device."""
    parts = [DEVICES.format(modbus=modbus, opcua=opcua)]
    for device, address in (("plc1", "holding:{}:float32"), ("edge", "nsu=urn:shoptwin:test;s=n{}")):
        for m in range(MACHINES):
            parts.append(f'\n[[machine]]\nname = "{device}-{m}"\n')
            own = range(m * TAGS // MACHINES, (m + 1) * TAGS // MACHINES)
            step = 2 if device == "plc1" else 1
            parts += [TAG.format(n=n, device=device, address=address.format(step * n)) for n in own]
    return "".join(parts)


def load(seconds: float, slave: Any, node_opcua: Any, daemon: Any, mosquitto: Any) -> None:
    """Let it run, and check polls, samples and what was stored."""
    plc, server = slave(), node_opcua(nodes=TAGS, period=500)
    plc.put(0, *[float(n) for n in range(TAGS)])
    gateway = daemon(text(plc.port, server.url), mosquitto).start()
    gateway.until(lambda s: all(d["polls"] >= 2 for d in s["devices"]), 30)
    process = psutil.Process(gateway.process.pid)
    begun, used, first = time.monotonic(), sum(process.cpu_times()[:2]), gateway.status()
    while time.monotonic() - begun < seconds:
        time.sleep(min(5.0, seconds / 4))
        plc.put(0, *[n + math.sin(time.monotonic()) for n in range(TAGS)])
        assert gateway.process.poll() is None
    last, took = gateway.status(), time.monotonic() - begun
    used = sum(process.cpu_times()[:2]) - used
    for before, after in zip(first["devices"], last["devices"], strict=True):
        assert after["missed_polls"] == 0, after
        assert after["bad_samples"] == 0, after
        assert after["errors"] == {}, after
        polls = after["polls"] - before["polls"]
        assert abs(polls - took) <= 2, f"{polls} polls in {took:.1f} s"
        assert after["samples"] - before["samples"] == polls * TAGS
    now = time.time_ns()
    for tag in ("plc1-0.t0", "edge-9.t499"):
        kept = gateway.client.get("/v1/history", tag=tag, start=now - round((took - 4) * 1e9), stop=now, resolution=0)
        assert len(kept["time"]) >= took - 7
        assert set(kept["quality"]) == {"Good"}
    assert last["degraded"] == []
    process.memory_info().rss / 1e6


@pytest.mark.timeout(90)
def test_a_thousand_tags(slave: Any, node_opcua: Any, daemon: Any, broker: Any) -> None:
    """For some seconds no poll is missed, no value is Bad, and all is stored."""
    load(8, slave, node_opcua, daemon, broker())


@pytest.mark.slow
@pytest.mark.timeout(LONG + 120)
def test_a_thousand_tags_for_long(slave: Any, node_opcua: Any, daemon: Any, broker: Any) -> None:
    """For ten minutes ($SHOPTWIN_LOAD_SECONDS) no poll is missed, no value is Bad, and all is stored."""
    load(LONG, slave, node_opcua, daemon, broker())

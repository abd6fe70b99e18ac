"""`make bench` itself: what it prints and what it writes."""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    """Return what imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    known = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory):
    """Run one topic quickly; return what was printed and what was written."""
    out = tmp_path_factory.mktemp("bench") / "bench.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks"), "--only", "alarms", "--quick", "--out", str(out)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return done.stdout, json.loads(out.read_text())


def test_rows(measured):
    """Each number is a row with name, value, unit, baseline, ratio, hold and ok, in the file and in the table."""
    printed, written = measured
    assert written["rows"]
    for row in written["rows"]:
        assert {"name", "value", "unit", "baseline", "ratio", "hold", "ok"} <= row.keys()
        assert row["name"] in printed
        assert row["value"] > 0


def test_ratio_is_of_value_and_baseline(measured):
    """A cost is as many times better as it is smaller than its baseline."""
    row = next(row for row in measured[1]["rows"] if row["baseline"])
    assert row["ratio"] == pytest.approx(row["baseline"] / row["value"])


def test_topics_are_described():
    """The page on benchmarks says of every topic what it measures."""
    source = (ROOT / "benchmarks" / "__main__.py").read_text()
    found = re.search(r"TOPICS = \((.*?)\)", source, re.DOTALL)
    assert found is not None
    page = (ROOT / "docs" / "reference" / "benchmarks.md").read_text()
    for topic in re.findall(r'"(\w+)"', found[1]):
        assert f"| `{topic}` |" in page


def test_a_long_run_that_there_is_not():
    """A long run is refused for a topic that has none, by name."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks"), "--soak", "--only", "alarms"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no long run of alarms" in done.stderr


@pytest.mark.parametrize("seed", range(5))
def test_a_memory_that_only_moves_is_flat(bench, seed):
    """Memory that goes up and down in steps has no slope, and one that grows on top of that has one."""
    draw, level, flat, growing = random.Random(seed), 60_000.0, [], []
    for i in range(1200):
        level += draw.choice((-64, 64)) if draw.random() < 0.05 else 0.0
        flat.append(level)
        growing.append(level + 5 * i)
    measure = bench("measure")
    assert measure.trend(flat, 600).flat
    found = measure.trend(growing, 600)
    assert not found.flat
    assert found.slope - found.error < 2 * 5 * 3600 < found.slope + found.error


def test_slaves(bench):
    """A slave that is well answers what pymodbus asks, and those that are ill refuse, swallow or say nothing."""
    servers = bench("servers")

    async def ask(url: str) -> str:
        client = AsyncModbusTcpClient("127.0.0.1", port=urlsplit(url).port, timeout=0.3, retries=0, reconnect_delay=0)
        try:
            if not await client.connect():
                return "not connected"
            reply = await client.read_holding_registers(10, count=4)
            return str(client.convert_from_registers(reply.registers, client.DATATYPE.FLOAT32))
        except ModbusException as error:
            return type(error).__name__
        finally:
            client.close()

    kinds = ("steady", "silent", "refused", "black hole")
    with servers.slaves(*({"kind": kind} for kind in kinds)) as (running, urls):
        found = [asyncio.run(ask(url)) for url in urls]
        counted = running.tell()
    assert found == ["[5.25, 6.25]", "ModbusIOException", "not connected", "not connected"]
    assert [each.get("requests") for each in counted] == [1, 1, None, None]


def test_a_serial_line(bench):
    """On the line the living units answer after the time that the frames take, and the dead one does not."""
    servers = bench("servers")

    async def ask(path: str) -> tuple[list[int], float, str]:
        client = AsyncModbusSerialClient(
            path, baudrate=19_200, parity="N", stopbits=2, timeout=0.5, retries=0, reconnect_delay=0
        )
        assert await client.connect()
        loop = asyncio.get_running_loop()
        began = loop.time()
        words = (await client.read_holding_registers(7, count=20, device_id=2)).registers
        took = loop.time() - began
        try:
            await client.read_holding_registers(7, count=20, device_id=1)
        except ModbusException as error:
            return words, took, type(error).__name__
        finally:
            client.close()
        return words, took, ""

    with servers.slaves({"kind": "line", "units": 2, "dead": [1]}) as (running, (url,)):
        words, took, dead = asyncio.run(ask(urlsplit(url).path))
        (counted,) = running.tell()
    assert words == list(range(7, 27))
    assert took >= (8 + 45) * 11 / 19_200 + 0.01
    assert dead == "ModbusIOException"
    assert counted["asked"] == {"1": 1, "2": 1}
    assert counted["replies"] == {"2": 1}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_holds_of_modbus_devices(tmp_path):
    """No poll of 10,000 tags is missed, and what devices cost, dead or alive, stays within its bounds."""
    out = tmp_path / "bench.json"
    subprocess.run(
        [sys.executable, str(ROOT / "benchmarks"), "--out", str(out),
         *(word for topic in ("fleet", "unreachable", "bus") for word in ("--only", topic))],
        check=True, cwd=ROOT,
    )  # fmt: skip
    rows = json.loads(out.read_text())["rows"]
    assert len(rows) >= 9
    assert [(row["name"], row["value"], row["hold"]) for row in rows if row["ok"] is False] == []

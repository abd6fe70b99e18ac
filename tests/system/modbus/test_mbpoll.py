"""mbpoll (libmodbus) as an independent reader of the practice plant: it reads what the driver reads, and no less."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from shoptwin.testing import group_of, readings
from shoptwin_modbus.plugin import ModbusPlugin
from shoptwin_modbus.target import ModbusSettings
from shoptwin_plant import PlantInfo, PlantOptions, plant
from shoptwin_plant.registers import CLOCK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODES = {"float32": "f", "uint16": "H", "uint32": "I", "uint64": "Q"}
TABLES = {"holding": "4", "input": "3"}
"""What mbpoll calls them."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def info() -> AsyncIterator[PlantInfo]:
    """Run a plant so slowly that its values stand still."""
    ready: asyncio.Future[PlantInfo] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(plant.serve(PlantOptions(rate=0.001, rtu=True), ready.set_result))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await ready
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def addresses(info: PlantInfo) -> dict[int, tuple[int, str]]:
    """Return every value of the plant's map: where it starts -> (registers, type). The running clock is left out."""
    texts = [tag.modbus for machine in info.machines for tag in machine.tags if tag.modbus]
    texts += [text for name, text in CLOCK.items() if name != "now"]
    found = {}
    for text in texts:
        _, start, kind = text.split(":")
        found[int(start)] = struct.calcsize(CODES[kind]) // 2, kind
    return found


async def mbpoll(link: list[str], table: str, start: int, count: int) -> list[int]:
    """Read registers as mbpoll shows them: `[100]:     0x1234`."""
    options = ["-1", "-0", "-t", f"{TABLES[table]}:hex", "-r", str(start), "-c", str(count), "-o", "3"]
    done = await asyncio.to_thread(
        subprocess.run, ["mbpoll", *options, *link], capture_output=True, text=True, timeout=20, check=False
    )
    found = {int(at): int(word, 16) for at, word in re.findall(r"\[(\d+)\]:\s+0x([0-9A-Fa-f]{4})", done.stdout)}
    assert sorted(found) == list(range(start, start + count)), done.stdout + done.stderr
    return [found[at] for at in sorted(found)]


async def driver(url: str, table: str, wanted: dict[int, tuple[int, str]]) -> dict[int, tuple[float, bool]]:
    """Read every value with the driver: (value, whether it is Good)."""
    plugin = ModbusPlugin()
    connection = plugin.open(ModbusSettings(url=url, timeout="3s"))
    await connection.connect()
    try:
        texts = [f"{table}:{start}:{kind}" for start, (_, kind) in wanted.items()]
        found = readings(await connection.read(group_of(plugin, texts)))
    finally:
        await connection.aclose()
    return {start: (found[tag][0].value, found[tag][0].good) for tag, start in enumerate(wanted)}


@pytest.mark.parametrize("link", ["tcp", "rtu"])
@pytest.mark.parametrize("table", ["holding", "input"])
async def test_every_register_of_the_plant(info, link, table):
    """Every value of the plant's map is the same read by mbpoll and by the driver, over TCP and over a line."""
    if not shutil.which("mbpoll"):
        pytest.skip("mbpoll is not installed (apt-get install mbpoll)")
    wanted = addresses(info)
    assert len(wanted) > 20
    if link == "tcp":
        url, options = info.modbus, ["-m", "tcp", "-p", info.modbus.rsplit(":", 1)[1], "127.0.0.1"]
    else:
        url, options = (
            f"rtu://{info.rtu}?baud=115200&parity=N",
            ["-m", "rtu", "-b", "115200", "-P", "none", info.rtu],
        )
    there = await driver(url, table, wanted)
    words: dict[int, int] = {}
    for first in {start // 100 * 100 for start in wanted}:
        inside = [start for start in wanted if start // 100 * 100 == first]
        last = max(start + wanted[start][0] for start in inside)
        read = await mbpoll(options, table, first, last - first)
        words |= dict(enumerate(read, first))
    assert await driver(url, table, wanted) == there, "the plant's values should stand still"
    for start, (size, kind) in wanted.items():
        raw = struct.pack(f">{size}H", *(words[at] for at in range(start, start + size)))
        assert there[start] == (struct.unpack(f">{CODES[kind]}", raw)[0], True), start

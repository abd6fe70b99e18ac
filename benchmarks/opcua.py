"""OPC UA: reads and notifications, ours and asyncua's own; what the driver costs a process. node-opcua serves."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from configurations import device, gateway, machine, opcua_tags
from fleet import measured
from measure import in_turns_async, paired, spent
from rows import Row, at_most, cheaper, plain, skipped
from servers import BYTECODE, HERE, helper, no_node, one_core, opcua, scratch

import shoptwin_opcua
from shoptwin.testing import group_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from measure import Paired

NODES = 1000
ADDRESSES = [f"nsu=urn:shoptwin:test;s=n{i}" for i in range(NODES)]
READ = "opcua: read a value"
NOTIFICATION = "opcua: take a notification"
STEADY = f"opcua: {NODES:,} tags at 1 s"
MOST = 3.0
"""Percent of a core for so many tags."""
STARTS = 5
"""Processes that are started for one figure of what importing costs."""


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU a value, CPU a notification, CPU of a steady load, memory and time of importing and connecting."""
    if why := no_node():
        return [skipped(name, "us CPU", why) for name in (READ, NOTIFICATION, STEADY)]
    with one_core(), opcua(nodes=NODES, period=100) as server:
        found = asyncio.run(_rows(server.url, rounds=8 if quick else 40, seconds=1.0 if quick else 3.0))
    with opcua(nodes=NODES, period=1000) as server:
        return [*found, *_steady(server.url, 10 if quick else 60), *_start(server.url)]


async def _rows(url: str, *, rounds: int, seconds: float) -> list[Row]:
    from asyncua import Client  # noqa: PLC0415 - half a second

    async with Client(url) as client:
        index = await client.get_namespace_index("urn:shoptwin:test")
        nodes = [client.get_node(f"ns={index};s=n{i}") for i in range(NODES)]
        read = await _read(url, client, nodes, rounds)
        notified = await _subscribe(url, client, nodes, seconds)
    against = f"asyncua read_values({NODES}); {read.noise}"
    return [
        cheaper(READ, read.mine, "us CPU", baseline=read.other, against=against, least=6, ratio=read.ratio),
        cheaper(NOTIFICATION, notified[0], "us CPU", baseline=notified[1], against="asyncua's handler", least=4),
    ]


async def _read(url: str, client: Any, nodes: list[Any], rounds: int) -> Paired:  # noqa: ANN401 - asyncua's
    plugin = shoptwin_opcua.plugin
    group = group_of(plugin, ADDRESSES)
    connection: Any = plugin.open(plugin.Settings(url=url, security="none", mode="poll"))
    await connection.connect()
    await connection.read(group)
    if connection.path != "fast":
        raise RuntimeError(f"the fast path is not taken: {connection.path}")

    async def ours() -> float:
        with spent() as cost:
            for _ in range(5):
                await connection.read(group)
        return cost.cpu / 5 / NODES * 1e6

    async def theirs() -> float:
        with spent() as cost:
            await client.read_values(nodes)
        return cost.cpu / NODES * 1e6

    found = await paired(ours, theirs, rounds)
    await connection.aclose()
    return found


class _Handler:
    """Counts, and does nothing else."""

    def __init__(self) -> None:
        self.count = 0

    def datachange_notification(self, _node: object, _value: object, _data: object) -> None:
        """Be told by asyncua."""
        self.count += 1


async def _subscribe(url: str, client: Any, nodes: list[Any], seconds: float) -> tuple[float, ...]:  # noqa: ANN401
    plugin = shoptwin_opcua.plugin
    settings = plugin.Settings(url=url, security="none", publishing="100ms", sampling="100ms")

    async def ours() -> float:
        connection: Any = plugin.open(settings)
        await connection.connect()
        feed, count = connection.batches([group_of(plugin, ADDRESSES, period=100_000_000)]), 0
        while count < 2 * NODES:  # the values at the start are read, and so is the first change of each
            count += len(await anext(feed))
        until, count = asyncio.get_running_loop().time() + seconds, 0
        with spent() as cost:
            while asyncio.get_running_loop().time() < until:
                count += len(await anext(feed))
        await connection.aclose()
        return cost.cpu / count * 1e6

    async def theirs() -> float:
        handler = _Handler()
        subscription = await client.create_subscription(100, handler)
        await subscription.subscribe_data_change(nodes, sampling_interval=100)
        await asyncio.sleep(0.5)
        before = handler.count
        with spent() as cost:
            await asyncio.sleep(seconds)
        count = handler.count - before
        await subscription.delete()
        return cost.cpu / count * 1e6

    return await in_turns_async(ours, theirs, turns=3)


def _steady(url: str, seconds: float) -> list[Row]:
    """Return the CPU of the daemon's device task alone, by both modes, beside a bare loop of asyncua."""
    with (
        scratch() as folder,
        helper("bare_opcua.py", [{"url": url, "nodes": NODES, "period": 1.0}]) as bare,
        helper("acquiring.py", _configured(folder / "poll", url)) as polled,
        helper("acquiring.py", _configured(folder / "subscribe", url)) as subscribed,
    ):
        time.sleep(5)
        before = [each.tell()["samples"] for each in (polled, subscribed)]
        found = measured(seconds, polled, subscribed, bare)
        brought = [each.tell()["samples"] - b for each, b in zip((polled, subscribed), before, strict=True)]
    against = "against a bare loop of asyncua's read_values, which keeps nothing"
    return [
        at_most(f"{STEADY}, {how}", percent, "% of a core", MOST, f"{against}; {samples:,} values", baseline=found[2])
        for how, percent, samples in zip(("polled", "subscribed"), found, brought, strict=False)
    ]


def _configured(folder: Path, url: str) -> str:
    """Write a configuration whose device is asked by the mode that the folder is called; return its path."""
    folder.mkdir(parents=True)
    more = f'mode = "{folder.name}"\nsecurity = "none"'
    machines = [machine(f"m{first}", opcua_tags(100, first=first)) for first in range(0, NODES, 100)]
    path = folder / "shoptwin.toml"
    path.write_text(gateway(None) + device("edge", "opcua", url, more=more) + "".join(machines))
    return str(path)


def _start(url: str) -> list[Row]:
    """Return what importing and connecting costs a process beyond numpy and the driver's kit."""
    found = {client: [_process(client, url) for _ in range(STARTS)] for client in ("asyncua", "driver")}
    return [
        plain(f"opcua: {name}, {what}", _median(found["driver"], step, key), unit,
              f"asyncua alone: {_median(found['asyncua'], step, key):.3g}; beyond numpy and shoptwin.sdk")
        for step, name in (("import", "import the driver"), ("connect", "import and connect it"))
        for key, what, unit in (("mb", "memory", "MB RSS"), ("s", "time", "s CPU"))
    ]  # fmt: skip


def _process(client: str, url: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "connecting.py"), client, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | BYTECODE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _median(runs: list[dict[str, Any]], step: str, key: str) -> float:
    return statistics.median(run[step][key] for run in runs)

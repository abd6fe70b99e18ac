"""OPC UA: reading 1,000 values, and a subscription's notifications, ours and asyncua's own; node-opcua serves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from measure import in_turns_async, spent
from rows import Row, cheaper, skipped
from servers import no_node, opcua

import shoptwin_opcua
from shoptwin.testing import group_of

if TYPE_CHECKING:
    from collections.abc import Iterable

NODES = 1000
ADDRESSES = [f"nsu=urn:shoptwin:test;s=n{i}" for i in range(NODES)]
READ = "opcua: read a value"
NOTIFICATION = "opcua: take a notification"


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU a value and CPU a notification."""
    if why := no_node():
        return [skipped(READ, "us CPU", why), skipped(NOTIFICATION, "us CPU", why)]
    with opcua(nodes=NODES, period=100) as server:
        return asyncio.run(_rows(server.url, reads=5 if quick else 20, seconds=1.0 if quick else 3.0))


async def _rows(url: str, *, reads: int, seconds: float) -> list[Row]:
    from asyncua import Client  # noqa: PLC0415 - half a second

    async with Client(url) as client:
        index = await client.get_namespace_index("urn:shoptwin:test")
        nodes = [client.get_node(f"ns={index};s=n{i}") for i in range(NODES)]
        read = await _read(url, client, nodes, reads)
        notified = await _subscribe(url, client, nodes, seconds)
    return [
        cheaper(READ, read[0], "us CPU", baseline=read[1], against="asyncua read_values(1000)", least=6),
        cheaper(NOTIFICATION, notified[0], "us CPU", baseline=notified[1], against="asyncua's handler", least=4),
    ]


async def _read(url: str, client: Any, nodes: list[Any], reads: int) -> tuple[float, ...]:  # noqa: ANN401 - asyncua's
    plugin = shoptwin_opcua.plugin
    group = group_of(plugin, ADDRESSES)
    connection: Any = plugin.open(plugin.Settings(url=url, mode="poll"))
    await connection.connect()

    async def ours() -> float:
        with spent() as cost:
            for _ in range(reads):
                await connection.read(group)
        return cost.cpu / reads / NODES * 1e6

    async def theirs() -> float:
        with spent() as cost:
            for _ in range(reads):
                await client.read_values(nodes)
        return cost.cpu / reads / NODES * 1e6

    found = await in_turns_async(ours, theirs)
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
    settings = plugin.Settings(url=url, publishing="100ms", sampling="100ms")

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

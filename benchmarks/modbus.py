"""Modbus: one full request, and tags that lie scattered, ours and pymodbus with a conversion a tag."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from measure import paired, spent
from pymodbus.client import AsyncModbusTcpClient
from rows import Row, cheaper
from servers import one_core, slaves

import shoptwin_modbus
from shoptwin.testing import group_of, readings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from measure import Paired

FLOATS = 62
"""float32 values, and one word: 125 registers, the most that a request may ask for."""
SCATTERED, REGISTERS = 500, 2000
"""Tags of one float32 each, anywhere in so many registers."""


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU of a poll, and requests."""
    with one_core():
        return [asyncio.run(_block(quick=quick)), *asyncio.run(_scattered(quick=quick))]


async def _block(*, quick: bool) -> Row:
    """Return the CPU of one poll of 125 registers, from the request to the values."""
    addresses = [*(f"holding:{2 * i}:float32" for i in range(FLOATS)), "holding:124:uint16"]

    async def theirs(client: AsyncModbusTcpClient) -> list[object]:
        words = (await client.read_holding_registers(0, count=125)).registers
        floats = [
            client.convert_from_registers(words[2 * i : 2 * i + 2], client.DATATYPE.FLOAT32) for i in range(FLOATS)
        ]
        return [*floats, client.convert_from_registers(words[124:], client.DATATYPE.UINT16)]

    found, _ = await _compared(addresses, theirs, polls=25, rounds=30 if quick else 200)
    return cheaper(
        "modbus: read and decode 125 registers", found.mine, "us CPU", baseline=found.other,
        against=f"pymodbus async and convert_from_registers a tag; {found.noise}", least=1.7, ratio=found.ratio,
    )  # fmt: skip


async def _scattered(*, quick: bool) -> list[Row]:
    """Return the requests and the CPU of one poll of tags that lie anywhere."""
    draw = random.Random(3)  # noqa: S311 - it only has to be the same in each run
    starts = sorted(2 * i for i in draw.sample(range(REGISTERS // 2), SCATTERED))

    async def theirs(client: AsyncModbusTcpClient) -> list[object]:
        values: list[object] = []
        for start in starts:
            words = (await client.read_holding_registers(start, count=2)).registers
            values.append(client.convert_from_registers(words, client.DATATYPE.FLOAT32))
        return values

    addresses = [f"holding:{start}:float32" for start in starts]
    found, requests = await _compared(addresses, theirs, polls=1, rounds=5 if quick else 30)
    name = f"modbus: {SCATTERED} tags scattered over {REGISTERS:,} registers"
    against = "pymodbus async, one request a tag"
    return [
        cheaper(f"{name}, a poll", requests, "requests", baseline=SCATTERED, against=against),
        cheaper(f"{name}, CPU", found.mine, "us CPU", baseline=found.other, against=f"{against}; {found.noise}",
                ratio=found.ratio),
    ]  # fmt: skip


async def _compared(
    addresses: list[str], theirs: Callable[[AsyncModbusTcpClient], Awaitable[list[object]]], *, polls: int, rounds: int
) -> tuple[Paired, int]:
    """Return the CPU of a poll (us), ours and theirs, and the requests that ours takes.

    Raises:
        RuntimeError: the two do not read the same values.
    """
    with slaves({"kind": "steady"}) as (server, (url,)):
        plugin = shoptwin_modbus.plugin
        group = group_of(plugin, addresses)
        connection = plugin.open(plugin.Settings(url=url))
        await connection.connect()
        client = AsyncModbusTcpClient("127.0.0.1", port=urlsplit(url).port or 0)
        await client.connect()
        server.tell()
        read = readings(await connection.read(group))
        requests = server.tell()[0]["requests"]
        if [read[i][0].value for i in range(len(addresses))] != await theirs(client):
            raise RuntimeError("ours and theirs read different values")

        async def ours() -> float:
            with spent() as cost:
                for _ in range(polls):
                    await connection.read(group)
            return cost.cpu / polls * 1e6

        async def baseline() -> float:
            with spent() as cost:
                for _ in range(polls):
                    await theirs(client)
            return cost.cpu / polls * 1e6

        found = await paired(ours, baseline, rounds)
        await connection.aclose()
        client.close()
    return found, requests

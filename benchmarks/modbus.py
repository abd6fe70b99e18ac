"""Modbus: one read of 125 registers and what comes of it, ours and pymodbus with a conversion a tag."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from measure import in_turns_async, spent
from pymodbus.client import AsyncModbusTcpClient
from rows import Row, cheaper
from servers import slave

import shoptwin_modbus
from shoptwin.testing import group_of

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOATS = 62
"""float32 values, and one word: 125 registers, the most that a request may ask for."""


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU a poll."""
    return asyncio.run(_rows(100 if quick else 400))


async def _rows(polls: int) -> list[Row]:
    with slave() as server:
        plugin = shoptwin_modbus.plugin
        group = group_of(plugin, [*(f"holding:{2 * i}:float32" for i in range(FLOATS)), "holding:124:uint16"])
        connection = plugin.open(plugin.Settings(url=server.url))
        await connection.connect()
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port)
        await client.connect()

        async def ours() -> float:
            with spent() as cost:
                for _ in range(polls):
                    await connection.read(group)
            return cost.cpu / polls * 1e6

        async def theirs() -> float:
            with spent() as cost:
                for _ in range(polls):
                    words = (await client.read_holding_registers(0, count=125)).registers
                    for i in range(FLOATS):
                        client.convert_from_registers(words[2 * i : 2 * i + 2], client.DATATYPE.FLOAT32)
                    client.convert_from_registers(words[124:], client.DATATYPE.UINT16)
            return cost.cpu / polls * 1e6

        mine, other = await in_turns_async(ours, theirs)
        await connection.aclose()
        client.close()
    against = "pymodbus async and convert_from_registers a tag"
    return [
        cheaper("modbus: read and decode 125 registers", mine, "us CPU", baseline=other, against=against, least=1.7)
    ]

"""The baseline: pymodbus alone, in the loop that one would write first. `python bare.py PLAN`.

PLAN is a JSON list of devices: `url`, `units`, `blocks` (start and count of holding registers, all of them float32),
`period` and `timeout` in seconds. Each is polled in a task of its own; a lost connection is made anew at the next poll.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from answering import answer
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
counted = {"samples": 0, "failed": 0, "polls": 0, "missed": 0}


def client_of(url: str, timeout: float) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
    """Return a client that is not connected; without retries, which would only be dearer where nobody answers."""
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        assert parts.hostname  # noqa: S101 - our own URL
        return AsyncModbusTcpClient(
            parts.hostname, port=parts.port or 502, timeout=timeout, retries=0, reconnect_delay=0
        )
    query = parse_qs(parts.query)
    return AsyncModbusSerialClient(
        parts.path, baudrate=int(query["baud"][0]), parity=query["parity"][0], stopbits=int(query["stop"][0]),
        timeout=timeout, retries=0, reconnect_delay=0,
    )  # fmt: skip


async def device(plan: dict[str, Any]) -> None:
    """Poll one device for ever."""
    client = client_of(plan["url"], plan["timeout"])
    due, period = time.monotonic(), plan["period"]
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if client.connected or await client.connect():
            for unit in plan["units"]:
                await _unit(client, unit, plan["blocks"])
        else:
            counted["failed"] += 1
        counted["polls"] += 1
        behind = int((time.monotonic() - due) / period)
        counted["missed"] += behind
        due += (behind + 1) * period


async def _unit(
    client: AsyncModbusTcpClient | AsyncModbusSerialClient, unit: int, blocks: list[tuple[int, int]]
) -> None:
    try:
        for start, count in blocks:
            words = (await client.read_holding_registers(start, count=count, device_id=unit)).registers
            for i in range(0, count, 2):
                client.convert_from_registers(words[i : i + 2], client.DATATYPE.FLOAT32)
            counted["samples"] += count // 2
    except ModbusException:
        counted["failed"] += 1


async def main(plan: list[dict[str, Any]]) -> None:
    """Poll until stdin ends."""
    running = [asyncio.create_task(device(each)) for each in plan]
    await answer(lambda: counted)
    for each in running:
        each.cancel()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

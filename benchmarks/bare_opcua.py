"""The baseline: asyncua alone, in the loop that one would write first. `python bare_opcua.py PLAN`.

PLAN is a JSON list of servers: `url`, `nodes` (how many of the test server's n0 … are read) and `period` in seconds.
Each is polled in a task of its own by `read_values`, which keeps nothing but the values.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

from answering import answer
from asyncua import Client

logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
counted = {"samples": 0, "polls": 0, "missed": 0}


async def server(plan: dict[str, Any]) -> None:
    """Poll one server for ever."""
    async with Client(plan["url"]) as client:
        index = await client.get_namespace_index("urn:shoptwin:test")
        nodes = [client.get_node(f"ns={index};s=n{i}") for i in range(plan["nodes"])]
        due, period = time.monotonic(), plan["period"]
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            counted["samples"] += len(await client.read_values(nodes))
            counted["polls"] += 1
            behind = int((time.monotonic() - due) / period)
            counted["missed"] += behind
            due += (behind + 1) * period


async def main(plan: list[dict[str, Any]]) -> None:
    """Poll until stdin ends."""
    running = [asyncio.create_task(server(each)) for each in plan]
    await answer(lambda: counted)
    for each in running:
        each.cancel()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

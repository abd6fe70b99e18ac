"""What a protocol's client costs a process: `python connecting.py asyncua|driver URL`.

It begins with what the daemon has anyway (numpy, shoptwin.sdk), imports the client, connects it, and prints one line of
JSON: MB of RSS and CPU seconds more than at the beginning, after each of the two.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import psutil

import shoptwin.sdk
import shoptwin_opcua


class _Spent:
    """RSS and CPU since it was made."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._rss, self._cpu = self._process.memory_info().rss, time.process_time()

    def now(self) -> dict[str, float]:
        """Return both."""
        return {"mb": (self._process.memory_info().rss - self._rss) / 2**20, "s": time.process_time() - self._cpu}


async def main(client: str, url: str) -> dict[str, Any]:
    """Import and connect; return what each has cost so far."""
    spent = _Spent()
    if client == "asyncua":
        import asyncua  # noqa: PLC0415 - this is what is measured

        imported = spent.now()
        async with asyncua.Client(url):
            return {"import": imported, "connect": spent.now()}
    plugin = shoptwin_opcua.plugin
    connection: Any = plugin.open(plugin.Settings(url=url, security="none"))
    imported = spent.now()
    await connection.connect()
    connected = spent.now()
    await connection.aclose()
    return {"import": imported, "connect": connected}


if __name__ == "__main__":
    assert shoptwin.sdk  # noqa: S101 - imported so that it counts for neither
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))

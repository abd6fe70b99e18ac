"""The demo's broker: mosquitto where it is on the PATH, else amqtt embedded (MQTT 3.1.1, no durable sessions)."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def version() -> int:
    """Return the MQTT version that the broker at hand speaks: 5, or 4 for 3.1.1."""
    return 5 if shutil.which("mosquitto", path=SEARCH) else 4


SEARCH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"
"""Debian puts mosquitto where only root's PATH looks."""


async def start(port: int, directory: Path) -> asyncio.subprocess.Process:
    """Start a broker on loopback and return its process, once it listens."""
    mosquitto = shutil.which("mosquitto", path=SEARCH)
    if mosquitto:
        config = directory / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        command = [mosquitto, "-c", str(config)]
    else:
        command = [sys.executable, __file__, str(port)]
    with (directory / "broker.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    async with asyncio.timeout(20):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            await writer.wait_closed()
            return process
    raise SystemExit(f"the broker ended at once: see {directory / 'broker.log'}")


async def serve(port: int) -> None:
    """Run amqtt until it is ended."""
    from amqtt.broker import Broker  # noqa: PLC0415 - only where there is no mosquitto

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))

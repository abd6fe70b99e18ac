"""Our acquisition alone, on a configuration: `python acquiring.py shoptwin.toml`.

The same tasks as the daemon's, with breaker, statistics and scaling; what they bring is counted and dropped.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from answering import answer

from shoptwin import config
from shoptwin.acquire.device import DeviceTask
from shoptwin.acquire.groups import plan
from shoptwin.acquire.registry import plugins
from shoptwin.acquire.scaling import Scaling
from shoptwin.domain.tag import TagTable
from shoptwin.runtime import logs
from shoptwin.runtime.clock import SystemClock
from shoptwin.runtime.lean import settle, tidy
from shoptwin.runtime.supervise import Progress

if TYPE_CHECKING:
    from shoptwin.domain.batch import SampleBatch


async def main(path: Path) -> None:
    """Acquire until stdin ends."""
    logs.configure("json")
    drivers = plugins()
    loaded = config.load(path, drivers, state_dir=path.parent / "state")
    table, clock, progress = TagTable(loaded.tags), SystemClock(), Progress()
    scaling = Scaling(table)
    taken = 0

    def take(batch: SampleBatch) -> None:
        nonlocal taken
        taken += len(batch)

    tasks = [
        DeviceTask(
            device, drivers[device.driver], plan(device, table, drivers[device.driver]), scaling, clock,
            take=take, changed=lambda _: None,
        )
        for device in loaded.devices
    ]  # fmt: skip

    def figures() -> dict[str, Any]:
        counted = [task.statistics for task in tasks]
        return {
            "samples": taken, "bad": sum(each.bad for each in counted),
            "polls": sum(each.polls for each in counted), "missed": sum(each.missed for each in counted),
        }  # fmt: skip

    settle()
    tidying = asyncio.create_task(_tidy())
    running = [asyncio.create_task(task.run(progress)) for task in tasks]
    await answer(figures)
    for each in (tidying, *running):
        each.cancel()
    await asyncio.gather(tidying, *running, return_exceptions=True)


async def _tidy() -> None:
    """Do what the daemon does each minute."""
    while True:
        await asyncio.sleep(60)
        tidy()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

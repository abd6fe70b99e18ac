"""A client in a process of its own: what it has used and done, told for each line on stdin, until stdin ends."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable


async def answer(figures: Callable[[], dict[str, Any]]) -> None:
    """Tell CPU seconds of this process (all threads), its RSS in bytes and `figures`, each time that it is asked."""
    process = psutil.Process()
    print("{}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        own = {"cpu": time.process_time(), "rss": process.memory_info().rss}
        print(json.dumps(own | figures()), flush=True)

"""Blocking calls that the end does not wait for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from shoptwin.runtime.background import Errands, in_thread

HANGING = """
import asyncio, time
from shoptwin.runtime.background import Errands

async def main():
    asyncio.get_running_loop().set_default_executor(Errands())
    await asyncio.wait([asyncio.create_task(asyncio.to_thread(time.sleep, 60))], timeout=0.1)

asyncio.run(main())
"""


def test_the_end_does_not_wait_for_a_call_that_hangs() -> None:
    """A process whose loop has left a call that hangs ends all the same, and well."""
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", HANGING], check=False, timeout=50).returncode == 0
    assert time.monotonic() - began < 30


async def test_results_and_errors_come_back() -> None:
    """What a call returns or raises is had as from any executor."""
    asyncio.get_running_loop().set_default_executor(Errands())
    assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(divmod, 7, 0)


async def test_calls_that_hang_hold_up_no_other() -> None:
    """However many calls hang, the next one is done at once."""
    asyncio.get_running_loop().set_default_executor(Errands())
    free = threading.Event()
    hanging = [asyncio.create_task(asyncio.to_thread(free.wait, 60)) for _ in range(50)]
    try:
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(len, "abc") == 3
    finally:
        free.set()
    assert all(await asyncio.gather(*hanging))


def test_what_is_nearly_done_is_waited_for() -> None:
    """The end gives calls a moment, so that a short one is not cut off."""
    errands = Errands()
    future = errands.submit(time.sleep, 0.2)
    errands.shutdown()
    assert future.done()
    assert in_thread("short", lambda: 5).result(10) == 5

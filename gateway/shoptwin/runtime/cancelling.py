"""Whether a cancellation is meant for us.

Not each CancelledError is: libraries cancel what they wait for when they close a connection themselves, and before
Python 3.13 a time-out that runs out in the very turn of the loop in which it is no longer needed leaves a cancellation
behind, which hits the next thing that is waited for (`Task.uncancel` does not take it back). Taken for our own end, it
would end a task without a word.
"""

from __future__ import annotations

import asyncio


def cancelled() -> bool:
    """Tell whether somebody has asked the task that runs to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def pause(seconds: float) -> None:
    """Sleep for so long, whatever was left behind; ends early only where the task is to end."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        try:
            await asyncio.sleep(until - loop.time())
        except asyncio.CancelledError:
            if cancelled():
                raise
        else:
            return

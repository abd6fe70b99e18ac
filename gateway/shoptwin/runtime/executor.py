"""The one worker thread: inference runs there, so that the loop's lag stays in milliseconds."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Worker:
    """One thread with a name; work is done in the order it was given."""

    def __init__(self, name: str = "assess") -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.turn = asyncio.Lock()
        """Held by whoever uses what belongs to the thread, over more than one piece of work or beside it."""

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in the thread and return what it returns; what it raises is raised here."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let the work in hand finish, and end the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

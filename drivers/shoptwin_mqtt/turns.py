"""Work that is done in turns: all else in the loop has its own in between, however much a broker sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")
TURN = 16_000
"""Bytes of messages that are decoded in one turn: some ms."""


async def in_turns(steps: Generator[None, None, T]) -> T:
    """Return what a generator returns, and let the loop run wherever it yields."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: T = done.value
            return found
        await asyncio.sleep(0)


class Turns:
    """Counts work in bytes, and waits for the next turn where there was enough of it."""

    def __init__(self) -> None:
        self._done = 0

    async def work(self, size: int) -> None:
        """Note that so many bytes are to be decoded."""
        self._done += size
        if self._done > TURN:
            self._done = 0
            await asyncio.sleep(0)

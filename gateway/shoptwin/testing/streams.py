"""Batches of a connection in either mode, for tests that wait for something to come."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from shoptwin.domain.errors import NotConnected, Timeout
from shoptwin.domain.ports import Polled, Subscribed
from shoptwin.testing.builders import Reading, readings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.device import Group
    from shoptwin.domain.ports import Connection

Readings = dict[int, list[Reading]]
"""The readings of each tag, in order."""


def stream(connection: Connection, group: Group, every: float = 0.05) -> AsyncIterator[SampleBatch]:
    """Return the batches of a group, subscribed to, or polled every so many seconds."""
    if isinstance(connection, Subscribed):
        return connection.batches([group])
    assert isinstance(connection, Polled)  # noqa: S101 - a connection is one of the two
    return _polls(connection, group, every)


async def _polls(connection: Polled, group: Group, every: float) -> AsyncIterator[SampleBatch]:
    while True:
        for batch in await connection.read(group):
            yield batch
        await asyncio.sleep(every)


async def take(
    batches: AsyncIterator[SampleBatch], until: Callable[[Readings], bool], seconds: float = 8.0
) -> Readings:
    """Take batches until `until(readings)` holds; return the readings of each tag taken here.

    Raises:
        TimeoutError: it did not hold in time.
    """
    got: list[SampleBatch] = []
    async with asyncio.timeout(seconds):
        async for batch in batches:
            got.append(batch)
            if until(found := readings(got)):
                return found
    raise AssertionError("the stream ended without raising")


async def values(connection: Connection, group: Group) -> dict[int, Reading]:
    """Return the first reading of each tag of a group."""
    found = await take(stream(connection, group), lambda found: len(found) == len(group.points))
    return {tag: each[0] for tag, each in found.items()}


async def lost(connection: Connection, group: Group, seconds: float) -> tuple[float, NotConnected | Timeout]:
    """Read on until the device is lost; return after how many seconds it was told, and the error.

    Raises:
        TimeoutError: it was not told in time.
    """
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        try:
            async for _ in stream(connection, group):
                pass
        except (NotConnected, Timeout) as error:
            return time.monotonic() - began, error
    raise AssertionError("the stream ended without raising")

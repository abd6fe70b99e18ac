"""What the contract's tests have in common."""
# ruff: noqa: S101 - a test suite asserts

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import NotConnected, Timeout
from shoptwin.domain.ports import Connection, Plugin, Polled, Subscribed
from shoptwin.domain.quality import is_bad
from shoptwin.testing.builders import Reading, readings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.device import Group
    from shoptwin.domain.ports import Address
    from shoptwin.testing.site import Site

PATIENCE = 10.0
"""Seconds for a live server on this box to give all of its values."""


def settings(plugin: Plugin, raw: Mapping[str, object]) -> Any:  # noqa: ANN401 - each plugin has its own type
    """Turn settings as they stand in a configuration into the plugin's own.

    Raises:
        msgspec.ValidationError: a key or a value is wrong.
    """
    return msgspec.convert(dict(raw), plugin.Settings)


def polled_or_skip(connection: Connection) -> Polled:
    """Return the connection as one that is polled; skip the test where it is not."""
    if not isinstance(connection, Polled):
        pytest.skip("does not apply: this driver's devices send by themselves")
    return connection


async def batches_of(connection: Connection, group: Group) -> Sequence[SampleBatch]:
    """Return one poll's batches, or what a subscription sends until each tag has come once."""
    if isinstance(connection, Polled):
        return await connection.read(group)
    assert isinstance(connection, Subscribed), "a connection is Polled, Subscribed or both"
    got: list[SampleBatch] = []
    missing = {point.tag for point in group.points}
    async with asyncio.timeout(PATIENCE):
        async for batch in connection.batches([group]):
            got.append(batch)
            missing -= set(batch.tag.tolist())
            if not missing:
                return got
    raise AssertionError("the subscription ended without raising NotConnected")


async def first(connection: Connection, group: Group) -> dict[int, Reading]:
    """Return the first reading of each tag of a group."""
    return {tag: found[0] for tag, found in readings(await batches_of(connection, group)).items()}


async def exhaust(connection: Connection, group: Group) -> None:
    """Read on and on; returns only by raising, which a lost server must bring about."""
    if isinstance(connection, Polled):
        while True:
            await connection.read(group)
            await asyncio.sleep(0.05)
    assert isinstance(connection, Subscribed)
    async for _ in connection.batches([group]):
        pass
    raise AssertionError("the subscription ended without raising NotConnected")


async def right_or_lost(plugin: Plugin, site: Site, connection: Connection, group: Group, data: bytes) -> None:
    """Assert that bytes that come unasked do no harm that lasts.

    What is read right after them is right, Bad or raises, and then all is right again. Closes the connection.
    """
    if site.say is None or not data:
        pytest.skip("does not apply: this site says nothing unasked")
    wanted = expected(plugin, site)
    try:
        await connection.connect()
        check_values(await first(connection, group), group, wanted)
        await site.say(data)
        for _ in range(2):
            with suppress(NotConnected, Timeout):
                async with asyncio.timeout(site.patience):
                    found = await first(connection, group)
                told = {tag: reading for tag, reading in found.items() if not is_bad(reading.status)}
                check_values(told, replace(group, points=tuple(p for p in group.points if p.tag in told)), wanted)
                continue
            await connection.aclose()
            connection = plugin.open(settings(plugin, site.settings))
            await connection.connect()
        check_values(await first(connection, group), group, wanted)
    finally:
        await connection.aclose()


def without_points(group: Group) -> Group:
    """Return the same group with nothing in it."""
    return replace(group, points=())


def expected(plugin: Plugin, site: Site) -> dict[Address, object]:
    """Return what is expected at the site, by parsed address."""
    return {plugin.parse_address(text): value for text, value in site.expected.items()}


def check_values(found: Mapping[int, Reading], group: Group, wanted: Mapping[Any, object]) -> None:
    """Assert that each point of the group was read, Good, with its kind and the value expected at its address."""
    assert sorted(found) == sorted(point.tag for point in group.points)
    for point in group.points:
        reading, value = found[point.tag], wanted[point.address]
        assert reading.good, f"{point.address}: {reading}"
        if (kind := point.address.kind or point.kind) is not None:
            assert reading.kind == kind, f"{point.address}: {reading.kind}"
        assert same(reading.value, value), f"{point.address}: {reading}, expected {value!r}"


def same(value: object, wanted: object) -> bool:
    """Tell whether a value read is the one that stands there; a float may have been rounded to float32."""
    if isinstance(value, Waveform):
        return bool(np.allclose(value.samples, np.asarray(wanted), rtol=1e-6))
    if isinstance(wanted, float):
        return bool(np.isclose(float(value), wanted, rtol=1e-6))  # type: ignore[arg-type]
    return bool(value == wanted)

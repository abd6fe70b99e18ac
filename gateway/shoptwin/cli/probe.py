"""Reads each tag once, straight from its device: what `shoptwin check --probe` shows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from shoptwin.acquire.groups import plan
from shoptwin.domain import quality
from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import ShoptwinError, Timeout
from shoptwin.domain.ports import Polled, Subscribed
from shoptwin.domain.tag import TagTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoptwin.config import Config
    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.device import Device, Group
    from shoptwin.domain.ports import Connection, Plugin
    from shoptwin.domain.tag import Tag

PATIENCE_SECONDS = 15.0
"""How long one device may take to connect and show every tag."""

Reading = dict[str, Any]


async def probe_all(config: Config, plugins: Mapping[str, Plugin]) -> dict[str, Reading]:
    """Return a reading for each tag id: `value` (scaled, for people), `status` (by name) and `good`.

    Devices are asked side by side, as their drivers do it in the daemon; one that is away costs the others nothing.
    """
    tags = TagTable(config.tags)
    found = await asyncio.gather(*(_probe(device, tags, plugins[device.driver]) for device in config.devices))
    return {tag: reading for readings in found for tag, reading in readings.items()}


async def _probe(device: Device, table: TagTable, plugin: Plugin) -> dict[str, Reading]:
    readings = {tag.id: _reading(None, "no answer") for _, tag in table if tag.device == device.name}
    groups = plan(device, table, plugin)
    connection = plugin.open(device.settings)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await connection.connect()
            await _read(connection, groups, table, readings)
    except TimeoutError:
        _failed(readings, Timeout("it shows no value in time"))
    except ShoptwinError as error:
        _failed(readings, error)
    finally:
        await connection.aclose()
    return readings


async def _read(connection: Connection, groups: Sequence[Group], table: TagTable, readings: dict[str, Reading]) -> None:
    if isinstance(connection, Polled):
        for group in groups:
            for batch in await connection.read(group):
                _note(batch, table, readings)
    elif isinstance(connection, Subscribed):
        wanted = set(readings)
        async for batch in connection.batches(groups):
            wanted -= _note(batch, table, readings)
            if not wanted:
                return


def _note(batch: SampleBatch, table: TagTable, readings: dict[str, Reading]) -> set[str]:
    """Keep the values of a batch; return the ids of its tags."""
    told = set()
    for index, value, status in zip(batch.tag, batch.values, batch.status, strict=True):
        tag = table[int(index)]
        good = bool(quality.usable(status))
        readings[tag.id] = _reading(_value(value, tag) if good else None, quality.name(int(status)), good=good)
        told.add(tag.id)
    return told


def _value(value: Any, tag: Tag) -> Any:  # noqa: ANN401 - a number, truth, text or waveform
    if isinstance(value, Waveform):
        return f"{len(value.samples)} samples at {value.rate:g} Hz"
    plain = value.item() if hasattr(value, "item") else value
    if tag.scaled and isinstance(plain, int | float):
        return plain * tag.scale + tag.offset
    return plain


def _failed(readings: dict[str, Reading], error: ShoptwinError) -> None:
    for reading in readings.values():
        if reading["status"] == "no answer":
            reading["status"] = f"{error.code}: {error}"


def _reading(value: Any, status: str, *, good: bool = False) -> Reading:  # noqa: ANN401 - as above
    return {"value": value, "status": status, "good": good}

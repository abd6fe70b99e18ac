"""Reads each tag once, straight from its device: what `shoptwin check --probe` shows."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING, Any

from shoptwin.acquire.groups import plan
from shoptwin.acquire.registry import preload
from shoptwin.acquire.scaling import Scaling
from shoptwin.domain import quality
from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import ShoptwinError, Timeout
from shoptwin.domain.ports import Advising, Polled, Subscribed, Talking
from shoptwin.domain.tag import TagTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoptwin.config import Config
    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.device import Device, Group
    from shoptwin.domain.ports import Connection, Plugin

PATIENCE_SECONDS = 15.0
"""How long one device may take to connect and show every tag."""

Reading = dict[str, Any]

GARBLED = "garbled"
"""In the place of BadDecodingError where the driver could not even use the reply."""
_ANY = "the device says so of this value: look at its own diagnosis, and at the tag's address in the configuration"
_CURES = {
    "BadDeviceFailure": "the device tells of a failure of its own: look at its diagnosis",
    "BadSensorFailure": "the sensor has failed, or its 4-20 mA loop is broken: look at its cable, its plug, the sensor "
    "itself",
    "BadNoData": "the device sends what stands for no value (`missing`): is the sensor connected and switched on?",
    "BadTypeMismatch": "it is no number, as this role and its limits need one: name the part of it that is one, or say "
    'role = "state" or "other"',
    "no answer": "the device is there, but sent nothing for this tag in time",
}
"""By quality, whichever the device; what a driver knows of it counts more."""


async def probe_all(config: Config, plugins: Mapping[str, Plugin], where: Sequence[str] = ()) -> dict[str, Reading]:
    """Return a reading for each tag id: `value` (scaled, for people), `status` (by name), `good`, and `cure` where not.

    `where` are the options by which a further command finds the configuration.

    Devices are asked side by side, as their drivers do it in the daemon; one that is away costs the others nothing.
    """
    preload(config.devices, plugins)
    tags = TagTable(config.tags)
    found = await asyncio.gather(*(_probe(device, tags, plugins[device.driver], where) for device in config.devices))
    return {tag: reading for readings in found for tag, reading in readings.items()}


async def _probe(device: Device, table: TagTable, plugin: Plugin, where: Sequence[str]) -> dict[str, Reading]:
    readings = {tag.id: _reading(None, "no answer") for _, tag in table if tag.device == device.name}
    groups = plan(device, table, plugin)
    connection = plugin.open(device.settings)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await connection.connect()
            await _read(connection, groups, _Reader(table, readings))
    except TimeoutError:
        _failed(readings, Timeout("It shows no value in time", "Check its address, its port and the firewall"))
    except ShoptwinError as error:
        _failed(readings, error)
    finally:
        await connection.aclose()
    named = shlex.join([device.name, *where])
    garbled = isinstance(connection, Talking) and connection.talk().garbled > 0
    for reading in readings.values():
        if not reading["good"] and "cure" not in reading:
            what = GARBLED if garbled and reading["status"] == "BadDecodingError" else reading["status"]
            reading["cure"] = cure(what, plugin, named)
    return readings


def cure(status: str, plugin: Plugin, device: str) -> str:
    """Say, in the words of the driver where it has some, what a Bad quality of one tag means, and what to do."""
    own = plugin.cure(status, device) if isinstance(plugin, Advising) else ""
    return own or _CURES.get(status, _ANY)


async def _read(connection: Connection, groups: Sequence[Group], reader: _Reader) -> None:
    if isinstance(connection, Polled):
        for group in groups:
            for batch in await connection.read(group):
                reader.note(batch)
    elif isinstance(connection, Subscribed):
        wanted = set(reader.readings)
        async for batch in connection.batches(groups):
            wanted -= reader.note(batch)
            if not wanted:
                return


class _Reader:
    """Keeps what a device shows, turned into units as the daemon does it."""

    def __init__(self, table: TagTable, readings: dict[str, Reading]) -> None:
        self.readings = readings
        self._table = table
        self._scaling = Scaling(table)

    def note(self, raw: SampleBatch) -> set[str]:
        """Keep the values of a batch; return the ids of its tags."""
        told = set()
        for batch in self._scaling.apply(raw):
            for index, value, status in zip(batch.tag, batch.values, batch.status, strict=True):
                tag = self._table[int(index)].id
                good = bool(quality.usable(status))
                self.readings[tag] = _reading(_plain(value) if good else None, quality.name(int(status)), good=good)
                told.add(tag)
        return told


def _plain(value: Any) -> Any:  # noqa: ANN401 - a number, truth, text or waveform
    if isinstance(value, Waveform):
        return f"{len(value.samples)} samples at {value.rate:g} Hz"
    return value.item() if hasattr(value, "item") else value


def _failed(readings: dict[str, Reading], error: ShoptwinError) -> None:
    for reading in readings.values():
        if reading["status"] == "no answer":
            reading["status"] = error.code
            reading["cure"] = str(error)


def _reading(value: Any, status: str, *, good: bool = False) -> Reading:  # noqa: ANN401 - as above
    return {"value": value, "status": status, "good": good}

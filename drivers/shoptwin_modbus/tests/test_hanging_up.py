"""Devices that close the connection: after each reply, or instead of one; what they serve otherwise is read."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shoptwin.sdk import NotConnected, StatusCode
from shoptwin.testing import group_of, readings
from shoptwin_modbus.target import ModbusSettings

GOOD, ERROR = StatusCode.GOOD, StatusCode.BAD_NOT_CONNECTED
SPREAD = [f"holding:{i}:int16" for i in range(0, 500, 100)]


@pytest.fixture
def served(device):
    """Return a device that has a register at every hundred."""
    for i in range(0, 500, 100):
        device.put(i, i)
    return device


@pytest.mark.parametrize("replies", [1, 3])
async def test_after_each_reply(served, poll, replies):
    """A device that closes the connection after every reply, or every third, is read in each poll."""
    served.replies = replies
    for _ in range(5):
        assert await poll(*SPREAD) == [(i, GOOD) for i in range(0, 500, 100)]
    assert len(served.requests) >= 25


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("bad", [0, 300, 400])
async def test_at_one_block(served, plugin, bad, in_flight):
    """Where a device hangs up at one block, wherever that stands, it alone is Bad, in each poll."""
    served.hangs_up = lambda *of: of[2] == bad
    url = f"tcp://127.0.0.1:{served.port}"
    connection = plugin.open(ModbusSettings(url=url, timeout="5s", in_flight=in_flight))
    await connection.connect()
    group = group_of(plugin, SPREAD)
    for _ in range(4):
        found = readings(await connection.read(group))
        assert [(found[i][0].value, found[i][0].status) for i in range(5)] == [
            (0, ERROR) if i == bad else (i, GOOD) for i in range(0, 500, 100)
        ]
    served.hangs_up = lambda *_: False
    assert {each.status for [each] in readings(await connection.read(group)).values()} == {GOOD}
    await connection.aclose()


async def test_at_one_address_of_many(device, poll):
    """The block in which a device hangs up is cut in two, until all is read but the one address that is to blame."""
    device.put(0, *range(20))
    device.put(100, 7)
    device.hangs_up = lambda *of: of[2] <= 4 < of[2] + of[3]
    addresses = [*(f"holding:{i}:int16" for i in range(20)), "holding:100:int16"]
    for _ in range(20):
        found = await poll(*addresses)
        assert found[20] == (7, GOOD)
    assert found == [*((i, GOOD) if i != 4 else (0, ERROR) for i in range(20)), (7, GOOD)]


async def test_at_a_unit_behind_a_gateway(device, connection, poll):
    """Where a gateway hangs up whenever one unit is asked, its neighbours are read, and its breaker opens."""
    device.put(0, 5, unit=2)
    device.put(0, 6, unit=3)
    device.hangs_up = lambda *of: of[0] == 1
    for _ in range(5):
        device.requests.clear()
        found = await poll("holding:0:int16", "holding:0:int16@2", "holding:0:int16@3")
        assert found == [(0, ERROR), (5, GOOD), (6, GOOD)]
    assert [unit for unit, *_ in device.requests] == [2, 3]
    assert connection.talk().parts == {"unit 1": False, "unit 2": True, "unit 3": True}


async def test_at_more_units_than_are_tried_at_once(device, plugin, settings):
    """Where a gateway hangs up for the first units that are asked, they are asked last from then on."""
    device.put(0, 7, unit=4)
    device.hangs_up = lambda *of: of[0] < 4
    group, good = group_of(plugin, [f"holding:0:int16@{unit}" for unit in range(1, 5)]), 0
    for _ in range(4):
        connection = plugin.open(settings)
        await connection.connect()
        try:
            good += readings(await connection.read(group))[3][0].value == 7
        except NotConnected:
            assert not good
        await connection.aclose()
    assert good >= 2


async def test_at_everything(device, plugin, settings):
    """A device that does nothing else is lost, at once and after two requests."""
    device.hangs_up = lambda *_: True
    for _ in range(5):
        connection = plugin.open(settings)
        await connection.connect()
        device.requests.clear()
        with pytest.raises(NotConnected, match="closed the connection"):
            await connection.read(group_of(plugin, SPREAD))
        assert 1 <= len(device.requests) <= 2
        await connection.aclose()


async def test_at_the_only_block(device, plugin, settings):
    """A device that hangs up at all that is asked for is lost, though it is but one block."""
    device.hangs_up = lambda *_: True
    connection = plugin.open(settings)
    await connection.connect()
    with pytest.raises(NotConnected):
        await connection.read(group_of(plugin, ["holding:0:int16"]))
    await connection.aclose()


async def test_lost_in_the_middle(served, poll):
    """What was read before the device went away is delivered; the next poll says that it is lost."""
    gone = []

    def leave(*of):
        if of[2] == 300:
            gone.append(asyncio.ensure_future(served.stop()))
            return True
        return False

    served.hangs_up = leave
    found = await poll(*SPREAD)
    assert found == [
        (0, GOOD),
        (100, GOOD),
        (200, GOOD),
        (0, StatusCode.BAD_COMMUNICATION_ERROR),
        (0, StatusCode.BAD_COMMUNICATION_ERROR),
    ]
    with pytest.raises(NotConnected):
        await poll(*SPREAD)
    await asyncio.gather(*gone)


async def test_at_a_waveform(device, plugin, connection):
    """Where a device hangs up at a waveform, that is Bad, and its other tags are Good."""
    device.put(0, 5)
    device.hangs_up = lambda *of: of[2] >= 1000
    group = group_of(plugin, ["holding:0:int16", "holding:1000:int16[100]"])
    group = replace(group, points=tuple(replace(point, rate=1000.0) for point in group.points))
    for _ in range(3):
        found = readings(await connection.read(group))
        assert (found[0][0].value, found[0][0].status) == (5, GOOD)
        assert found[1][0].status == ERROR

"""Brokers that refuse topics, or do not answer at all when they are asked for some."""

from __future__ import annotations

import asyncio

import pytest

from shoptwin.sdk import BadAddress, StatusCode, Timeout
from shoptwin_mqtt import plugin

HIDDEN = StatusCode.BAD_NOT_READABLE
REFUSED = {4: 0x80, 5: 0x87}


@pytest.mark.parametrize("version", [4, 5])
async def test_refused_topics(refusing, listen, version):
    """A topic that the broker refuses is Bad, told once and named; the others are waited for."""
    here = await refusing(version, lambda topic: REFUSED[version] if topic.startswith("shut") else 1)
    async with listen(here, "open/a", "shut/a", "shut/a#/b", "spB:g/n/d/m", version=version) as one:
        heard = await one.take(lambda h: all(h.values()))
        assert {address: [row[1] for row in rows] for address, rows in heard.items()} == {
            "open/a": [StatusCode.BAD_WAITING_FOR_INITIAL_DATA],
            "shut/a": [HIDDEN],
            "shut/a#/b": [HIDDEN],
            "spB:g/n/d/m": [StatusCode.BAD_WAITING_FOR_INITIAL_DATA],
        }
        talk = one.connection.talk()
    assert {(hole.address, hole.status) for hole in talk.holes} == {("shut/a", HIDDEN)}
    assert talk.exceptions == {f"0x{REFUSED[version]:02X}": 1}


@pytest.mark.parametrize(
    ("shut", "device", "own"),
    [
        (("",), [HIDDEN], [HIDDEN]),
        (("DDATA",), [HIDDEN], []),
        (("NDATA",), [], [HIDDEN]),
        (("BIRTH", "DEATH", "$"), [], []),
    ],
)
async def test_refused_topics_of_a_node(refusing, listen, shut, device, own):
    """Of a node those tags alone are Bad, once each, whose data cannot come; every refused topic is named."""
    here = await refusing(5, lambda topic: 0x87 if any(part in topic for part in shut) else 1)
    addresses = ("spB:g/n/d/a", "spB:g/n/d/b", "spB:g/n//c")
    async with listen(here, *addresses, first="60s") as one:
        await one.ready()
        told = [[row[1] for row in one.heard[address]] for address in addresses]
        talk = one.connection.talk()
    assert told == [device, device, own]
    refused = {topic for topic in here.asked if any(part in topic for part in shut)}
    assert {hole.address for hole in talk.holes} == {topic for topic in refused if topic.startswith("spB")}
    assert talk.exceptions["0x87"] == len(refused)


async def test_no_answer_to_a_subscription(refusing, listen):
    """A broker that lets us in and never answers what we ask for is a time-out, and not silence."""
    here = await refusing(5, lambda _: None)
    async with listen(here, "a", timeout="500ms", first="60s") as one:
        with pytest.raises(Timeout, match="did not answer a subscription"):
            await one.take(lambda _: False, 10)


async def test_browsing_where_it_is_refused(refusing, settings_of):
    """A broker that does not let us listen to everything is told, at once and with what to do."""
    here = await refusing(5, lambda topic: 0x87 if topic == "#" else 1)
    connection = plugin.open(settings_of(here, first="60s"))
    await connection.connect()
    try:
        async with asyncio.timeout(10):
            with pytest.raises(BadAddress, match="does not let us listen to #"):
                await connection.browse()
    finally:
        await connection.aclose()

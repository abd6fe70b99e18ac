"""What browsing a broker finds."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress, ValueKind
from shoptwin_mqtt import plugin, pointer


async def found(settings, at=None):
    """Return what browsing finds: name, kind and sample by address."""
    connection = plugin.open(settings)
    try:
        await connection.connect()
        return {c.address: (c.name, c.kind, c.sample) for c in await connection.browse(at)}
    finally:
        await connection.aclose()


async def test_browsing(broker, publish, settings_of, payload):
    """Every value is found with the address to copy: texts, places in JSON, metrics of births, and what has none."""
    here = broker()
    publish(here, "a/temp", "21.5", retain=True)
    publish(here, "a/m", {"p": 1, "on": True, "x@y": {"z/": "t" * 60}, "w": [1, 2], "l": [{"v": None}]}, retain=True)
    publish(here, "a/raw", b"\xff\xfe", retain=True)
    publish(here, "a/ends/", "1", retain=True)
    birth = payload({"name": "Drive/Speed", "alias": 1, "datatype": 3, "int_value": 7}, {"name": "T", "datatype": 16})
    for topic in ("spBv1.0/g/DBIRTH/n/d", "$sparkplug/certificates/spBv1.0/g/NBIRTH/n"):
        publish(here, topic, birth.SerializeToString(), retain=True)
    publish(here, "spBv1.0/g/DDATA/n/d", b"\xff", retain=True)
    settings = settings_of(here, first="500ms")
    everything = await found(settings)
    assert everything == {
        "a/temp": ("temp", ValueKind.F8, "21.5"),
        "a/m#/p": ("p", ValueKind.F8, "1.0"),
        "a/m#/on": ("on", ValueKind.BOOL, "True"),
        "a/m#/x%40y/z~1": ("x@y/z/", ValueKind.STR, "t" * 39 + "…"),
        "a/m#/w": ("w", ValueKind.WAVEFORM, "2 samples"),
        "a/m#/l/0/v": ("l/0/v", None, "BadNoData"),
        "spB:g/n/d/Drive/Speed": ("Drive/Speed", ValueKind.I8, "7"),
        "spB:g/n/d/T": ("T", None, "BadNoData"),
        "spB:g/n//Drive/Speed": ("Drive/Speed", ValueKind.I8, "7"),
        "spB:g/n//T": ("T", None, "BadNoData"),
    }
    below = await found(settings, "a")
    assert below == {address: told for address, told in everything.items() if address.startswith("a/")}


async def test_live_messages_are_found(broker, publish, settings_of):
    """What is published while it listens is found too."""
    here = broker()
    task = asyncio.create_task(found(settings_of(here, first="1s")))
    await asyncio.sleep(0.5)
    publish(here, "a", "1")
    assert await task == {"a": ("a", ValueKind.F8, "1.0")}


@pytest.mark.parametrize("at", ["+/a", "a/#", "", "/"])
async def test_what_is_no_topic(broker, settings_of, at):
    """A wildcard, or nothing, is refused with what to write."""
    with pytest.raises(BadAddress) as caught:
        await found(settings_of(broker()), at)
    assert caught.value.hint


@given(place=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple))
def test_places_are_written_as_they_are_read(place):
    """A place that is written is read as the same."""
    assert pointer.parse(pointer.write(place)) == place

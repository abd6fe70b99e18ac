"""What browsing a broker finds."""

from __future__ import annotations

import asyncio
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress, BrowseWish, ValueKind, Walkable
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
        "a/raw": ("raw", None, "2 bytes, no text"),
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


async def test_pictures_are_told_and_not_kept(broker, publish, settings_of):
    """What is no value is listed with its size, and its payload is not kept while others are heard."""
    here = broker()
    for i in range(20):
        publish(here, f"cam/{i}", b"\xff\xd8" + bytes(900_000), retain=True)
    publish(here, "cam/large", b"1" * 1_500_000, retain=True)
    connection = plugin.open(settings_of(here, first="5s", version=4))
    await connection.connect()
    tracemalloc.start()
    try:
        listed = {each.address: each.sample for each in await connection.browse()}
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await connection.aclose()
    assert listed == {
        **{f"cam/{i}": "900002 bytes, no text" for i in range(20)},
        "cam/large": "1500000 bytes, too large",
    }
    assert most < 18_000_000


async def test_found_as_it_comes(broker, publish, settings_of):
    """What is heard is told at once, each value once, so that who stops listening has it; filters and levels hold."""
    here = broker()
    publish(here, "a/b/temp", "21.5", retain=True)
    publish(here, "a/press", "x", retain=True)
    connection = plugin.open(settings_of(here, first="60s"))
    await connection.connect()
    assert isinstance(connection, Walkable)
    assert await connection.machines() == ()

    async def first(count, wish):
        got = []
        async for some in connection.walk(wish):
            got += some
            if len(got) == count:
                return {each.address: (each.path, each.name, each.sample) for each in got}
        raise AssertionError("the walk ended by itself")

    try:
        async with asyncio.timeout(10):
            everything = {"a/b/temp": (("a", "b"), "temp", "21.5"), "a/press": (("a",), "press", "x")}
            assert await first(2, BrowseWish()) == everything
    finally:
        await connection.aclose()


@pytest.mark.parametrize(
    ("wish", "addresses"),
    [
        (BrowseWish(depth=2), {"a/press": "x"}),
        (BrowseWish("a/b"), {"a/b/temp": "21.5"}),
        (BrowseWish(values=False), {"a/b/temp": "", "a/press": ""}),
        (BrowseWish(wanted=lambda each: each.name == "temp"), {"a/b/temp": "21.5"}),
    ],
)
async def test_wishes(broker, publish, settings_of, wish, addresses):
    """Levels, what is wanted, and whether values are shown are as it was wished."""
    here = broker()
    publish(here, "a/b/temp", "21.5", retain=True)
    publish(here, "a/press", "x", retain=True)
    connection = plugin.open(settings_of(here, first="500ms"))
    await connection.connect()
    try:
        heard = [each async for some in connection.walk(wish) for each in some]
    finally:
        await connection.aclose()
    assert {each.address: each.sample for each in heard} == addresses


async def test_a_running_node_shows(broker, publish, settings_of, payload):
    """Of a node whose birth was not heard its named metrics are listed, and that it is alive; a kind is told later."""
    here = broker()
    connection = plugin.open(settings_of(here, first="60s"))
    await connection.connect()
    told = []
    data = payload(
        {"name": "T", "float_value": 1.5}, {"name": "N", "int_value": 7}, {"alias": 3, "int_value": 1}, seq=9
    )
    birth = payload({"name": "N", "datatype": 3, "int_value": 8}, seq=1)

    def send():
        time.sleep(0.3)
        for kind, said in (("DDATA", data), ("DDATA", data), ("DBIRTH", birth)):
            publish(here, f"spBv1.0/g/{kind}/n/d", said.SerializeToString())

    sending = asyncio.create_task(asyncio.to_thread(send))
    try:
        async with asyncio.timeout(20):
            async for some in connection.walk(BrowseWish()):
                told += [(each.address, each.path, each.name, each.kind, each.type or each.sample) for each in some]
                if len(told) == 4:
                    break
    finally:
        await connection.aclose()
        await sending
    path = ("g", "n", "d")
    assert told == [
        ("", path[:2], "d", None, "alive, birth not heard"),
        ("spB:g/n/d/T", path, "T", ValueKind.F4, "1.5"),
        ("spB:g/n/d/N", path, "N", None, "type told by its birth"),
        ("spB:g/n/d/N", path, "N", ValueKind.I8, "8"),
    ]


async def test_half_a_character(broker, publish, settings_of):
    """A name that nobody could write is not listed, and its neighbours are."""
    here = broker()
    publish(here, "a", b'{"x\\ud800": 1, "y": "a\\ud800b"}', retain=True)
    assert await found(settings_of(here, first="500ms")) == {"a#/y": ("y", ValueKind.STR, "a\ufffdb")}


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

"""Addresses and JSON pointers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress
from shoptwin_mqtt import pointer
from shoptwin_mqtt.address import MetricAddress, TopicAddress, parse


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("a/b", TopicAddress("a/b")),
        (" /a b/ü ", TopicAddress("/a b/ü")),
        ("$SYS/broker/uptime", TopicAddress("$SYS/broker/uptime")),
        ("a#", TopicAddress("a")),
        ("a#/b", TopicAddress("a", ("b",))),
        ("switch:0#/em:0/w", TopicAddress("switch:0", ("em:0", "w"))),
        ("a#/b@/c/0", TopicAddress("a", ("b",), ("c", "0"))),
        ("a#/b%40/c", TopicAddress("a", ("b@", "c"))),
        ("a#/b@c", TopicAddress("a", ("b@c",))),
        ("a#/ ~0~1%23", TopicAddress("a", (" ~/#",))),
        ("a#/", TopicAddress("a", ("",))),
        ("spB:g/n/d/m", MetricAddress("g", "n", "d", "m")),
        ("spB:g/n/d/m/o#1@/t", MetricAddress("g", "n", "d", "m/o#1@/t")),
        ("spB:g/n//Node Control/Rebirth", MetricAddress("g", "n", "", "Node Control/Rebirth")),
    ],
)
def test_addresses(text, is_):
    """An address is a topic, a place in its payload and the place of its time, or a metric."""
    assert parse(text) == is_


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no topic"),
        ("#/a", "no topic"),
        ("a/+/b", "many topics"),
        ("a/#", "many topics"),
        ("a/#/b", "many topics"),
        ("a/", "ends in /"),
        ("a\0b", "no topic"),
        ("x" * 65_536, "65535 bytes"),
        ("$share/g/a", "shared"),
        ("a#b", "begins with /"),
        ("a#/b~2", "followed by"),
        ("a#/b@/c~", "followed by"),
        ("spB:g/n/d", "no metric"),
        ("spB:g//d/m", "no metric"),
        ("spB:g/n/d/", "no metric"),
        ("spB:g/n/+/m", "neither"),
    ],
)
def test_what_is_no_address(text, says):
    """What is no address is refused with what is wrong and how to write one."""
    with pytest.raises(BadAddress, match=says) as caught:
        parse(text)
    assert caught.value.hint


RFC = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("", RFC), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%25d", 2), ("/e%5Ef", 3),
        ("/g%7Ch", 4), ("/i%5Cj", 5), ("/k%22l", 6), ("/%20", 7), ("/m~0n", 8), ("/ ", 7), ("/foo/1", "baz"),
    ],
)  # fmt: skip
def test_rfc_6901(text, is_):
    """The examples of RFC 6901, section 6, are found where it says."""
    assert pointer.resolve(RFC, pointer.parse(text)) == is_


@pytest.mark.parametrize(
    "text",
    ["/bar", "/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/x", "/foo/\u0660", "/foo/0/0", "/foo/" + "9" * 5000],
)
def test_nothing_there(text):
    """A place that is not there is nothing, which is not null."""
    assert pointer.resolve(RFC, pointer.parse(text)) is pointer.NOTHING


keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
documents = st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8)


@given(document=documents, data=st.data())
def test_every_place_can_be_written(document, data):
    """Every place in every document has a pointer that leads there."""
    here, place = json.loads(json.dumps(document)), ()
    while isinstance(here, dict | list) and here:
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        here, place = here[key], (*place, str(key))
    assert pointer.resolve(document, pointer.parse(pointer.write(place))) == here

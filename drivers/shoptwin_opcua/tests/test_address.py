"""Addresses are NodeIds as the standard writes them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress
from shoptwin_opcua.address import NodeAddress, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ns=2;s=Machine.Temp", NodeAddress(2, "s", "Machine.Temp")),
        (" i=2258 ", NodeAddress(0, "i", 2258)),
        ('ns=3;s="DB1"."a=b;c"', NodeAddress(3, "s", '"DB1"."a=b;c"')),
        ("nsu=http://vendor.example/m;s=Temp", NodeAddress("http://vendor.example/m", "s", "Temp")),
        ("nsu=urn:a%3Bb%25;i=1", NodeAddress("urn:a;b%", "i", 1)),
        ("ns=1;b=AAEC", NodeAddress(1, "b", b"\0\1\2")),
        (
            "ns=1;g=72962B91-FA75-4AE6-8D28-B404DC7DAF63",
            NodeAddress(1, "g", "72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        ),
        ("ns=3;s=Motor1#Speed", NodeAddress(3, "s", "Motor1", ("Speed",))),
        ("ns=3;s=M#Status.Temp eins", NodeAddress(3, "s", "M", ("Status", "Temp eins"))),
        ('i=2256#[0].Axes[12]."a.b[1]"', NodeAddress(0, "i", 2256, (0, "Axes", 12, "a.b[1]"))),
        ("ns=3;s=a##b##", NodeAddress(3, "s", "a#b#")),
        ("ns=3;s=a###b", NodeAddress(3, "s", "a#", ("b",))),
    ],
)
def test_parses(text, address):
    """Every form of the standard is understood, a string's own semicolons and equal signs too."""
    assert parse(text) == address
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", " ", "Machine.Temp", "ns=2:s=A", "ns=2;s=", "ns=x;s=A", "ns=65536;i=1", "i=4294967296", "i=1.5", "g=1", "b=%"],
)
def test_refuses_with_a_cure(text):
    """What is no NodeId is refused with how to write one."""
    with pytest.raises(BadAddress) as caught:
        parse(text)
    assert "ns=2;s=Machine.Temp" in caught.value.hint


uris = st.text(string.printable.strip(), min_size=1)
identifiers = st.one_of(
    st.tuples(st.just("i"), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("s"), st.text(min_size=1).filter(lambda text: text == text.strip())),
    st.tuples(st.just("g"), st.uuids().map(str)),
    st.tuples(st.just("b"), st.binary(min_size=1)),
)


@pytest.mark.parametrize("path", ["#", "#.", "#a.", "#a..b", "#[", "#[x]", "#a[1", "#a[-1]", "#a[1]b", "#[1]a", '#"a'])
def test_a_path_that_is_none_is_refused(path):
    """What follows # and is no field or element is refused with how to write one."""
    with pytest.raises(BadAddress) as caught:
        parse(f"ns=2;s=A{path}")
    assert "#" in caught.value.hint or "ns=2" in caught.value.hint


names = st.text(min_size=1).filter(lambda text: '"' not in text and text == text.strip())
paths = st.lists(st.one_of(names, st.integers(0, 999)), max_size=4).map(tuple)


@given(st.one_of(st.integers(0, 65535), uris), identifiers, paths)
def test_round_trip(namespace, identifier, path):
    """What is written is parsed to the same address."""
    address = NodeAddress(namespace, *identifier, path)
    assert parse(str(address)) == address


def test_namespace_is_looked_up():
    """A URI means whichever index the server gives it, and none where it has no such namespace."""
    address = parse("nsu=urn:b;i=1")
    assert address.index(["http://opcfoundation.org/UA/", "urn:a", "urn:b"]) == 2
    assert address.index(["http://opcfoundation.org/UA/"]) is None
    assert parse("ns=7;i=1").index([]) == 7

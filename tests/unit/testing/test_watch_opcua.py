"""The watcher on the wire before an OPC UA server sees every service, and would see one that writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import Client, ua
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.testing.node_opcua import NodeOpcua, missing
from shoptwin.testing.watch_opcua import ALLOWED, OTHERS, READING, OpcUaWatch, RequestScanner

REPOSITORY = Path(__file__).resolve().parents[3]


def chunk(kind: bytes, body: bytes, mark: bytes = b"F", request: int = 1) -> bytes:
    """Return one chunk as it goes over the wire."""
    head = b"" if kind == b"HEL" else b"\0" * 12 + request.to_bytes(4, "little")
    return kind + mark + (8 + len(head) + len(body)).to_bytes(4, "little") + head + body


STREAM = (
    chunk(b"HEL", b"x" * 20)
    + chunk(b"OPN", b"y" * 99)
    + chunk(b"MSG", b"\x01\x00\x77\x02" + b"z" * 30)
    + chunk(b"MSG", b"\x01\x00\xa1\x02" + b"z" * 30, b"C", 2)
    + chunk(b"MSG", b"\x01\x00\x77\x02", b"F", 2)
    + chunk(b"MSG", b"\x02\x00\x00\xc8\x02\x00\x00")
    + chunk(b"CLO", b"")
)
NAMES = ["Hello", "OpenSecureChannel", "Read", "Write", "Call", "CloseSecureChannel"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_every_request_is_named_however_the_bytes_are_cut(cuts):
    """Requests are told by name wherever TCP cuts the stream; a message of several chunks is one request."""
    scanner, found, at = RequestScanner(), [], 0
    for end in [*sorted(cuts), len(STREAM)]:
        found += scanner.feed(STREAM[at:end])
        at = end
    assert found == NAMES
    assert not scanner.broken


def test_other_protocols_are_told():
    """Bytes that are not OPC UA break the scanner instead of going unseen."""
    scanner = RequestScanner()
    assert scanner.feed(b"GET / HTTP/1.1\r\n\r\n") == []
    assert scanner.broken


def test_numbers_are_those_of_the_standard():
    """The numbers by which services are known are those of asyncua's table of the standard's NodeIds."""
    for number, name in (READING | OTHERS).items():
        assert getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary") == number
    assert not set(OTHERS.values()) & ALLOWED


async def test_a_write_is_seen():
    """A client that writes and calls through the watcher is found out."""
    if why := missing(REPOSITORY):
        pytest.skip(why)
    server = NodeOpcua(REPOSITORY).start()
    try:
        async with OpcUaWatch(server.port) as watch:
            async with Client(f"opc.tcp://127.0.0.1:{watch.port}") as client:
                node = client.get_node("ns=2;s=Double")
                assert await node.read_value() == 21.25
                assert watch.outside == set()
                await node.write_value(ua.DataValue(ua.Variant(1.0, ua.VariantType.Double)))
                with pytest.raises(ua.UaError):
                    await client.nodes.server.call_method("0:NoSuchMethod")
            assert "Write" in watch.outside
            assert watch.services["Read"] >= 1
            assert not watch.broken
    finally:
        server.kill()

"""The watcher on the Modbus wire: it counts every request and changes nothing."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.testing import ModbusWatch
from shoptwin.testing.watch import RequestScanner, reads

requests = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=252)), max_size=8)


def frame(unit: int, function: int, data: bytes, transaction: int = 7) -> bytes:
    """Return a Modbus TCP request."""
    return struct.pack(">HHHBB", transaction, 0, len(data) + 2, unit, function) + data


@given(requests, st.lists(st.integers(1, 40), min_size=1))
def test_requests_are_found_however_they_are_cut(sent, cuts):
    """Whatever the pieces in which the bytes come, each request is found once, in order."""
    stream, scanner, found, turn = b"".join(frame(*each) for each in sent), RequestScanner(), [], 0
    while stream:
        size = cuts[turn % len(cuts)]
        found += scanner.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert found == sent
    assert not scanner.broken


@given(st.binary(max_size=300))
def test_noise_never_brings_it_down(noise):
    """Bytes that are not Modbus are told as such at the latest when a whole header does not fit."""
    scanner = RequestScanner()
    scanner.feed(noise)
    if len(noise) > 7 and noise[2:4] != b"\x00\x00":
        assert scanner.broken


@pytest.mark.parametrize(
    ("function", "data", "allowed"),
    [(1, b"", True), (4, b"", True), (5, b"", False), (16, b"", False), (43, b"\x0e\x01", True), (43, b"\x0d", False)],
)
def test_reading_services(function, data, allowed):
    """Functions 1 to 4 and device identification read; all others, and CANopen over 43, may write."""
    assert reads((1, function, data)) is allowed


@pytest.fixture
async def echo():
    """Serve a server that echoes, and return its port."""
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_passes_on_and_counts(echo):
    """What passes is unchanged in both directions, counted by function, and a write is a violation."""
    async with ModbusWatch(echo) as watch:
        reader, writer = await asyncio.open_connection("127.0.0.1", watch.port)
        sent = frame(1, 3, b"\x00\x00\x00\x01") + frame(1, 3, b"\x00\x05\x00\x01") + frame(2, 6, b"\x00\x05\x00\x01")
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await reader.readexactly(len(sent)) == sent
        assert watch.functions == {3: 2, 6: 1}
        assert watch.violations == [(2, 6, b"\x00\x05\x00\x01")]
        writer.write(b"GET / HTTP/1.1\r\n")
        async with asyncio.timeout(5):
            await reader.readexactly(16)
        assert watch.broken == 1
        assert watch.connections == 1
        writer.close()


async def test_server_gone(echo):
    """When the connection is cut, or there is no server, the client's connection ends."""
    async with ModbusWatch(echo) as watch:
        reader, writer = await asyncio.open_connection("127.0.0.1", watch.port)
        writer.write(b"\x00")
        await reader.readexactly(1)
        watch.cut()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
    async with ModbusWatch(1) as watch:
        reader, writer = await asyncio.open_connection("127.0.0.1", watch.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()

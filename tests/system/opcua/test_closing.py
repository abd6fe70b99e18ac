"""Connections that end in the middle of something; each was found by the seeded rounds."""

from __future__ import annotations

import asyncio

import pytest

from shoptwin.sdk import Timeout
from shoptwin.testing.node_opcua import NodeOpcua, missing
from shoptwin_opcua.plugin import OpcUaPlugin
from shoptwin_opcua.reading.record import Record
from shoptwin_opcua.session import channel


@pytest.fixture
def server(request):
    """Give a server with and without security."""
    if why := missing(request.config.rootpath):
        pytest.skip(why)
    server = NodeOpcua(request.config.rootpath, secure=True)
    yield server.start()
    server.kill()


@pytest.fixture
def gateway(tmp_path):
    """Give a gateway that keeps its certificates."""
    gateway = OpcUaPlugin()
    gateway.keep_in(tmp_path / "gateway", "plant", "gw-1")
    return gateway


async def test_a_server_that_stops_while_the_channel_is_opened(server, gateway, monkeypatch):
    """Where the keys of an encrypted channel never come that is a time-out, and nothing that stops the device."""
    opened = channel.open_channel

    async def stopped(client):
        server.pause()
        await opened(client)

    monkeypatch.setattr(channel, "open_channel", stopped)
    settings = gateway.Settings(url=server.url, timeout="500ms")
    gateway.accept(await gateway.seen(gateway.Settings(url=server.url, timeout="20s")))
    connection = gateway.open(settings)
    try:
        with pytest.raises(Timeout):
            await connection.connect()
    finally:
        await connection.aclose()
        server.resume()


@pytest.mark.parametrize("mode", ["poll", "subscribe"])
async def test_a_close_that_is_cut_short_forgets_no_session(server, gateway, monkeypatch, mode):
    """A connection whose closing takes too long and is cancelled still says goodbye: its session is not left behind."""
    settings = gateway.Settings(url=server.url, mode=mode, security="none")

    async def hangs(_):
        await asyncio.sleep(10)

    connection = gateway.open(settings)
    await connection.connect()
    assert server.do("counts")["sessions"] == 1
    monkeypatch.setattr(Record, "stop", hangs)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await connection.aclose()
    assert server.do("counts")["sessions"] == 0

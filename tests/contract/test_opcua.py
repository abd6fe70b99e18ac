"""The OPC UA driver keeps the contract, polled and subscribed, against node-opcua."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import shoptwin_opcua
from shoptwin.sdk import ValueKind
from shoptwin.testing import DriverContract, Site, free_port
from shoptwin.testing.node_opcua import NodeOpcua, missing
from shoptwin.testing.watch_opcua import OpcUaWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from shoptwin.sdk import Plugin

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = {
    "Float": 1.5,
    "Double": 21.25,
    "Int16": -7,
    "Int32": -70_000,
    "UInt32": 2**32 - 1,
    "Int64": 2**63 - 1,
    "UInt64": 2**64 - 2,
    "Boolean": True,
    "String": "läuft",
    "LocalizedText": "bereit",
    "Wave": [i / 10 for i in range(2560)],
}


@pytest.fixture(scope="module")
def server() -> Iterator[NodeOpcua]:
    """Give one server for all tests of this module; a test that killed it gets it back."""
    if why := missing(REPOSITORY):
        pytest.skip(why)
    node = NodeOpcua(REPOSITORY)
    yield node
    node.kill()


async def sites(server: NodeOpcua, **settings: object) -> AsyncIterator[Site]:
    """Give one site behind a watcher, and fail whatever test asked for a service that does not read."""
    if not server.running:
        server.start()

    async def stop() -> None:
        server.kill()

    async def start() -> None:
        server.start()

    async with OpcUaWatch(server.port) as watch:
        quick = {"security": "none", "timeout": "2s", "keep_alive": "1s", **settings}
        yield Site(
            settings={"url": f"opc.tcp://127.0.0.1:{watch.port}", **quick},
            expected={f"nsu=urn:shoptwin:test;s={name}": value for name, value in NAMES.items()},
            missing="nsu=urn:shoptwin:test;s=Nowhere",
            malformed="ns=2:s=Machine.Temp",
            unreachable={"url": f"opc.tcp://127.0.0.1:{free_port()}", **quick},
            stop=stop,
            start=start,
            say=watch.say,
            kinds={"nsu=urn:shoptwin:test;s=Wave": ValueKind.WAVEFORM},
        )
        assert not watch.outside
        assert not watch.broken


class OpcUaContract(DriverContract):
    """What both modes share."""

    package = "shoptwin_opcua"
    protocol = ("asyncua", "cryptography")

    @pytest.fixture
    def plugin(self) -> Plugin:
        """Return the driver."""
        return shoptwin_opcua.plugin


class TestPolled(OpcUaContract):
    """mode = "poll"."""

    @pytest.fixture
    async def site(self, server: NodeOpcua) -> AsyncIterator[Site]:
        """Give a server that is polled."""
        async for site in sites(server, mode="poll"):
            yield site


class TestSubscribed(OpcUaContract):
    """mode = "subscribe", the default."""

    # A subscription is not read by the runtime: there is nothing to skip either.
    test_each_tag_once_a_poll = test_groups_do_not_mix = test_cancelled_read_does_no_harm = None

    @pytest.fixture
    async def site(self, server: NodeOpcua) -> AsyncIterator[Site]:
        """Give a server that sends by itself."""
        async for site in sites(server):
            yield site

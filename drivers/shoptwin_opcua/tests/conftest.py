"""A real OPC UA server for the driver's tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import Server, ua

from shoptwin.testing import free_port, group_of
from shoptwin.testing.node_opcua import NodeOpcua, missing
from shoptwin_opcua import plugin
from shoptwin_opcua.plugin import OpcUaPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from shoptwin.sdk import Group

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def _servers() -> Iterator[dict[str, NodeOpcua]]:
    """Keep servers by their options: starting one takes seconds."""
    servers: dict[str, NodeOpcua] = {}
    yield servers
    for server in servers.values():
        server.kill()


@pytest.fixture
def serve(_servers: dict[str, NodeOpcua]) -> Callable[..., NodeOpcua]:
    """Give a server with these options, a running one where there is; a test that kills or changes one says `own`."""
    if why := missing(REPOSITORY):
        pytest.skip(why)

    def make(own: str = "", **options: object) -> NodeOpcua:
        key = f"{own} {sorted(options.items())}"
        server = _servers.setdefault(key, NodeOpcua(REPOSITORY, **options))
        return server if server.running else server.start()

    return make


@pytest.fixture
def connected() -> Callable[..., Any]:
    """Give a context of a connection that is connected and closed: `connected(server, mode="poll")`.

    Without security, unless the settings say so; `by`: a gateway that keeps certificates; `memory`: what it remembers.
    """

    @asynccontextmanager
    async def make(
        server: NodeOpcua, *, by: OpcUaPlugin = plugin, memory: str = "", **settings: Any
    ) -> AsyncIterator[Any]:
        options = {"url": server.url, "timeout": "2s", "keep_alive": "1s", "security": "none"} | settings
        connection = by.open(by.Settings(**options))
        if memory:
            connection.recall(memory)
        try:
            await connection.connect()
            yield connection
        finally:
            await connection.aclose()

    return make


@pytest.fixture
def asyncua_server() -> Callable[..., Any]:
    """Give a context of asyncua's own server: `asyncua_server(build)` gives where it is, and what `build` returned.

    `build(server, index)` adds nodes; `index` is that of their namespace.
    """

    @asynccontextmanager
    async def make(build: Callable[[Server, int], Awaitable[Any]]) -> AsyncIterator[tuple[Any, Any]]:
        server, port = Server(), free_port()
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        made = await build(server, await server.register_namespace("urn:shoptwin:test"))
        async with server:
            yield type("There", (), {"url": f"opc.tcp://127.0.0.1:{port}"}), made

    return make


@pytest.fixture
def gateway(tmp_path: Path) -> OpcUaPlugin:
    """Give the driver as a gateway of its own has it, that keeps certificates in a folder of this test."""
    own = OpcUaPlugin()
    own.keep_in(tmp_path / "state" / "pki", "plant", "gw-1")
    return own


@pytest.fixture
def names() -> Callable[..., Group]:
    """Give a group of the server's nodes by name, as tags 0, 1 and so on."""

    def make(*names: str, period: float = 0.1, **more: Any) -> Group:
        addresses = [f"nsu=urn:shoptwin:test;s={name}" for name in names]
        kinds = {f"nsu=urn:shoptwin:test;s={name}": kind for name, kind in more.pop("kinds", {}).items()}
        return group_of(plugin, addresses, period=int(period * 1e9), kinds=kinds, **more)

    return make

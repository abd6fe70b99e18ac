"""One program of a box at a time talks on a converter: many show a reply to all their clients."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest

from shoptwin.sdk import NotConnected, ScanWish
from shoptwin_modbus.plugin import ModbusPlugin
from shoptwin_modbus.target import ModbusSettings, Target
from shoptwin_modbus.wire.claim import Claim

HOLDER = """
import sys
from shoptwin_modbus.target import Target
from shoptwin_modbus.wire.claim import Claim
claim = Claim(Target("rtu+tcp", "127.0.0.1", int(sys.argv[1])))
claim.take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def daemon(scripted, plugin):
    """Return a converter's settings and a connection to it, as the daemon has one."""
    peer = await scripted(rtu=True)
    settings = ModbusSettings(url=f"rtu+tcp://127.0.0.1:{peer.port}", timeout="200ms")
    connection = plugin.open(settings)
    await connection.connect()
    yield peer, settings, connection
    await connection.aclose()


async def by_scan(settings):
    """Scan as the command does."""
    await ModbusPlugin().scan(settings, ScanWish(units=(1,), rate=1000), lambda _: None)


async def by_peek(settings):
    """Peek as the command does."""
    peeker = ModbusPlugin().peek(settings, "holding:0")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(peeker.aclose)
        await peeker.connect()


async def by_probe(settings):
    """Connect as `check --probe` does."""
    connection = ModbusPlugin().open(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(connection.aclose)
        await connection.connect()


@pytest.mark.parametrize("command", [by_scan, by_peek, by_probe])
async def test_commands_beside_the_daemon(daemon, command):
    """What would talk on a converter beside the daemon is told to end that first, and sends nothing."""
    peer, settings, _ = daemon
    with pytest.raises(NotConnected, match="is in use") as caught:
        await command(settings)
    assert "systemctl stop shoptwin" in caught.value.hint
    assert peer.connections <= 1
    assert peer.heard.empty()


async def test_a_converter_that_was_let_go(daemon):
    """When the daemon has let go of a converter, others may talk there, and the daemon again after them."""
    _, settings, connection = daemon
    await connection.aclose()
    await by_probe(settings)
    await connection.connect()


async def test_a_converter_held_by_another_process(scripted, plugin):
    """A claim holds between processes, and goes with its process, however that ends."""
    peer = await scripted(rtu=True)
    settings = ModbusSettings(url=f"rtu+tcp://127.0.0.1:{peer.port}", timeout="200ms")
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(peer.port), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            assert await holder.stdout.readline() == b"held\n"
        with pytest.raises(NotConnected, match="is in use"):
            await by_probe(settings)
    finally:
        holder.kill()
        await holder.wait()
    connection = plugin.open(settings)
    await connection.connect()
    await connection.aclose()


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_replies_that_say_what_they_answer(scheme):
    """Over Modbus TCP, where a reply says what it answers, others may talk at the same time."""
    claims = [Claim(Target(scheme, "127.0.0.1", 502)) for _ in range(2)]
    for claim in claims:
        claim.take()


def test_a_box_without_such_names(monkeypatch):
    """Where the kernel has no such names, nothing is refused."""
    monkeypatch.setattr("shoptwin_modbus.wire.claim.NAME", "/nonexistent/{}")
    claims = [Claim(Target("rtu+tcp", "127.0.0.1", 1)) for _ in range(2)]
    for claim in claims:
        claim.take()

"""Sockets, stale files, and the end of the doors."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import time
from typing import Any

import pytest

from shoptwin.config import Serve
from shoptwin.domain.errors import ShoptwinError
from shoptwin.serve.server import serve
from shoptwin.serve.sockets import listen_unix


async def test_only_owner_and_group(serving: Any) -> None:
    """The socket is open to owner and group, whatever the umask, and is gone when the daemon is."""
    before = os.umask(0)
    try:
        async with serving() as client:
            assert stat.S_IMODE(client.path.stat().st_mode) == 0o660
    finally:
        os.umask(before)
    assert not client.path.exists()


def test_never_open_to_others(tmp_path: Any, monkeypatch: Any) -> None:
    """Even between bind and chmod nobody else may open the socket."""
    modes = []
    real = type(tmp_path).chmod

    def watched(path: Any, mode: int) -> None:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        real(path, mode)

    before = os.umask(0)
    monkeypatch.setattr(type(tmp_path), "chmod", watched)
    try:
        listen_unix(tmp_path / "s").close()
    finally:
        os.umask(before)
    assert modes == [0o660]


async def test_stale_socket_is_replaced(serving: Any, tmp_path: Any) -> None:
    """A socket file that a killed daemon left is taken over."""
    (tmp_path / "run").mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "run" / "shoptwin.sock"))
    dead.close()
    async with serving() as client, asyncio.timeout(5):
        while True:
            try:
                assert (await asyncio.to_thread(client.get, "/v1/status"))["site"] == "plant-1"
                break
            except ShoptwinError:
                await asyncio.sleep(0.02)


async def test_second_daemon_is_refused(serving: Any, control: Any) -> None:
    """A second daemon on the same socket ends with a message, and the first one goes on answering."""
    async with serving() as client:
        with pytest.raises(ShoptwinError, match="Another daemon is running") as refused:
            await serve(control, Serve(client.path))
        assert refused.value.code == "already-running"
        assert (await asyncio.to_thread(client.get, "/v1/status"))["gateway"] == "gw"


def test_a_file_in_the_way_stays(tmp_path: Any) -> None:
    """Something that is no socket is never removed."""
    (tmp_path / "s").write_text("mine")
    with pytest.raises(ShoptwinError, match="not a socket"):
        listen_unix(tmp_path / "s")
    assert (tmp_path / "s").read_text() == "mine"


async def test_goodbye_is_bounded(serving: Any) -> None:
    """A request that never ends does not keep the daemon from stopping."""
    async with serving() as client:
        asking = asyncio.create_task(asyncio.to_thread(lambda: client.post("/v1/alarms/test", machine="m", by="kim")))
        await asyncio.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    with pytest.raises(ShoptwinError):
        await asking


async def test_signals_stay_the_daemons(serving: Any) -> None:
    """The doors install no signal handlers of their own."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving():
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_goodbye_is_quick(serving: Any) -> None:
    """Where nothing is being answered the doors close at once."""
    async with serving() as client:
        await asyncio.to_thread(client.get, "/v1/status")
        began = time.monotonic()
    assert time.monotonic() - began < 1

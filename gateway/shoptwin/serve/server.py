"""Runs the doors inside the daemon's own loop: no signal handlers, no lifespan, a bounded goodbye."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog
import uvicorn

from shoptwin.domain.errors import ShoptwinError
from shoptwin.serve.rest import application
from shoptwin.serve.sockets import listen_tcp, listen_unix, release

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

    from starlette.applications import Starlette

    from shoptwin.config import Serve
    from shoptwin.serve.control import Control

GOODBYE_SECONDS = 1
"""How long a request that is being answered may take to end when the daemon stops."""
RETRY_SECONDS = 30.0

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """uvicorn as a task among others: signals are the daemon's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(control: Control, settings: Serve) -> None:
    """Answer on the Unix socket, and on the metrics' port where there is one, until cancelled.

    A metrics port that is taken is logged once and tried again; it never takes the daemon with it.

    Raises:
        ShoptwinError: the Unix socket cannot be had; another daemon may be running.
    """
    unix = listen_unix(settings.socket)
    inode = settings.socket.lstat().st_ino
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_answer(application(control), unix), name="serve-rest")
            if settings.metrics is not None:
                group.create_task(_metrics(control, settings.metrics), name="serve-metrics")
    finally:
        unix.close()
        release(settings.socket, inode)


async def _metrics(control: Control, where: str) -> None:
    from shoptwin.serve.metrics import application as metrics_application  # noqa: PLC0415 - 2 MB, where it is wanted

    told = False
    while True:
        try:
            tcp = listen_tcp(where)
        except ShoptwinError as error:
            if not told:
                log.warning("no metrics", reason=error.message, hint=error.hint)
                told = True
            await asyncio.sleep(RETRY_SECONDS)
            continue
        try:
            await _answer(metrics_application(control), tcp)
        finally:
            tcp.close()


async def _answer(app: Starlette, listening: socket.socket) -> None:
    """Serve `app` until cancelled, then let what is being answered end, but not for long."""
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, lifespan="off", http="h11", ws="none",
        loop="none", server_header=False, timeout_keep_alive=5, timeout_graceful_shutdown=GOODBYE_SECONDS,
        limit_concurrency=64,
    )  # fmt: skip
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]), name="uvicorn")
    try:
        await asyncio.shield(running)
    finally:
        server.should_exit = True
        done, _ = await asyncio.wait({running}, timeout=GOODBYE_SECONDS + 1)
        if not done:
            running.cancel()

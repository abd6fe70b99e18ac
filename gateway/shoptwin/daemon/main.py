"""The process: options, signals, exit codes; the rest is the gateway's."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog

from shoptwin import config
from shoptwin.acquire.registry import plugins
from shoptwin.daemon.gateway import Gateway
from shoptwin.daemon.lock import alone
from shoptwin.domain.errors import ConfigError, ShoptwinError
from shoptwin.runtime import logs
from shoptwin.runtime.background import Errands
from shoptwin.runtime.clock import Clock, ScaledClock, SystemClock
from shoptwin.runtime.notify import notify

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.config import Config
    from shoptwin.domain.ports import Plugin

log = structlog.get_logger(__name__)


def main(
    path: Path,
    *,
    state_dir: Path | None = None,
    clock_rate: float = 1.0,
    clock_epoch: int | None = None,
    clock_origin: int | None = None,
    log_format: str = "auto",
) -> int:
    """Run the gateway on a configuration until SIGTERM or SIGINT; return the exit code.

    Raises:
        ConfigError: the configuration cannot be used.
        StoreError: the state directory cannot be used.
        ShoptwinError: another daemon uses it, or the socket cannot be had.
    """
    logs.configure(log_format)
    drivers = plugins()
    loaded = config.load(path, drivers, state_dir=state_dir)
    clock = _clock(loaded, drivers, clock_rate, clock_epoch, clock_origin)
    with alone(loaded.store.directory):
        gateway = Gateway(loaded, drivers, clock, lambda: config.load(path, drivers, state_dir=state_dir))
        try:
            asyncio.run(_run(gateway))
        except BaseExceptionGroup as group:
            foreseen, unforeseen = group.split(ShoptwinError)
            if foreseen is None or unforeseen is not None:
                raise
            raise _first(foreseen) from group
    return 0


def _first(group: BaseExceptionGroup[ShoptwinError]) -> ShoptwinError:
    """Return the first error of a group, however deep it lies."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, ShoptwinError)  # noqa: S101 - `split` has seen to it
    return found


async def _run(gateway: Gateway) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.set_default_executor(Errands())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, gateway.reload_soon)
    try:
        await gateway.run(stop)
    finally:
        notify("STOPPING=1")
    log.info("stopped")


def _clock(loaded: Config, drivers: dict[str, Plugin], rate: float, epoch: int | None, origin: int | None) -> Clock:
    system = SystemClock()
    if rate == 1.0 and epoch is None:
        return system
    away = [d.name for d in loaded.devices if not drivers[d.driver].loopback(d.settings)]
    if away:
        raise ConfigError(
            f"a scaled clock is for the practice plant alone, and {', '.join(away)} is not on this box",
            "leave --clock-rate out, or point the device to 127.0.0.1",
        )
    now = system.now()
    return ScaledClock(rate, now if epoch is None else epoch, now if origin is None else origin)

"""Devices that come and go: whether the memory of the daemon grows with each time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from configurations import device, floats, gateway
from measure import trend
from rows import Row
from servers import daemons, scratch, slaves

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEVICES, TAGS = 20, 10
UP, DOWN = 12.0, 2.0
"""Seconds, more or less: well for so long that the breaker closes again, and no fault waits for a long backoff."""
PERIOD = "250ms"
"""So that what is kept of the last 256 polls is full after a minute."""
EVERY = 0.5
"""Seconds between two looks at the memory."""


def rows(*, quick: bool) -> Iterable[Row]:
    """Return the slope of the resident memory."""
    return _flap(8 if quick else 75, 16 if quick else 180)


def soak(minutes: float) -> Iterable[Row]:
    """Return the same over a longer time."""
    return _flap(300, 60 * minutes)


def _flap(warm: float, seconds: float) -> list[Row]:
    plan = [{"kind": "flapping", "up": UP, "down": DOWN, "seed": i} for i in range(DEVICES)]
    with scratch() as folder, slaves(*plan) as (server, urls):
        text = gateway(None) + "".join(
            device(f"plc{i}", "modbus", url, PERIOD) + floats(f"m{i}", f"plc{i}", TAGS) for i, url in enumerate(urls)
        )
        with daemons((folder / "daemon", text), well=False) as (daemon,):
            time.sleep(warm)
            server.tell()
            began, sizes = time.monotonic(), []
            while (left := began + seconds - time.monotonic()) > 0:
                sizes.append(daemon.resident() / 1024)
                time.sleep(min(EVERY, left))
            took = time.monotonic() - began
            counted = server.tell()
            errors = sum(sum(each["errors"].values()) for each in daemon.status()["devices"])
    faults, made = (sum(each[key] for each in counted) for key in ("faults", "connections"))
    note = f"{faults} faults and {made} connections in {took:.0f} s, {errors} losses since the start; {_range(sizes)}"
    found = trend(sizes, took)
    name = f"flapping: {DEVICES} devices, {faults / took * 3600:,.0f} faults an hour"
    return [
        Row(name, found.slope, "KB RSS an hour", hold=f"0 within {found.error:,.0f}", ok=found.flat, note=note),
    ]


def _range(sizes: Sequence[float]) -> str:
    return f"{min(sizes) / 1024:.2f} to {max(sizes) / 1024:.2f} MB"

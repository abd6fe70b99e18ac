"""Devices that come and go: whether the memory of the daemon grows with each time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from configurations import device, floats, gateway
from measure import trend
from rows import Row
from servers import daemons, helper, scratch, slaves

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
        (folder / "shoptwin.toml").write_text(text)
        with (
            helper("acquiring.py", str(folder / "shoptwin.toml")) as alone,
            daemons((folder / "daemon", text), well=False) as (daemon,),
        ):
            time.sleep(warm)
            server.tell()
            began = time.monotonic()
            whole: list[float] = []
            acquired: list[float] = []
            while (left := began + seconds - time.monotonic()) > 0:
                whole.append(daemon.resident() / 1024)
                acquired.append(alone.tell()["rss"] / 1024)
                time.sleep(min(EVERY, left))
            took = time.monotonic() - began
            counted = server.tell()
    faults = sum(each["faults"] for each in counted)
    name = f"flapping: {DEVICES} devices, a fault every {took / max(1, faults):.1f} s"
    note = f"{faults} faults in {took:.0f} s; "
    return [
        _row(f"{name}, acquisition alone", acquired, took, note),
        _row(f"{name}, the daemon", whole, took, note),
    ]


def _row(name: str, sizes: Sequence[float], seconds: float, note: str) -> Row:
    """Return the row of one process; `sizes` in KB."""
    found = trend(sizes, seconds)
    note += f"{min(sizes) / 1024:.2f} to {max(sizes) / 1024:.2f} MB, at the end {sizes[-1] / 1024:.2f}"
    return Row(name, found.slope, "KB RSS an hour", hold=f"0 within {found.error:,.0f}", ok=found.flat, note=note)

"""Devices that come and go: whether memory grows with each time, beside the same with devices that are well."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from configurations import device, floats, gateway
from measure import Trend, trend
from rows import Row
from servers import daemons, helper, scratch, slaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

DEVICES, TAGS = 20, 10
UP, DOWN = 12.0, 2.0
"""Seconds, more or less: well for so long that the breaker closes again, and no fault waits for a long backoff."""
PERIOD = "250ms"
"""So that what is kept of the last 256 polls is full after a minute."""
EVERY = 0.5
"""Seconds between two looks at the memory."""
WARM = 1200.0
"""Seconds before the long run, most of them with four times as many faults: what is bounded has filled by then (the
latencies and rows that are kept, pages of the ledger, the holes between what stays in the heap), which takes an hour
and more of usual ones."""


def rows(*, quick: bool) -> Iterable[Row]:
    """Return the slopes of the resident memory."""
    return _flap(8 if quick else 75, 16 if quick else 180)


def soak(minutes: float) -> Iterable[Row]:
    """Return the same over a longer time."""
    return _flap(WARM, 60 * minutes, hurry=WARM - 120)


def _flap(warm: float, seconds: float, hurry: float = 0.0) -> list[Row]:
    flapping = [{"kind": "flapping", "up": UP, "down": DOWN, "seed": i, "hurry": hurry} for i in range(DEVICES)]
    with scratch() as folder, ExitStack() as stack:
        server, urls = stack.enter_context(slaves(*flapping))
        _, steady = stack.enter_context(slaves(*({"kind": "steady", "drift": True} for _ in urls)))
        looks = [*_read(stack, folder / "flapping", urls), *_read(stack, folder / "steady", steady)]
        time.sleep(warm)
        server.tell()
        began = time.monotonic()
        sizes: list[list[float]] = [[] for _ in looks]
        while (left := began + seconds - time.monotonic()) > 0:
            for look, seen in zip(looks, sizes, strict=True):
                seen.append(look())
            time.sleep(min(EVERY, left))
        took = time.monotonic() - began
        faults = sum(each["faults"] for each in server.tell())
    name = f"flapping: {DEVICES} devices, a fault every {took / max(1, faults):.1f} s"
    note = f"{faults} faults in {took:.0f} s; "
    return [
        _row(f"{name}, {whose}", ill, well, took, note)
        for whose, ill, well in zip(("acquisition alone", "the daemon"), sizes[:2], sizes[2:], strict=True)
    ]


def _read(stack: ExitStack, folder: Path, urls: Sequence[str]) -> list[Callable[[], float]]:
    """Let acquisition alone and a whole daemon read devices; return what tells the memory of each, in KB."""
    text = gateway(None) + "".join(
        device(f"plc{i}", "modbus", url, PERIOD) + floats(f"m{i}", f"plc{i}", TAGS) for i, url in enumerate(urls)
    )
    folder.mkdir()
    (folder / "shoptwin.toml").write_text(text)
    alone = stack.enter_context(helper("acquiring.py", str(folder / "shoptwin.toml")))
    (daemon,) = stack.enter_context(daemons((folder / "daemon", text), well=False))
    return [lambda: float(alone.tell()["rss"] / 1024), lambda: daemon.resident() / 1024]


def _row(name: str, ill: Sequence[float], well: Sequence[float], seconds: float, note: str) -> Row:
    """Return the row of one kind of process: its slope beyond that of one whose devices are well; sizes in KB."""
    with_faults, without = trend(ill, seconds), trend(well, seconds)
    found = Trend(with_faults.slope - without.slope, math.hypot(with_faults.error, without.error))
    note += (
        f"{with_faults.slope:+,.0f} +- {with_faults.error:,.0f} KB an hour with them, {min(ill) / 1024:.2f} to "
        f"{max(ill) / 1024:.2f} MB, at the end {ill[-1] / 1024:.2f}; "
        f"{without.slope:+,.0f} +- {without.error:,.0f} where all are well"
    )
    return Row(name, found.slope, "KB RSS an hour", hold=f"0 within {found.error:,.0f}", ok=found.flat, note=note)

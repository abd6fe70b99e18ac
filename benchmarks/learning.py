"""Learning a machine of 20 tags from two weeks: how long it takes on one core, and how much memory at most."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rows import Row, at_most
from servers import scratch

from shoptwin.assess.names import STATE
from shoptwin.assess.progress import LearnRequest
from shoptwin.assess.shelf import ModelShelf
from shoptwin.domain.tag import TagTable
from shoptwin.domain.timing import SECOND
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

TAGS = 20
DAYS = 14
EPOCH = 1_700_000_000 * SECOND
AT_ONCE = 20_000


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU seconds and MB of the learning process: for scalars each second, and for waveforms each minute."""
    days = 3 if quick else DAYS
    with scratch() as folder:
        for indicator, pace in (("process", 1), ("vibration", 60)):
            count = days * 86_400 // pace
            twin = folder / f"{indicator}.db"
            names = NAMES[indicator]()
            _fill(twin, indicator, names, count, pace)
            seconds, peak = _learn(twin, folder, indicator)
            what = f"{TAGS} tags, {days} days, a row each {pace} s ({count:,} rows)"
            yield at_most(f"learning: {indicator}, time", seconds, "s CPU", 60.0, what)
            yield at_most(f"learning: {indicator}, memory", peak, "MB RSS at most", 200.0, what)


def _learn(twin: Path, folder: Path, indicator: str) -> tuple[float, float]:
    request = LearnRequest("press-3", indicator, 0, 2**62)
    command = [sys.executable, "-m", "shoptwin.learn", *request.arguments(twin, folder / "learned")]
    out = folder / "told"
    with out.open("wb") as told, subprocess.Popen(command, stdout=told, stderr=told) as process:
        peak = 0.0
        # Not ru_maxrss: what is run by exec inherits there what its parent had.
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, _peak(process.pid))
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
    if process.returncode:
        raise RuntimeError(f"learning ended with {process.returncode}: {out.read_text()}")
    return ended[2].ru_utime + ended[2].ru_stime, peak


def _peak(process: int) -> float:
    """Return the most that a process has had in memory so far, MB; 0 where it is just ending."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))
    return int(found[1]) / 1024 if found else 0.0


def _fill(twin: Path, indicator: str, names: tuple[str, ...], count: int, pace: int) -> None:
    """Write observations as the daemon's store lays them down, though not through its buffer: a million at once."""
    SampleStore.open(twin, TagTable(), Keep(samples=10**18, max_bytes=10**12)).close()
    with sqlite3.connect(twin) as db:
        db.execute("INSERT INTO feature_names VALUES (1, ?)", (json.dumps(names),))
        for first, values in _values(indicator, len(names), count, pace):
            told = (
                ("press-3", indicator, EPOCH + (first + i) * pace * SECOND, "producing", 1, row.tobytes())
                for i, row in enumerate(values)
            )
            db.executemany("INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?)", told)
    db.close()


def _values(indicator: str, width: int, count: int, pace: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield rows of a machine with three loads, warm by day, whose values remember one another for a minute."""
    rng = np.random.default_rng(1)
    gain = rng.normal(size=width) * (0.05 if indicator == "vibration" else 1.0)
    level = np.zeros(width)
    for first in range(0, count, AT_ONCE):
        at = (first + np.arange(min(AT_ONCE, count - first))) * pace
        load = 30.0 + 30.0 * (at // 1800 % 3)
        noise = rng.normal(size=(len(at), width))
        slow = np.cumsum(noise * 0.02, axis=0) + level
        level = slow[-1] * 0.5
        values = 50 + noise + slow + gain * load[:, None] / 10 + np.sin(at / 86_400 * 2 * np.pi)[:, None]
        values = values if indicator == "process" else -4 + (values - 50) * 0.2
        values[:, -2], values[:, -1] = load, 2.0
        yield first, values.astype("<f4")


def _process() -> tuple[str, ...]:
    """Name 19 tags that are judged, three temperatures among them with what the shipped model makes of them."""
    warm = [f"temperature:t{i}:value" for i in range(3)]
    lags = [f for f in ModelShelf().get("temperature").features if f.startswith("load_") or f in {"slope", "spread"}]
    more = [f"temperature:t{i}:{f}" for i in range(3) for f in lags]
    return (*warm, *(f"other:x{i}:value" for i in range(TAGS - 4)), *more, "load:load:value", STATE)


def _vibration() -> tuple[str, ...]:
    features = ModelShelf().get("vibration").features
    return (*(f"waveform:a{i}:{f}" for i in range(TAGS - 1) for f in features), "load:load:value", STATE)


NAMES = {"process": _process, "vibration": _vibration}

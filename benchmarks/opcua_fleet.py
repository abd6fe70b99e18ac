"""10,000 OPC UA tags at 1 s over 10 servers, in the real daemon: no value is missing in its store.

node-opcua serves: ten servers with ports, sessions and address spaces of their own, in one process. The value of a node
is how often its server has sampled it, and its source time is when: what was lost on the way shows in the values, and
when nothing was sampled in the times.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from configurations import OPCUA, device, gateway, machine, tag
from fleet import SERVERS, TAGS, measured
from rows import Row, at_most, plain, skipped
from servers import daemons, no_node, opcua, scratch

from shoptwin.domain.quality import is_good
from shoptwin.store.sample_reader import SampleReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from servers import Daemon

NAME = f"opcua-fleet: {SERVERS * TAGS:,} tags at 1 s over {SERVERS} servers"
PERIOD = 1_000_000_000
GAP = 1.75
"""Seconds between two values of a tag, and as many more as the servers were late: with less there is no gap."""
SETTLED = 5.0
"""Seconds that a daemon is given before it is measured, and after that until all that was sampled is stored."""


class Found(NamedTuple):
    """What the store has of the time that was measured."""

    values: int
    lost: int
    """Sampled, and not there."""
    longest: float
    """Seconds between two values of a tag."""


def rows(*, quick: bool) -> Iterable[Row]:
    """Return lost values, the longest time without one, CPU and memory."""
    return _fleet(20 if quick else 30)


def soak(minutes: float) -> Iterable[Row]:
    """Return the same for long."""
    return _fleet(60 * minutes)


def _fleet(seconds: float) -> list[Row]:
    if why := no_node():
        return [skipped(NAME, "% of a core", why)]
    with scratch() as folder, opcua(script="opcua_fleet.js", servers=SERVERS, nodes=TAGS) as servers:
        with daemons((folder / "daemon", _text(servers.ready["urls"]))) as (daemon,):
            time.sleep(SETTLED)
            before, began = servers.do("used"), time.time_ns()
            (whole,) = measured(seconds, daemon)
            ended, after = time.time_ns(), servers.do("used")
            rss, pss = daemon.memory()
            created = max(servers.do("counts")["created"])
            paths = _paths(daemon)
            time.sleep(SETTLED)
        found = stored(folder / "daemon" / "state" / "twin.db", _ids(), began, ended)
    theirs = 100 * (after["cpu"] - before["cpu"]) / seconds
    late = after["late"] / 1000
    return [
        at_most(f"{NAME}, lost", found.lost, "values", 0,
                f"of {found.values:,} in {seconds:.0f} s; sessions a server has seen: {created}"),
        at_most(f"{NAME}, longest between two values", found.longest, "s", round(GAP + late, 2),
                f"the servers were up to {late:.2f} s late"),
        plain(f"{NAME}, the daemon", whole, "% of a core",
              f"with twin, alarms and store; {paths}; the servers: {theirs:.1f}"),
        plain(f"{NAME}, memory", rss, "MB RSS", f"PSS {pss:.0f} MB; the servers: {after['rss'] >> 20} MB"),
    ]  # fmt: skip


def stored(path: Path, ids: Iterable[str], began: int, ended: int) -> Found:
    """Return what a store has of these tags between two times (ns UTC): what is not Good is lost."""
    reader, values, lost, longest = SampleReader(path), 0, 0, 0.0
    for each in ids:
        series = reader.read(each, began, ended)
        good = is_good(series.status)
        values += int(np.count_nonzero(good))
        lost += int(np.sum(np.diff(series.values[good]) != 1))
        steps = np.diff(series.time[good], prepend=began, append=ended) / PERIOD
        longest = max(longest, float(steps.max()))
    return Found(values, lost, longest)


def _text(urls: list[str]) -> str:
    text = gateway(None)
    for i, url in enumerate(urls):
        text += device(f"plc{i}", "opcua", url, more='security = "none"')
        for first in range(0, TAGS, 100):
            tags = [tag(f"t{n}", f"plc{i}", f"{OPCUA}n{n}") for n in range(first, first + 100)]
            text += machine(f"m{i}-{first // 100}", tags)
    return text


def _ids() -> Iterable[str]:
    return (f"m{i}-{n // 100}.t{n}" for i in range(SERVERS) for n in range(TAGS))


def _paths(daemon: Daemon) -> str:
    """Say how the values are decoded, as the devices' status has it."""
    told = {str(each.get("notes", {}).get("path", "path not told")) for each in daemon.status()["devices"]}
    return ", ".join(sorted(told))

"""Many Modbus tags at 1 s, in the real daemon and in its acquisition alone, beside a bare loop of pymodbus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from configurations import device, floats, gateway
from rows import Row, at_most, plain
from servers import daemons, helper, scratch, slaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers import Daemon, Helper

TAGS = 1000
"""Of each server: float32, so 2,000 registers and 16 requests."""
SERVERS = 10
MOST = 3.0
"""Percent of a core for the tags of one server."""
BLOCKS = [(start, min(124, 2 * TAGS - start)) for start in range(0, 2 * TAGS, 124)]
"""What the baseline asks for: as many whole values as fit into a request, as our planner does."""
AGAINST = "against a bare pymodbus loop with the same requests and a conversion a tag, which keeps nothing"


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU, missed polls and memory."""
    return [*_one(10 if quick else 60), *_fleet(10 if quick else 60)]


def soak(minutes: float) -> Iterable[Row]:
    """Return the same of the whole fleet, for long."""
    return _fleet(60 * minutes)


def _one(seconds: float) -> list[Row]:
    with scratch() as folder, slaves({"kind": "steady", "drift": True}) as (_, urls):
        text = _text(urls)
        (folder / "shoptwin.toml").write_text(text)
        with (
            helper("bare.py", _bare(urls)) as bare,
            helper("acquiring.py", str(folder / "shoptwin.toml")) as alone,
            daemons((folder / "daemon", text)) as (daemon,),
        ):
            time.sleep(3)
            whole, acquired, theirs = measured(seconds, daemon, alone, bare)
    name = f"fleet: {TAGS:,} tags at 1 s"
    return [
        at_most(f"{name}, read and decoded", acquired, "% of a core", MOST, AGAINST, baseline=theirs),
        at_most(f"{name}, the daemon", whole, "% of a core", MOST, "with twin, alarms and store", baseline=theirs),
    ]


def _fleet(seconds: float) -> list[Row]:
    with (
        scratch() as folder,
        slaves(*[{"kind": "steady", "drift": True}] * SERVERS) as (_, urls),
        helper("bare.py", _bare(urls)) as bare,
        daemons((folder / "daemon", _text(urls))) as (daemon,),
    ):
        time.sleep(3)
        before = _counted(daemon)
        whole, theirs = measured(seconds, daemon, bare)
        after = _counted(daemon)
        rss, pss = daemon.memory()
    name = f"fleet: {SERVERS * TAGS:,} tags at 1 s over {SERVERS} servers"
    polls, missed, bad = (after[key] - before[key] for key in ("polls", "missed_polls", "bad_samples"))
    return [
        at_most(f"{name}, missed", missed, "polls", 0, f"of {polls:,} in {seconds:.0f} s; {bad} samples Bad"),
        plain(f"{name}, the daemon", whole, "% of a core",
              f"with twin, alarms and store; a bare pymodbus loop, which keeps nothing: {theirs:.1f}"),
        plain(f"{name}, memory", rss, "MB RSS", f"PSS {pss:.0f} MB"),
    ]  # fmt: skip


def _text(urls: list[str]) -> str:
    return gateway(None) + "".join(
        device(f"plc{i}", "modbus", url) + floats(f"m{i}", f"plc{i}", TAGS) for i, url in enumerate(urls)
    )


def _bare(urls: list[str]) -> list[dict[str, Any]]:
    return [{"url": url, "units": [1], "blocks": BLOCKS, "period": 1.0, "timeout": 1.0} for url in urls]


def _counted(daemon: Daemon) -> dict[str, int]:
    devices = daemon.status()["devices"]
    return {key: sum(each[key] for each in devices) for key in ("polls", "missed_polls", "bad_samples")}


def measured(seconds: float, *processes: Daemon | Helper) -> list[float]:
    """Return the percent of a core that each of these processes uses, all at once."""
    began, before = time.monotonic(), [each.cpu() for each in processes]
    time.sleep(seconds)
    took, after = time.monotonic() - began, [each.cpu() for each in processes]
    return [100 * (b - a) / took for a, b in zip(before, after, strict=True)]

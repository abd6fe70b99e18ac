"""Twenty devices that cannot be reached, refused, black holes and mute ones: what trying again and again costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from configurations import device, floats, gateway
from fleet import measured
from rows import Row, at_most, plain
from servers import daemons, helper, scratch, slaves

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = {"refused": 7, "black hole": 7, "silent": 6}
"""Nobody listens; nothing comes back, as from a device that is off; connections are taken, requests not answered."""
TAGS = 50
"""Of each device."""
MOST = 1.0
"""Percent of a core for all twenty."""
NAME = f"unreachable: {sum(KINDS.values())} devices"


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU of the daemon and of its acquisition alone, from the first try on and once the breakers are open."""
    seconds = 12 if quick else 60
    plan = [{"kind": kind} for kind, count in KINDS.items() for _ in range(count)]
    with scratch() as folder, slaves(*plan) as (_, urls):
        text = gateway(None) + "".join(
            device(f"plc{i}", "modbus", url) + floats(f"m{i}", f"plc{i}", TAGS) for i, url in enumerate(urls)
        )
        (folder / "shoptwin.toml").write_text(text)
        with (
            helper("bare.py", [_bare(url) for url in urls]) as bare,
            helper("acquiring.py", str(folder / "shoptwin.toml")) as alone,
            daemons((folder / "none", gateway(None)), (folder / "daemon", text), well=False) as (none, daemon),
        ):
            first = measured(seconds, alone)[0]
            acquired, whole, idle, theirs = measured(seconds, alone, daemon, none, bare)
            lost = sum(each["health"] == "lost" for each in daemon.status()["devices"])
    if lost != len(urls):
        raise RuntimeError(f"{lost} of {len(urls)} devices are lost")
    against = "against a bare pymodbus loop that tries at each poll, every second"
    how = ", ".join(f"{count} {kind}" for kind, count in KINDS.items())
    return [
        at_most(f"{NAME}, trying again", acquired, "% of a core", MOST, f"{against}; {how}", baseline=theirs),
        plain(f"{NAME}, the first {seconds} s", first, "% of a core", "until the breakers have opened"),
        at_most(f"{NAME}, the daemon", whole, "% of a core", MOST, f"one without devices: {idle:.2f}", baseline=theirs),
    ]


def _bare(url: str) -> dict[str, Any]:
    return {"url": url, "units": [1], "blocks": [(0, 2 * TAGS)], "period": 1.0, "timeout": 1.0}

"""Devices that cannot be reached, refused, black holes and mute ones: what trying again and again costs.

Twenty over Modbus, and ten over OPC UA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from configurations import OPCUA, device, floats, gateway, machine, tag
from fleet import measured
from rows import Row, at_most, plain
from servers import daemons, helper, scratch, slaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers import Daemon

KINDS = {"refused": 7, "black hole": 7, "silent": 6}
"""Nobody listens; nothing comes back, as from a device that is off; connections are taken, requests not answered."""
TAGS = 50
"""Of each device."""
MOST = 1.0
"""Percent of a core for all twenty."""
NAME = f"unreachable: {sum(KINDS.values())} devices"
OPCUA_KINDS = {"refused": 4, "black hole": 3, "silent": 3}
OPCUA_NAME = f"unreachable: {sum(OPCUA_KINDS.values())} OPC UA servers"


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU of the daemon and of its acquisition alone, from the first try on and once the breakers are open."""
    return [*_modbus(12 if quick else 60), *_opcua(12 if quick else 60)]


def _modbus(seconds: float) -> list[Row]:
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
            _check(daemon)
    against = "against a bare pymodbus loop that tries at each poll, every second"
    how = ", ".join(f"{count} {kind}" for kind, count in KINDS.items())
    return [
        at_most(f"{NAME}, trying again", acquired, "% of a core", MOST, f"{against}; {how}", baseline=theirs),
        plain(f"{NAME}, the first {seconds} s", first, "% of a core", "until the breakers have opened"),
        at_most(f"{NAME}, the daemon", whole, "% of a core", MOST, f"one without devices: {idle:.2f}", baseline=theirs),
    ]


def _bare(url: str) -> dict[str, Any]:
    return {"url": url, "units": [1], "blocks": [(0, 2 * TAGS)], "period": 1.0, "timeout": 1.0}


def _opcua(seconds: float) -> list[Row]:
    """Return the same for servers that asyncua itself would give up at the first try: there is no baseline."""
    plan = [{"kind": kind} for kind, count in OPCUA_KINDS.items() for _ in range(count)]
    with scratch() as folder, slaves(*plan) as (_, urls):
        text = gateway(None)
        for i, url in enumerate(urls):
            text += device(f"plc{i}", "opcua", url.replace("tcp:", "opc.tcp:"))
            text += machine(f"m{i}", [tag(f"t{n}", f"plc{i}", f"{OPCUA}n{n}") for n in range(TAGS)])
        (folder / "shoptwin.toml").write_text(text)
        with (
            helper("acquiring.py", str(folder / "shoptwin.toml")) as alone,
            daemons((folder / "none", gateway(None)), (folder / "daemon", text), well=False) as (none, daemon),
        ):
            first = measured(seconds, alone)[0]
            acquired, whole, idle = measured(seconds, alone, daemon, none)
            _check(daemon)
    how = ", ".join(f"{count} {kind}" for kind, count in OPCUA_KINDS.items())
    return [
        at_most(f"{OPCUA_NAME}, trying again", acquired, "% of a core", MOST, how),
        plain(f"{OPCUA_NAME}, the first {seconds} s", first, "% of a core", "with the import of asyncua"),
        at_most(f"{OPCUA_NAME}, the daemon", whole, "% of a core", MOST, f"one without devices: {idle:.2f}"),
    ]


def _check(daemon: Daemon) -> None:
    health = [each["health"] for each in daemon.status()["devices"]]
    if set(health) != {"lost"}:
        raise RuntimeError(f"not all devices are lost: {health}")

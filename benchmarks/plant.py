"""A busy gateway: 500 tags a second over Modbus and 500 over OPC UA, in one real daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from configurations import device, gateway, machine, modbus_tags, opcua_tags
from rows import Row, at_most, plain, skipped
from servers import broker, daemons, no_broker, no_node, opcua, scratch, slave

if TYPE_CHECKING:
    from collections.abc import Iterable

TAGS = 500
"""Of each protocol."""
MACHINES = 10
NAME = f"plant: {TAGS} tags Modbus + {TAGS} OPC UA at 1 s"


def rows(*, quick: bool) -> Iterable[Row]:
    """Return what it costs the daemon, and whether a poll was missed."""
    if why := no_broker() or no_node():
        return [skipped(NAME, "% of a core", why)]
    each = TAGS // MACHINES
    seconds = 10 if quick else 60
    with scratch() as folder, broker(folder) as port, slave() as plc, opcua(nodes=TAGS, period=1000) as server:
        text = (
            gateway(port)
            + device("plc", "modbus", plc.url)
            + device("edge", "opcua", server.url, more='security = "none"')
        )
        for i in range(MACHINES):
            text += machine(f"m{i}", modbus_tags(each, first=each * i) + opcua_tags(each, first=each * i))
        with daemons((folder / "daemon", text)) as (daemon,):
            time.sleep(3)
            before, cpu, began = _samples(daemon.status()), daemon.cpu(), time.monotonic()
            time.sleep(seconds)
            used, took = daemon.cpu() - cpu, time.monotonic() - began
            status = daemon.status()
            taken = _samples(status) - before
            missed = sum(each["missed_polls"] for each in status["devices"])
            rss, pss = daemon.memory()
    rate = f"{taken / took:,.0f} samples a second taken, {used / taken * 1e6:.0f} us CPU each"
    return [
        plain(NAME, 100 * used / took, "% of a core", rate),
        at_most(f"{NAME}, missed", missed, "polls", 0, f"in {took:.0f} s"),
        plain(f"{NAME}, memory", rss, "MB RSS", f"PSS {pss:.0f} MB"),
    ]


def _samples(status: dict[str, list[dict[str, int]]]) -> int:
    return sum(each["samples"] for each in status["devices"])

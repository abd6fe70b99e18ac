"""One dead unit among ten on a serial line: how much longer the others wait for their turn."""

from __future__ import annotations

import time
from statistics import fmean
from typing import TYPE_CHECKING, Any

from configurations import device, gateway, machine, tag
from rows import Row, at_most
from servers import daemons, helper, scratch, slaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers import Helper

UNITS, DEAD = 10, 5
TAGS = 10
"""Of each unit: float32, one request of 20 registers, about 40 ms on the wire at 19,200 baud."""
PERIOD = "100ms"
"""Less than a round takes, so that the line is never idle: whatever time is lost shows."""
TIMEOUT = 1.0
MOST = 5.0
"""Percent by which the period of the living may grow."""
DEVICES, ONE, BARE = "ten devices on one port", "one device with ten units", "a bare pymodbus loop"


def rows(*, quick: bool) -> Iterable[Row]:
    """Return the growth of the living units' period, counted at the slaves, once the breakers are open."""
    seconds = 20 if quick else 150
    line = {"kind": "line", "units": UNITS}
    plan = [line | ({"dead": [DEAD]} if dead else {}) for _ in (DEVICES, ONE, BARE) for dead in (True, False)]
    with scratch() as folder, slaves(*plan) as (server, urls):
        text = gateway(None) + _devices("a", urls[0], dead=True) + _devices("b", urls[1], dead=False)
        text += _one("c", urls[2], dead=True) + _one("d", urls[3], dead=False)
        bare = [_bare(urls[4], dead=True), _bare(urls[5], dead=False)]
        with helper("bare.py", bare), daemons((folder / "daemon", text), well=False):
            _open(server)
            time.sleep(2 * TIMEOUT)
            server.tell()
            time.sleep(seconds)
            counted = server.tell()
    growth = [_growth(*counted[i : i + 2], seconds) for i in (0, 2, 4)]
    return [
        at_most(f"bus: one dead unit of ten, {how}", growth[i], "% longer period", MOST,
                f"{_told(*counted[2 * i : 2 * i + 2], seconds)}; against {BARE}", baseline=growth[2])
        for i, how in enumerate((DEVICES, ONE))
    ]  # fmt: skip


def _open(server: Helper) -> None:
    """Wait until every dead unit of ours was asked three times: when that has timed out, its breaker is open."""
    asked = [0, 0]
    for _ in range(600):
        if min(asked) >= 3:
            return
        time.sleep(0.1)
        counted = server.tell()
        asked = [n + counted[i]["asked"].get(str(DEAD), 0) for n, i in zip(asked, (0, 2), strict=True)]
    raise RuntimeError(f"the dead units were asked {asked} times in a minute")


def _period(line: dict[str, Any], seconds: float) -> float:
    """Return the mean time between two replies of a living unit, s."""
    return seconds / fmean(count for unit, count in line["replies"].items() if unit != str(DEAD))


def _growth(ill: dict[str, Any], well: dict[str, Any], seconds: float) -> float:
    return 100 * (_period(ill, seconds) / _period(well, seconds) - 1)


def _told(ill: dict[str, Any], well: dict[str, Any], seconds: float) -> str:
    return (
        f"{_period(ill, seconds) * 1e3:.0f} and {_period(well, seconds) * 1e3:.0f} ms, at the longest "
        f"{max(ill['longest'].values()):.2f} and {max(well['longest'].values()):.2f} s; "
        f"{ill['asked'].get(str(DEAD), 0)} probes of {TIMEOUT:g} s in {seconds:.0f} s; "
        f"{ill['collisions'] + well['collisions']} collisions"
    )


def _units(*, dead: bool) -> list[int]:
    """Return the units that are configured: nine that live, with or without the dead one."""
    return [unit for unit in range(1, UNITS + 1) if dead or unit != DEAD]


def _devices(name: str, url: str, *, dead: bool) -> str:
    return "".join(
        device(f"{name}{unit}", "modbus", url, PERIOD, f"unit = {unit}\n")
        + machine(f"{name}{unit}", [tag(f"t{i}", f"{name}{unit}", f"holding:{2 * i}:float32") for i in range(TAGS)])
        for unit in _units(dead=dead)
    )


def _one(name: str, url: str, *, dead: bool) -> str:
    return device(name, "modbus", url, PERIOD) + "".join(
        machine(f"{name}{unit}", [tag(f"t{i}", name, f"holding:{2 * i}:float32@{unit}") for i in range(TAGS)])
        for unit in _units(dead=dead)
    )


def _bare(url: str, *, dead: bool) -> dict[str, Any]:
    return {"url": url, "units": _units(dead=dead), "blocks": [(0, 2 * TAGS)], "period": 0.1, "timeout": TIMEOUT}

"""Resident memory of the real daemon, for what it is configured to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from configurations import OPCUA, ROLES, device, gateway, machine, modbus_tags, opcua_tags, tag
from rows import Row, at_most, plain, skipped
from servers import broker, daemons, no_broker, no_node, opcua, scratch, slave

from shoptwin.assess.learned import Pointer, write_pointer
from shoptwin.assess.names import VALUE, Name
from shoptwin.assess.progress import LearnRequest
from shoptwin.domain.tag import Role
from shoptwin.domain.timing import SECOND
from shoptwin.learn.baseline import Settings, fit
from shoptwin.learn.extend import Before
from shoptwin.learn.files import save
from shoptwin.store.series import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from servers import Daemon

MACHINES = 3
MANY = 10
TAGS = 20
"""Of each machine and protocol."""
NAMES = (
    "memory: Modbus, MQTT, store, REST", "memory: with ONNX too", "memory: the same, ten machines that have learned",
    "memory: with OPC UA too",
)  # fmt: skip
HOLDS = (60.0, 90.0, 90.0, 115.0)


def rows(*, quick: bool) -> Iterable[Row]:
    """Return MB (2**20 bytes) after a minute of running, and how long the daemon takes to start."""
    if why := no_broker():
        return [skipped(name, "MB RSS", why) for name in NAMES]
    with scratch() as folder, broker(folder) as port, slave() as plc:
        if why := no_node():
            found = _measure(_wanted(folder, port, plc.url), quick=quick)
            return [*found, skipped(NAMES[-1], "MB RSS", why)]
        with opcua(nodes=MACHINES * TAGS, period=1000) as server:
            return _measure(_wanted(folder, port, plc.url, server.url), quick=quick)


def _wanted(folder: Path, broker: int, modbus: str, opcua: str = "") -> list[tuple[Path, str]]:
    """Return the folder and the configuration of each daemon."""
    plc = device("plc", "modbus", modbus)
    limits = [machine(f"m{i}", modbus_tags(TAGS, first=TAGS * i)) for i in range(MACHINES)]
    models = [machine(f"m{i}", modbus_tags(TAGS, roles=ROLES, first=TAGS * i)) for i in range(MACHINES)]
    wanted = [(folder / "limits", gateway(broker, "limits") + plc + "".join(limits))]
    wanted.append((folder / "models", gateway(broker, "models") + plc + "".join(models)))
    many = [machine(f"m{i}", modbus_tags(TAGS, roles=ROLES, first=TAGS * i)) for i in range(MANY)]
    wanted.append((folder / "many", gateway(broker, "many") + plc + "".join(many)))
    _learned(folder / "many" / "state" / "learned")
    if opcua:
        more = [text + "".join(opcua_tags(TAGS, first=TAGS * i)) for i, text in enumerate(models)]
        more[0] += tag("acc", "edge", f"{OPCUA}Wave", "waveform", 'unit = "g"')
        edge = device("edge", "opcua", opcua, more='security = "none"')
        wanted.append((folder / "all", gateway(broker, "all") + plc + edge + "".join(more)))
    return wanted


def _learned(folder: Path) -> None:
    """Put a baseline of each of the ten machines into use, as if it had learned before."""
    rng = np.random.default_rng(1)
    names = tuple(str(Name(Role(ROLES[i % len(ROLES)]), f"t{i}", VALUE)) for i in range(TAGS))
    values, time = rng.normal(50, 5, (300, TAGS)).astype("f4"), SECOND * np.arange(1, 301)
    baseline = fit(Evidence(time, names, values, ["producing"] * len(values)), Settings("process"))
    for i in range(MANY):
        version = save(folder, LearnRequest(f"m{i}", "process", 0, int(time[-1]) + 1), baseline, Before())
        write_pointer(folder, f"m{i}", "process", Pointer(version, 1))


def _measure(wanted: list[tuple[Path, str]], *, quick: bool) -> list[Row]:
    with daemons(*wanted):
        time.sleep(2)  # the first start makes the files, and Python its bytecode
    found: list[Row] = []
    with daemons(*wanted) as running:
        time.sleep(8 if quick else 60)
        for name, most, daemon in zip(NAMES, HOLDS, running, strict=False):
            rss, pss = daemon.memory()
            found.append(at_most(name, rss, "MB RSS", most, f"{_tags(daemon)} tags; PSS {pss:.0f} MB"))
        found.append(plain("start: until the door answers", running[0].started_in, "s", "Modbus, MQTT, store, REST"))
    return found


def _tags(daemon: Daemon) -> int:
    return sum(int(each["tags"]) for each in daemon.status()["devices"])

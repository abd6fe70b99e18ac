"""A ready-made shoptwin.toml for the plant as it runs: its devices, machines and tags."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

from shoptwin.sdk import ConfigError, iso
from shoptwin_plant.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from shoptwin_plant.info import MachineInfo, PlantInfo
    from shoptwin_plant.model import PlantMachine, PlantTag

_FASTEST = 0.05
"""Real seconds between two polls at least."""
_LINE = "packer-2"
"""The machine that is read over the serial line, where there is one."""


def config_text(info: PlantInfo, machines: Sequence[PlantMachine], period: int) -> str:
    """Return the configuration; `period` is the time between polls, ns of plant time."""
    period = max(period, round(_FASTEST * info.clock.rate * SECOND))
    used = {_device(machine, info) for machine in machines}
    lines = [*_head(info), *_devices(info, period, used)]
    for machine in machines:
        lines += ["", *_machine(machine, info.machine(machine.name), info)]
    return "\n".join(lines) + "\n"


def write_config(target: Path, text: str) -> Path:
    """Write the configuration to `target`, a file ending in .toml or a directory; return the file.

    Raises:
        ConfigError: it cannot be written.
    """
    file = target if target.suffix == ".toml" else target / "shoptwin.toml"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as e:
        raise ConfigError(f"{file}: cannot be written: {e.strerror}", "Choose another directory") from e
    return file


def _head(info: PlantInfo) -> Iterator[str]:
    yield "# Written by the practice plant: valid while it runs, for its ports are those of this run."
    if info.clock.rate != 1:
        clock = info.clock
        yield f"# Its clock runs {clock.rate:g} times as fast, and so must the daemon's: add"
        yield f"# --clock-rate {clock.rate:g} --clock-epoch {clock.epoch} --clock-origin {clock.origin}"
    yield ""
    yield "[gateway]"
    yield 'site = "practice"'
    yield 'name = "practice-gw"'
    yield 'timezone = "UTC"'


def _devices(info: PlantInfo, period: int, used: set[str]) -> Iterator[str]:
    devices = (
        ("plant-modbus", "modbus", info.modbus),
        ("plant-opcua", "opcua", info.opcua),
        ("plant-line", "modbus", f"rtu://{info.rtu}?baud=115200&parity=N"),
    )
    for name, driver, url in devices:
        if name not in used:
            continue
        yield ""
        yield "[[device]]"
        yield f"name = {_text(name)}"
        yield f"driver = {_text(driver)}"
        yield f"url = {_text(url)}"
        yield f"period = {_text(_duration(period))}"
        if driver == "opcua":
            yield 'security = "none"  # it does not leave this box; leave it out for a PLC of yours'


def _machine(machine: PlantMachine, info: MachineInfo, plant: PlantInfo) -> Iterator[str]:
    setup = machine.setup
    yield "[[machine]]"
    yield f"name = {_text(_plain(machine.name))}"
    yield 'area = "practice"'
    if setup.iso20816:
        yield f"iso20816 = {_text(setup.iso20816)}"
    yield ""
    yield "[machine.learning]"
    yield f"until = {iso(setup.learn_until)}" if setup.learn_until is not None else f"span = {_text(setup.learn_span)}"
    if setup.power_off is not None or setup.states:
        yield ""
        yield "[machine.state]"
        if setup.power_off is not None:
            yield f"off = {setup.power_off}"
            yield f"idle = {setup.power_idle}"
        if setup.states:
            yield "values = " + _inline({str(code): state for code, state in setup.states.items()})
    device = _device(machine, plant)
    for tag in machine.tags:
        place = info.tag(tag.name)
        yield ""
        yield from _tag(tag, device, place.opcua if device == "plant-opcua" else place.modbus)


def _device(machine: PlantMachine, plant: PlantInfo) -> str:
    """Return what a machine is read over: waveforms need OPC UA, and one machine hangs on the serial line."""
    if any(tag.rate for tag in machine.tags):
        return "plant-opcua"
    return "plant-line" if plant.rtu and machine.name == _LINE else "plant-modbus"


def _tag(tag: PlantTag, device: str, address: str) -> Iterator[str]:
    yield "[[machine.tag]]"
    yield f"name = {_text(_plain(tag.name))}"
    yield f"role = {_text(tag.role)}"
    if tag.unit:
        yield f"unit = {_text(tag.unit)}"
    yield f"device = {_text(device)}"
    yield f"address = {_text(address)}"
    if tag.rate:
        yield f"rate = {float(tag.rate)}"
    if tag.limits:
        yield f"limits = {_inline(tag.limits)}"


def _duration(ns: int) -> str:
    """Write a duration that the configuration understands, to the millisecond."""
    return f"{math.ceil(ns / 1e9)}s" if ns >= 10 * SECOND else f"{math.ceil(ns / 1e6)}ms"


def _plain(name: str) -> str:
    """Return a name as the configuration allows it: letters, digits and `_.-`."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".-") or "_"


def _text(value: str) -> str:
    """Write a TOML string: JSON's escapes are TOML's too, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(table: Mapping[str, float | str]) -> str:
    """Write an inline table."""
    pairs = (f"{key} = {_text(v) if isinstance(v, str) else v}" for key, v in table.items())
    return "{ " + ", ".join(pairs) + " }"

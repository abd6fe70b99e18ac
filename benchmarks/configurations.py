"""Configurations of the daemons that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OPCUA = "nsu=urn:shoptwin:test;s="
ROLES = ("temperature", "vibration", "power", "load", "pressure", "flow", "speed", "current", "other", "other")
UNITS = {"temperature": "degC", "vibration": "mm/s", "power": "kW"}


def gateway(broker: int | None, name: str = "bench") -> str:
    """Return the head of a configuration, with or without a broker."""
    mqtt = "" if broker is None else f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker}"\n'
    return f'[gateway]\nsite = "bench"\nname = "{name}"\n{mqtt}'


def device(name: str, driver: str, url: str, period: str = "1s", more: str = "") -> str:
    """Return a device; `more`: further lines of its table."""
    return f'[[device]]\nname = "{name}"\ndriver = "{driver}"\nurl = "{url}"\nperiod = "{period}"\n{more}\n'


def machine(name: str, tags: Sequence[str]) -> str:
    """Return a machine with tags."""
    return f'[[machine]]\nname = "{name}"\n' + "".join(tags)


def tag(name: str, device: str, address: str, role: str = "other", more: str = "") -> str:
    """Return a tag of the machine before it."""
    unit = f'unit = "{UNITS[role]}"\n' if role in UNITS else ""
    return (
        f'[[machine.tag]]\nname = "{name}"\ndevice = "{device}"\naddress = "{address}"\nrole = "{role}"\n{unit}{more}\n'
    )


def floats(name: str, device: str, count: int, *, each: int = 100) -> str:
    """Return machines of up to `each` tags: `count` float32 values of one device, one after the other."""
    return "".join(
        machine(f"{name}-{first // each}",
                [tag(f"t{i}", device, f"holding:{2 * i}:float32") for i in range(first, min(first + each, count))])
        for first in range(0, count, each)
    )  # fmt: skip


def modbus_tags(count: int, *, roles: Sequence[str] = ("other",), first: int = 0) -> list[str]:
    """Return tags of the device plc: float32 values, one after the other, some of them with limits."""
    return [
        tag(f"t{i}", "plc", f"holding:{2 * (first + i)}:float32", roles[i % len(roles)],
            "limits = { hi = 1e30, lo = -1e30 }" if i % 5 == 0 else "")
        for i in range(count)
    ]  # fmt: skip


def opcua_tags(count: int, *, first: int = 0) -> list[str]:
    """Return tags of the device edge."""
    return [tag(f"u{i}", "edge", f"{OPCUA}n{first + i}") for i in range(count)]

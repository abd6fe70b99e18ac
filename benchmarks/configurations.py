"""Configurations of the daemons that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OPCUA = "nsu=urn:shoptwin:test;s="
ROLES = ("temperature", "vibration", "power", "load", "pressure", "flow", "speed", "current", "other", "other")
UNITS = {"temperature": "degC", "vibration": "mm/s", "power": "kW"}


def gateway(broker: int, name: str = "bench") -> str:
    """Return the head of a configuration."""
    return f"""
[gateway]
site = "bench"
name = "{name}"
[mqtt]
url = "mqtt://127.0.0.1:{broker}"
"""


def device(name: str, driver: str, url: str, period: str = "1s") -> str:
    """Return a device."""
    return f'[[device]]\nname = "{name}"\ndriver = "{driver}"\nurl = "{url}"\nperiod = "{period}"\n'


def machine(name: str, tags: Sequence[str]) -> str:
    """Return a machine with tags."""
    return f'[[machine]]\nname = "{name}"\n' + "".join(tags)


def tag(name: str, device: str, address: str, role: str = "other", more: str = "") -> str:
    """Return a tag of the machine before it."""
    unit = f'unit = "{UNITS[role]}"\n' if role in UNITS else ""
    return (
        f'[[machine.tag]]\nname = "{name}"\ndevice = "{device}"\naddress = "{address}"\nrole = "{role}"\n{unit}{more}\n'
    )


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

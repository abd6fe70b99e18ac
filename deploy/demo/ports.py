"""The demo's ports: those of demo.toml, or free ones where somebody else has them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

import tomlkit

if TYPE_CHECKING:
    from pathlib import Path


class Ports(NamedTuple):
    """Where the demo's servers listen, all on loopback."""

    mqtt: int
    modbus: int
    opcua: int


def settle(template: Path, target: Path, mqtt_version: int) -> Ports:
    """Write the configuration for this run, with the MQTT version that its broker speaks, and return its ports."""
    document = tomlkit.parse(template.read_text())
    wanted = [document["mqtt"], *document["device"]]  # type: ignore[misc]
    found: dict[str, int] = {}
    for table in wanted:
        scheme, _, rest = str(table["url"]).partition("://")
        host, _, tail = rest.partition(":")
        port = tail.partition("/")[0]
        found[scheme] = free(int(port))
        table["url"] = f"{scheme}://{host}:{found[scheme]}{tail[len(port) :]}"
    document["mqtt"]["version"] = 5 if mqtt_version == 5 else "3.1.1"  # type: ignore[index]
    target.write_text(tomlkit.dumps(document))
    return Ports(found["mqtt"], found["tcp"], found["opc.tcp"])


def free(port: int) -> int:
    """Return the port if nobody has it, else one that nobody has."""
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("no port is free on 127.0.0.1")

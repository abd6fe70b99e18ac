"""Settings of a device, and where its URL leads."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

from shoptwin.sdk import parse_duration

PORT = 502
LONGEST_TIMEOUT = 10.0
"""Seconds; a device that is given longer would look hung to the runtime."""
BAUDS = range(300, 4_000_001)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: a host and port, or a serial port and its parameters."""

    scheme: Literal["tcp", "rtu+tcp", "rtu"]
    host: str = ""
    port: int = 0
    path: str = ""
    baud: int = 19_200
    parity: str = "E"
    stop: int = 1
    bits: int = 8

    @property
    def serial(self) -> bool:
        """Whether it is a serial port of this box, which all devices on that line share."""
        return self.scheme == "rtu"

    @property
    def checked(self) -> bool:
        """Whether replies say which request they answer (the transaction of Modbus TCP)."""
        return self.scheme == "tcp"

    @property
    def silence(self) -> float:
        """Seconds of silence between frames: 3.5 characters, 1.75 ms above 19200 baud (Modbus over Serial Line 2.5)."""
        return 1.75e-3 if self.baud > 19_200 else 3.5 * 11 / self.baud  # noqa: PLR2004 - the standard's figures

    @property
    def loopback(self) -> bool:
        """Whether it is on this very box; of serial ports, pseudo terminals alone."""
        if self.serial:
            return Path(self.path).resolve().is_relative_to("/dev/pts")
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        if self.serial:
            return f"{self.path} ({self.baud} baud, {self.bits}{self.parity}{self.stop})"
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class ModbusSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Modbus device, as configured. README.md tells what each is for."""

    url: str
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    timeout: str = "1s"
    max_block: Annotated[int, msgspec.Meta(ge=4, le=125)] = 125
    max_gap: Annotated[int, msgspec.Meta(ge=0, le=121)] = 16
    max_bits: Annotated[int, msgspec.Meta(ge=1, le=2000)] = 2000

    def __post_init__(self) -> None:
        """Check what types cannot. Raises ValueError, which msgspec reports as any other mistake."""
        if not 0 < self.seconds <= LONGEST_TIMEOUT:
            raise ValueError(f"timeout must be more than 0 and at most {LONGEST_TIMEOUT:g} s, not {self.timeout!r}")
        target = self.target
        if not target.checked and not 1 <= self.unit <= 247:  # noqa: PLR2004 - the standard's range of units on a line
            raise ValueError(f"unit {self.unit} cannot be on a serial line: units there are 1 to 247")

    @property
    def seconds(self) -> float:
        """How long to wait for a reply."""
        return parse_duration(self.timeout) / 1e9

    @property
    def target(self) -> Target:
        """Where the URL leads."""
        return parse_url(self.url)


def parse_url(url: str) -> Target:
    """Parse `tcp://host:502`, `rtu+tcp://host:4001` or `rtu:///dev/ttyUSB0?baud=19200&parity=E&stop=1`.

    Raises:
        ValueError: it is none of them.
    """
    parts = urlsplit(url)
    if parts.scheme == "rtu":
        return _serial(url, parts)
    if parts.scheme not in {"tcp", "rtu+tcp"}:
        raise ValueError(
            f"url {url!r}: write tcp://192.0.2.10:502, rtu+tcp://… or rtu:///dev/ttyUSB0?baud=19200&parity=E"
        )
    try:
        port = PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ValueError(f"url {url!r}: the port must be a number from 1 to 65535") from error
    if not parts.hostname or not port or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"url {url!r}: write no more than {parts.scheme}://host:port")
    return Target("tcp" if parts.scheme == "tcp" else "rtu+tcp", parts.hostname, port)


def _serial(url: str, parts: SplitResult) -> Target:
    if parts.netloc or not parts.path.startswith("/dev/"):
        raise ValueError(f"url {url!r}: write rtu:///dev/ttyUSB0 with three slashes")
    query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if unknown := query.keys() - {"baud", "parity", "stop", "bits"}:
        raise ValueError(f"url {url!r}: unknown {', '.join(sorted(unknown))}; known are baud, parity, stop and bits")
    parity = query.get("parity", "E").upper()
    words = [query.get(key, default) for key, default in (("baud", "19200"), ("stop", "1"), ("bits", "8"))]
    baud, stop, bits = (int(word) if word.isdecimal() else -1 for word in words)
    if baud not in BAUDS or stop not in {1, 2} or bits not in {7, 8} or parity not in {"N", "E", "O"}:
        raise ValueError(f"url {url!r}: baud is a number such as 19200, parity N, E or O, stop 1 or 2, bits 7 or 8")
    return Target("rtu", path=parts.path, baud=baud, parity=parity, stop=stop, bits=bits)

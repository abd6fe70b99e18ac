"""Settings of a device, and where its URL leads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

from shoptwin.sdk import parse_duration
from shoptwin_modbus.addresses.places import parse_place
from shoptwin_modbus.planning import Reach, order

if TYPE_CHECKING:
    from shoptwin_modbus.planning import Span

PORT = 502
TLS_PORT = 802
"""The registered port of Modbus/TCP Security (its specification, 1.0)."""
LONGEST_TIMEOUT = 10.0
"""Seconds; a device that is given longer would look hung to the runtime."""
BAUDS = range(300, 4_000_001)
PARITIES = ("N", "E", "O")
"""None, even, odd."""
CONVERTER_GAP = 5e-3
"""Seconds of silence between frames behind a converter, whose baud rate is not known here."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take with one device, in seconds."""

    timeout: float
    """How long to wait for a reply."""
    turnaround: float = 0.5
    """On RTU links: how long after its time-out a reply of this unit may still come."""
    pause: float = 0.0
    """Between two requests of this device."""
    frame_gap: float | None = None
    """On RTU links: silence between frames. None: `Target.silence`."""


class Rs485(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a serial port drives an RS-485 line, where it does not by itself (`TIOCSRS485` of Linux)."""

    rts_on_send: bool = True
    """The level of RTS while sending; it is the other one while receiving."""
    delay_before_send: str = "0ms"
    delay_after_send: str = "0ms"
    loopback: bool = False
    """Whether the port hears what it sends."""

    def __post_init__(self) -> None:
        """Check the delays. Raises ValueError."""
        for key, seconds in zip(("delay_before_send", "delay_after_send"), self.delays, strict=True):
            if seconds > 1:
                raise ValueError(f"rs485: {key} must be at most 1s")

    @property
    def delays(self) -> tuple[float, float]:
        """Seconds between switching the driver on and sending, and between sending and switching it off."""
        return parse_duration(self.delay_before_send) / 1e9, parse_duration(self.delay_after_send) / 1e9


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: a host and port, or a serial port and its parameters."""

    scheme: Literal["tcp", "tls", "rtu+tcp", "rtu"]
    host: str = ""
    port: int = 0
    path: str = ""
    baud: int = 19_200
    parity: str = "E"
    stop: int = 1
    bits: int = 8
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    rs485: Rs485 | None = None

    @property
    def serial(self) -> bool:
        """Whether it is a serial port of this box, which all devices on that line share."""
        return self.scheme == "rtu"

    @property
    def checked(self) -> bool:
        """Whether replies say which request they answer (the transaction of Modbus TCP)."""
        return self.scheme in {"tcp", "tls"}

    @property
    def silence(self) -> float:
        """Seconds of silence between frames: 3.5 characters, 1.75 ms above 19200 baud (Modbus over Serial Line 2.5)."""
        if not self.serial:
            return CONVERTER_GAP
        return 1.75e-3 if self.baud > 19_200 else 3.5 * self.character  # noqa: PLR2004 - the standard's figures

    @property
    def character(self) -> float:
        """Seconds that a character takes: 11 bits. 0 where the baud rate is not known."""
        return 11 / self.baud if self.serial else 0.0

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
    turnaround: str = "500ms"
    pause: str = "0s"
    frame_gap: str = "auto"
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    busy_retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 3
    max_block: Annotated[int, msgspec.Meta(ge=4, le=125)] = 125
    max_gap: Annotated[int, msgspec.Meta(ge=0, le=121)] = 16
    max_bits: Annotated[int, msgspec.Meta(ge=1, le=2000)] = 2000
    avoid: tuple[str, ...] = ()
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    rs485: Rs485 | None = None

    def __post_init__(self) -> None:
        """Check what types cannot. Raises ValueError, which msgspec reports as any other mistake."""
        target = self.target
        if not target.checked and not 1 <= self.unit <= 247:  # noqa: PLR2004 - the standard's range of units on a line
            raise ValueError(f"unit {self.unit} cannot be on a serial line: units there are 1 to 247")
        if self.in_flight > 1 and not target.checked:
            raise ValueError("in_flight must be 1 here: only tcp:// and tls:// replies say which request they answer")
        if target.scheme != "tls" and (self.ca_file or self.cert_file or self.key_file or self.server_name):
            raise ValueError("ca_file, cert_file, key_file and server_name are for tls:// alone")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together: give both, or none where the device wants none")
        if self.rs485 is not None and not target.serial:
            raise ValueError("rs485 is for a serial port of this box (rtu://) alone")
        _ = self.timing, self.avoided

    @property
    def target(self) -> Target:
        """Where the URL leads, and how to open it."""
        return replace(
            parse_url(self.url),
            ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file,
            server_name=self.server_name, rs485=self.rs485,
        )  # fmt: skip

    @property
    def timing(self) -> Timing:
        """How long things take. Raises ValueError where that cannot be."""
        return Timing(
            timeout=self._seconds("timeout"),
            turnaround=self._seconds("turnaround", zero=True),
            pause=self._seconds("pause", zero=True),
            frame_gap=None if self.frame_gap == "auto" else self._seconds("frame_gap", most=1),
        )

    @property
    def avoided(self) -> tuple[Span, ...]:
        """What must never be read, sorted. Raises ValueError where it cannot be understood."""
        try:
            return tuple(sorted((parse_place(text, self.unit) for text in self.avoid), key=order))
        except ValueError as error:
            raise ValueError(f"avoid: {error}") from error

    @property
    def reach(self) -> Reach:
        """How much one request may ask for, and what none may touch."""
        return Reach(self.max_block, self.max_bits, self.max_gap, self.avoided)

    def _seconds(self, key: str, *, zero: bool = False, most: float = LONGEST_TIMEOUT) -> float:
        text: str = getattr(self, key)
        try:
            seconds = parse_duration(text) / 1e9
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
        if seconds > most or (seconds == 0 and not zero):
            least = "" if zero else "more than 0 and "
            raise ValueError(f"{key} must be {least}at most {most:g} s, not {text!r}")
        return seconds


def parse_url(url: str) -> Target:
    """Parse `tcp://host:502`, `tls://host:802`, `rtu+tcp://host:4001` or `rtu:///dev/ttyUSB0?baud=19200&parity=E`.

    Raises:
        ValueError: it is none of them.
    """
    parts = urlsplit(url)
    if parts.scheme == "rtu":
        return _serial(url, parts)
    if parts.scheme not in {"tcp", "tls", "rtu+tcp"}:
        raise ValueError(
            f"url {url!r}: write tcp://192.0.2.10:502, tls://…, rtu+tcp://… or rtu:///dev/ttyUSB0?baud=19200&parity=E"
        )
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url {url!r}: the port must be a number from 1 to 65535") from error
    if not parts.hostname or port == 0 or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"url {url!r}: write no more than {parts.scheme}://host:port")
    if parts.scheme == "tls":
        return Target("tls", parts.hostname, port or TLS_PORT)
    return Target("tcp" if parts.scheme == "tcp" else "rtu+tcp", parts.hostname, port or PORT)


def _serial(url: str, parts: SplitResult) -> Target:
    if parts.netloc or not parts.path:
        raise ValueError(f"url {url!r}: write rtu:///dev/ttyUSB0 with three slashes")
    if not parts.path.startswith("/dev/"):
        raise ValueError(f"url {url!r}: a serial port is below /dev/, as in rtu:///dev/ttyUSB0; {parts.path} is not")
    query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if unknown := query.keys() - {"baud", "parity", "stop", "bits"}:
        raise ValueError(f"url {url!r}: unknown {', '.join(sorted(unknown))}; known are baud, parity, stop and bits")
    parity = query.get("parity", "E").upper()
    words = [query.get(key, default) for key, default in (("baud", "19200"), ("stop", "1"), ("bits", "8"))]
    baud, stop, bits = (int(word) if word.isdecimal() else -1 for word in words)
    if baud not in BAUDS or stop not in {1, 2} or bits not in {7, 8} or parity not in PARITIES:
        raise ValueError(f"url {url!r}: baud is a number such as 19200, parity N, E or O, stop 1 or 2, bits 7 or 8")
    return Target("rtu", path=parts.path, baud=baud, parity=parity, stop=stop, bits=bits)

"""A watcher on the wire between a Modbus TCP client and its server, which counts the functions that were asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shoptwin.testing.proxy import WireWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

READING = frozenset({1, 2, 3, 4, 43})
"""The only Modbus functions that Shoptwin may ever ask for: the four reads, and device identification (43/14)."""

_IDENTIFICATION = 14
"""The one kind of function 43 that reads; another (13, CANopen) can write."""

_MBAP = 7
"""Bytes of the header: transaction, protocol, length (2 each), unit (1); the length counts from the unit on."""


Request = tuple[int, int, bytes]
"""Unit, function, the rest of its data."""


class RequestScanner:
    """Cuts a stream of bytes from a Modbus TCP client into requests; a pure machine, fed as the bytes come."""

    def __init__(self) -> None:
        self._pending = b""
        self.broken = False
        """The stream was not Modbus TCP: what follows cannot be told."""

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return the requests now complete, each as (unit, function, the rest of its data)."""
        self._pending += data
        found: list[tuple[int, int, bytes]] = []
        while not self.broken and len(self._pending) > _MBAP:
            protocol = int.from_bytes(self._pending[2:4], "big")
            length = int.from_bytes(self._pending[4:6], "big")
            if protocol or not 2 <= length <= 254:  # noqa: PLR2004 - unit and function; the longest ADU is 260 bytes
                self.broken = True
                break
            end = 6 + length
            if len(self._pending) < end:
                break
            found.append((self._pending[6], self._pending[7], self._pending[8:end]))
            self._pending = self._pending[end:]
        return found


def reads(request: tuple[int, int, bytes]) -> bool:
    """Tell whether a request (unit, function, data) is one of the reading services."""
    _, function, data = request
    return function in READING and (function != 43 or data[:1] == bytes([_IDENTIFICATION]))  # noqa: PLR2004 - 43/14


class ModbusWatch(WireWatch[Request]):
    """A TCP proxy on 127.0.0.1 before a Modbus TCP server. Whatever passes is passed on unchanged, and counted.

    async with ModbusWatch(server_port) as watch:
        ...  # read from watch.port
    assert not watch.violations and not watch.broken
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(target_port, target_host, port)
        self.functions: Counter[int] = Counter()
        """How often each function code was asked for."""
        self.requests: list[Request] = []
        """Each request as (unit, function, data), the last 10,000 of them."""
        self.violations: list[Request] = []
        """Requests for anything but reading; must stay empty."""

    def scanner(self) -> RequestScanner:
        """Return what cuts one connection's bytes into requests."""
        return RequestScanner()

    def seen(self, requests: Sequence[Request]) -> None:
        """Count requests."""
        for request in requests:
            self.functions[request[1]] += 1
            self.requests.append(request)
            if not reads(request):
                self.violations.append(request)
        del self.requests[:-10_000]

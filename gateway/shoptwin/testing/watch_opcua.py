"""A watcher on the wire between an OPC UA client and its server, which counts the services that were asked for.

It reads the binary protocol over TCP (OPC UA Part 6, 6.7 and 7.1) as far as the type of each request; an encrypted
channel hides that, so the client under watch must use none.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shoptwin.testing.proxy import WireWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

READING = {
    422: "FindServers",
    428: "GetEndpoints",
    461: "CreateSession",
    467: "ActivateSession",
    473: "CloseSession",
    527: "Browse",
    533: "BrowseNext",
    554: "TranslateBrowsePathsToNodeIds",
    631: "Read",
    664: "HistoryRead",
    751: "CreateMonitoredItems",
    763: "ModifyMonitoredItems",
    769: "SetMonitoringMode",
    781: "DeleteMonitoredItems",
    787: "CreateSubscription",
    793: "ModifySubscription",
    799: "SetPublishingMode",
    826: "Publish",
    832: "Republish",
    841: "TransferSubscriptions",
    847: "DeleteSubscriptions",
}
"""The only services that Shoptwin may ever ask for, by the NodeId of the request in binary (Part 6, annex A)."""

FRAMES = {b"HEL": "Hello", b"OPN": "OpenSecureChannel", b"CLO": "CloseSecureChannel"}
"""Messages that are known by their first three bytes."""

OTHERS = {
    479: "Cancel", 488: "AddNodes", 494: "AddReferences", 500: "DeleteNodes", 506: "DeleteReferences",
    560: "RegisterNodes", 566: "UnregisterNodes", 615: "QueryFirst", 621: "QueryNext", 673: "Write",
    700: "HistoryUpdate", 712: "Call", 775: "SetTriggering",
}  # fmt: skip
"""Names of some that are never asked for, for a readable complaint."""

_HEADER, _SECURED = 8, 24
"""Bytes before the body: of any chunk, and of a MSG chunk without encryption (channel, token, sequence, request)."""
_LONGEST = 1 << 24
ALLOWED = frozenset(READING.values()) | frozenset(FRAMES.values())


class RequestScanner:
    """Cuts the bytes of an OPC UA client into requests; a pure machine, fed as the bytes come."""

    def __init__(self) -> None:
        self._pending = b""
        self._continued: set[int] = set()
        self.broken = False
        """The stream was not OPC UA: what follows cannot be told."""

    def feed(self, data: bytes) -> list[str]:
        """Return the names of the requests whose first chunk is complete now."""
        self._pending += data
        found: list[str] = []
        while not self.broken and len(self._pending) >= _HEADER:
            kind, size = self._pending[:3], int.from_bytes(self._pending[4:8], "little")
            if (kind not in FRAMES and kind != b"MSG") or not _HEADER <= size <= _LONGEST:
                self.broken = True
                break
            if len(self._pending) < size:
                break
            chunk, self._pending = self._pending[:size], self._pending[size:]
            name = FRAMES.get(kind) or self._service(chunk)
            if name:
                found.append(name)
        return found

    def _service(self, chunk: bytes) -> str:
        """Return the service's name, empty for a chunk that goes on with an earlier one."""
        request = int.from_bytes(chunk[20:24], "little")
        begun = request in self._continued
        if chunk[3:4] == b"C":
            self._continued.add(request)
        else:
            self._continued.discard(request)
        if begun:
            return ""
        number = _type_of(chunk[_SECURED:])
        return READING.get(number) or OTHERS.get(number) or f"service {number}"


def _type_of(body: bytes) -> int:
    """Return the number of the NodeId that a request begins with; -1 where it is none of namespace 0."""
    if body[:2] == b"\x01\x00":  # two bytes of number
        return int.from_bytes(body[2:4], "little")
    if body[:3] == b"\x02\x00\x00":  # four bytes of number
        return int.from_bytes(body[3:7], "little")
    return body[1] if body[:1] == b"\x00" else -1


class OpcUaWatch(WireWatch[str]):
    """A TCP proxy on 127.0.0.1 before an OPC UA server. Whatever passes is passed on unchanged, and counted.

    async with OpcUaWatch(server_port) as watch:
        ...  # connect to opc.tcp://127.0.0.1:{watch.port}
    assert not watch.outside and not watch.broken
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(target_port, target_host, port)
        self.services: Counter[str] = Counter()
        """How often each service was asked for, by its name in the standard."""

    @property
    def outside(self) -> set[str]:
        """Services that were asked for and are none of the reading ones; must stay empty."""
        return set(self.services) - ALLOWED

    def scanner(self) -> RequestScanner:
        """Return what cuts one connection's bytes into services."""
        return RequestScanner()

    def seen(self, requests: Sequence[str]) -> None:
        """Count services."""
        self.services.update(requests)

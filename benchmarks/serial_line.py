"""A serial line with slaves on it, at the speed of its baud rate: the far end of a pseudo terminal."""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections import Counter
from typing import Any

BITS_A_CHARACTER = 11
"""Start, eight, two stops: pseudo terminals take no parity."""
REQUEST = 8
"""Characters of a request to read, CRC and all."""
ERROR, ILLEGAL_FUNCTION = 0x80, 1


class SerialLine:
    """Units 1 to `units`, but for those that are dead; register i of each holds i.

    A pseudo terminal hands everything over at once, so the time that a request and its reply take on the wire is waited
    for here, and `turnaround` (s) between them. A request that comes into a reply collides with it, as it would on two
    wires: the reply is not heard, and it is counted.
    """

    def __init__(self, *, units: int, dead: tuple[int, ...] = (), baud: int = 19_200, turnaround: float = 0.01) -> None:
        self._living = set(range(1, units + 1)) - set(dead)
        self._character = BITS_A_CHARACTER / baud
        self._baud = baud
        self._turnaround = turnaround
        self._heard = b""
        self._pending: asyncio.TimerHandle | None = None
        self._clear()

    async def start(self) -> str:
        """Open the pseudo terminal."""
        # This end keeps the other one open too: where nobody has it, reading here fails for good.
        self._here, self._there = os.openpty()
        tty.setraw(self._there)
        os.set_blocking(self._here, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._here, self._receive)
        return f"rtu://{os.ttyname(self._there)}?baud={self._baud}&parity=N&stop=2"

    def counted(self) -> dict[str, Any]:
        """Return, by unit, the requests, the replies and the longest wait between two (s); and the collisions."""
        told = {
            "asked": dict(self._asked), "replies": dict(self._replies), "longest": dict(self._longest),
            "collisions": self._collisions,
        }  # fmt: skip
        self._clear()
        return told

    def _clear(self) -> None:
        self._asked: Counter[int] = Counter()
        self._replies: Counter[int] = Counter()
        self._longest: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._collisions = 0

    def _receive(self) -> None:
        self._heard += os.read(self._here, 4096)
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
            self._collisions += 1
        if len(self._heard) < REQUEST:
            return
        frame, self._heard = self._heard[:REQUEST], b""
        unit = frame[0]
        if crc(frame[:-2]) != frame[-2:]:
            return
        self._asked[unit] += 1
        if unit not in self._living:
            return
        reply = _reply(frame)
        took = (REQUEST + len(reply)) * self._character + self._turnaround
        self._pending = self._loop.call_later(took, self._send, unit, reply)

    def _send(self, unit: int, reply: bytes) -> None:
        self._pending = None
        now = self._loop.time()
        self._replies[unit] += 1
        self._longest[unit] = max(self._longest.get(unit, 0.0), now - self._last.get(unit, now))
        self._last[unit] = now
        os.write(self._here, reply)


def _reply(frame: bytes) -> bytes:
    unit, function, start, count = struct.unpack(">BBHH", frame[:-2])
    if function in {3, 4}:
        body = struct.pack(
            f">BBB{count}H", unit, function, 2 * count, *(i % 65_536 for i in range(start, start + count))
        )
    else:
        body = bytes([unit, function | ERROR, ILLEGAL_FUNCTION])
    return body + crc(body)


def crc(data: bytes) -> bytes:
    """Return the CRC-16 of an RTU frame, as it is sent (Modbus over Serial Line 1.02, section 6.2.2)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")

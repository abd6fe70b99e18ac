"""Frames as bytes: what may be sent, and machines that cut what comes. Pure: no clock, no connection.

Sources: Modbus Application Protocol 1.1b3 (PDU), Modbus Messaging on TCP/IP 1.0b (MBAP), Modbus over Serial Line
1.02 (RTU).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin_modbus.planning import Block

READS = frozenset({1, 2, 3, 4})
IDENTIFY = 0x2B
"""Encapsulated interface transport; with DEVICE_ID after it, read device identification."""
DEVICE_ID = 0x0E
_READS = frozenset(bytes((function,)) for function in READS)
_IDENTIFICATION = bytes((IDENTIFY, DEVICE_ID))
ERROR_FLAG = 0x80

MBAP = 7
"""Bytes before the function code: transaction, protocol, length (2 each) and unit."""
LONGEST_PDU = 253
SHORTEST_RTU = 5
"""Bytes of the shortest reply on a line: an exception."""
LONGEST_RTU = 256


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and what is known of its reply before it comes.

    Raises:
        AssertionError: it is no function of the five that this driver may send. Nothing else builds what is sent.
    """

    unit: int
    pdu: bytes
    expected: int | None
    """Bytes of data in the reply; None where the reply itself says how many."""
    mbap: bytes = field(init=False, repr=False, compare=False)
    """The frame over TCP, without its transaction."""
    rtu: bytes = field(init=False, repr=False, compare=False)
    """The frame on a line."""
    head: bytes = field(init=False, repr=False, compare=False)
    """What a right reply over TCP begins with after its transaction; empty where its length is not known."""

    def __post_init__(self) -> None:
        pdu, unit, n = self.pdu, self.unit, self.expected
        if not _only_reads(pdu):
            raise AssertionError(f"request {pdu.hex(' ')} is none that may be sent: this driver only reads")
        object.__setattr__(self, "mbap", struct.pack(">HHB", 0, len(pdu) + 1, unit) + pdu)
        object.__setattr__(self, "rtu", sealed(bytes((unit,)) + pdu))
        object.__setattr__(self, "head", b"" if n is None else struct.pack(">HHBBB", 0, n + 3, unit, pdu[0], n))

    @property
    def function(self) -> int:
        """The function code."""
        return self.pdu[0]

    @property
    def shape(self) -> tuple[int, int | None]:
        """Function and length of the reply: all by which replies of one unit differ on a line."""
        return self.pdu[0], self.expected

    @property
    def longest(self) -> int:
        """Bytes of request and reply on a line, at most."""
        return len(self.rtu) + (LONGEST_RTU if self.expected is None else SHORTEST_RTU + self.expected)


def _only_reads(pdu: bytes) -> bool:
    return (pdu[:1] in _READS and len(pdu) == 5) or (pdu[:2] == _IDENTIFICATION and len(pdu) == 4)  # noqa: PLR2004


def read(block: Block) -> Request:
    """Return the request for a block."""
    size = block.stop - block.start
    data = -(-size // 8) if block.table.bits else 2 * size
    return Request(block.unit, struct.pack(">BHH", block.table.value, block.start, size), data)


def shorter(request: Request) -> Iterator[Request]:
    """Yield requests for ever less of what a request asks for, each with a reply of another length."""
    if request.expected is None:
        return
    function, start, _ = struct.unpack(">BHH", request.pdu)
    for data in range(request.expected - 1, 0, -1):
        if function <= 2:  # noqa: PLR2004 - coils and discrete inputs, eight in a byte
            yield Request(request.unit, struct.pack(">BHH", function, start, 8 * data), data)
        elif data % 2 == 0:
            yield Request(request.unit, struct.pack(">BHH", function, start, data // 2), data)


def identification(unit: int, category: int, first: int) -> Request:
    """Return the request for device identification: category 1 basic, 2 regular, 3 extended, from object `first` on."""
    return Request(unit, bytes((IDENTIFY, DEVICE_ID, category, first)), None)


def _crc_table() -> Iterator[int]:
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1  # noqa: PLW2901 - the register itself
        yield crc


_CRC = tuple(_crc_table())


def crc16(data: bytes) -> int:
    """Return the CRC of Modbus over Serial Line 1.02, appendix B; it goes over the line low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def sealed(frame: bytes) -> bytes:
    """Return a frame with its CRC."""
    return frame + crc16(frame).to_bytes(2, "little")


class MbapCutter:
    """Cuts a stream of Modbus TCP into frames. Once a header cannot be right it is `broken`: nothing more is cut."""

    __slots__ = ("broken", "rest")

    def __init__(self) -> None:
        self.rest = b""
        """What has come of the next frame."""
        self.broken = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the whole frames that there are now, each from its transaction to its last byte."""
        if self.rest:
            data = self.rest + data
        frames: list[bytes] = []
        while len(data) >= MBAP - 1 and not self.broken:
            length = data[4] << 8 | data[5]
            if data[2] or data[3] or not 2 <= length <= LONGEST_PDU + 1:  # noqa: PLR2004 - unit and function
                self.broken = True
            elif len(data) == length + 6:
                frames.append(data)
                data = b""
            elif len(data) < length + 6:
                break
            else:
                frames.append(data[: length + 6])
                data = data[length + 6 :]
        self.rest = b"" if self.broken else data
        return frames


class RtuCutter:
    """Cuts what comes on a line after a request into frames whose CRC is right.

    An echo of the very request, as some RS-485 adapters send it, is skipped. Bytes that no reply of the five functions
    can be, or a wrong CRC, make it `broken`: where the next frame begins cannot be told then, and nothing more is cut.
    """

    __slots__ = ("_echo", "broken", "rest")

    def __init__(self, echo: bytes = b"") -> None:
        self._echo = echo
        self.rest = b""
        """What has come and is not cut yet."""
        self.broken = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each whole frame, from its unit on, without its CRC."""
        if self.broken:
            return
        self.rest += data
        if self._echo:
            if len(self.rest) < len(self._echo) and self._echo.startswith(self.rest):
                return  # an echo, perhaps: no reply is complete before it is clear
            self.rest = self.rest.removeprefix(self._echo)
            self._echo = b""
        while not self.broken and (size := self._size()):
            frame, self.rest = self.rest[:size], self.rest[size:]
            if crc16(frame[:-2]) == frame[-2] | frame[-1] << 8:
                yield frame[:-2]
            else:
                self.broken = True

    def _size(self) -> int:
        """Return how long the frame is that has begun, 0 while it is not whole."""
        size = rtu_size(self.rest)
        self.broken = self.broken or size < 0
        return size if 0 < size <= len(self.rest) else 0


def rtu_size(start: bytes) -> int:
    """Return how many bytes a reply has that begins so: 0 while that cannot be told, -1 where no reply begins so."""
    if len(start) < 2:  # noqa: PLR2004 - unit and function
        return 0
    function = start[1]
    if function & ERROR_FLAG and function & ~ERROR_FLAG in READS | {IDENTIFY}:
        return SHORTEST_RTU
    if function in READS:
        return 0 if len(start) < 3 else start[2] + SHORTEST_RTU  # noqa: PLR2004 - unit, function and byte count
    return _identification_size(start) if function == IDENTIFY else -1


def _identification_size(start: bytes) -> int:
    """Return the length of a reply to function 43/14: 7 bytes, how many objects, and of each (id, length, text)."""
    if len(start) > 2 and start[2] != DEVICE_ID:  # noqa: PLR2004
        return -1
    if len(start) < 8:  # noqa: PLR2004
        return 0
    at = 8
    for _ in range(start[7]):
        if len(start) < at + 2:
            return 0
        at += 2 + start[at + 1]
    return at + 2 if at + 2 <= LONGEST_RTU else -1

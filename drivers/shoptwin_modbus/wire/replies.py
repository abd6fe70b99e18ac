"""What a device says: data of exactly the length that was asked for, a refusal, or something not to be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, StatusCode
from shoptwin_modbus.wire.frames import ERROR_FLAG, SHORTEST_RTU

if TYPE_CHECKING:
    from shoptwin_modbus.wire.frames import Request

EXCEPTION = 2
"""Bytes of an exception: the function code with its flag, and the code."""

ILLEGAL = frozenset({1, 2, 3})
"""Refusals of what was asked for (function, address, amount): asking for less may succeed."""
ELSEWHERE = frozenset({10, 11})
"""A gateway's word that the unit behind it does not answer."""

STATUS: dict[int, StatusCode] = {
    1: StatusCode.BAD_SERVICE_UNSUPPORTED,
    2: StatusCode.BAD_NODE_ID_UNKNOWN,
    3: StatusCode.BAD_OUT_OF_RANGE,
    4: StatusCode.BAD_DEVICE_FAILURE,
    5: StatusCode.BAD_COMMUNICATION_ERROR,
    6: StatusCode.BAD_COMMUNICATION_ERROR,
    8: StatusCode.BAD_DEVICE_FAILURE,
    10: StatusCode.BAD_COMMUNICATION_ERROR,
    11: StatusCode.BAD_COMMUNICATION_ERROR,
}
"""The status of a value by exception code (Modbus Application Protocol 1.1b3, section 7)."""


class Refused(Exception):  # noqa: N818 - the device's word, never seen outside the driver
    """The device answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code

    @property
    def status(self) -> StatusCode:
        """The status of what was asked for."""
        return STATUS.get(self.code, StatusCode.BAD_COMMUNICATION_ERROR)


class Garbled(Exception):  # noqa: N818 - as above
    """A reply that must not be decoded."""


class HungUp(NotConnected):
    """The device closed the connection, or the converter did, while a request waited for its reply.

    `used`: something had come over that connection before. Then the device may have had enough of the connection; on a
    new one it is of this request.
    """

    def __init__(self, message: str, hint: str, *, used: bool) -> None:
        super().__init__(message, hint)
        self.used = used


def payload(request: Request, unit: int, pdu: bytes, *, behind: int = 0) -> bytes:
    """Return the bytes of registers or bits in a reply; of an identification, all after its function code.

    An exception that bears one byte too many is one all the same, where no right reply is as long: it brings no value.
    `behind` is how many bytes came behind the reply in one piece with it, on a line without transactions: where that is
    as much as a frame, which of the two is the reply cannot be told.

    Raises:
        Refused: the reply is an exception. Garbled: it is not what was asked for, or not as long.
    """
    if behind >= SHORTEST_RTU:
        raise Garbled("more than one reply came")
    if unit != request.unit:
        raise Garbled(f"unit {request.unit} was asked, {unit} answered")
    function, asked, length = pdu[0], request.function, request.expected
    if function == asked | ERROR_FLAG:
        if len(pdu) == EXCEPTION or (len(pdu) == EXCEPTION + 1 and length != 1):
            raise Refused(pdu[1])
        raise Garbled(f"an exception of {len(pdu)} bytes")
    if function != asked:
        raise Garbled(f"function {asked} was asked for, {function} came")
    if length is None:
        return pdu[1:]
    if len(pdu) != length + 2 or pdu[1] != length:
        raise Garbled(f"{length} bytes were asked for, {len(pdu) - 2} came")
    return pdu[2:]

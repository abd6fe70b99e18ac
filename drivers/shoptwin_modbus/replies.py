"""What a device says: data of exactly the length that was asked for, a refusal, or something not to be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import StatusCode

if TYPE_CHECKING:
    from shoptwin_modbus.planning import Block

ERROR_FLAG = 0x80

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


def payload(block: Block, function: int, data: bytes) -> bytes:
    """Return the bytes of registers or bits in a reply; `data` is what follows the function code.

    Raises:
        Refused: the reply is an exception. Garbled: it is not what was asked for, or not as long.
    """
    asked = block.table.value
    if function & ~ERROR_FLAG != asked:
        raise Garbled(f"function {asked} was asked for, {function} came")
    if function & ERROR_FLAG:
        if not data:
            raise Garbled("an exception without a code")
        raise Refused(data[0])
    length = -(-block.size // 8) if block.table.bits else 2 * block.size
    if len(data) != length + 1 or data[0] != length:
        raise Garbled(f"{length} bytes were asked for, {len(data) - 1} came")
    return data[1:]

"""Quality of a value, as OPC UA StatusCodes (OPC UA Part 4, 7.39), whichever protocol the value came by."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SEVERITY = 0xC000_0000
"""The two bits of a StatusCode that say Good (00), Uncertain (01) or Bad (10)."""


class StatusCode(IntEnum):
    """The StatusCodes that the gateway itself gives; a server may send any other."""

    GOOD = 0x0000_0000
    UNCERTAIN = 0x4000_0000
    UNCERTAIN_LAST_USABLE_VALUE = 0x4090_0000
    UNCERTAIN_SENSOR_NOT_ACCURATE = 0x4093_0000
    UNCERTAIN_SUB_NORMAL = 0x4095_0000
    BAD = 0x8000_0000
    BAD_COMMUNICATION_ERROR = 0x8005_0000
    BAD_DECODING_ERROR = 0x8007_0000
    BAD_TIMEOUT = 0x800A_0000
    BAD_SERVICE_UNSUPPORTED = 0x800B_0000
    BAD_WAITING_FOR_INITIAL_DATA = 0x8032_0000
    BAD_NODE_ID_INVALID = 0x8033_0000
    BAD_NODE_ID_UNKNOWN = 0x8034_0000
    BAD_NOT_READABLE = 0x803A_0000
    BAD_OUT_OF_RANGE = 0x803C_0000
    BAD_TYPE_MISMATCH = 0x8074_0000
    BAD_CONFIGURATION_ERROR = 0x8089_0000
    BAD_NOT_CONNECTED = 0x808A_0000
    BAD_DEVICE_FAILURE = 0x808B_0000
    BAD_SENSOR_FAILURE = 0x808C_0000
    BAD_OUT_OF_SERVICE = 0x808D_0000
    BAD_NO_DATA = 0x809B_0000


def is_good(status: ArrayLike) -> NDArray[np.bool_]:
    """Tell, per code, whether it is Good; any shape in, the same shape out."""
    good: NDArray[np.bool_] = np.asarray(status, np.uint32) & np.uint32(SEVERITY) == 0
    return good


def is_bad(status: ArrayLike) -> NDArray[np.bool_]:
    """Tell, per code, whether it is Bad; any shape in, the same shape out."""
    bad: NDArray[np.bool_] = np.asarray(status, np.uint32) & np.uint32(StatusCode.BAD) != 0
    return bad


def usable(status: ArrayLike) -> NDArray[np.bool_]:
    """Tell, per code, whether the value may be judged: Good or Uncertain, which is to say not Bad."""
    return ~is_bad(status)


def name(status: int) -> str:
    """Name a code as OPC UA spells it (`BadNotConnected`), or by severity and number where it is not ours."""
    try:
        return "".join(part.capitalize() for part in StatusCode(status).name.split("_"))
    except ValueError:
        severity = ("Good", "Uncertain", "Bad", "Bad")[(status & SEVERITY) >> 30]
        return f"{severity}(0x{status:08X})"

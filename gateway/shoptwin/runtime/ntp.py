"""Whether something disciplines the box's clock (NTP, PTP, a radio), as the kernel knows it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_UNSYNCHRONISED = 0x0040
"""STA_UNSYNC of <sys/timex.h>."""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex`; the kernel fills more of it."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_char * 256),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Discipline:
    """How the kernel's clock is kept."""

    synchronised: bool
    """Whether a daemon has set it lately, and goes on."""
    error: float
    """The most that it may be off, seconds: the kernel's own estimate, which grows while nobody sets it."""


def discipline() -> Discipline | None:
    """Return how the clock is kept; None where the system does not tell (it is no Linux)."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    told = _Timex()
    if adjtimex(ctypes.byref(told)) < 0:
        return None
    return Discipline(not told.status & _UNSYNCHRONISED, told.maxerror / 1e6)

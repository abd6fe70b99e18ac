"""Values of an OPC UA server that say which they are and when they were so; the half that judges them.

The other half is `tests/system/servers/opcua_truth.js`. Server and judge count generations by the same clock, so that
nobody has to be asked what the server has said by now.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.quality import StatusCode, is_bad, name

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATION = 20 * 10**6
"""ns from one generation to the next."""
FAST, COUNT = 18, 78
"""Variables t0 to t17 are other ones in each generation; t18 to t77 change rarely, and then stay: what is lost of them
is not made good by the next."""
SLOT = 6 * 10**9
"""ns in which such a variable changes twice: one change in its first half, another shortly after it, mostly within a
second. Its source times are whole ones, so that two of its values may have the same."""
URI = "urn:shoptwin:test"
_SAMPLES = 64
_BY_INFO_BITS = 0xFFFF_0000
"""What of a status code is the code: the rest says, e.g., that a queue has run over (Part 4, 7.39)."""


def _wave(n: int, g: int) -> list[float]:
    return [float(g), float(n), *(float((7 * g + 131 * n + 17 * i) % 8192) for i in range(2, _SAMPLES))]


_KINDS: tuple[Callable[[int, int], Any], ...] = (
    lambda n, g: 64 * g + n + 0.5,
    lambda n, g: 64 * g + n,
    lambda n, g: (256 << 32) + 64 * g + n,
    lambda n, g: f"{n}:{g}",
    _wave,
    lambda n, g: 64 * g + n + 0.25,
)
_STEADY: tuple[Callable[[int, int], Any], ...] = (
    lambda n, c: 1024 * c + n + 0.5,
    lambda n, c: 1024 * c + n,
    lambda n, c: f"{n}:{c}",
)
_MOODY = len(_KINDS) - 1
_MOODS = {0: StatusCode.BAD_SENSOR_FAILURE, 1: StatusCode.UNCERTAIN_LAST_USABLE_VALUE}


@dataclass(frozen=True, slots=True)
class OpcUaTruth:
    """What the variables are, and when."""

    since: int
    """When generation 0 began, ns UTC, a whole millisecond."""

    @classmethod
    def now(cls) -> OpcUaTruth:
        """Begin."""
        return cls(time.time_ns() // 10**6 * 10**6)

    @property
    def addresses(self) -> list[str]:
        """How the variables are configured; each one's number is its place."""
        return [f"nsu={URI};s=t{n}" for n in range(COUNT)]

    def generation(self, at: int | None = None) -> int:
        """Return the generation of a time, ns UTC, or of now."""
        return ((time.time_ns() if at is None else at) - self.since) // GENERATION

    def judge(self, n: int, value: Any, status: int, source_time: int, oldest: int) -> str:  # noqa: ANN401 - any type
        """Return what is wrong with something that came as the server's, empty where it is all right.

        `oldest`: the generation that it must have at least.
        """
        if n % COUNT >= FAST:
            return self._judge_steady(n, value, status, source_time, oldest)
        since_then = source_time - self.since
        if since_then % GENERATION:
            return f"t{n}: {value!r} ({name(status)}) has a source time that the server never gave"
        g, newest = since_then // GENERATION, self.generation()
        told = f"t{n}: {str(value)[:80]} ({name(status)}) of generation {g}, "
        if not oldest <= g <= newest:
            return told + f"which is {oldest} at least and {newest} at most"
        if status & _BY_INFO_BITS != (wanted := self.status(n, g)):
            return told + f"where it was {name(wanted)}"
        if is_bad(status):
            return ""
        return "" if _same(value, _KINDS[n % len(_KINDS)](n, g)) else told + "where it was another value"

    def _judge_steady(self, n: int, value: Any, status: int, source_time: int, oldest: int) -> str:  # noqa: ANN401
        told = f"t{n}: {str(value)[:80]} ({name(status)}), "
        if status & _BY_INFO_BITS:
            return told + "where it was Good"
        least, most = self.changes(n, self.since + oldest * GENERATION), self.changes(n)
        change = self.change(n, value, most)
        if change is None or change < least:
            return told + f"where it was another value, of change {least} at least and {most} at most"
        if source_time != self.moment(n, change) // 10**9 * 10**9:
            return told + "which has a source time that the server never gave"
        return ""

    def changes(self, n: int, at: int | None = None) -> int:
        """Return how often a variable that changes rarely has done so by a time, ns UTC, or by now."""
        at = time.time_ns() if at is None else at
        before = max(0, 2 * ((at - self.since) // SLOT))
        return before + sum(self.moment(n, before + i) <= at for i in (1, 2))

    def moment(self, n: int, change: int) -> int:
        """Return when a change came, ns UTC."""
        if not change:
            return self.since
        slot, second = divmod(change - 1, 2)
        after = _drawn(n, 2 * slot) % (SLOT // 10**6 // 2) + second * (50 + _drawn(n, 2 * slot + 1) % 700)
        return self.since + slot * SLOT + after * 10**6

    def change(self, n: int, value: Any, most: int) -> int | None:  # noqa: ANN401 - any type
        """Return which change a value is from, None where it is of none up to `most`."""
        number = value.partition(":")[2] if isinstance(value, str) else int(value) // 1024
        change = int(number) if str(number).isdecimal() else -1
        return change if 0 <= change <= most and _same(value, _STEADY[n % len(_STEADY)](n, change)) else None

    def status(self, n: int, g: int) -> int:
        """Return the status of a variable in a generation."""
        return int(_MOODS.get((g + n) % 5, StatusCode.GOOD)) if n % len(_KINDS) == _MOODY else 0


def _drawn(n: int, k: int) -> int:
    """Return what looks like chance, the same as at the server."""
    h = ((n + 1) * 0x9E3779B1 ^ (k + 1) * 0x85EBCA6B) & 0xFFFF_FFFF
    h = (h ^ h >> 15) * 0x2C1B3C6D & 0xFFFF_FFFF
    return h ^ h >> 12


def _same(value: Any, wanted: Any) -> bool:  # noqa: ANN401 - any type
    if isinstance(wanted, list):
        return isinstance(value, Waveform) and np.array_equal(value.physical(), np.array(wanted, np.float32))
    return bool(value == wanted) and isinstance(value, str) == isinstance(wanted, str)

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
COUNT = 18
"""Variables t0 to t17."""
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

    def status(self, n: int, g: int) -> int:
        """Return the status of a variable in a generation."""
        return int(_MOODS.get((g + n) % 5, StatusCode.GOOD)) if n % len(_KINDS) == _MOODY else 0


def _same(value: Any, wanted: Any) -> bool:  # noqa: ANN401 - any type
    if isinstance(wanted, list):
        return isinstance(value, Waveform) and np.array_equal(value.physical(), np.array(wanted, np.float32))
    return bool(value == wanted) and isinstance(value, str) == isinstance(wanted, str)

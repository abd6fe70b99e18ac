"""Where every value of the plant is served: nodes, and the Modbus map.

There is one set of registers, in which every scalar of every machine has its place. Registers 0 to 15 tell the plant's
clock; each machine begins at the next hundred from 100 on. Numbers stand high word first (ABCD), and the same registers
answer as holding (function 3) and as input registers (function 4).
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from shoptwin.sdk import ConfigError, StatusCode, ValueKind
from shoptwin_plant.clock import MILLI, PlantClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoptwin_plant.model import PlantMachine, PlantTag, Update

CLOCK = {"epoch": "holding:0:uint64", "origin": "holding:4:uint64", "now": "holding:8:uint64",
         "rate": "holding:12:float32", "status": "holding:14:uint16"}  # fmt: skip
"""Where the clock stands: times in ms since 1970 UTC, `now` in plant time; `status`: 0 waiting, 1 running, 2 ended."""

WAITING, RUNNING, ENDED = 0, 1, 2
_FIRST, _STRIDE, _LAST = 100, 100, 65_536
_WORD = 0xFFFF
NAMESPACE = "urn:shoptwin:plant"
"""OPC UA namespace of the plant's nodes."""


def node_address(machine: str, tag: str) -> str:
    """Return the OPC UA node of a tag, as a configuration writes it."""
    return f"nsu={NAMESPACE};s={machine}.{tag}"


class Registers:
    """The registers as they are now. A value's words change together: everything happens in one event loop."""

    def __init__(self, machines: Sequence[PlantMachine], clock: PlantClock) -> None:
        """Give every scalar its place.

        Raises:
            ConfigError: there are more tags than registers.
        """
        self._clock = clock
        self._places: dict[tuple[str, str], tuple[int, str]] = {}
        self.blocks: list[tuple[int, int]] = [(0, 16)]
        """Start and length of each run of registers that exist."""
        at = _FIRST
        for machine in machines:
            begin = at
            for tag in machine.tags:
                if tag.kind is ValueKind.WAVEFORM:
                    continue
                code = _code(tag)
                self._places[machine.name, tag.name] = at, code
                at += struct.calcsize(f">{code}") // 2
            if at > begin:
                self.blocks.append((begin, at - begin))
            at = math.ceil(at / _STRIDE) * _STRIDE if at > begin else at
        if at > _LAST:
            raise ConfigError(f"{len(self._places)} tags need more registers than Modbus has", "Serve fewer recordings")
        self.words = [0] * at
        self.status = WAITING
        for key, (_, code) in self._places.items():
            self._put(key, math.nan if code == "f" else 0)
        self._write(0, struct.pack(">QQ", clock.epoch // MILLI, clock.origin // MILLI))
        self._write(12, struct.pack(">f", clock.rate))

    def address(self, machine: str, tag: str) -> str:
        """Return the address of a tag as a configuration writes it, empty where it has no registers."""
        place = self._places.get((machine, tag))
        return f"holding:{place[0]}:{_NAMES[place[1]]}" if place else ""

    def put(self, machine: str, updates: Iterable[Update]) -> None:
        """Take in new values; one that is Bad becomes NaN."""
        for update in updates:
            key = machine, update.tag
            if key in self._places:
                self._put(key, math.nan if update.status & StatusCode.BAD else update.value)

    def read(self, start: int, count: int) -> list[int]:
        """Return registers for an answer, with the clock as it is now."""
        if start < _FIRST:
            now = max(0, self._clock.now())
            self._write(8, struct.pack(">Q", now // MILLI))
            self.words[14] = self.status
        return self.words[start : start + count]

    def _put(self, key: tuple[str, str], value: Any) -> None:  # noqa: ANN401 - a number of the tag's kind
        at, code = self._places[key]
        if code == "f":
            self._write(at, struct.pack(">f", _single(value)))
        elif not (isinstance(value, float) and math.isnan(value)):
            self._write(at, struct.pack(f">{code}", int(value) & (_WORD if code == "H" else 0xFFFF_FFFF)))

    def _write(self, at: int, data: bytes) -> None:
        count = len(data) // 2
        self.words[at : at + count] = struct.unpack(f">{count}H", data)


_NAMES = {"f": "float32", "I": "uint32", "H": "uint16"}


def _code(tag: PlantTag) -> str:
    """Return how a tag stands in registers, as `struct` writes it."""
    if tag.kind is not ValueKind.U8:
        return "f"
    return "H" if tag.role == "state" else "I"


def _single(value: float) -> float:
    """Return the value as far as a float32 can hold it: beyond, infinity."""
    return math.copysign(math.inf, value) if abs(value) > 3.4028235e38 else value  # noqa: PLR2004 - the largest float32

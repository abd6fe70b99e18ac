"""A Modbus device whose every value says where and when it was read, so that a wrong one is known by itself.

A register holds a function of its unit, table, address and generation, and the generation rises with each request that
is served. What a client calls Good in a poll must then be the very words of a reply, to a request for that address, of
a generation between the poll's start and its end.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_REMEMBERED = 4000
_BITS = frozenset({1, 2})
"""The functions that read tables of bits."""


class Place(NamedTuple):
    """Some registers or bits of a table, which is named by the function code that reads it."""

    unit: int
    table: int
    start: int
    size: int

    def covers(self, other: Place) -> bool:
        """Whether all of the other is in it."""
        return (
            self[:2] == other[:2] and self.start <= other.start and other.start + other.size <= self.start + self.size
        )


class Truth:
    """The device's memory; any server may stand before it, and ask from threads of its own."""

    def __init__(self, slow_from: int = 0x10000, slow: int = 1) -> None:
        self.generation = 0
        self.served: deque[tuple[int, Place]] = deque(maxlen=_REMEMBERED)
        """The last replies: the generation, and what was asked for."""
        self._slow_from = slow_from
        self._slow = slow
        self._lock = Lock()

    def read(self, unit: int, table: int, start: int, size: int) -> list[int]:
        """Answer one request: registers, or the bits of tables 1 and 2."""
        place = Place(unit, table, start, size)
        with self._lock:
            self.generation += 1
            self.served.append((self.generation, place))
            return self.words(place, self.generation)

    def words(self, place: Place, generation: int) -> list[int]:
        """Return what stood there then. From `slow_from` on it changes in every `slow`-th generation alone."""
        unit, table, start, size = place
        mask = 1 if table in _BITS else 0xFFFF
        slow = generation // self._slow
        return [
            _mixed(unit, table, at, slow if at >= self._slow_from else generation) & mask
            for at in range(start, start + size)
        ]

    def candidates(self, place: Place, since: int, until: int) -> Iterator[list[int]]:
        """Yield what replies of the generations from `since` to `until` said of a place, the latest first."""
        for generation, asked in self._latest_first():
            if generation < since:
                break
            if generation <= until and asked.covers(place):
                yield self.words(place, generation)

    def _latest_first(self) -> list[tuple[int, Place]]:
        """Return what was served so far, while threads go on serving."""
        with self._lock:
            return list(reversed(self.served))

    def explain(self, words: list[int]) -> str:
        """Tell where and when these words were served, for people."""
        for generation, asked in self._latest_first():
            there = self.words(asked, generation)
            for i in range(len(there) - len(words) + 1):
                if there[i : i + len(words)] == words:
                    return f"unit {asked.unit}, table {asked.table}, {asked.start + i}, generation {generation}"
        return "nowhere"


def _mixed(unit: int, table: int, address: int, generation: int) -> int:
    """Mix the bits (the finalizer of splitmix64: Steele, Lea, Flood 2014)."""
    x = (unit << 56 ^ table << 48 ^ address << 32 ^ generation) * 0x9E3779B97F4A7C15 & _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x >> 40 & 0xFFFF

"""Randomness that depends on the seed and the moment alone, never on who asked when."""

from __future__ import annotations

import math
from zlib import crc32

import numpy as np

BLOCK = 1024
"""Seconds of noise drawn at once."""


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """Return a generator that is the same for the same seed and key, in every process."""
    parts = [crc32(part.encode()) if isinstance(part, str) else part & 0xFFFF_FFFF for part in key]
    return np.random.default_rng([seed & 0xFFFF_FFFF, *parts])


class Noise:
    """A row of independent standard normal numbers for every second since the start."""

    def __init__(self, seed: int, name: str, columns: int) -> None:
        self._seed, self._name, self._columns = seed, name, columns
        self._block = -1
        self._rows: list[list[float]] = []

    def at(self, second: int) -> list[float]:
        """Return the row of a second."""
        block, row = divmod(second, BLOCK)
        if block != self._block:
            rng = generator(self._seed, self._name, "noise", block)
            self._block, self._rows = block, rng.standard_normal((BLOCK, self._columns)).tolist()
        return self._rows[row]


class Wander:
    """A value that wanders about its mean (Ornstein-Uhlenbeck process), stepped every `stride` seconds.

    `deviation` is its standard deviation in the long run, `seconds` the time in which it forgets.
    """

    def __init__(self, mean: float, deviation: float, seconds: float, stride: int = 1) -> None:
        self.mean = mean
        self.value = mean
        self._keep = math.exp(-stride / seconds)
        self._kick = deviation * math.sqrt(1 - self._keep**2)

    def step(self, normal: float) -> float:
        """Go on by one stride with a standard normal number; return the new value."""
        self.value = self.mean + self._keep * (self.value - self.mean) + self._kick * normal
        return self.value

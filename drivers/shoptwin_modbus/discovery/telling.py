"""How briefly a history of values can be told, in bits: pure functions, for `plausible`.

Each cost is minus the binary logarithm of how likely such a history is, as far as one can say of shop-floor values in
general: small numbers before large ones, usual magnitudes, round figures, small changes, one direction.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST, GREATEST = 1e-6, 1e9
"""Magnitudes that measured values usually have, besides exactly 0."""
LONG = 48
"""Bits of the largest whole numbers that one meets."""
BELOW_ZERO = 3.0
"""Bits for a whole number to be negative."""
USUAL = 5.6
"""Bits for the exponent of a usual magnitude: one of 50."""
UNUSUAL = 20.0
"""Bits for any other."""
NOT_A_NUMBER = 10.0
"""Bits for each reading that is NaN or infinite: some devices say so that they have no value."""
DIGIT = math.log2(10)
ROUND = 0.4
"""Bits for each last bit of mantissas that is never set."""
DECIMALS = range(5)
"""Places behind the point that values may be rounded to."""
SPARE = 3
"""Bits of a mantissa that a rounded figure must leave free, so that it is no accident."""
RARE = 12.0
"""Bits for registers to hold text at all: four bytes of any number are printable once in fifty times."""
LETTER, MARK = 5.5, 10.0
"""Bits for a letter, digit or blank of a text, and for any other printable character."""
ODD = 4.0
"""Bits for a capital behind a small letter: swapped bytes look like this."""


def first_whole(value: int) -> float:
    """Return the bits of a whole number on its own: Elias' delta code, a universal code for integers.

    Few numbers are negative, and hardly any needs more than 48 bits (a time in ms, an energy in Wh).
    """
    length = math.log2(abs(value) + 1)
    return 1 + length + 2 * math.log2(length + 1) + BELOW_ZERO * (value < 0) + max(0.0, length - LONG)


def changes(values: Sequence[int], width: int) -> float:
    """Return the bits of how whole numbers of `width` bits go on from the first."""
    steps = [b - a for a, b in pairwise(values)]
    if not steps:
        return 0.0
    cost = _steps(steps, width)
    usual = sorted(steps)[len(steps) // 2]
    if usual:  # a counter at a steady rate
        cost = min(cost, 1 + first_whole(usual) + _steps([step - usual for step in steps], width))
    return cost


def _steps(steps: Sequence[int], width: int) -> float:
    """Return the bits of steps: which are not 0, their signs, and their size by a Rice code."""
    moved = [abs(step) - 1 for step in steps if step]
    total, count = len(steps), len(moved)
    cost = math.log2(total + 1) + _choose(total, count)
    if not moved:
        return cost
    ups = sum(step > 0 for step in steps)
    cost += 1 + (0 if ups in {0, count} else count)
    near = min(int(math.log2(sum(moved) / count + 1)), width)
    rice = min(
        sum(min((size >> k) + 1 + k, width + 2) for size in moved) for k in range(max(near - 2, 0), near + 3)
    )  # fmt: skip
    return cost + rice + math.log2(width)


def _choose(total: int, count: int) -> float:
    return (math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)) / math.log(2)


def whole(values: Sequence[int], width: int) -> float:
    """Return the bits of a history of whole numbers of `width` bits."""
    return first_whole(values[0]) + changes(values, width)


def real(values: NDArray[Any]) -> float:
    """Return the bits of a history of floating point numbers, float32 or float64."""
    finite = np.isfinite(values)
    cost, good = 0.0, values[finite]
    if odd := len(values) - len(good):
        patterns = len(set(_ordered(values[~finite])))  # a device has one for "no value": many are no floats at all
        cost = NOT_A_NUMBER * odd + _choose(len(values), odd) + patterns * float(np.finfo(values.dtype).nmant)
    if not len(good):
        return cost + UNUSUAL
    cost += _magnitude(abs(float(good[0])))
    leaps = sum(not (v == 0 or LEAST <= abs(v) <= GREATEST) for v in good.tolist()[1:])
    return cost + 2 * leaps + bool(good[0] < 0) + min(_as_bits(good), _as_decimals(good))


def _magnitude(size: float) -> float:
    """Return the bits of the magnitude of a measured value: 0.001 to a million is what most are."""
    if size == 0:
        return USUAL
    if not LEAST <= size <= GREATEST:
        return UNUSUAL
    return USUAL + 2 * max(0.0, math.log10(size) - 6, -3 - math.log10(size))


def _as_bits(values: NDArray[Any]) -> float:
    """Return the bits of mantissas, by the distance of values in steps of the smallest difference there is."""
    width = values.dtype.itemsize * 8
    mantissa = np.finfo(values.dtype).nmant
    ordered = _ordered(values)
    zeros = min(_trailing(step) for step in ordered) if any(ordered) else 0
    first = 0.0 if not ordered[0] else mantissa - min(_trailing(ordered[0]), mantissa)
    return (
        math.log2(width)
        + ROUND * zeros
        + min(first + DIGIT, mantissa)
        + changes([step >> zeros for step in ordered], width)
    )


def _as_decimals(values: NDArray[Any]) -> float:
    """Return the bits of values that are all rounded to a few decimals; infinite where they are not."""
    kind, bits = values.dtype.type, int(np.finfo(values.dtype).nmant) - SPARE
    if np.max(np.abs(values)) >= 2**bits:
        return math.inf
    for places in DECIMALS:
        scaled = np.round(values.astype(np.float64) * 10**places)
        if np.all(np.abs(scaled) < 2**bits) and np.array_equal((scaled / 10**places).astype(kind), values):
            figures = [int(v) for v in scaled]
            digits = len(str(abs(figures[0])).rstrip("0")) if figures[0] else 0
            return math.log2(len(DECIMALS)) + DIGIT * digits + 2 + changes(figures, bits)
    return math.inf


def _ordered(values: NDArray[Any]) -> list[int]:
    """Return floats as whole numbers of the same order, neighbours 1 apart."""
    size = values.dtype.itemsize
    raw = np.ascontiguousarray(values).view(f"i{size}").tolist()
    lowest = 1 << (size * 8 - 1)
    return [bits if bits >= 0 else -(bits + lowest) for bits in raw]


def _trailing(number: int) -> int:
    return (number & -number).bit_length() - 1 if number else 64


def text(texts: Sequence[str]) -> float:
    """Return the bits of a history of texts; infinite where one is not printable."""
    cost = RARE
    for n, told in enumerate(texts):
        if not told.isascii() or not told.isprintable():
            return math.inf
        if n and told == texts[n - 1]:
            cost += 0.1
            continue
        cost += sum(LETTER if mark.isalnum() or mark == " " else MARK for mark in told)
        cost += ODD * sum(a.islower() and b.isupper() for a, b in pairwise(told))
    return cost

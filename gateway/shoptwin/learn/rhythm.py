"""How rows repeat one another: told from how long each tag keeps the very same value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.blocks import Blocks, Rhythm
from shoptwin.assess.names import CONTEXTS, IGNORED, STATE, VALUE, Name
from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.learn.statistics import Array

_CHANGES = 16
"""Changes that a tag must have shown before its rhythm is told."""
_RECURS = 0.5
"""A tag that takes less than this share of new values at its changes is coarse: it repeats itself, it is not held."""
LONGEST = 20.0
"""Rows beyond which a tag is not waited for: it is a slow one, or changes now and then."""
_ROUND_UP = 0.2
_STEP = 10.0
"""Usual differences between two values of a driver that make a step."""
_DRIVERS = CONTEXTS | {Role.SPEED}


def holds(names: Sequence[str], x: Array) -> Array:
    """Return how many rows `x` [n, names] each measured value is usually held, [names]; 1 where that is not known."""
    out = np.ones(len(names))
    for i, text in enumerate(names):
        if text == STATE or (name := Name.parse(text)).role in IGNORED or name.feature != VALUE:
            continue
        values = x[~np.isnan(x[:, i]), i]
        changes = int((np.diff(values) != 0).sum())
        if changes >= _CHANGES and len(np.unique(values)) >= _RECURS * changes:
            held = len(values) / (changes + 1)
            out[i] = held if held <= LONGEST else 1.0
    return out


def rhythm(names: Sequence[str], time: NDArray[np.int64], x: Array) -> Rhythm:
    """Return the rhythm of rows `x` [n, names] at `time` [n]; the plain one where no value is held."""
    measured = [
        i for i, n in enumerate(names)
        if n != STATE and (name := Name.parse(n)).role not in IGNORED and name.feature == VALUE
    ]  # fmt: skip
    if len(x) < 2 or not measured:  # noqa: PLR2004 - two rows lie one interval apart
        return Rhythm(steps=steps(names, x))
    held = holds(names, x)[measured]
    stride, slowest = max(round(float(np.median(held))), 1), float(held.max())
    pace = float(np.median(np.diff(time)))
    if slowest < 1 + _ROUND_UP:
        return Rhythm(steps=steps(names, x))
    return Rhythm(stride, math.ceil(slowest - _ROUND_UP), pace, round(slowest * pace), steps(names, x))


def steps(names: Sequence[str], x: Array) -> tuple[tuple[int, float], ...]:
    """Return the drivers that vary, each with the difference that is a step."""
    out = []
    for i, text in enumerate(names):
        if text != STATE and (name := Name.parse(text)).role in CONTEXTS and name.feature == VALUE:
            moved = np.abs(np.diff(x[:, i]))
            if len(moved := moved[moved > 0]):
                out.append((i, _STEP * float(np.median(moved))))
    return tuple(out)


def thin(rhythm: Rhythm, names: Sequence[str], time: NDArray[np.int64], x: Array) -> tuple[NDArray[np.int64], Array]:
    """Return times and averages of the blocks in rows `x` [n, names]."""
    blocks = Blocks(rhythm, names.index(STATE) if STATE in names else None)
    made = [(t, row) for t, r in zip(time.tolist(), x, strict=True) if (row := blocks.add(t, r)) is not None]
    return np.array([t for t, _ in made], np.int64), np.array([row for _, row in made]).reshape(-1, x.shape[1])

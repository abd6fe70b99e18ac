"""What is usual of each sensor: how long it holds a value, its rate, how much of it is cut off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.assess.names import CLIPPED, RATE, STATE, VALUE, Name
from shoptwin.assess.sensors import GAP, RATE_OFF
from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.learn.statistics import Array

_CHANGES = 16
"""Changes that a tag must have shown before it is told how long it may keep its value."""
_LONGER = 3.0
"""Times the longest hold while learning that a value must be held for at least."""
_SHARE = 0.01
"""Of the false alarms that are bearable, those that may come of values held by chance."""
_MONTH = 30 * 86_400e9
_MEASURED = frozenset(
    {Role.VIBRATION, Role.TEMPERATURE, Role.AMBIENT, Role.CURRENT, Role.POWER, Role.PRESSURE, Role.FLOW}
)
"""What a sensor measures; all else is held as long as somebody wants it held: a recipe, a valve, a speed."""


def usual(names: Sequence[str], time: NDArray[np.int64], x: Array, budget: float) -> dict[str, Any]:
    """Return what is usual in rows `x` [n, names] at `time` [n]; `budget` is of false alarms a month."""
    held = {}
    rates, clipped = {}, {}
    for i, text in enumerate(names):
        if text == STATE or np.isnan(x[:, i]).all():
            continue
        name = Name.parse(text)
        if name.feature == RATE:
            rates[name.tag] = float(np.nanmedian(x[:, i]))
        elif name.feature == CLIPPED:
            clipped[name.tag] = float(np.nanmax(x[:, i]))
        elif _held(name) and (found := _hold(time, x[:, i], budget)) is not None:
            held[text] = found
    return {"held": held, "rates": rates, "clipped": clipped}


def screen(names: Sequence[str], x: Array) -> Array:
    """Return rows `x` [n, names] without the waveforms that were sampled at another rate than most were."""
    out = x.copy()
    for i, text in enumerate(names):
        if text == STATE or (name := Name.parse(text)).feature != RATE or np.isnan(x[:, i]).all():
            continue
        usual_rate = np.nanmedian(x[:, i])
        other = np.abs(x[:, i] - usual_rate) > RATE_OFF * usual_rate
        mine = np.array([n != STATE and Name.parse(n).tag == name.tag for n in names])
        out[other[:, None] & mine] = np.nan
    return out


def _held(name: Name) -> bool:
    """Tell whether a column is measured, and new each time there is something new: bursts by their RMS."""
    if name.role is Role.WAVEFORM:
        return name.feature == "rms"
    return name.feature == VALUE and name.role in _MEASURED


def _hold(time: NDArray[np.int64], column: Array, budget: float) -> dict[str, float] | None:
    """Return how long a value may be held before that is odd, and between which values; None where that is not known.

    Three times the longest hold; or, where holds may have been cut short by the end of what was seen, as long as
    exponential ones with the same mean exceed by chance a hundredth as often as false alarms are bearable. The mean is
    the time seen over the changes seen, which is right for holds that were cut short too.
    """
    there = ~np.isnan(column)
    time, values = time[there], column[there]
    if len(values) <= _CHANGES:
        return None
    elapsed = np.diff(time)
    pace = float(np.median(elapsed))
    together = elapsed <= GAP * pace
    changed = (np.diff(values) != 0) & together
    if changed.sum() < _CHANGES or pace <= 0:
        return None
    border = np.flatnonzero(changed | ~together) + 1
    first, last = np.concatenate([[0], border]), np.concatenate([border, [len(values)]]) - 1
    longest = float((time[last] - time[first]).max()) + pace
    mean = float(elapsed[together].sum()) / int(changed.sum())
    chance = mean * math.log(max(_MONTH / mean / (_SHARE * budget), math.e))
    return {
        "limit": max(_LONGER * longest, chance), "longest": longest, "low": float(values.min()),
        "high": float(values.max()),
    }  # fmt: skip

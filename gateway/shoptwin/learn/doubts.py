"""Whether the learning part can be believed: does it hold a fault already, or is it no steady operation? Pure.

What is found here changes no threshold. It is told beside every verdict, with a cure, so that nobody takes for normal
what was learned from a machine that was not well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.names import CONTEXTS, STATE, VALUE, Name
from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import Role
from shoptwin.learn import statistics as st
from shoptwin.learn.budget import Budget
from shoptwin.learn.steadiness import changed, drifts, left_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shoptwin.assess.progress import LearnRequest, Limits
    from shoptwin.learn.baseline import EvidenceLike
    from shoptwin.learn.statistics import Array

MEASURED = frozenset({Role.VIBRATION, Role.TEMPERATURE, Role.CURRENT, Role.POWER, Role.PRESSURE, Role.FLOW})
"""What a sensor measures. `other` may be a valve that is shut for days, or a number that means nothing."""
_DRIVERS = (CONTEXTS, frozenset({Role.LOAD, Role.SPEED}))
"""What the levels of process tags, and those of waveforms, are learned at."""
BEYOND = 0.1
"""Share of the rows beyond a limit from which that was no passing thing."""
STRIKES = 5.0
"""Median kurtosis of a waveform that strikes: noise has 3, a sine 1.5."""
MOST = 0.5
"""Share of the rows in one unmoving stretch that is a stuck sensor."""
RAIL_SHARE, RAIL_VISITS, RAIL_MORE = 0.02, 5, 5
"""Rows at an end of the range, separate visits there, and how many more than to the value next to it: a rail."""
SPIKE, SPIKES, SPIKE_SHARE = 20.0, 3, 0.02
"""How many usual steps a spike is, how many spikes are told, and from which share on they are how the machine works."""
WIDE = 1.5
"""How many times as wide as after long learning a threshold may be before that is told."""
_FINE = 50
"""Different values from which on a tag has a resolution that a rail, or a stuck stretch, stands out from."""
_NAMED = 3

_LATER = "learn for longer: a later learning.until, or shoptwin relearn"
_ANEW = "find out which, then shoptwin relearn from when all is well"
_SENSOR = "check the sensor and its wiring, then shoptwin relearn"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason not to believe the learning part."""

    kind: str
    """`limit`, `impacts`, `drift`, `change`, `stuck`, `rail`, `spikes`, `short` or `constant`."""
    tags: tuple[str, ...]
    text: str
    """What was seen, to be read after `learned, but`."""
    cure: str


def doubted(evidence: EvidenceLike, request: LearnRequest) -> tuple[Doubt, ...]:
    """Look at the learning part of some evidence, while the machine ran; what extends it later is no part of it."""
    state = np.array([state != MachineState.OFF.value for state in evidence.state], np.bool_)
    learned = state & (np.asarray(evidence.time) < request.until)
    x = np.asarray(evidence.values, np.float64)[learned]
    tail = Budget(request.false_alarms_per_month, math.inf).tail(1)
    return doubts(tuple(evidence.names), x, tail, request.limits) if len(x) else ()


def doubts(names: Sequence[str], x: Array, tail: float, limits: Limits = ()) -> tuple[Doubt, ...]:
    """Look at the rows `x` [n, names] that were learned from (n > 0; NaN where there is no value).

    `tail` is the chance a row that thresholds were set for; `limits` are limits and ISO 20816 zones (tag, condition,
    value), in the tag's unit; those of a waveform are of its RMS velocity, in its own unit times seconds.
    """
    parsed = {i: Name.parse(n) for i, n in enumerate(names) if n != STATE}
    measured = [i for i, n in parsed.items() if n.role in MEASURED and n.feature == VALUE]
    by_tag: dict[str, dict[str, float]] = {}
    for tag, condition, value in limits:
        by_tag.setdefault(tag, {})[condition] = value
    unsteady = _unsteady(parsed, names, x)
    found: list[Doubt | None] = [*_beyond(parsed, x, by_tag), _impacts(parsed, x), *unsteady]
    found += [*_stuck(parsed, x, measured), _rail(parsed, x, measured), _spikes(parsed, x, measured)]
    if not unsteady:  # what changes remembers itself for long, and more of the same would not help
        found.append(_short(x, measured, tail))
    return tuple(sorted((d for d in found if d is not None), key=lambda d: d.kind == "constant"))


def _unsteady(parsed: Mapping[int, Name], names: Sequence[str], x: Array) -> list[Doubt]:
    """Look for drifts and changes of level; temperatures are left out, which warm up, and follow the day."""
    level = [i for i, n in parsed.items() if n.role in MEASURED - {Role.TEMPERATURE} and n.feature == VALUE]
    level += [i for i, n in parsed.items() if n.role is Role.WAVEFORM and n.feature == "rms"]
    left = {i: left_by(x[:, i], x[:, _asked(parsed, names, _DRIVERS[parsed[i].role is Role.WAVEFORM])]) for i in level}
    steps = {i: at for i, r in left.items() if (at := changed(r)) is not None}
    drift = {i: way for i, r in left.items() if i not in steps and (way := drifts(r))}
    found = (_changed(parsed, steps), *(_drift(parsed, drift, way) for way in (1, -1)))
    return [doubt for doubt in found if doubt is not None]


def _asked(parsed: Mapping[int, Name], names: Sequence[str], roles: frozenset[Role]) -> list[int]:
    """Return the columns of what the machine is asked to do."""
    return [i for i, n in enumerate(names) if n == STATE or (parsed[i].role in roles and parsed[i].feature == VALUE)]


def _beyond(parsed: Mapping[int, Name], x: Array, limits: Mapping[str, Mapping[str, float]]) -> Iterable[Doubt]:
    for i, name in parsed.items():
        if name.feature not in {VALUE, "velocity"} or name.tag not in limits:
            continue
        values = x[~np.isnan(x[:, i]), i]
        values = np.exp(values) if name.role is Role.WAVEFORM else values
        share = {c: _share(values < v if c.startswith("lo") else values > v) for c, v in limits[name.tag].items()}
        worst = [c for c in ("hihi", "lolo", "zone-d", "hi", "lo", "zone-c") if share.get(c, 0.0) >= BEYOND]
        if worst:
            what = worst[0]
            where = f"in zone {'D' if what == 'zone-d' else 'C or D'} of ISO 20816-3" if "zone" in what else (
                f"{'below' if what.startswith('lo') else 'above'} its limit {what} ({limits[name.tag][what]:.6g})"
            )  # fmt: skip
            text = f"{name.tag} was {where} for {share[what]:.0%} of the learning part"
            yield Doubt("limit", (name.tag,), text, f"repair the machine, or correct the limit or class; {_ANEW}")


def _impacts(parsed: Mapping[int, Name], x: Array) -> Doubt | None:
    columns = [i for i, n in parsed.items() if n.role is Role.WAVEFORM and n.feature == "kurtosis"]
    middle = {parsed[i].tag: float(np.nanmedian(x[:, i])) for i in columns if not np.isnan(x[:, i]).all()}
    tags = tuple(tag for tag, kurtosis in middle.items() if kurtosis > STRIKES)
    if not tags:
        return None
    text = f"{_list(tags)} struck in most snapshots of the learning part (kurtosis {max(middle.values()):.2g}, noise 3)"
    return Doubt("impacts", tags, text, f"a bearing or gear may be damaged, unless it strikes by its nature; {_ANEW}")


def _changed(parsed: Mapping[int, Name], steps: Mapping[int, float]) -> Doubt | None:
    if not steps:
        return None
    tags = tuple(parsed[i].tag for i in steps)
    text = (
        f"{_list(tags)} changed level {np.median(list(steps.values())):.0%} through the learning part, and stayed there"
    )
    cure = "another product or setting wants a tag with the role setpoint; a repair or a fault: " + _ANEW
    return Doubt("change", tags, text, cure)


def _drift(parsed: Mapping[int, Name], drift: Mapping[int, int], way: int) -> Doubt | None:
    tags = tuple(parsed[i].tag for i, found in drift.items() if found == way)
    if not tags:
        return None
    text = f"{_list(tags)} {'rose' if way > 0 else 'fell'} all through the learning part and did not level off"
    return Doubt("drift", tags, text, f"it may be wearing, or warming up still; {_LATER}")


def _stuck(parsed: Mapping[int, Name], x: Array, measured: Iterable[int]) -> Iterable[Doubt]:
    stuck, constant = [], []
    for i in measured:
        values = x[~np.isnan(x[:, i]), i]
        starts = np.flatnonzero(np.concatenate([[True], np.diff(values) != 0])) if len(values) else np.zeros(0, int)
        lengths = np.diff(np.append(starts, len(values)))
        if not len(lengths) or lengths.max() < MOST * len(x):
            continue
        at = values[starts[lengths.argmax()]]
        others = len(np.unique(values)) - 1
        nothing = at == 0 and parsed[i].role is not Role.VIBRATION  # what is switched off stands at nothing
        if not nothing and others == 0:
            constant.append(parsed[i].tag)
        elif not nothing and others >= _FINE:
            stuck.append(parsed[i].tag)
    if stuck:
        yield Doubt("stuck", tuple(stuck), f"{_list(stuck)} stood still through most of the learning part", _SENSOR)
    if constant:
        yield Doubt("constant", tuple(constant), f"{_list(constant)} never moved, and no fault shows there", _SENSOR)


def _rail(parsed: Mapping[int, Name], x: Array, measured: Iterable[int]) -> Doubt | None:
    tags = []
    for i in measured:
        values = x[~np.isnan(x[:, i]), i]
        levels = np.unique(values)
        if len(levels) < _FINE:
            continue
        visits = values[np.concatenate([[True], np.diff(values) != 0])]
        for end, beside in ((levels[-1], levels[-2]), (levels[0], levels[1])):
            often, near = int((visits == end).sum()), int((visits == beside).sum())
            rows = (values == end).mean()
            if end != 0 and rows >= RAIL_SHARE and often >= max(RAIL_VISITS, RAIL_MORE * near):
                tags.append(parsed[i].tag)
                break
    if not tags:
        return None
    text = f"{_list(tags)} stood at the end of its range again and again"
    return Doubt("rail", tuple(tags), text, "a range that is too small hides what lies beyond it: check the scaling")


def _spikes(parsed: Mapping[int, Name], x: Array, measured: Iterable[int]) -> Doubt | None:
    tags = []
    for i in measured:
        middle = x[1:-1, i]
        calm = np.median(np.stack([x[:-2, i], middle, x[2:, i]]), axis=0)
        usual = 1.4826 * np.nanmedian(np.abs(np.diff(x[:, i]))) if np.isfinite(middle).any() else 0.0
        out = np.abs(middle - calm) > SPIKE * usual
        if usual > 0 and SPIKES <= out.sum() <= SPIKE_SHARE * len(x):
            tags.append(parsed[i].tag)
    if not tags:
        return None
    return Doubt("spikes", tuple(tags), f"{_list(tags)} jumped for single values", f"a loose wire? {_SENSOR}")


def _short(x: Array, measured: Sequence[int], tail: float) -> Doubt | None:
    """Doubt what is so short, or remembers itself for so long, that thresholds are as wide as twice the usual."""
    whole = x[:, [i for i in measured if np.isfinite(x[:, i]).all() and np.ptp(x[:, i]) > 0]]
    if not whole.shape[1]:
        return None
    looks = float(np.median(len(x) / (2 * st.decorrelation(whole) - 1)))
    if st.t_quantile(tail / 2, max(looks - 1, 1.0)) < WIDE * st.t_quantile(tail / 2, np.inf):
        return None
    text = f"it was short: {len(x)} rows tell as much as {looks:.0f} that are independent, so thresholds are wide"
    return Doubt("short", (), text, _LATER)


def _share(which: Array) -> float:
    return float(which.mean()) if len(which) else 0.0


def _list(tags: Sequence[str]) -> str:
    named = list(dict.fromkeys(tags))
    more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED else []
    parts = [*named[:_NAMED], *more]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

"""Limits, judged over a whole batch at once: which values went beyond which threshold, came back, or cannot be told.

A sample counts even where the next one of the same batch takes it back: a spike between two polls is told, and so is
its end, each with its own time. Of what does not change only the latest and the worst value of a standing condition
come out. If hihi is true hi is true as well: two alarms, as configured; one who wants one sets one limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.alarms.thresholds import LEVELS, SIGN, Thresholds, key
from shoptwin.alarms.words import figure, limit, with_unit
from shoptwin.domain.alarm import AlarmState, Condition
from shoptwin.domain.quality import is_bad, is_good, name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag, TagTable
    from shoptwin.domain.twin import TwinDelta

_FALSE, _TRUE, _UNKNOWN, _UNTOLD = 0, 1, 2, 3
UNCERTAIN = 0.5
"""Confidence in what an Uncertain value says."""
_ZONES = {"zone-c": "in zone C or worse", "zone-d": "in zone D"}
_ROWS = np.arange(len(LEVELS))[:, None]


class LimitJudge:
    """Remembers, for each limit of each tag, on which side the value was and what was told of it."""

    def __init__(self, table: TagTable, machines: Iterable[Machine]) -> None:
        self._table = table
        self._thresholds = Thresholds.of(table, machines)
        self._ruled = ~np.isnan(self._thresholds.enter)
        self._any = np.asarray(self._ruled.any(axis=0), bool)
        self._beyond = np.zeros(self._ruled.shape, bool)
        self._told = np.full(self._ruled.shape, _UNTOLD, np.uint8)

    def configure(self, table: TagTable, machines: Iterable[Machine]) -> None:
        """Take on another configuration. A tag that stays as it was is remembered, a changed one is told anew."""
        before, beyond, told = self._thresholds, self._beyond, self._told
        self.__init__(table, machines)  # type: ignore[misc]
        same = np.flatnonzero(before.same(self._thresholds))
        self._beyond[:, same], self._told[:, same] = beyond[:, same], told[:, same]

    def restore(self, states: Iterable[AlarmState]) -> None:
        """Learn from saved alarms which conditions were true, so that a deadband outlives a restart."""
        true = {state.alarm for state in states if state.condition}
        for index, tag in self._table:
            for row in np.flatnonzero(self._ruled[:, index]):
                self._beyond[row, index] = key(tag, LEVELS[row]) in true

    def judge(self, delta: TwinDelta) -> tuple[Condition, ...]:
        """Return what changed, and the latest value of what stands. The samples of one tag come in order of time."""
        wanted = np.flatnonzero(self._any[delta.tag])
        if not len(wanted):
            return ()
        order = wanted[np.argsort(delta.tag[wanted], kind="stable")]
        runs = _Runs.of(delta.tag[order])
        told = self._judged(delta, order, runs)
        return tuple(
            self._condition(delta, int(order[at]), int(row), int(told[row, at]))
            for at, row in self._outcome(delta, order, runs, told)
        )

    def _judged(self, delta: TwinDelta, order: NDArray[np.int64], runs: _Runs) -> NDArray[np.uint8]:
        """Return [level, sample] what is to be told after each sample, and remember the state after the last."""
        tag, values = delta.tag[order], SIGN[:, None] * delta.values[order]
        unknown = is_bad(delta.status[order]) | np.isnan(values[0])
        beyond = values > self._thresholds.enter[:, tag]
        definite = (beyond | (values <= self._thresholds.leave[:, tag])) & ~unknown
        # Within the deadband the state is that of the last sample that was outside of it, or that from before.
        start = np.zeros(len(tag), bool)
        start[runs.first] = True
        beyond = np.where(start & ~definite, self._beyond[:, tag], beyond)
        latest = np.maximum.accumulate(np.where(definite | start, np.arange(len(tag)), 0), axis=1)
        beyond = beyond[_ROWS, latest]
        self._beyond[:, tag[runs.last]] = beyond[:, runs.last]
        told: NDArray[np.uint8] = np.where(unknown, np.uint8(_UNKNOWN), beyond.astype(np.uint8))
        return told

    def _outcome(
        self, delta: TwinDelta, order: NDArray[np.int64], runs: _Runs, told: NDArray[np.uint8]
    ) -> list[tuple[int, int]]:
        """Choose what comes out, as (sample, level) in the order of the batch."""
        tag = delta.tag[order]
        before = np.empty_like(told)
        before[:, 1:] = told[:, :-1]
        before[:, runs.first] = self._told[:, tag[runs.first]]
        self._told[:, tag[runs.last]] = told[:, runs.last]
        ruled = self._ruled[:, tag]
        out = (told != before) & ruled
        standing = (told == _TRUE) & ruled
        out[:, runs.last] |= standing[:, runs.last]
        for run in np.flatnonzero(runs.last > runs.first):
            several = slice(runs.first[run], runs.last[run] + 1)
            values = np.where(standing[:, several], SIGN[:, None] * delta.values[order[several]], -np.inf)
            worst = runs.first[run] + values.argmax(axis=1)
            out[_ROWS[:, 0], worst] |= standing[_ROWS[:, 0], worst]
        level, at = np.nonzero(out)
        return sorted(zip(at.tolist(), level.tolist(), strict=True), key=lambda pair: (order[pair[0]], pair[1]))

    def _condition(self, delta: TwinDelta, sample: int, row: int, told: int) -> Condition:
        index = int(delta.tag[sample])
        tag, time, status = self._table[index], int(delta.time[sample]), int(delta.status[sample])
        alarm = key(tag, LEVELS[row])
        threshold = float(self._thresholds.enter[row, index] * SIGN[row])
        if told == _UNKNOWN:
            why = name(status) if is_bad(status) else "not a number"
            return Condition(alarm, None, time, limit=threshold, text=f"{tag.name} has no value: {why}")
        value = float(delta.values[sample])
        text = _text(tag, value, LEVELS[row], threshold, self._thresholds.sources[index], true=told == _TRUE)
        if is_good(status):
            return Condition(alarm, told == _TRUE, time, value, threshold, text)
        return Condition(alarm, told == _TRUE, time, value, threshold, f"{text} ({name(status)})", UNCERTAIN)


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Where the samples of each tag begin and end, in a batch that is sorted by tag."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, tag: NDArray[np.int32]) -> _Runs:
        edges = np.flatnonzero(tag[1:] != tag[:-1]) + 1
        return cls(np.concatenate(([0], edges)), np.concatenate((edges - 1, [len(tag) - 1])))


def _text(tag: Tag, value: float, level: str, threshold: float, source: str, *, true: bool) -> str:
    """Say it: `spindle_temp 92.3 degC is above hihi 90 degC`; and what is not so any more."""
    measured, against = with_unit(figure(value, threshold), tag.unit), with_unit(limit(threshold), tag.unit)
    what, verb = f"{tag.name} {measured}", "is" if true else "is no longer"
    if level in _ZONES:
        return f"{what} {verb} {_ZONES[level]}: above {against} ({source})"
    side = "above" if SIGN[LEVELS.index(level)] > 0 else "below"
    return f"{what} {verb} {side} {level} {against}" + ("" if source == "configuration" else f" ({source})")

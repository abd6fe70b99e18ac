"""From raw values to engineering units: what means that there is none, the 4-20 mA watch, then scale and offset.

For one tag, in this order; a value that is Bad already is left as it is:

0. a text, where a number is meant       -> BadTypeMismatch
1. raw is one of `missing`               -> BadNoData
2. a current loop, by NAMUR NE 43:          mA = 4 + 16 * (raw - low) / (high - low)
   mA <= 3.6 or mA >= 21                 -> BadSensorFailure
   mA < 3.8 or mA > 20.5                 -> UncertainSensorNotAccurate, where it was Good; the value stands
3. value = raw * scale + offset
   more than a float64 can hold          -> BadOutOfRange
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.quality import StatusCode, is_bad, is_good
from shoptwin.domain.tag import ValueKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.tag import TagTable

STEPS = 80
"""A loop's 16 mA in steps of 0.2 mA: so counted the limits of NE 43 are numbers that a float holds exactly."""
FAILED_LOW, DOUBTFUL_LOW, DOUBTFUL_HIGH, FAILED_HIGH = -2.0, -1.0, 82.5, 85.0
"""3.6, 3.8, 20.5 and 21 mA, in such steps above 4 mA."""

_FLOATS = (ValueKind.F4, ValueKind.F8)
_NUMBERS = (*_FLOATS, ValueKind.I8, ValueKind.U8)


class Scaling:
    """What is known of every tag's raw values, as arrays by tag index. Tags that need nothing go through untouched.

    What is scaled becomes float64; the rest of a batch of exact integers must stay exact, so a batch that holds both
    is split in two.
    """

    def __init__(self, table: TagTable) -> None:
        size = len(table)
        self._scale, self._offset = np.ones(size), np.zeros(size)
        self._low, self._span = np.zeros(size), np.full(size, np.nan)
        for index, tag in table:
            self._scale[index], self._offset[index] = tag.scale, tag.offset
            if tag.loop is not None:
                self._low[index], self._span[index] = tag.loop.low, tag.loop.high - tag.loop.low
        self._number = np.array([tag.number for _, tag in table], np.bool_)
        self._scaled = (self._scale != 1.0) | (self._offset != 0.0)
        self._looped = ~np.isnan(self._span)
        self._missing = {kind: Missing.of(table, kind) for kind in _NUMBERS}
        watched = self._looped | np.array([missing.has for missing in self._missing.values()]).any(axis=0)
        self._watched: NDArray[np.bool_] = watched
        self._touched = self._scaled | watched

    def apply(self, batch: SampleBatch) -> tuple[SampleBatch, ...]:
        """Return the batch in engineering units."""
        if batch.kind is ValueKind.STR:
            return self._texts(batch)
        if not len(batch) or batch.kind is ValueKind.BOOL or not (which := self._touched[batch.tag]).any():
            return (batch,)
        if batch.kind is ValueKind.WAVEFORM:
            return (self._waveforms(batch),)
        if self._watched[batch.tag].any():
            batch = self._judged(batch)
        which = self._scaled[batch.tag]
        if not which.any():
            return (batch,)
        if which.all() or batch.kind in _FLOATS:
            return (self._numbers(batch),)
        return batch.where(~which), self._numbers(batch.where(which))

    def _texts(self, batch: SampleBatch) -> tuple[SampleBatch, ...]:
        """Return texts as they are, but for tags that must be numbers: `check` cannot know what a device sends."""
        wrong = self._number[batch.tag]
        if not wrong.any():
            return (batch,)
        lost = batch.where(wrong)
        status = np.where(is_bad(lost.status), lost.status, np.uint32(StatusCode.BAD_TYPE_MISMATCH))
        lost = replace(lost, kind=ValueKind.F8, values=np.full(len(lost), np.nan), status=status)
        return (lost,) if wrong.all() else (batch.where(~wrong), lost)

    def _judged(self, batch: SampleBatch) -> SampleBatch:
        """Return the batch with what missing values and loops say of its quality; what is Bad by it has no value."""
        tag, status = batch.tag, batch.status
        missing = self._missing[batch.kind].among(tag, batch.values)
        with np.errstate(invalid="ignore"):  # a Bad value may be NaN, and what is no loop spans NaN
            steps = STEPS * (batch.values.astype(np.float64) - self._low[tag]) / self._span[tag]
        failed = (steps <= FAILED_LOW) | (steps >= FAILED_HIGH)
        doubtful = (steps < DOUBTFUL_LOW) | (steps > DOUBTFUL_HIGH)
        gone = (missing | failed) & ~is_bad(status)
        if not gone.any() and not doubtful.any():
            return batch
        status = np.where(doubtful & is_good(status), np.uint32(StatusCode.UNCERTAIN_SENSOR_NOT_ACCURATE), status)
        status[gone] = np.where(missing, StatusCode.BAD_NO_DATA, StatusCode.BAD_SENSOR_FAILURE)[gone]
        values = batch.values.copy()
        values[gone] = np.nan if batch.kind in _FLOATS else 0
        return replace(batch, values=values, status=status)

    def _numbers(self, batch: SampleBatch) -> SampleBatch:
        with np.errstate(over="ignore", invalid="ignore"):  # of huge numbers, and of what is Bad
            values = batch.values * self._scale[batch.tag] + self._offset[batch.tag]
        status, bad = batch.status, is_bad(batch.status)
        values[bad] = np.nan  # else the offset alone would stand for what is not there
        if (lost := ~np.isfinite(values) & ~bad).any():
            status = np.where(lost, np.uint32(StatusCode.BAD_OUT_OF_RANGE), status)
            values[lost] = np.nan
        return replace(batch, kind=ValueKind.F8, values=values, status=status)

    def _waveforms(self, batch: SampleBatch) -> SampleBatch:
        values = np.empty(len(batch), object)
        for i, (tag, wave) in enumerate(zip(batch.tag, batch.values, strict=True)):
            # An offset of a vibration signal carries nothing; the features take the mean off anyway.
            scaled = isinstance(wave, Waveform)
            values[i] = replace(wave, scale=wave.scale * float(self._scale[tag])) if scaled else wave
        return replace(batch, values=values)


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """Raw values that mean "none", of one kind: `has` bool[tags]; `values` [tags, most of one tag], of the kind's type.

    A row is filled up with its own first value; the rows of tags that have none hold anything.
    """

    has: NDArray[np.bool_]
    values: NDArray[Any]

    @classmethod
    def of(cls, table: TagTable, kind: ValueKind) -> Missing:
        """Take them out of the table; what a value of this kind can never be is left out."""
        rows = {index: found for index, tag in table if (found := _as_raw(tag.missing, kind))}
        width = max((len(row) for row in rows.values()), default=0)
        has, values = np.zeros(len(table), np.bool_), np.zeros((len(table), width), kind.dtype)
        for index, row in rows.items():
            has[index], values[index] = True, [*row, *row[:1] * (width - len(row))]
        return cls(has, values)

    def among(self, tag: NDArray[np.int32], values: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell per value whether it is one of its tag's, bool[n]."""
        found = self.has[tag]
        if found.any():
            found &= (values[:, None] == self.values[tag]).any(axis=1)
        return found


def _as_raw(missing: tuple[float, ...], kind: ValueKind) -> list[Any]:
    """Return figures as raw values: a float32 is told by the float32 nearest to what the configuration says.

    Whole numbers are exact as whole numbers; of floats the one next to the largest integers (2**64 - 1 and 2**63 - 1,
    all ones), which are no floats, stands for them.
    """
    if kind in _FLOATS:
        with np.errstate(over="ignore"):
            return [np.dtype(kind.dtype).type(figure) for figure in missing]
    least, most = np.iinfo(kind.dtype).min, np.iinfo(kind.dtype).max
    whole = [int(figure) for figure in missing if isinstance(figure, int) or figure.is_integer()]
    return [min(number, most) for number in whole if least <= number <= float(most)]

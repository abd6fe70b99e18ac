"""From raw values to engineering units: value = raw * scale + offset."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.tag import ValueKind

if TYPE_CHECKING:
    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.tag import TagTable


class Scaling:
    """Scale and offset of every tag, as arrays by tag index. A batch of tags that need none goes through untouched.

    What is scaled becomes float64; the rest of a batch of exact integers must stay exact, so a batch that holds both
    is split in two.
    """

    def __init__(self, table: TagTable) -> None:
        self._scale = np.ones(len(table))
        self._offset = np.zeros(len(table))
        for index, tag in table:
            self._scale[index], self._offset[index] = tag.scale, tag.offset
        self._scaled = (self._scale != 1.0) | (self._offset != 0.0)

    def apply(self, batch: SampleBatch) -> tuple[SampleBatch, ...]:
        """Return the batch in engineering units."""
        if batch.kind in {ValueKind.STR, ValueKind.BOOL} or not len(batch):
            return (batch,)
        which = self._scaled[batch.tag]
        if not which.any():
            return (batch,)
        if batch.kind is ValueKind.WAVEFORM:
            return (self._waveforms(batch),)
        if which.all() or batch.kind in {ValueKind.F4, ValueKind.F8}:
            return (self._numbers(batch),)
        return batch.where(~which), self._numbers(batch.where(which))

    def _numbers(self, batch: SampleBatch) -> SampleBatch:
        values = batch.values * self._scale[batch.tag] + self._offset[batch.tag]
        return replace(batch, kind=ValueKind.F8, values=values)

    def _waveforms(self, batch: SampleBatch) -> SampleBatch:
        values = np.empty(len(batch), object)
        for i, (tag, wave) in enumerate(zip(batch.tag, batch.values, strict=True)):
            # An offset of a vibration signal carries nothing; the features take the mean off anyway.
            scaled = isinstance(wave, Waveform)
            values[i] = replace(wave, scale=wave.scale * float(self._scale[tag])) if scaled else wave
        return replace(batch, values=values)

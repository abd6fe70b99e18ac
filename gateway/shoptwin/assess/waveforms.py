"""From waveforms to features, through the shipped vibration model, batched over all machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.assess.shelf import Shipped
    from shoptwin.domain.batch import Waveform

SHORTEST = 256
"""Samples below which a burst tells nothing of a spectrum."""
MOST_SEGMENTS = 16
"""A longer burst is looked at in so many places; the memory of a batch stays bounded."""


class WaveformFeatures:
    """The vibration model and what is needed around it."""

    def __init__(self, model: Shipped) -> None:
        self.model = model
        self._segment = int(model.parameters["segment"])
        self._edges = np.asarray(model.parameters["band_edges"], np.float64)

    @property
    def names(self) -> tuple[str, ...]:
        """Features of one channel, in order."""
        return self.model.features

    def band(self, number: int, rate: float) -> tuple[float, float]:
        """Return the band's lowest and highest frequency in Hz for waveforms sampled at `rate`."""
        width = rate / self._segment
        return float(self._edges[number] * width), float(min(self._edges[number + 1] * width, rate / 2))

    def compute(self, waves: Sequence[Waveform]) -> NDArray[np.float32]:
        """Return the features of each waveform: float32 [len(waves), names]; NaN for one that `problem` objects to."""
        out = np.full((len(waves), len(self.names)), np.nan, np.float32)
        batches: dict[int, list[tuple[int, NDArray[np.float32], float]]] = {}
        for i, wave in enumerate(waves):
            if not problem(wave):
                segments, rate = self._segments(wave)
                batches.setdefault(len(segments), []).append((i, segments, rate))
        for batch in batches.values():
            feeds = {
                "waveform": np.stack([segments for _, segments, _ in batch]),
                "rate": np.array([rate for *_, rate in batch], np.float32),
            }
            out[[i for i, *_ in batch]] = self.model.session.run(feeds)["features"]
        return out

    def _segments(self, wave: Waveform) -> tuple[NDArray[np.float32], float]:
        """Cut a burst into evenly placed pieces [segments, 2048]; one that is shorter is resampled to one piece."""
        samples, size, rate = wave.physical(), self._segment, wave.rate
        n = len(samples)
        if n < size:
            at = np.linspace(0, n - 1, size)
            return np.interp(at, np.arange(n), samples).astype(np.float32)[None], rate * (size - 1) / (n - 1)
        count = min(-(-n // size), MOST_SEGMENTS)
        starts = np.linspace(0, n - size, count).astype(int)
        return np.stack([samples[s : s + size] for s in starts]), rate


def problem(wave: Waveform) -> str:
    """Say why a waveform cannot be judged, or nothing."""
    samples = np.asarray(wave.samples)
    if len(samples) < SHORTEST:
        return f"its burst of {len(samples)} samples is too short"
    if not np.isfinite(samples).all():
        return "its burst holds NaN or Inf"
    if samples.min() == samples.max():
        return "it is flat: the sensor may be unplugged"
    return ""

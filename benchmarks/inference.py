"""Models: 64 windows at once against one call a window, and the features of a waveform against code without a graph."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from measure import cpu_each, in_turns
from rows import Row, cheaper

from shoptwin.assess.shelf import ModelShelf
from shoptwin.assess.temperatures import TemperatureFeatures
from shoptwin.assess.waveforms import WaveformFeatures
from shoptwin.domain.batch import Waveform
from shoptwin.domain.timing import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin.assess.shelf import Shipped

MACHINES = 64
SAMPLES = 4096
RATE = 25_600.0
SEGMENT = 2048


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU a window."""
    shelf, times = ModelShelf(), 5 if quick else 20
    yield _session(shelf.get("temperature"), 10 * times)
    yield _small(shelf.get("temperature"), times)
    yield from _features(shelf.get("vibration"), times)


def _session(model: Shipped, times: int) -> Row:
    """Measure the graph alone."""
    rng, taus = np.random.default_rng(1), len(model.parameters["taus"])
    feeds = {
        "values": rng.normal(50, 5, (MACHINES, 3)).astype(np.float32),
        "elapsed": np.ones(MACHINES, np.float32),
        "bank": rng.normal(50, 5, (MACHINES, 3, taus)).astype(np.float32),
        "variance": np.ones(MACHINES, np.float32),
    }
    each = [{name: array[i : i + 1] for name, array in feeds.items()} for i in range(MACHINES)]
    mine, other = in_turns(
        lambda: cpu_each(lambda: model.session.run(feeds), times, MACHINES),
        lambda: cpu_each(lambda: [model.session.run(one) for one in each], times // 5, MACHINES),
    )
    return cheaper(
        "models: a small model, batch of 64",
        mine,
        "us CPU a window",
        baseline=other,
        against="one call a window",
        least=20,
    )


def _small(model: Shipped, times: int) -> Row:
    """Measure the graph with what keeps its state: all that a temperature costs."""
    values, tags = np.random.default_rng(2).normal(50, 5, (MACHINES, 3)), list(range(MACHINES))
    together, alone = TemperatureFeatures(model), TemperatureFeatures(model)
    clock = iter(range(1, 1 << 60))

    def one_by_one() -> None:
        now = next(clock) * SECOND
        for tag in tags:
            alone.compute([tag], values[tag : tag + 1], now)

    mine, other = in_turns(
        lambda: cpu_each(lambda: together.compute(tags, values, next(clock) * SECOND), times, MACHINES),
        lambda: cpu_each(one_by_one, times, MACHINES),
    )
    return cheaper(
        "models: the same with its state kept", mine, "us CPU a window", baseline=other, against="one call a window"
    )


def _features(model: Shipped, times: int) -> Iterable[Row]:
    rng = np.random.default_rng(3)
    waves = [Waveform(rng.normal(0, 1, SAMPLES).astype(np.float32), RATE) for _ in range(MACHINES)]
    features = WaveformFeatures(model)
    edges = [int(edge) for edge in model.parameters["band_edges"]]
    mine, naive, careful = in_turns(
        lambda: cpu_each(lambda: features.compute(waves), max(times // 5, 1), MACHINES),
        lambda: cpu_each(lambda: [by_hand(wave, edges, careful=False) for wave in waves], 1, MACHINES),
        lambda: cpu_each(lambda: [by_hand(wave, edges, careful=True) for wave in waves], 1, MACHINES),
        turns=3,
    )
    _same(features.compute(waves[:1])[0], by_hand(waves[0], edges, careful=True))
    name, naively = "models: features of a 4096-sample window", "numpy a window, feature by feature"
    yield cheaper(name, mine, "us CPU", baseline=naive, against=naively, least=5)
    yield cheaper(name, mine, "us CPU", baseline=careful, against="the same with one spectrum for all features")
    rate, what = 1e6 / mine, "waveform windows of 4096 samples, one core"
    yield Row(f"models: {what}", rate, "windows a CPU second", hold=">= 300", ok=rate >= 300)


def _same(ours: np.ndarray, theirs: list[float]) -> None:
    if not np.allclose(ours, theirs, rtol=2e-3, atol=2e-3):
        raise RuntimeError(f"the two do not compute the same: {ours.tolist()} and {theirs}")


def by_hand(wave: Waveform, edges: list[int], *, careful: bool) -> list[float]:
    """Compute the same features with numpy, a window at a time.

    Code that has grown feature by feature computes the spectrum for each band anew; `careful` code only once.
    """
    parts = [part - part.mean() for part in np.split(wave.physical().astype(float), SAMPLES // SEGMENT)]
    known = spectrum(parts)
    bands = [float(np.log((known if careful else spectrum(parts))[low:high].sum())) for low, high in pairwise(edges)]
    scalars = [0.5 * np.log(mean_square(parts)), np.log(peak(parts)), kurtosis(parts), crest(parts)]
    return [*bands, *scalars, velocity(known if careful else spectrum(parts), wave.rate), *envelope(parts)]


def mean_square(parts: list[np.ndarray]) -> float:
    """Return the mean square."""
    return float(np.mean([np.mean(part**2) for part in parts]))


def peak(parts: list[np.ndarray]) -> float:
    """Return the largest absolute value."""
    return float(max(np.abs(part).max() for part in parts))


def kurtosis(parts: list[np.ndarray]) -> float:
    """Return the fourth moment over the square of the second."""
    return float(np.mean([np.mean(part**4) for part in parts])) / mean_square(parts) ** 2


def crest(parts: list[np.ndarray]) -> float:
    """Return peak over RMS."""
    return peak(parts) / mean_square(parts) ** 0.5


def spectrum(parts: list[np.ndarray]) -> np.ndarray:
    """Return the power spectrum, averaged over the parts (Hann)."""
    window = np.hanning(SEGMENT + 1)[:-1]
    power = np.mean([np.abs(np.fft.rfft(part * window)) ** 2 for part in parts], axis=0)
    power *= 2 / (SEGMENT * (window**2).sum())
    power[[0, -1]] /= 2
    return power


def velocity(power: np.ndarray, rate: float) -> float:
    """Return the logarithm of the RMS velocity from 10 to 1000 Hz."""
    hertz = np.arange(SEGMENT // 2 + 1) * rate / SEGMENT
    inside = (hertz >= 10) & (hertz <= 1000)
    return float(0.5 * np.log((power[inside] / (2 * np.pi * hertz[inside]) ** 2).sum()))


def envelope(parts: list[np.ndarray]) -> list[float]:
    """Return level, variation and line of the envelope of high frequencies."""
    envelopes = []
    for part in parts:
        step = part - np.concatenate((part[:1], part[:-1]))
        envelopes.append(np.sqrt((step**2).reshape(-1, 16).mean(axis=1)))
    level = float(np.mean([each.mean() for each in envelopes]))
    moved = [each - each.mean() for each in envelopes]
    lines = np.mean([np.abs(np.fft.rfft(each)[1:-1]) ** 2 for each in moved], axis=0)
    spread = float(np.sqrt(np.mean([np.mean(each**2) for each in moved])))
    return [float(np.log(level)), spread / level, float(lines.max() / lines.mean())]

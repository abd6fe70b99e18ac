"""The vibration model: its figures against closed forms, and batches against single calls."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.assess.shelf import ModelShelf
from shoptwin.assess.waveforms import WaveformFeatures, problem
from shoptwin.domain.batch import Waveform


@pytest.fixture(scope="module")
def features():
    return WaveformFeatures(ModelShelf().get("vibration"))


def figures(features, wave):
    return dict(zip(features.names, features.compute([wave])[0].tolist(), strict=True))


def sine(frequency, amplitude=2.0, n=4096, rate=25_600.0):
    t = np.arange(n) / rate
    return Waveform((amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32), rate)


def test_a_sine_has_the_figures_of_a_sine(features):
    """RMS, peak, crest, kurtosis and velocity of a sine are those of the textbook."""
    f = figures(features, sine(200.0))
    assert np.exp(f["rms"]) == pytest.approx(2 / np.sqrt(2), rel=1e-3)
    assert np.exp(f["peak"]) == pytest.approx(2, rel=1e-3)
    assert f["crest"] == pytest.approx(np.sqrt(2), rel=1e-3)
    assert f["kurtosis"] == pytest.approx(1.5, rel=1e-2)
    assert np.exp(f["velocity"]) == pytest.approx(2 / np.sqrt(2) / (2 * np.pi * 200), rel=0.02)


@pytest.mark.parametrize("band", range(12))
def test_a_line_is_found_in_its_band(features, band):
    """The power of a line lies in the band whose edges hold it, and sums up to its mean square."""
    low, high = features.band(band, 25_600.0)
    values = features.compute([sine(np.sqrt(low * high) if band else 35.0)])[0, :12]
    assert values.argmax() == band
    assert np.exp(values.astype(float)).sum() == pytest.approx(2.0, rel=0.02)


def test_impacts_show_in_the_envelope(features, burst):
    """Impacts that hardly move the RMS raise kurtosis and the variation of the envelope."""
    rng = np.random.default_rng(1)
    sound = figures(features, burst(rng, n=8192))
    worn = figures(features, burst(rng, n=8192, impacts=3.0))
    assert worn["kurtosis"] > sound["kurtosis"] + 0.5
    assert worn["envelope_variation"] > 1.5 * sound["envelope_variation"]
    assert worn["envelope_line"] > sound["envelope_line"]


def test_a_batch_is_its_singles(features):
    """Waveforms of different lengths, rates and types in one batch give what each gives alone."""
    rng = np.random.default_rng(2)
    waves = [
        Waveform(rng.normal(size=n).astype(np.float32), rate)
        for n, rate in [(2048, 12_800.0), (4096, 25_600.0), (2560, 25_600.0), (1000, 3200.0), (70_000, 48_000.0)]
    ]
    waves.append(Waveform(rng.integers(-3000, 3000, 4096).astype(np.int16), 25_600.0, scale=0.001))
    together = features.compute(waves)
    alone = np.concatenate([features.compute([w]) for w in waves])
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


def test_counts_are_scaled(features):
    """A waveform in counts gives the figures of the same waveform in its unit."""
    counts = np.random.default_rng(3).integers(-3000, 3000, 4096).astype(np.int16)
    scaled = features.compute([Waveform(counts, 25_600.0, scale=0.01)])
    physical = features.compute([Waveform(counts.astype(np.float32) * np.float32(0.01), 25_600.0)])
    np.testing.assert_allclose(scaled, physical, rtol=1e-5)


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (np.zeros(4096, np.float32), "flat"),
        (np.ones(100, np.float32), "too short"),
        (np.r_[np.nan, np.arange(4095.0)].astype(np.float32), "NaN"),
        (np.full(4096, 32_767, np.int16), "flat"),
    ],
)
def test_what_tells_nothing_is_named(features, samples, why):
    """A flat, short or broken burst is not turned into figures, and why is told."""
    wave = Waveform(samples, 25_600.0)
    assert why in problem(wave)
    good = sine(100.0)
    both = features.compute([wave, good])
    assert np.isnan(both[0]).all()
    np.testing.assert_array_equal(both[1], features.compute([good])[0])

"""What diagnosis reads off a burst: 64 machines at once against code that takes one burst and one figure at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from inference import MACHINES, RATE, SAMPLES, by_hand
from measure import cpu_each, in_turns
from rows import Row, at_most, cheaper

from shoptwin.assess.shelf import ModelShelf
from shoptwin.assess.symptoms import Kinematics, Look, compute
from shoptwin.assess.waveforms import WaveformFeatures
from shoptwin.domain.batch import Waveform
from shoptwin.domain.kinematics import Bearing, Gear, defects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SHAFT = 50.0
TURNING = Kinematics("speed", 1.0, (Bearing("de", defects(9, 7.94, 39.04)),), (Gear("pinion", 21.0, 1.0),))
LINES = (0.5, 1.0, 2.0, 3.0, 1.5, 2.5, 3.5, 4.5, *range(4, 11))
WINDOWS_A_SECOND = 300
"""What one core must do with all features."""


def rows(*, quick: bool) -> Iterable[Row]:
    """Return CPU a burst: of the symptoms against naive code, and of all features together."""
    rng = np.random.default_rng(4)
    waves = [Waveform(rng.normal(0, 1, SAMPLES).astype(np.float32), RATE) for _ in range(MACHINES)]
    looks = [Look(wave, "g", TURNING, SHAFT) for wave in waves]
    model = ModelShelf().get("vibration")
    features, edges = WaveformFeatures(model), [int(edge) for edge in model.parameters["band_edges"]]
    few = max(MACHINES // 8, 1)
    ours, naive = in_turns(
        lambda: cpu_each(lambda: (compute(looks), features.compute(waves)), 2 if quick else 5, MACHINES),
        lambda: cpu_each(
            lambda: [(one_by_one(wave), by_hand(wave, edges, careful=False)) for wave in waves[:few]], 1, few
        ),
        turns=3,
    )
    _same(dict(zip(TURNING.names, compute(looks[:1])[0].tolist(), strict=True)), one_by_one(waves[0]))
    name = "models: all features of a 4096-sample window, orders and bearings too"
    yield cheaper(name, ours, "us CPU", baseline=naive, against="numpy a window, feature by feature", least=5)
    yield at_most("models: the same, on one core", ours, "us CPU", 1e6 / WINDOWS_A_SECOND, "300 windows a second")


def _same(ours: dict[str, float], theirs: dict[str, float]) -> None:
    for name, value in theirs.items():
        if not np.isclose(ours[name], value, rtol=0.02, atol=0.02):
            raise RuntimeError(f"{name}: {ours[name]} here, {value} by hand")


def one_by_one(wave: Waveform) -> dict[str, float]:
    """Compute orders, mesh, bearing lines and cepstrum as code does that has grown feature by feature."""
    x = wave.physical().astype(float)
    x -= x.mean()
    turns = SHAFT * len(x) / wave.rate
    orders = {order: line(velocity(x, wave.rate), order * turns) for order in LINES}
    bands = [squared_envelope(x, band, count) for count in (4, 8) for band in range(1, count)]
    impulses = max(float(np.mean(e**2) / np.mean(e) ** 2) for e in bands)
    for order in TURNING.bearings[0].orders:
        spectra = [modulation(squared_envelope(x, band, 8)) for band in range(1, 8)]
        near = round(order * SHAFT * len(x) / wave.rate)
        max(np.mean(spectra, axis=0)[max(near - 1, 0) : near + 2])
    mesh = sum(line(power(x), 21 * harmonic * turns) for harmonic in (1, 2, 3))
    sides = sum(line(power(x), (21 * h + s) * turns) for h in (1, 2) for s in (-3, -2, -1, 1, 2, 3))
    cepstrum = np.fft.irfft(np.log(np.maximum(power(x), power(x).mean() * 1e-6)))
    first = int(np.ceil(wave.rate / 400))
    part = cepstrum[first : len(x) // 4]
    return {
        **{f"order{k}": 0.5 * np.log(orders[k]) for k in (1, 2, 3)},
        "halves": 0.5 * np.log(sum(orders[k] for k in (1.5, 2.5, 3.5, 4.5))),
        "harmonics": 0.5 * np.log(sum(orders[k] for k in range(4, 11))),
        "impulses": float(np.log(impulses)), "mesh/pinion": 0.5 * np.log(mesh), "sides/pinion": 0.5 * np.log(sides),
        "rahmonic": float(np.log(part.max() / np.median(np.abs(part)))),
    }  # fmt: skip


def power(x: Array) -> Array:
    """Return the one-sided power spectrum (Hann)."""
    window = np.hanning(len(x) + 1)[:-1]
    squares: Array = np.abs(np.fft.rfft(x * window)) ** 2 * 2 / (len(x) * (window**2).sum())
    return squares


def velocity(x: Array, rate: float) -> Array:
    """Return the power spectrum of velocity."""
    hertz = np.maximum(np.fft.rfftfreq(len(x), 1 / rate), rate / len(x))
    return power(x) / (2 * np.pi * hertz) ** 2


def line(spectrum: Array, place: float) -> float:
    """Return the power of the three bins about a place."""
    middle = round(place)
    return float(spectrum[max(middle - 1, 1) : middle + 2].sum())


def squared_envelope(x: Array, band: int, count: int) -> Array:
    """Return the squared envelope of one of `count` equal bands, by Hilbert's transform, without its ends."""
    n, edge = len(x), len(x) // 32
    fade = np.ones(n)
    fade[:edge] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    fade[n - edge :] = fade[:edge][::-1]
    spectrum = np.fft.fft(x * fade)
    width = n // 2 // count
    analytic = np.zeros(n, complex)
    analytic[1 + band * width : 1 + (band + 1) * width] = spectrum[1 + band * width : 1 + (band + 1) * width]
    whole: Array = np.abs(np.fft.ifft(analytic)) ** 2
    return whole[edge : n - edge]


def modulation(squares: Array) -> Array:
    """Return the spectrum of a squared envelope, as a share of its mean's square."""
    return power(squares / squares.mean() - 1)

"""Spectra of whole bursts, and what is read off them at the orders of a shaft: arrays over all bursts of one length.

Everywhere B is the number of bursts, n their samples, F = n // 2 + 1 the bins of their spectra. A line is the power
of three bins of a Hann spectrum about where it should stand, so that lines less than three bins apart are not told
apart: what a burst is too short for is NaN. Half an order must be three bins wide, also to see between the orders how
much of a line is noise: a burst tells orders from six turns on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.floating]

APART = 3.0
"""Bins between two lines that are told apart."""
TURNS = 2 * APART
"""Turns of a shaft in a burst from which its orders are told."""
_ORDERS = {
    "half": (0.5,), "order1": (1.0,), "order2": (2.0,), "order3": (3.0,), "halves": (1.5, 2.5, 3.5, 4.5),
    "harmonics": (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0),
}  # fmt: skip
ORDERS = (*_ORDERS, *(f"{name}_clear" for name in _ORDERS))
"""Of each (a sum of) orders the amplitude, and how far it stands out of the noise beside it: ln of power, 0: noise."""
_LINES = np.array([order for orders in _ORDERS.values() for order in orders])
_SUM = np.array([[order in orders for orders in _ORDERS.values()] for order in _LINES], float)
GEARS = ("mesh", "sides", "mesh_clear", "sides_clear")
"""The same of a wheel's mesh, and of its sidebands."""
_QUARTER = -np.log(0.75)
"""Of noise, a quarter of the bins lie below so many times the mean: its power is exponentially distributed."""
_BESIDE = 16
_MESHES = np.array([1.0, 2.0, 3.0])
_SIDES = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
_BETWEEN = np.arange(-3.5, 4.0)
_TINY = 1e-24
_LEAST_HZ, _MOST_HZ = 10.0, 1000.0


@lru_cache(maxsize=8)
def hann(n: int) -> Array:
    """Return the periodic Hann window, float32 [n]."""
    return np.hanning(n + 1)[:-1].astype(np.float32)


def power(x: Array) -> Array:
    """Return the one-sided power spectra [B, F] of bursts [B, n]; each sums to the burst's mean square."""
    n = x.shape[1]
    window = hann(n)
    spectrum = np.fft.rfft(x * window)
    squares = spectrum.real**2 + spectrum.imag**2
    squares *= np.float32(2.0 / (n * float((window**2).sum())))
    squares[:, 0] /= 2
    return np.asarray(squares)


def velocity(power_: Array, hertz: Array) -> Array:
    """Return power spectra of velocity [B, F], in the unit of acceleration times seconds squared; `hertz` is [B, F]."""
    omega = np.float32(2 * np.pi) * np.maximum(hertz, hertz[:, 1:2])
    return np.asarray(power_ / omega**2)


def severity(velocity_: Array, hertz: Array) -> Array:
    """Return the RMS velocity [B] from 10 to 1000 Hz (ISO 20816-1)."""
    inside = (hertz >= _LEAST_HZ) & (hertz <= _MOST_HZ)
    return np.asarray(np.sqrt((velocity_ * inside).sum(1)))


def at(spectrum: Array, place: Array) -> Array:
    """Return the power [B, L] of the lines at `place` [B, L], in bins; 0 beyond the end, NaN where it is not known."""
    known = np.isfinite(place)
    middle = np.where(known, np.rint(np.where(known, place, 0.0)), 0.0).astype(np.intp)
    last = spectrum.shape[1] - 1
    total = np.zeros(place.shape)
    for step in (-1, 0, 1):
        bins = middle + step
        found = np.take_along_axis(spectrum, np.clip(bins, 0, last), axis=1)
        total += np.where((bins >= 1) & (bins <= last), found, 0.0)
    return np.where(known, total, np.nan)


def ln(amplitude_square: Array) -> Array:
    """Return the logarithm of the amplitude of what is given as power."""
    return np.asarray(0.5 * np.log(np.maximum(amplitude_square, _TINY)))


def orders(velocity_: Array, turns: Array) -> Array:
    """Return [B, 12] for `ORDERS`, of bursts in which the shaft makes `turns` [B] turns; NaN below six."""
    turns = np.where(turns >= TURNS, turns, np.nan)[:, None]
    power_ = at(velocity_, turns * _LINES) @ _SUM
    noise = APART * _noise(velocity_, turns, _LINES) @ _SUM
    return np.concatenate([ln(power_), np.log(np.maximum(power_, _TINY) / np.maximum(noise, _TINY))], axis=1)


def _noise(spectrum: Array, turns: Array, lines: Array) -> Array:
    """Return the noise a bin [B, L] about the orders `lines`: from the lowest quarter of the bins within one order."""
    steps = np.linspace(-1.0, 1.0, 2 * _BESIDE + 1)
    place = np.where(np.isfinite(turns), turns, 0.0)[:, :, None] * np.maximum(lines[:, None] + steps, 0.0)
    bins = np.clip(np.rint(place), 1, spectrum.shape[1] - 1).astype(np.intp)
    found = np.take_along_axis(spectrum, bins.reshape(len(bins), -1), axis=1).reshape(bins.shape)
    quarter = _BESIDE // 2
    return np.asarray(np.partition(found, quarter, axis=2)[:, :, quarter] / _QUARTER)


def meshing(power_: Array, turns: Array, mesh: float, ratio: float) -> Array:
    """Return [B, 4] for `GEARS`: of three harmonics of the mesh, and of the sidebands about two.

    `mesh` is in orders of the shaft that makes `turns` [B] turns; sidebands stand at the turns of the wheel itself,
    `ratio` for one of that shaft, and need six of its own, as orders do.
    """
    own = np.where(turns * ratio >= TURNS, turns * ratio, np.nan)[:, None]
    middle = mesh / ratio * _MESHES
    around = (middle[:2, None] + _SIDES).ravel()
    # What is as strong between the lines, as the noise of a resonance is, is no line.
    between = at(power_, own * (middle[:, None] + _BETWEEN).ravel()).reshape(len(power_), len(middle), len(_BETWEEN))
    lines = np.stack([at(power_, own * middle).sum(1), at(power_, own * around).sum(1)], axis=1)
    noise = np.stack([between.mean(2).sum(1), len(_SIDES) * between[:, :2].mean(2).sum(1)], axis=1)
    return np.concatenate([ln(lines), np.log(np.maximum(lines, _TINY) / np.maximum(noise, _TINY))], axis=1)


def rahmonic(power_: Array, rate: Array) -> Array:
    """Return [B, 2]: how far the strongest peak of the real cepstrum stands out (ln), and its rate of repetition in Hz.

    A family of lines at equal distances, as impacts make it at whatever speed, is one peak there (Randall, Vibration-
    based Condition Monitoring, 2011, section 3.6). Looked for between 2.5 ms and a quarter of the burst.
    """
    cepstrum = np.fft.irfft(np.log(np.maximum(power_, power_.mean(1, keepdims=True) * 1e-6)))
    n = cepstrum.shape[1]
    quefrency = np.arange(n // 4)
    allowed = quefrency >= rate[:, None] / 400.0
    part = cepstrum[:, : n // 4]
    peak = np.where(allowed, part, -np.inf).argmax(1)
    rows = np.arange(len(part))
    fine = allowed.any(1)
    usual = np.full(len(part), np.nan)
    usual[fine] = np.nanmedian(np.where(allowed, np.abs(part), np.nan)[fine], axis=1)
    told = np.log(np.maximum(part[rows, peak], _TINY) / np.maximum(usual, _TINY))
    return np.stack([np.where(fine, told, np.nan), np.where(fine, rate / np.maximum(peak, 1), np.nan)], axis=1)

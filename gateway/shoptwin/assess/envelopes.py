"""Envelopes of bursts in the band where impacts show best, and the lines of bearing defects in their spectra.

Impacts of whatever cause are looked for in the band that the kurtogram chooses (Antoni, Fast computation of the
kurtogram, Mechanical Systems and Signal Processing 21 (2007)): the one of twelve whose envelope is the most impulsive.
Where a bearing's frequencies are known, its lines are looked for in all bands at once, each by its own mean: the band
with the hardest knocks need not be the one that the bearing rings in (Abboud and others, Mechanical Systems and Signal
Processing 119 (2019), call it the improved envelope spectrum). The spectra are those of the squared envelope (Randall
and Antoni, Mechanical Systems and Signal Processing 25 (2011), section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from shoptwin.assess.spectra import APART, hann

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.domain.kinematics import Defects

    Array: TypeAlias = NDArray[np.floating]

DEFECTS = ("outer", "inner", "ball", "cage")
_LEVELS = (4, 8)
"""Into how many bands the spectrum is divided, once and again."""
_TAPER = 32
"""A part of so many at both ends is faded in and out before filtering, and left out of the envelope after it."""
_REACH = 4
"""Bins to both sides that a line of a rolling, slipping bearing is looked for at most."""
_SLIP = 0.01
_TINY = 1e-30


class Envelope(NamedTuple):
    """Spectra of squared envelopes: of each burst the modulation power, as a share of the mean square."""

    spectrum: Array
    """[B, M] in the chosen band; NaN beyond what that can tell."""
    seconds: Array
    """[B] length of the envelope: a bin is 1 / seconds."""
    every: Array
    """[B, N] the mean over the narrow bands, of the same length."""
    kurtosis: Array
    """[B] ln of 1 and more: 2 for noise, more for impacts, less for tones."""
    hertz: Array
    """[B] middle of the band that was chosen."""


def envelope(x: Array, rate: Array) -> Envelope:
    """Return the envelope spectra of bursts [B, n], sampled at `rate` [B] Hz."""
    size, n = x.shape
    spectrum = np.fft.rfft(x * _fade(n))
    found = [_level(spectrum, n, bands) for bands in _LEVELS]
    impulsive = np.concatenate([k for _, k in found], axis=1)
    best = impulsive.argmax(1)
    rows = np.arange(size)
    longest = max(s.shape[2] for s, _ in found)
    out = np.full((size, (longest - 2 * (longest // _TAPER)) // 2 + 1), np.nan)
    seconds, middle, first = np.empty(size), np.empty(size), 0
    for bands, (squares, _) in zip(_LEVELS, found, strict=True):
        mine = rows[(best >= first) & (best < first + bands)]
        band = best[mine] - first
        first += bands
        if not len(mine):
            continue
        edge = squares.shape[2] // _TAPER
        part = squares[mine, band, edge : squares.shape[2] - edge]
        modulation = _modulation(part)
        out[mine, : modulation.shape[1]] = modulation
        seconds[mine] = part.shape[1] / squares.shape[2] * n / rate[mine]
        middle[mine] = (band + 0.5) / bands * rate[mine] / 2
    return Envelope(out, seconds, _every(found[-1][0]), np.log(np.maximum(impulsive[rows, best], 1.0)), middle)


def _every(squares: Array) -> Array:
    """Return the mean [B, N] of the modulation of all bands [B, bands, m] but the lowest."""
    edge = squares.shape[2] // _TAPER
    inner = squares[:, 1:, edge : squares.shape[2] - edge]
    size, bands, m = inner.shape
    return np.asarray(_modulation(inner.reshape(-1, m)).reshape(size, bands, -1).mean(1))


def strongest(found: Envelope) -> Array:
    """Return [B, 2]: how far the strongest line of the envelope stands out (ln of power), and its frequency in Hz."""
    lines = np.where(np.isnan(found.spectrum), 0.0, found.spectrum)
    lines[:, : int(APART)] = 0.0
    best = lines.argmax(1)
    height = lines[np.arange(len(lines)), best]
    return np.stack([np.log(np.maximum(height, _TINY) / _floor(found.spectrum)), best / found.seconds], axis=1)


def bearing(found: Envelope, shaft: Array, orders: Defects) -> Array:
    """Return how far the lines of each of DEFECTS stand out, ln of power [B, 4]; `shaft` [B] is in Hz.

    Inner race defects pass the load zone once a turn, balls once a turn of the cage: there the sidebands count too.
    NaN where the burst is too short to tell a defect from the others, or from standing still.
    """
    turns = shaft * found.seconds
    own = (orders.outer + orders.inner) * orders.cage / orders.outer
    families = (
        _family(orders.outer, 0.0), _family(orders.inner, own), _family(orders.ball, orders.cage),
        _family(orders.cage, 0.0),
    )  # fmt: skip
    floor = _floor(found.every)
    columns = []
    for i, family in enumerate(families):
        others = np.array([order for j, order in enumerate(orders) if j != i])
        told = turns * min(float(np.abs(others - orders[i]).min()), orders[i]) >= APART
        heights = _peaks(found.every, np.where(told, turns, np.nan)[:, None] * np.array([o for o, _ in family]))
        weights = np.array([w for _, w in family]) * np.isfinite(heights)
        height = (np.nan_to_num(heights) * weights).sum(1) / np.maximum(weights.sum(1), _TINY)
        known = told & (weights[:, 0] > 0)
        columns.append(np.where(known, np.log(np.maximum(height, _TINY) / floor), np.nan))
    return np.stack(columns, axis=1)


def each_turn(found: Envelope, shaft: Array) -> Array:
    """Return how far the lines of what strikes once a turn stand out, ln of power [B]; `shaft` [B] is in Hz."""
    turns = shaft * found.seconds
    heights = _peaks(found.every, np.where(turns >= APART, turns, np.nan)[:, None] * np.array([1.0, 2.0, 3.0]))
    return np.asarray(np.log(np.maximum(heights.mean(1), _TINY) / _floor(found.every)))


def _family(order: float, aside: float) -> Sequence[tuple[float, float]]:
    """Return the lines of a defect with their weights: three harmonics, and the sidebands of the first two."""
    lines = [(order * k, 1.0) for k in (1, 2, 3)]
    if aside:
        lines += [(order * k + side * aside, 0.5) for k in (1, 2) for side in (-1, 1)]
    return lines


def _peaks(spectrum: Array, place: Array) -> Array:
    """Return the highest power [B, L] near `place` [B, L], in bins: a bin, or the slip of a bearing, to both sides."""
    known = np.isfinite(place) & (place >= 1)
    middle = np.rint(np.where(known, place, 0.0)).astype(np.intp)
    reach = np.clip(np.rint(_SLIP * np.where(known, place, 0.0)), 1, _REACH)
    last = spectrum.shape[1] - 1
    highest = np.full(place.shape, -np.inf)
    for step in range(-_REACH, _REACH + 1):
        bins = middle + step
        found = np.take_along_axis(spectrum, np.clip(bins, 0, last), axis=1)
        inside = (np.abs(step) <= reach) & (bins >= 1) & (bins <= last) & np.isfinite(found)
        highest = np.where(inside, np.maximum(highest, np.where(inside, found, 0.0)), highest)
    return np.where(known & np.isfinite(highest), highest, np.nan)


def _floor(spectrum: Array) -> Array:
    return np.asarray(np.maximum(np.nanmedian(spectrum, axis=1), _TINY))


def _level(spectrum: NDArray[np.complexfloating], n: int, bands: int) -> tuple[Array, Array]:
    """Return the squared envelopes [B, bands, m] of equal bands, and their kurtosis [B, bands].

    The lowest band is never chosen: shaft and mesh stand there, which are tones, not impacts.
    """
    width = n // 2 // bands
    parts = spectrum[:, 1 : 1 + bands * width].reshape(len(spectrum), bands, width)
    signal = np.fft.ifft(parts)
    squares = signal.real**2 + signal.imag**2
    edge = width // _TAPER
    inner = squares[:, :, edge : width - edge]
    impulsive = (inner**2).mean(2) / np.maximum(inner.mean(2) ** 2, _TINY)
    impulsive[:, 0] = -np.inf
    return squares, impulsive


def _modulation(squares: Array) -> Array:
    """Return the power spectra [B, M] of squared envelopes [B, m], as a share of their mean's square."""
    mean = np.maximum(squares.mean(1, keepdims=True), _TINY)
    m = squares.shape[1]
    lines = np.fft.rfft((squares / mean - 1.0) * hann(m))
    return np.asarray((lines.real**2 + lines.imag**2) * (2.0 / (m * float((hann(m) ** 2).sum()))))


def _fade(n: int) -> Array:
    """Return a window [n] that fades in and out, so that the ends of a burst are no impact."""
    edge = n // _TAPER
    window = np.ones(n, np.float32)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / max(edge, 1))
    window[:edge], window[n - edge :] = rise, rise[::-1]
    return window

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin_plant.physics import bearing
from shoptwin_plant.physics.bearing import RATE, Condition, Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEED = 24.7


def bursts(count: int = 24, **condition: float) -> list[NDArray[np.float32]]:
    """Return bursts of a machine at nominal speed and 60 % load unless told otherwise."""
    state = Condition(**({"speed": SPEED, "load": 0.6} | condition))
    return [bearing.waveform(state, np.random.default_rng(seed)) for seed in range(count)]


def kurtosis(samples: NDArray[np.float32]) -> float:
    """Return the fourth moment about the mean over the square of the second: 3 for Gaussian noise."""
    x = samples - samples.mean(dtype=np.float64)
    return float(np.mean(x**4) / np.mean(x**2) ** 2)


def envelope(waves: list[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return orders of the shaft and the mean envelope spectrum of the band 2 to 6.5 kHz."""
    n = len(waves[0])
    frequencies = np.fft.fftfreq(n, 1 / RATE)
    analytic = np.where((frequencies > 2000) & (frequencies < 6500), 2.0, 0.0)
    total = np.zeros(n // 2 + 1)
    for wave in waves:
        squared = np.abs(np.fft.ifft(np.fft.fft(wave) * analytic)) ** 2
        total += np.abs(np.fft.rfft((squared - squared.mean()) * np.hanning(n)))
    return np.fft.rfftfreq(n, 1 / RATE) / SPEED, total


def peak(waves: list[NDArray[np.float32]], above: float = 0.5, below: float = 8.0) -> float:
    """Return the order of the strongest line of the envelope spectrum."""
    orders, spectrum = envelope(waves)
    band = (orders > above) & (orders < below)
    return float(orders[band][spectrum[band].argmax()])


def test_defect_frequencies_are_those_of_the_catalogue() -> None:
    """For a 6205 they are 3.585, 5.415, 2.357 and 0.398 times the shaft's, as published for the CWRU rig."""
    skf_6205 = Geometry(balls=9, ball=7.94, pitch=39.04)
    figures = skf_6205.bpfo, skf_6205.bpfi, skf_6205.bsf, skf_6205.ftf
    np.testing.assert_allclose(figures, (3.585, 5.415, 2.357, 0.398), atol=2e-3)
    assert skf_6205.bpfo + skf_6205.bpfi == pytest.approx(9)


def test_a_healthy_bearing_sounds_like_noise() -> None:
    """The kurtosis is about 3 and the velocity lies in zone A of ISO 20816-3 (below 1.4 mm/s for group 2, rigid)."""
    waves = bursts()
    assert np.mean([kurtosis(wave) for wave in waves]) == pytest.approx(3, abs=0.1)
    assert np.mean([bearing.velocity_rms(wave, RATE) for wave in waves]) < 1.4
    assert waves[0].shape == (8192,)
    assert waves[0].dtype == np.float32


@pytest.mark.parametrize("severity", [0.15, 0.5, 1.0])
def test_an_outer_race_defect_peaks_at_bpfo(severity: float) -> None:
    """The envelope spectrum's strongest line is the ball pass frequency of the outer race, from early on."""
    assert peak(bursts(outer=severity)) == pytest.approx(Geometry().bpfo, abs=0.13)


def test_an_inner_race_defect_peaks_at_bpfi_with_shaft_sidebands() -> None:
    """Each turn the defect goes through the load zone: lines at the shaft's frequency and beside BPFI."""
    waves = bursts(inner=0.5)
    bpfi = Geometry().bpfi
    assert peak(waves, above=3.5, below=7) == pytest.approx(bpfi, abs=0.13)
    orders, spectrum = envelope(waves)

    def line(order: float) -> float:
        return float(spectrum[np.abs(orders - order) < 0.13].max())

    floor = np.median(spectrum[(orders > 0.5) & (orders < 8)])
    for order in (1, bpfi - 1, bpfi + 1):
        assert line(order) > 3 * floor


def test_a_ball_defect_strikes_twice_a_turn_of_the_ball() -> None:
    """The strongest line is twice the ball's spin frequency."""
    assert peak(bursts(ball=0.5)) == pytest.approx(2 * Geometry().bsf, abs=0.13)


def test_healthy_bursts_have_no_line_at_a_defect_frequency() -> None:
    """What the other tests find is the defect, not the machine."""
    orders, spectrum = envelope(bursts())
    floor = np.median(spectrum[(orders > 0.5) & (orders < 8)])
    for order in (Geometry().bpfo, Geometry().bpfi, 2 * Geometry().bsf):
        assert spectrum[np.abs(orders - order) < 0.1].max() < 2 * floor


def test_wear_shows_in_the_kurtosis_before_it_shows_in_the_levels() -> None:
    """At a fifth of full severity the kurtosis has risen by half, the velocity by less than a third."""
    healthy, early, late = bursts(), bursts(outer=0.2), bursts(outer=1.0)
    assert np.mean([kurtosis(w) for w in early]) > 4.5
    velocity = [np.mean([bearing.velocity_rms(w, RATE) for w in waves]) for waves in (healthy, early, late)]
    assert velocity[1] < 1.33 * velocity[0]
    assert velocity[2] > 2.8
    assert np.mean([bearing.acceleration_rms(w) for w in late]) > 4 * bearing.acceleration_rms(healthy[0])


def test_imbalance_grows_the_shaft_frequency_and_with_the_square_of_the_speed() -> None:
    """The line at 1x grows ninefold, and is a quarter at half the speed."""

    def first_order(speed: float, imbalance: float) -> float:
        spectra = [np.abs(np.fft.rfft(w * np.hanning(len(w)))) for w in bursts(speed=speed, imbalance=imbalance)]
        frequencies = np.fft.rfftfreq(bearing.SAMPLES, 1 / RATE)
        near = np.abs(frequencies - speed) < 4
        return float(np.mean(spectra, 0)[near].max() / (2 * np.pi * speed))

    assert first_order(SPEED, 1) > 7 * first_order(SPEED, 0)
    assert first_order(SPEED, 1) / first_order(SPEED / 2, 1) == pytest.approx(4, rel=0.15)


def test_misalignment_grows_twice_the_shaft_frequency() -> None:
    """The line at 2x is stronger in velocity than that at 1x."""
    spectrum = np.mean([np.abs(np.fft.rfft(w * np.hanning(len(w)))) for w in bursts(misalignment=1)], 0)
    frequencies = np.fft.rfftfreq(bearing.SAMPLES, 1 / RATE)
    lines = [spectrum[np.abs(frequencies - k * SPEED) < 4].max() / k for k in (1, 2)]
    assert lines[1] > 1.5 * lines[0]


def test_a_motor_that_stands_is_quiet() -> None:
    """At speed 0 only the sensor's own noise is left, whatever is broken."""
    assert bearing.acceleration_rms(bursts(1, speed=0.0, outer=1.0)[0]) < 0.01


@given(frequency=st.floats(12, 900), velocity=st.floats(0.1, 30))
def test_velocity_rms_of_a_sine(frequency: float, velocity: float) -> None:
    """A sine of v mm/s peak within 10 to 1000 Hz is v / sqrt(2), measured from acceleration in g."""
    time = np.arange(25_600) / RATE
    g = velocity / 1000 * 2 * np.pi * frequency / bearing.GRAVITY * np.cos(2 * np.pi * frequency * time)
    assert bearing.velocity_rms(g.astype(np.float32), RATE) == pytest.approx(velocity / np.sqrt(2), rel=0.02)


def test_impulses_slip_by_about_one_percent() -> None:
    """The spacing has the mean of the frequency and a standard deviation of 1 % of it."""
    spacing = np.diff(bearing.impulse_times(75.0, 400.0, np.random.default_rng(1)))
    assert spacing.mean() == pytest.approx(1 / 75, rel=1e-3)
    assert spacing.std() * 75 == pytest.approx(0.01, rel=0.05)


def test_the_load_zone_is_stribecks() -> None:
    """Full load in its direction, none at the far side, less to both sides alike."""
    load = bearing.load_zone(np.array([0.0, 0.5, -0.5, np.pi]))
    assert load[0] == 1
    assert load[3] == 0
    assert load[1] == load[2] < 1


def test_the_same_generator_gives_the_same_burst() -> None:
    """A burst depends on the condition and the generator alone."""
    np.testing.assert_array_equal(bursts(1, outer=0.3)[0], bursts(1, outer=0.3)[0])

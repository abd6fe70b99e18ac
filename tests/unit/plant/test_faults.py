"""Each fault shows where its physics says, in the machine's own signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from shoptwin.domain.errors import ConfigError
from shoptwin_plant.faults import KINDS
from shoptwin_plant.machines import Mill, Press, simulated
from shoptwin_plant.physics import bearing, shaft
from shoptwin_plant.physics.bearing import RATE, Condition
from shoptwin_plant.physics.production import HOUR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin_plant.simulated import Simulated

EPOCH = 1_700_000_000 * 10**9
SECOND = 10**9
SPEED = 24.7


def mean(kind: type[Simulated], fault: str = "", tag: str = "", hours: int = 3) -> dict[str, float]:
    """Return the mean of each tag over the last two of some hours with a fault that is full from the start."""
    machine = kind(1, EPOCH, 3600.0)
    if fault:
        machine.faults.inject(fault, EPOCH, tag=tag)
    sums: dict[str, list[float]] = {}
    for second in range(0, hours * HOUR, 60):
        for updates in machine.advance(EPOCH + second * SECOND):
            for update in updates:
                if second >= HOUR and not isinstance(update.value, np.ndarray):
                    sums.setdefault(update.tag, []).append(float(update.value))
    return {name: float(np.mean(values)) for name, values in sums.items()}


@pytest.mark.parametrize(
    ("kind", "fault", "moves"),
    [
        (Press, "lubrication", {"vib_acc": 2.0, "motor_temp": 1.1, "power": 1.01}),
        (Press, "looseness", {"vib_velocity": 3.0}),
        (Press, "bearing-cage", {"vib_acc": 1.5}),
        (Press, "gear-tooth", {"vib_acc": 1.3}),
        (Press, "phase-imbalance", {"current_l1": 1.1, "current_l2": 0.95, "motor_temp": 1.1}),
        (Press, "rotor-bar", {"speed": 0.997, "vib_velocity": 1.3, "motor_temp": 1.05}),
        (Mill, "belt-slip", {"spindle_speed": 0.97, "spindle_temp": 1.1}),
        (Mill, "tool-wear", {"load": 1.4, "power": 1.2, "vib": 1.8}),
        (Mill, "friction", {"axis_current": 1.5, "power": 1.05}),
        (Mill, "coolant-filter", {"coolant_flow": 0.5, "coolant_pressure": 1.3}),
        (Mill, "pump-wear", {"coolant_flow": 0.7, "coolant_pressure": 0.65}),
    ],
)
def test_a_fault_moves_the_signals_that_its_physics_moves(
    kind: type[Simulated], fault: str, moves: dict[str, float]
) -> None:
    """Against the same machine without it, each of its signals has risen or fallen by at least this factor."""
    whole, ill = mean(kind), mean(kind, fault)
    for tag, factor in moves.items():
        ratio = ill[tag] / whole[tag]
        assert ratio > factor if factor > 1 else ratio < factor, (tag, ratio)
    others = {"ambient", "speed_setpoint", "fan_current"} & whole.keys()
    assert all(ill[tag] == pytest.approx(whole[tag], rel=1e-9) for tag in others)


def spectrum(count: int = 12, **condition: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies and mean velocity spectrum of some bursts at nominal speed."""
    state = Condition(SPEED, 0.6, **condition)
    waves = [bearing.waveform(state, np.random.default_rng(seed)) for seed in range(count)]
    frequencies = np.fft.rfftfreq(len(waves[0]), 1 / RATE)
    total = np.mean([np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) for wave in waves], 0)
    return frequencies, total / np.maximum(frequencies, 1)


def line(spectrum: tuple[NDArray[np.float64], NDArray[np.float64]], frequency: float) -> float:
    """Return the height of a line of a spectrum."""
    frequencies, height = spectrum
    return float(height[np.abs(frequencies - frequency) < 4].max())


@pytest.mark.parametrize(
    ("condition", "frequency"),
    [
        ("looseness", 1.5 * SPEED), ("looseness", 5 * SPEED), ("phases", 100.0), ("tooth", shaft.TEETH * SPEED),
        ("tooth", (shaft.TEETH + 1) * SPEED),
    ],
)  # fmt: skip
def test_a_fault_has_its_line_in_the_spectrum(condition: str, frequency: float) -> None:
    """The line that ISO 13373-3 names for it is at least twice what it was."""
    assert line(spectrum(**{condition: 1.0}), frequency) > 2 * line(spectrum(), frequency)


def test_an_ill_tooth_strikes_once_a_turn() -> None:
    """The blows lie one turn of the shaft apart: the kurtosis rises and the envelope repeats with the speed."""
    waves = [bearing.waveform(Condition(SPEED, 0.6, tooth=t), np.random.default_rng(1)) for t in (0.0, 0.7)]
    fourth = [float(np.mean((w - w.mean()) ** 4) / np.var(w) ** 2) for w in waves]
    assert fourth[1] > 1.5 * fourth[0]


def test_lack_of_grease_is_heard_at_high_frequencies() -> None:
    """At 40 % of its severity the noise beyond 2 kHz has risen by 8 dB, the velocity hardly."""
    state = [Condition(SPEED, 0.6, dry=d) for d in (0.0, 0.4)]
    waves = [bearing.waveform(s, np.random.default_rng(1)) for s in state]
    high = [float(np.sum(np.abs(np.fft.rfft(w)[np.fft.rfftfreq(len(w), 1 / RATE) > 2500]) ** 2)) for w in waves]
    assert 4 < 10 * np.log10(high[1] / high[0]) < 9
    assert bearing.velocity_rms(waves[1], RATE) < 1.5 * bearing.velocity_rms(waves[0], RATE)


def test_a_clipped_sensor_shows_no_more_than_a_part_of_its_range() -> None:
    """Values below the ceiling are as they were, none is above it."""
    low, high = Mill.sensors["load"]
    whole, clipped = mean(Mill), mean(Mill, "sensor-clipped", "load")
    assert clipped["load"] <= high - 0.6 * (high - low) + 1e-9
    assert clipped["load"] < 0.8 * whole["load"]
    assert clipped["power"] == whole["power"]


def test_swapped_sensors_show_each_other() -> None:
    """Spindle and housing change places, nothing else does; a sensor without a twin cannot be swapped."""
    whole, swapped = mean(Mill), mean(Mill, "sensor-swapped")
    assert swapped["spindle_temp"] == whole["housing_temp"]
    assert swapped["housing_temp"] == whole["spindle_temp"]
    with pytest.raises(ConfigError, match="no sensor 'power'"):
        Mill(1, EPOCH).faults.inject("sensor-swapped", EPOCH, tag="power")


def test_each_kind_befalls_some_machine() -> None:
    """There are at least twenty, and none that no machine can have."""
    able = {name for machine in simulated(1, EPOCH, 1.0) for name in machine.faults.supported}
    assert able == set(KINDS)
    assert len(KINDS) >= 20

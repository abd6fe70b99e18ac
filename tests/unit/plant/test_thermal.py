from __future__ import annotations

import math

import pytest

from shoptwin_plant.physics.thermal import Thermal, ambient

HOUR = 3600


def run(
    thermal: Thermal, state: tuple[float, float], losses: float, airflow: float, seconds: int
) -> tuple[float, float]:
    """Let constant losses act for some seconds in air of 20 degC."""
    for _ in range(seconds):
        state = thermal.step(state, losses, 20.0, airflow)
    return state


def test_constant_losses_lead_to_the_steady_temperatures() -> None:
    """After many time constants the two masses are where the conductances put them."""
    thermal = Thermal()
    winding, housing = run(thermal, (20.0, 20.0), 500.0, 1.0, 4 * HOUR)
    assert housing == pytest.approx(20 + 500 / 40, abs=0.01)
    assert winding == pytest.approx(housing + 500 * thermal.between, abs=0.01)
    assert (winding, housing) == pytest.approx(thermal.steady(500.0, 20.0, 1.0), abs=0.01)


def test_cooling_follows_the_time_constants_of_two_masses() -> None:
    """The slow mode of the free decay has the time constant of the system's matrix, here some 15 minutes."""
    t = Thermal()
    a, d = -1 / (t.between * t.winding), -(1 / t.between + t.conductance(1.0)) / t.housing
    bc = 1 / (t.between * t.winding) / (t.between * t.housing)
    slow = -1 / ((a + d) / 2 + math.sqrt(((a - d) / 2) ** 2 + bc))
    first = run(t, (60.0, 60.0), 0.0, 1.0, 20 * 60)[1] - 20
    later = run(t, (60.0, 60.0), 0.0, 1.0, 30 * 60)[1] - 20
    assert 600 / math.log(first / later) == pytest.approx(slow, rel=0.01)
    assert 10 * 60 < slow < 20 * 60


def test_a_failing_fan_raises_the_temperature_at_the_same_load_and_slows_it() -> None:
    """With a sixth of the air the spindle gets more than 15 K hotter, and takes longer for it."""
    thermal = Thermal()
    whole, failed = thermal.steady(550.0, 20.0, 1.0)[0], thermal.steady(550.0, 20.0, 0.15)[0]
    assert failed - whole > 15
    after = run(thermal, thermal.steady(550.0, 20.0, 1.0), 550.0, 0.15, 15 * 60)[0]
    assert whole + 5 < after < failed - 5


def test_the_hall_is_coolest_at_three_and_warmest_at_fifteen() -> None:
    """The ambient temperature has a daily cycle."""
    hours = [ambient(h * HOUR * 10**9) for h in range(24)]
    assert hours.index(min(hours)) == 3
    assert hours.index(max(hours)) == 15
    assert 5 < max(hours) - min(hours) < 10

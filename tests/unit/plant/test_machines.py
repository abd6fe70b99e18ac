from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shoptwin.domain.errors import ConfigError
from shoptwin_plant.machines import Mill, Packer, Press, simulated
from shoptwin_plant.physics import bearing
from shoptwin_plant.physics.production import HOUR, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin_plant.simulated import Simulated

EPOCH = 1_700_000_000 * 10**9
SECOND = 10**9


def history(machine: Simulated, seconds: Iterable[float]) -> dict[str, list[tuple[int, Any]]]:
    """Advance to each of some seconds, and return all that was told, by tag, as (second, value)."""
    told: dict[str, list[tuple[int, Any]]] = {tag.name: [] for tag in machine.tags}
    for second in seconds:
        for updates in machine.advance(EPOCH + int(second * SECOND)):
            for update in updates:
                told[update.tag].append(((update.time - EPOCH) // SECOND, update.value))
    return told


def values(told: list[tuple[int, Any]]) -> np.ndarray:
    """Return the values of one tag alone."""
    return np.array([value for _, value in told])


def test_the_same_seed_gives_the_same_values_at_the_same_times_however_it_is_paced() -> None:
    """Asking each second or each half minute, slow clock or fast, tells the same at the same plant time."""
    for fine, coarse in zip(simulated(5, EPOCH, 1.0), simulated(5, EPOCH, 300.0), strict=True):
        each = history(fine, range(1201))
        some = history(coarse, range(0, 1201, 30))
        for tag, told in some.items():
            at = dict(each[tag])
            assert len(told) > 10
            for second, value in told:
                assert np.array_equal(at[second], value), (fine.name, tag, second)


def test_another_seed_is_another_plant() -> None:
    """Noise, orders and stops differ."""
    one, other = (history(Press(seed, EPOCH), range(0, 600, 10)) for seed in (1, 2))
    assert (values(one["power"]) != values(other["power"])).all()


def test_power_tells_the_state() -> None:
    """Each machine's power by state keeps to its band, and the configured thresholds lie between the bands."""
    for kind in (Press, Mill, Packer):
        machine = kind(1, EPOCH, 3600.0)
        seen: dict[State, list[float]] = {state: [] for state in State}
        for second in range(0, 17 * HOUR, 60):
            for updates in machine.advance(EPOCH + second * SECOND):
                power = next(update.value for update in updates if update.tag == "power")
                seen[machine.state].append(power)
        assert all(seen.values()), "a state did not occur"
        assert max(seen[State.OFF]) < min(seen[State.STANDBY])
        assert max(seen[State.STANDBY]) < min(seen[State.IDLE])
        assert max(seen[State.IDLE]) < min(seen[State.PRODUCING])
        off, idle = machine.setup.power_off, machine.setup.power_idle
        if off is not None and idle is not None:
            assert max(seen[State.STANDBY] + seen[State.DOWN]) < off < min(seen[State.IDLE])
            assert max(seen[State.IDLE]) < idle < min(seen[State.PRODUCING])


def test_counters_never_fall_and_rejects_are_a_part_of_the_count() -> None:
    """Over a day the counter grows by the parts made, and by none while the machine is off."""
    told = history(Packer(1, EPOCH), range(0, 24 * HOUR, 30))
    count, rejects, state = values(told["count"]), values(told["rejects"]), values(told["state"])
    assert (np.diff(count) >= 0).all()
    assert (np.diff(rejects) >= 0).all()
    assert 0.01 < rejects[-1] / count[-1] < 0.025
    off = (state[1:] == State.OFF) & (state[:-1] == State.OFF)
    assert (np.diff(count)[off] == 0).all()


@pytest.mark.parametrize(("fault", "tag", "moves"), [("heater", "seal_temp", -1), ("leak", "pressure", -1)])
def test_rejects_rise_when_the_process_deviates(fault: str, tag: str, moves: int) -> None:
    """A failing heater or a leak moves its process value, and with it the share of bad bags."""
    machine = Packer(1, EPOCH)
    before = history(machine, range(0, 2 * HOUR, 10))
    machine.faults.inject(fault, EPOCH + 2 * HOUR * SECOND, 20 * 60 * SECOND)
    after = history(machine, range(2 * HOUR, 3 * HOUR, 10))
    assert np.sign(values(after[tag])[-1] - values(before[tag])[-1]) == moves
    share = [np.ptp(values(t["rejects"])) / np.ptp(values(t["count"])) for t in (before, after)]
    assert share[1] > 5 * share[0]


def test_bad_material_raises_rejects_while_the_process_is_right() -> None:
    """The fault more-rejects leaves temperature and pressure as they were."""
    machine = Packer(1, EPOCH)
    machine.faults.inject("more-rejects", EPOCH)
    told = history(machine, range(0, HOUR, 10))
    assert np.ptp(values(told["rejects"])) / np.ptp(values(told["count"])) > 0.3
    assert abs(values(told["seal_temp"]) - 165).max() < 6


def test_a_failing_fan_heats_the_spindle_at_the_same_load() -> None:
    """Against the same machine without the fault, load and power are the same and the spindle is much hotter."""
    whole, failing = Mill(1, EPOCH), Mill(1, EPOCH)
    failing.faults.inject("fan", EPOCH, 10 * 60 * SECOND)
    one, other = (history(machine, range(0, 2 * HOUR, 10)) for machine in (whole, failing))
    np.testing.assert_array_equal(values(one["load"]), values(other["load"]))
    np.testing.assert_array_equal(values(one["power"]), values(other["power"]))
    assert values(other["spindle_temp"])[-1] > values(one["spindle_temp"])[-1] + 12
    assert values(other["fan_current"])[-1] < values(one["fan_current"])[-1]


def test_a_healthy_spindle_stays_below_its_limit() -> None:
    """A day without a fault raises no limit alarm."""
    told = history(Mill(1, EPOCH), range(0, 24 * HOUR, 20))
    assert values(told["spindle_temp"]).max() < 70


def test_the_levels_are_those_of_the_waveform_of_the_same_moment() -> None:
    """The wireless sensor's registers are computed from the burst that is served beside them."""
    told = history(Press(1, EPOCH), range(61))
    assert [second for second, _ in told["acc"]] == [0, 10, 20, 30, 40, 50, 60]
    for (at, velocity), (_, level), (second, samples) in zip(
        told["vib_velocity"], told["vib_acc"], told["acc"], strict=True
    ):
        burst = np.array(samples, np.float32)
        assert at == second
        assert velocity == pytest.approx(bearing.velocity_rms(burst, bearing.RATE), rel=1e-5)
        assert level == pytest.approx(bearing.acceleration_rms(burst), rel=1e-5)


def test_bearing_wear_grows_over_plant_time() -> None:
    """The acceleration rises over the given time, slowly first, and stays at its full height."""
    machine = Press(1, EPOCH)
    machine.faults.inject("bearing-outer", EPOCH + 600 * SECOND, 2400 * SECOND)
    level = dict(history(machine, range(0, 3600, 10))["vib_acc"])

    def mean(begin: int) -> float:
        return float(np.mean([level[s] for s in range(begin, begin + 120, 10)]))

    assert mean(1800) < 0.6
    assert mean(2400) > 1.4 * mean(0)
    assert mean(3100) > 4 * mean(0)
    assert mean(3400) == pytest.approx(mean(3100), rel=0.25)
    assert machine.faults.clear("bearing-outer") == 1
    assert dict(history(machine, range(3600, 3800, 10))["vib_acc"])[3700] < 0.4


def test_a_fast_clock_limits_the_bursts_of_a_real_second() -> None:
    """At 600 plant seconds a second a burst comes each 150 s, four a real second."""
    told = history(Press(1, EPOCH, 600.0), range(0, 601, 10))
    assert [second for second, _ in told["acc"]] == [0, 150, 300, 450, 600]


def test_sensor_faults_spoil_one_tag_alone() -> None:
    """Stuck holds the value, spikes jump now and then, drift adds up; the process goes on underneath."""
    whole = history(Mill(1, EPOCH), range(600))
    told = {}
    for fault in ("sensor-stuck", "sensor-spikes", "sensor-drift"):
        machine = Mill(1, EPOCH)
        machine.faults.inject(fault, EPOCH + 100 * SECOND, 0, tag="power")
        told[fault] = history(machine, range(600))
        np.testing.assert_array_equal(values(told[fault]["spindle_temp"]), values(whole["spindle_temp"]))
        np.testing.assert_array_equal(values(told[fault]["power"])[:100], values(whole["power"])[:100])
    power = values(whole["power"])[100:]
    assert len(set(values(told["sensor-stuck"]["power"])[100:])) == 1
    assert 0.03 < np.mean(values(told["sensor-spikes"]["power"])[100:] != power) < 0.15
    np.testing.assert_allclose(values(told["sensor-drift"]["power"])[100:], 1.2 * power)


def test_a_fault_that_a_machine_cannot_have_is_refused_with_those_it_can() -> None:
    """So is a tag that no sensor has, and a growth that is not known."""
    faults = Mill(1, EPOCH).faults
    with pytest.raises(ConfigError, match="no fault 'bearing-outer'") as caught:
        faults.inject("bearing-outer", EPOCH)
    assert "fan" in caught.value.hint
    for arguments in ({"tag": "parts"}, {"growth": "sudden"}):
        with pytest.raises(ConfigError):
            faults.inject("sensor-stuck", EPOCH, **arguments)
    with pytest.raises(ConfigError, match="not a tag"):
        faults.inject("fan", EPOCH, tag="spindle_temp")


def test_growth_is_linear_or_exponential() -> None:
    """Half way, linear is at 0.5 and exponential at less than 0.15; both are full at the end and stay so."""
    faults = Mill(1, EPOCH).faults
    linear = faults.inject("fan", EPOCH, 100)
    sharp = faults.inject("sensor-drift", EPOCH, 100, growth="exponential")
    assert [linear.severity(EPOCH + t) for t in (-1, 0, 50, 100, 1000)] == [0, 0, 0.5, 1, 1]
    assert 0.1 < sharp.severity(EPOCH + 50) < 0.15
    assert sharp.severity(EPOCH + 100) == 1
    assert faults.inject("fan", EPOCH).severity(EPOCH) == 1

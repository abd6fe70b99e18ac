"""What diagnosis reads off a burst: lines of known height, impacts at known rates, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.assess.symptoms import STILL, Kinematics, Look, compute
from shoptwin.domain.batch import Waveform
from shoptwin.domain.kinematics import Bearing, Gear, defects, turns

RATE = 25_600.0
SHAFT = 25.0
BEARING = Bearing("drive end", defects(9, 7.94, 39.04))
TURNING = Kinematics("speed", 1 / 60, (BEARING,), (Gear("pinion", 21.0, 1.0),))


def read(samples, *, kinematics=TURNING, shaft=SHAFT, rate=RATE, unit="m/s2"):
    [row] = compute([Look(Waveform(samples.astype(np.float32), rate), unit, kinematics, shaft)])
    return dict(zip(kinematics.names, row.tolist(), strict=True))


def line(frequency, amplitude=1.0, n=16_384):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(n) / RATE + 0.3)


def noise(n=16_384, seed=1):
    return 0.01 * np.random.default_rng(seed).standard_normal(n)


def knocks(order, n=16_384, seed=2):
    """Impacts `order` times a turn, slipping by 1 %, that ring at 5 kHz."""
    rng = np.random.default_rng(seed)
    count = int(order * SHAFT * n / RATE) + 2
    times = np.cumsum((1 + 0.01 * rng.standard_normal(count)) / (order * SHAFT))
    hits = np.zeros(n)
    at = (times * RATE).astype(int)
    hits[at[at < n]] = 1.0
    t = np.arange(512) / RATE
    return np.convolve(hits, np.exp(-1500 * t) * np.sin(2 * np.pi * 5000 * t))[:n]


def test_the_velocity_of_an_order_is_that_of_its_line():
    """A line of 1 m/s2 at twice the speed is at order2 with the velocity of the textbook, and clear of the noise."""
    told = read(line(2 * SHAFT) + noise())
    assert np.exp(told["order2"]) == pytest.approx(1 / np.sqrt(2) / (2 * np.pi * 2 * SHAFT), rel=0.02)
    assert told["order2_clear"] > np.log(100)
    assert told["order1"] < told["order2"] - 2
    assert told["order3_clear"] < np.log(4)


def test_half_orders_have_a_place_of_their_own():
    """A line at one and a half times the speed is among the odd halves, not at the orders beside it."""
    told = read(line(1.5 * SHAFT) + noise())
    assert told["halves_clear"] > np.log(100)
    assert max(told["order1"], told["order2"]) < told["halves"] - 3


def test_levels_are_in_physical_units():
    """A sine of 1 g at 100 Hz has the RMS acceleration in m/s2 and velocity in mm/s of the textbook."""
    told = read(line(100.0), unit="g")
    rms = 9.80665 / np.sqrt(2)
    assert np.exp(told["acceleration_m_s2"]) == pytest.approx(rms, rel=1e-3)
    assert np.exp(told["velocity_mm_s"]) == pytest.approx(1000 * rms / (2 * np.pi * 100), rel=0.01)


def test_without_a_unit_there_is_no_physical_level():
    """Where the unit is not one of acceleration, its levels are not told, and all else is."""
    told = read(line(100.0), unit="V")
    assert np.isnan(told["acceleration_m_s2"])
    assert np.isfinite(told["impulses"])


def test_a_burst_of_few_turns_tells_no_orders():
    """Below six turns nothing is told of orders and meshes; what needs no speed still is."""
    told = read(line(SHAFT, n=4096) + noise(4096), shaft=SHAFT)
    assert 4096 / RATE * SHAFT < 6
    assert np.isnan([told["order1"], told["harmonics"], told["sides/pinion"]]).all()
    assert np.isfinite([told["line"], told["rahmonic"], told["impulses"]]).all()


@pytest.mark.parametrize("shaft", [np.nan, 0.0])
def test_without_a_speed_nothing_of_it_is_told(shaft):
    """A machine that stands, or whose speed is not known now, has no orders and no defect frequencies."""
    told = read(noise(), shaft=shaft)
    assert all(np.isnan(v) for name, v in told.items() if name.startswith(("order", "outer", "mesh", "each")))


@pytest.mark.parametrize("part", ["outer", "inner", "ball"])
def test_knocks_are_found_at_the_part_that_makes_them(part):
    """Impacts at the frequency of one part of a bearing stand out there, and not at the others."""
    order = getattr(BEARING.orders, part)
    told = read(knocks(order) + noise())
    sound = read(noise())
    heights = {p: told[f"{p}/drive end"] - sound[f"{p}/drive end"] for p in ("outer", "inner", "ball")}
    assert max(heights, key=heights.get) == part
    assert heights[part] > 3
    assert told["impulses"] > sound["impulses"] + 0.5
    assert told["resonance_hz"] > 3000


def test_knocks_show_their_rate_without_a_speed():
    """Where no speed is known, the beat of impacts is told in Hz by envelope and cepstrum."""
    told = read(knocks(3.585) + noise(), kinematics=STILL, shaft=np.nan)
    assert told["line_hz"] == pytest.approx(3.585 * SHAFT, abs=4)


def test_parts_that_are_too_near_are_not_told_apart():
    """Where a burst cannot resolve two frequencies of a bearing, neither is told."""
    near = Bearing("near", defects(9, 7.94, 39.04)._replace(ball=defects(9, 7.94, 39.04).outer + 0.1))
    told = read(knocks(3.585) + noise(), kinematics=Kinematics("speed", 1 / 60, (near,)))
    assert np.isnan([told["outer/near"], told["ball/near"]]).all()
    assert np.isfinite(told["inner/near"])


def test_a_modulated_mesh_has_sidebands():
    """A mesh that a wheel modulates each turn has clear sidebands; one of even strength has none."""
    mesh = 21 * SHAFT
    even = line(mesh) + noise()
    told, plain = read(even * (1 + 0.5 * line(SHAFT))), read(even)
    assert told["sides/pinion"] > plain["sides/pinion"] + 2
    assert told["sides_clear/pinion"] > np.log(4)
    assert plain["mesh_clear/pinion"] > np.log(4)


def test_the_noise_of_a_resonance_is_no_mesh():
    """Noise that is strongest near the mesh makes no line there."""
    t = np.arange(2048) / RATE
    ring = np.exp(-150 * t) * np.sin(2 * np.pi * 21 * SHAFT * t)
    told = [read(np.convolve(noise(seed=seed), ring)[:16_384]) for seed in range(5)]
    assert np.median([t["mesh_clear/pinion"] for t in told]) < np.log(4)
    assert np.median([t["sides_clear/pinion"] for t in told]) < np.log(4)


def test_bursts_of_all_kinds_go_together():
    """Bursts of different length, rate, machine and quality in one call give what each gives alone."""
    looks = [
        Look(Waveform(noise(4096).astype(np.float32), 12_800.0), "g", TURNING, 30.0),
        Look(Waveform(noise(2560).astype(np.float32), RATE), "", STILL, np.nan),
        Look(Waveform(np.full(4096, np.nan, np.float32), RATE), "g", TURNING, 25.0),
        Look(Waveform(noise(4096, 5).astype(np.float32), RATE), "g", STILL, np.nan),
        Look(Waveform(noise(40_000).astype(np.float32), RATE), "g", TURNING, 25.0),
    ]
    together = compute(looks)
    for look, row in zip(looks, together, strict=True):
        np.testing.assert_allclose(row, compute([look])[0], rtol=1e-4, atol=1e-5)
    assert np.isnan(together[2]).all()


def test_units_of_turning_are_known_in_the_ways_people_write_them():
    """Spellings of rpm and Hz are turns a second; other units are none."""
    assert turns("RPM") == turns("1 / min") == pytest.approx(1 / 60)
    assert turns("Hz") == 1
    assert turns("m/s") is turns("") is None

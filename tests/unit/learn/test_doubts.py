"""Learning data that holds a fault already, or is no steady operation, is doubted; what is well is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shoptwin.assess.progress import LearnRequest
from shoptwin.learn.doubts import doubted, doubts
from shoptwin.learn.steadiness import changed, drifts, left_by

TAIL = 1e-4
NAMES = ("flow:flow:value", "pressure:pressure:value", "load:load:value", "state:machine:state")


def rows(rng, n=400):
    """A pump that is well: flow follows the load, which changes all the time."""
    load = np.repeat(rng.choice([20.0, 40.0, 60.0], n // 10), 10)
    return np.column_stack([100 + load + rng.normal(size=n), 4 + 0.1 * rng.normal(size=n), load, np.full(n, 2.0)])


def kinds(x, names=NAMES, **more):
    return {doubt.kind: doubt for doubt in doubts(names, np.asarray(x, np.float32).astype(float), TAIL, **more)}


def test_a_machine_that_is_well_is_not_doubted():
    """Over 50 healthy learning parts nothing is doubted: changing loads, holes and held values are usual."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x = rows(rng)
        x[rng.random(400) < 0.05, 0] = np.nan
        x[:, 1] = np.repeat(np.round(x[::4, 1], 2), 4)
        assert kinds(x) == {}, seed


@pytest.mark.parametrize("way", [1, -1])
def test_a_drift_that_does_not_level_off(way):
    """What rises or falls all the way is told, with the tag and the way; a warm-up that levels off is not."""
    rng = np.random.default_rng(1)
    x = rows(rng)
    x[:, 0] += way * np.linspace(0, 6, 400)
    found = kinds(x)
    assert set(found) == {"drift"}
    assert (
        found["drift"].text
        == f"flow {'rose' if way > 0 else 'fell'} all through the learning part and did not level off"
    )
    assert "relearn" in found["drift"].cure
    for slowness in (60, 100):
        warm = rows(rng)
        warm[:, 0] -= way * 15 * np.exp(-np.arange(400) / slowness)
        assert "drift" not in kinds(warm)


def test_a_change_of_level_that_stays():
    """Two machines in one learning part are told, with when; what alternates, and what a load explains, is not."""
    rng = np.random.default_rng(2)
    x = rows(rng)
    x[240:, 0] += 5
    x[240:, 1] += 0.5
    found = kinds(x)
    assert set(found) == {"change"}
    assert found["change"].tags == ("flow", "pressure")
    assert "60% through" in found["change"].text
    alternating = rows(rng)
    alternating[(np.arange(400) // 50) % 2 == 0, 0] += 5
    assert "change" not in kinds(alternating)
    loaded = rows(rng)
    loaded[240:, [0, 2]] += 30
    assert "change" not in kinds(loaded)


def test_wandering_passes_for_neither():
    """Of 200 random walks and 200 slow waves at most one in ten is called a drift or a change."""
    told = {"walk": 0, "wave": 0}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        walk = np.cumsum(rng.normal(size=400))
        wave = np.sin(np.arange(400) / 400 * 2 * np.pi * rng.uniform(0.3, 3) + rng.uniform(0, 6))
        for name, r in (("walk", walk), ("wave", wave + 0.1 * rng.normal(size=400))):
            told[name] += bool(drifts(r) or changed(r) is not None)
    assert max(told.values()) <= 200 / 10, told


def test_what_drivers_explain_is_left_out():
    """A column that a load explains leaves nothing; rows without a value are passed over; no rows leave none."""
    load = np.linspace(0, 1, 100)
    y = 3 * load + 1
    y[7] = np.nan
    assert np.abs(left_by(y, load[:, None])).max() < 1e-9
    assert len(left_by(np.full(3, np.nan), np.zeros((3, 1)))) == 0


def test_beyond_its_limits():
    """Vibration in zone D, or a value beyond its limit, for a tenth of the learning part is told, the worst first."""
    rng = np.random.default_rng(3)
    x = rows(rng)
    x[:, 1] = 6 + 0.1 * rng.normal(size=400)
    names = ("flow:flow:value", "vibration:rms:value", *NAMES[2:])
    zones = (("rms", "zone-c", 2.8), ("rms", "zone-d", 4.5))
    found = kinds(x, names, limits=zones)
    assert found["limit"].text == "rms was in zone D of ISO 20816-3 for 100% of the learning part"
    x[40:, 1] = 1 + 0.1 * rng.normal(size=360)
    assert "limit" in kinds(x, names, limits=zones)
    x[30:40, 1] = 1
    assert "limit" not in kinds(x, names, limits=zones)
    assert "below its limit lo (300)" in kinds(x, limits=(("flow", "lo", 300.0),))["limit"].text


def test_a_waveform_in_a_zone_by_its_velocity():
    """The velocity of an accelerometer, kept as a logarithm, is held against the zones in its own unit."""
    velocity = np.log(5 / 9806.65) + 0.05 * np.random.default_rng(4).normal(size=(40, 1))
    names, zones = ("waveform:acc:velocity",), (("acc", "zone-c", 2.8 / 9806.65), ("acc", "zone-d", 7.1 / 9806.65))
    assert "zone C or D" in kinds(velocity, names, limits=zones)["limit"].text
    assert kinds(velocity - np.log(2), names, limits=zones) == {}


def test_a_waveform_that_strikes_and_one_that_grows():
    """Impacts in most snapshots, and an RMS that grows all the way, are told; a quiet bearing is not doubted."""
    rng = np.random.default_rng(5)
    names = ("waveform:acc:rms", "waveform:acc:kurtosis", "load:load:value")
    calm = np.column_stack([0.05 * rng.normal(size=100), 3 + 0.2 * rng.normal(size=100), np.full(100, 50.0)])
    assert kinds(calm, names) == {}
    struck = calm.copy()
    struck[:80, 1] += 5
    assert set(kinds(struck, names)) == {"impacts"}
    grown = calm.copy()
    grown[:, 0] += np.linspace(0, 0.7, 100)
    assert set(kinds(grown, names)) == {"drift"}


def test_sensors_that_are_not_well():
    """Stuck through most of it, clipped at a rail, jumping for single values, never moving: each has a name."""
    rng = np.random.default_rng(6)
    stuck, clipped, jumpy, constant = (rows(rng) for _ in range(4))
    stuck[100:350, 1] = 4.02
    assert set(kinds(stuck)) >= {"stuck"}
    clipped[:, 1] = np.minimum(clipped[:, 1], 4.1)
    assert set(kinds(clipped)) == {"rail"}
    jumpy[[50, 111, 222, 333], 1] += 20
    assert set(kinds(jumpy)) == {"spikes"}
    constant[:, 1] = 4.0
    assert kinds(constant)["constant"].text.startswith("pressure never moved")
    off = rows(rng)
    off[:, 1] = 0.0  # what is switched off stands at nothing
    assert kinds(off) == {}


def test_a_short_learning_part():
    """Few rows, and rows that are alike for long, make wide thresholds, and that is told with the figures."""
    short = kinds(np.repeat(rows(np.random.default_rng(7), 10), 4, axis=0))
    assert short["short"].text.startswith("it was short: 40 rows tell as much as")
    slow = np.sin(np.arange(400) / 60)[:, None] + 0.01 * np.random.default_rng(8).normal(size=(400, 1))
    assert "short" in kinds(slow, NAMES[:1])


def test_degenerate_rows():
    """One row, no value at all, and nothing that is measured are no reason to fail."""
    assert "constant" in kinds(rows(np.random.default_rng(9), 10)[:1])
    assert kinds(np.full((50, 4), np.nan)) == {}
    assert kinds(np.zeros((50, 1)), ("setpoint:sp:value",)) == {}


def test_the_learning_part_is_looked_at_while_the_machine_ran(evidence, pump, pump_names):
    """Rows while it was off, and later ones that only extend what was learned, are doubted by nobody."""
    x = pump(np.random.default_rng(10), 400)
    x[300:, 0] = 500.0
    x[:100, 0] = 500.0
    rows = evidence(pump_names, x, ["off"] * 100 + ["producing"] * 300)
    asked = LearnRequest("m", "process", 0, int(rows.time[300]), limits=(("flow", "hi", 400.0),))
    assert "limit" not in {doubt.kind for doubt in doubted(rows, asked)}
    whole = replace(asked, until=int(rows.time[-1]))
    assert "limit" in {doubt.kind for doubt in doubted(rows, whole)}
    assert doubted(rows, replace(asked, until=0)) == ()

"""From what has grown to what may be behind it: each rule alone, and what is left unsaid."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.assess import diagnosis
from shoptwin.assess.against import Against, Moved
from shoptwin.assess.suspects import Suspects
from shoptwin.assess.symptoms import Kinematics
from shoptwin.domain.kinematics import Bearing, Gear, defects
from shoptwin.domain.timing import SECOND
from shoptwin.learn.reference import reference

KINEMATICS = Kinematics("speed", 1 / 60, (Bearing("de", defects(9, 7.94, 39.04)),), (Gear("pinion", 21.0, 1.0),))
EPOCH = 1_700_000_000 * SECOND


def figures(**grown):
    """All figures of a channel as they were learned but for those that have `grown`, by so much; lines are clear."""
    names = (*KINEMATICS.names, "band09", "band10", "band11", "band12")
    grown = {name.replace("__", "/"): by for name, by in grown.items()}
    assert set(grown) <= set(names)
    out = {name: Moved(grown.get(name, 0.0), 0.0, grown.get(name, 0.0), 10 * grown.get(name, 0.0)) for name in names}
    return out | {name: Moved(3.0, 3.0, 0.0, 0.0) for name in names if "_clear" in name}


def first(told):
    return told[0].fault if told else ""


@pytest.mark.parametrize(
    ("fault", "grown"),
    [
        ("imbalance", {"order1": 1.0}),
        ("misalignment", {"order2": 1.2, "order3": 0.6, "order1": 0.1}),
        ("looseness", {"order1": 0.3, "order2": 0.8, "harmonics": 1.5, "halves": 1.2, "half": 1.0}),
        ("bearing-outer", {"outer__de": 2.5, "inner__de": 0.8, "impulses": 0.6}),
        ("bearing-inner", {"inner__de": 1.5, "outer__de": 0.6, "impulses": 0.6, "each_turn": 2.0}),
        ("bearing-ball", {"ball__de": 1.0, "cage__de": 2.0, "impulses": 0.6}),
        ("bearing", {"impulses": 1.0}),
        ("gear-mesh", {"sides__pinion": 1.0, "mesh__pinion": 0.3, "impulses": 1.0, "each_turn": 3.0}),
        ("lubrication", {"band09": 2.0, "band10": 2.0, "band11": 2.0, "band12": 2.0}),
    ],
)
def test_what_a_fault_shows_is_named_first(fault, grown):
    """Each fault's own pattern, as ISO 13373-3 has it, makes it the best supported hypothesis, with grounds."""
    told = diagnosis.vibration({"acc": figures(**grown)})
    assert first(told) == fault
    assert told[0].support >= 0.5
    assert told[0].tags == ("acc",)
    assert all("acc" in ground for ground in told[0].grounds)
    assert told[0].grounds


def test_nothing_grown_is_nothing_named():
    """A machine that is as it was learned gives no hypothesis at all."""
    assert diagnosis.vibration({"acc": figures()}) == ()


def test_noise_that_grows_is_no_order():
    """Where no line stands out of the noise, growth at the orders is no imbalance and no misalignment."""
    grown = figures(order1=1.0, order2=1.0, harmonics=1.0, halves=1.0)
    noisy = grown | {n: Moved(0.2, 0.2, 0.0, 0.0) for n in grown if "_clear" in n}
    assert diagnosis.vibration({"acc": noisy}) == ()


def test_what_cannot_be_told_is_not_named():
    """NaN, as a short burst or a lost speed give it, supports nothing and breaks nothing."""
    nothing = {name: Moved(np.nan, np.nan, np.nan, np.nan) for name in figures()}
    assert diagnosis.vibration({"acc": nothing}) == ()


def test_a_part_is_told_instead_of_the_whole():
    """Where one channel shows the part of the bearing, what another shows of no part is not told beside it."""
    told = diagnosis.vibration({"a": figures(impulses=1.5), "b": figures(outer__de=2.5, impulses=0.6)})
    assert [h.fault for h in told] == ["bearing-outer"]


def test_a_fault_that_two_channels_show_is_one_hypothesis():
    """The stronger channel gives the support, and both are named."""
    [told] = diagnosis.vibration({"a": figures(order1=0.6), "b": figures(order1=1.0)})
    assert told.support == 1
    assert set(told.tags) == {"a", "b"}


NAMES = (
    "temperature:t1:value",
    "temperature:t2:value",
    "flow:f:value",
    "temperature:t3:value",
    "load:l:value",
    "state:machine:state",
)


@pytest.fixture
def rows():
    """A machine whose three temperatures follow its load, and whose flow does not."""

    def make(n, seed=0):
        r = np.random.default_rng(seed)
        load = 50 + 10 * np.sin(np.arange(n) / 20)
        t1, t2 = 40 + 0.3 * load + 0.2 * r.standard_normal(n), 20 + 0.2 * load + 0.2 * r.standard_normal(n)
        t3 = 30 + 0.25 * load + 0.2 * r.standard_normal(n)
        return np.column_stack([t1, t2, 5 + 0.1 * r.standard_normal(n), t3, load, np.ones(n)])

    return make


def judge(rows, learned):
    table = reference("process", NAMES, learned)
    against = Against(table, NAMES)
    suspects = Suspects(table, against)
    for i, x in enumerate(rows):
        against.take(EPOCH + i * SECOND, x)
        suspects.take(x[against.at])
    return against, sorted(suspects.hypotheses(), key=lambda h: -h.support)


def test_healthy_rows_have_no_sensor_fault(rows):
    """New rows of the same machine support nothing."""
    assert judge(rows(400, 1), rows(400))[1] == []


def test_a_loose_contact_is_named(rows):
    """A tag that jumps and comes back, several times, spikes; a step that stays does not."""
    x, step = rows(100, 1), rows(100, 1)
    x[[30, 50, 70, 90], 2] = 20.0
    step[50:, 2] += 10
    told = judge(x, rows(400))[1]
    assert (first(told), told[0].tags) == ("sensor-spikes", ("f",))
    assert not [h for h in judge(step, rows(400))[1] if h.fault == "sensor-spikes"]


def test_swapped_sensors_are_named(rows):
    """Two tags of one role that show one another's level are swapped."""
    x = rows(60, 1)
    x[30:, [0, 1]] = x[30:, [1, 0]]
    [told] = [h for h in judge(x, rows(400))[1] if h.fault == "sensor-swapped"]
    assert set(told.tags) == {"t1", "t2"}


def test_a_drift_against_the_neighbours_is_seen(rows):
    """A temperature that leaves what the others say of it drifts; where all move as the load moves them, none does."""
    x, hot = rows(60, 1), rows(60, 1)
    x[30:, 1] += 6
    hot[30:, [0, 1, 3]] += 20 * np.array([0.3, 0.2, 0.25])
    [drift] = judge(x, rows(400))[1]
    assert (drift.fault, drift.tags) == ("sensor-drift", ("t2",))
    assert judge(hot, rows(400))[1] == []


def test_since_is_when_the_first_figure_left_its_range(rows):
    """The time of the first figure that is out is told, and forgotten once it is back."""
    x = rows(100, 1)
    x[40:70, 2] += 3
    against, _ = judge(x[:60], rows(400))
    assert abs(against.since(against.names) - (EPOCH + 42 * SECOND)) <= 2 * SECOND
    against, _ = judge(x, rows(400))
    assert against.since(against.names) == 0


def test_a_reference_survives_json_and_missing_columns(rows):
    """Columns that were never there are null in the table and say nothing."""
    import json  # noqa: PLC0415

    learned = rows(400)
    learned[:, 2] = np.nan
    table = json.loads(json.dumps(reference("process", NAMES, learned)))
    against = Against(table, NAMES)
    against.take(EPOCH, rows(1)[0])
    assert np.isnan(against.moved()["flow:f:value"].growth)
    assert against.moved()["flow:f:value"].strength == 0


def test_levels_follow_the_load():
    """What a figure is held against is what was learned at this load, linear between two."""
    rng = np.random.default_rng(3)
    load = np.repeat([0.0, 80.0], 40)
    names = ("waveform:acc:order1", "load:l:value", "state:machine:state")
    learned = np.column_stack([load / 40 + 0.01 * rng.standard_normal(80), load, np.ones(80)])
    against = Against(reference("vibration", names, learned), names)
    against.take(EPOCH, np.array([1.5, 40.0, 1.0]))
    assert against.moved()["waveform:acc:order1"].level == pytest.approx(1.0, abs=0.05)
    assert against.moved()["waveform:acc:order1"].growth == pytest.approx(0.5, abs=0.05)

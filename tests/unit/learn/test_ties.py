"""Tags that part company are found, though each stays at its own level and spread."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from shoptwin.assess import words
from shoptwin.learn.baseline import Settings, fit
from shoptwin.learn.ties import Ties

PROCESS = Settings("process")
LEARNED = 1200


@pytest.fixture
def judged(evidence, pump, pump_names):
    """Return a maker: learn a pump, change its next 300 rows, and get what was said of each, with the baseline."""

    def make(change, seed=3):
        rows = pump(np.random.default_rng(seed), LEARNED + 300)[:, :3]
        baseline = fit(evidence(pump_names[:3], rows[:LEARNED]), PROCESS)
        state, said = baseline.model.start(), []
        for i, row in enumerate(change(rows[LEARNED:].copy())):
            out = baseline.model.step(row, float(i), 0.0, state)
            state = {name: out[f"next.{name}"] for name in state}
            said.append(out)
        return baseline, said

    return make


def raised(said):
    """Return the first row at which six in a row had exceeded a limit."""
    beyond = np.array([out["score"][0] >= 1 for out in said])
    runs = np.convolve(beyond, np.ones(6), "valid") == 6
    return int(np.flatnonzero(runs)[0]) + 5 if runs.any() else None


def another_pump(rows):
    """Give the current of another hour: the same level, spread and rhythm, and no tie to flow and pressure."""
    rows[:, 2] = np.roll(rows[:, 2], 150)
    return rows


def the_wrong_way(rows):
    rows[:, 2] = 2 * rows[:, 2].mean() - rows[:, 2]
    return rows


@pytest.mark.parametrize("change", [another_pump, the_wrong_way])
@pytest.mark.parametrize("seed", range(4))
def test_a_current_that_leaves_its_flow_is_found(judged, change, seed):
    """A current with its usual level and spread, that follows its flow no more, is raised within 150 rows."""
    _, said = judged(change, seed)
    found = raised(said)
    assert found is not None
    assert found < 150
    assert max(out["ratio"].max() for out in said[:found]) < 1, "no level of a tag had to leave its limits"


def test_healthy_pumps_keep_their_ties(judged):
    """Of 20 healthy pumps none has a row at which a tag has left the others."""
    assert not [seed for seed in range(20) if any(o["tie"].max() >= 1 for o in judged(lambda rows: rows, seed)[1])]


def test_what_is_only_restless_has_not_parted(judged):
    """A pump whose whole work swings three times as far still goes together: the levels say what there is to say."""

    def restless(rows):
        return rows.mean(0) + 3 * (rows - rows.mean(0))

    _, said = judged(restless)
    assert max(out["tie"].max() for out in said) < 1


def test_a_level_that_moved_is_no_tie_that_broke(judged):
    """A flow that lies 30 higher from one row to the next, and stays, alarms by its level alone once it has settled."""

    def higher(rows):
        rows[:, 0] += 30
        return rows

    _, said = judged(higher)
    assert raised(said) is not None
    assert max(out["tie"].max() for out in said[40:]) < 1


def test_single_strange_rows_break_no_tie(judged):
    """Three rows far off, one by one and fifty apart, reach no limit of a tie."""

    def spikes(rows):
        rows[[50, 100, 150], 2] += 50
        return rows

    _, said = judged(spikes)
    assert max(out["tie"].max() for out in said) < 1


@pytest.mark.parametrize("spike", [10.0, 1e3, 1e6])
def test_an_outlier_does_not_hide_what_follows(judged, spike):
    """After a row in which all tags were far off, a current that leaves its flow is found nearly as soon as ever."""

    def changed(rows):
        rows = another_pump(rows)
        rows[0] += spike * rows.std(0)
        return rows

    _, said = judged(changed)
    found = next(i for i, out in enumerate(said) if i > 10 and out["tie"].max() >= 1)
    assert found < 60


def test_a_tag_that_moved_in_one_fold_alone(evidence, pump, pump_names):
    """A tag that stood still for four fifths of the learning part has limits that are numbers, or none."""
    rows = pump(np.random.default_rng(1), 400)[:, :3]
    rows[:320, 2] = rows[0, 2]
    ties = fit(evidence(pump_names[:3], rows), PROCESS).model.ties
    assert not np.isnan(ties.limit).any()
    assert np.isfinite(ties.moves).all()


def test_without_all_tags_ties_wait(judged):
    """While one of the tags is missing no tie is judged, and what was known of them stays."""

    def holes(rows):
        rows[10:20, 0] = np.nan
        return rows

    _, said = judged(holes)
    assert all((out["tie"] == 0).all() for out in said[10:20])
    np.testing.assert_array_equal(said[9]["next.squares"], said[19]["next.squares"])


def test_little_evidence_means_wide_limits():
    """The same tags learned for 1,200 rows have narrower limits than for 120."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(1200, 3)) + 2 * rng.normal(size=(1200, 1))
    scales, every = np.array([1.0, 4.0, 8.0, 16.0]), np.arange(3)
    few, many = (Ties.fit(z[:n] / z.std(0), scales, every, 1e-5).limit for n in (120, 1200))
    assert (few > 1.2 * many).all()


def test_a_tag_judged_alone_has_no_tie(evidence, pump):
    """One tag by itself is judged by its level, and has nothing to part from."""
    rows = pump(np.random.default_rng(1))[:, :1]
    baseline = fit(evidence(("flow:flow:value",), rows), PROCESS)
    assert baseline.manifest()["tied"] == []
    assert baseline.model.step(rows[0], 0.0, 0.0, baseline.model.start())["tie"].tolist() == [0.0]


def test_it_is_told_who_left_whom(judged):
    """The evidence names the tag that left, and those that it left."""
    baseline, said = judged(another_pump)
    out = said[raised(said)]
    told = SimpleNamespace(
        score=out["score"][0], ratio=out["ratio"], lean=out["lean"], joint=out["joint"][0], tie=out["tie"]
    )
    first, *_ = words.process(told, SimpleNamespace(manifest=baseline.manifest()), {})
    assert first.startswith("current no longer goes with flow and pressure as it did, ")

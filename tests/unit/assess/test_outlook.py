"""The outlook over time: bounded history, a steady index, a trend of all that was seen or of late."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from shoptwin.assess import outlook as module
from shoptwin.assess.history import MOST, POINTS, History
from shoptwin.assess.outlook import Outlook
from shoptwin.domain.assessment import Remaining
from shoptwin.domain.timing import DAY, HOUR, SECOND

EPOCH = 1_700_000_000 * SECOND


def filled(severities, *, step=SECOND, begin=EPOCH):
    history = History()
    for i, severity in enumerate(severities):
        history.add(begin + i * step, float(severity))
    return history


def shown(severities, made=None, begin=EPOCH, step=SECOND):
    """Returns the outlook and, row by row, its index."""
    made = made or Outlook()
    indices = []
    for i, severity in enumerate(severities):
        made.add(begin + i * step, float(severity))
        indices.append(made.index)
    return made, indices


def test_a_history_is_bounded_and_keeps_its_course():
    """However long, it holds a bounded number of points, evenly spaced, whose mean is that of the rows."""
    history = filled(np.arange(10_000.0))
    assert len(history.means) == len(history.ends) <= MOST
    assert history.length <= 10_000
    assert np.mean(history.means) == pytest.approx((history.length - 1) / 2)
    points, seconds = history.whole()
    assert len(points) <= POINTS
    assert np.diff(points) == pytest.approx(seconds, rel=1e-3)
    recent, pace = history.recent()
    assert len(recent) == POINTS
    assert np.diff(recent) == pytest.approx(pace, rel=1e-3)
    assert history.highest_before() <= recent[0]


def test_time_off_counts_in_what_a_point_takes():
    """A machine that runs every other day takes twice as long a point as its rows alone would."""
    history = History()
    for day in range(0, 20, 2):
        for hour in range(24):
            history.add(EPOCH + day * DAY + hour * HOUR, 1.0)
    assert history.whole()[1] / (-(-len(history.means) // POINTS)) == pytest.approx(2 * 3600, rel=0.06)


def test_a_history_outlasts_a_restart():
    """What is dumped is loaded the same, through JSON; what is no history is refused."""
    made, _ = shown(np.linspace(0.4, 2.0, 700))
    told = json.loads(json.dumps(made.dump()))
    again = Outlook.load(told)
    assert again.index == made.index
    assert again.history.means == pytest.approx(made.history.means, abs=1e-4)
    assert replace(again.history, means=[]) == replace(made.history, means=[])
    for spoilt in ({"means": [1.0]}, {"step": 0}, {"means": [float("nan")] * len(told["history"]["means"])}):
        with pytest.raises(ValueError, match="not a history"):
            Outlook.load(told | {"history": told["history"] | spoilt})
    with pytest.raises(KeyError):
        Outlook.load({"version": "1"})


def test_the_index_is_steady_and_follows():
    """Noise does not make it flicker, a single wild row hardly moves it, a lasting growth does."""
    rng = np.random.default_rng(1)
    made, indices = shown(1.0 * np.exp(0.05 * rng.standard_normal(300)))
    assert len(set(indices[20:])) <= 3
    assert np.count_nonzero(np.diff(indices[20:])) < 280 / 10
    made, wild = shown([4.0], made)
    assert wild[0] > 45
    _, grown = shown([4.0] * 40, made)
    assert grown[-1] <= 1
    assert all(np.diff(grown) <= 0)


def test_a_trend_is_told_and_runs_down():
    """Exponential growth is told with the truth inside, and between two looks the time that is left passes."""
    rng = np.random.default_rng(2)
    rows = 0.5 * np.exp(0.004 * np.arange(400)) * np.exp(0.03 * rng.standard_normal(400))
    made, _ = shown(rows, step=HOUR)
    now = EPOCH + 399 * HOUR
    told = made.remaining(now)
    truth = np.log(4.0 / (0.5 * np.exp(0.004 * 399))) / 0.004 * 3600
    assert told.low < truth < told.high
    later = made.remaining(now + HOUR)
    assert later.middle == told.middle - 3600
    assert made.remaining(now + 100_000 * DAY).high == 0.0


def test_a_machine_as_learned_has_nothing_to_tell():
    """Growth below half the alarm threshold is none: no fit is made, and the index stays 100."""
    made, indices = shown(np.linspace(0.1, 0.45, 300))
    assert made.remaining(EPOCH) is None
    assert set(indices) == {100.0}


def test_a_fast_rise_after_a_long_calm_is_told():
    """What grows within the last hundredth of a long history is told by its latest points."""
    rng = np.random.default_rng(3)
    calm = 0.4 * np.exp(0.1 * rng.standard_normal(20_000))
    rise = 0.4 * np.exp(np.linspace(0, 2, 600) + 0.05 * rng.standard_normal(600))
    made, _ = shown(np.concatenate([calm, rise]))
    now = EPOCH + 20_600 * SECOND
    assert made.remaining(now) is not None
    assert made.remaining(now).middle < 3600


def test_a_rise_to_where_it_was_before_is_none():
    """A machine that comes and goes by itself, and is as high as it often was, is on no way to failure."""
    rng = np.random.default_rng(4)
    cycle = 0.8 + 0.7 * np.sin(np.arange(25_300) * 2 * np.pi / 6000)
    made, _ = shown(cycle * np.exp(0.03 * rng.standard_normal(len(cycle))))
    assert np.exp(made.smooth) > 1.3
    assert made.remaining(EPOCH + 25_300 * SECOND) is None


def test_a_trend_is_looked_at_as_the_history_grows(monkeypatch):
    """A fit is made when the history has grown by a fiftieth, not with every row."""
    looked = []
    monkeypatch.setattr(module, "fit", lambda points: looked.append(len(points)))
    shown(np.full(20_000, 0.9))
    assert 200 < len(looked) < 600
    looked.clear()
    shown(np.full(20_000, 1.5))
    assert 400 < len(looked) < 2400


def test_left_time_is_an_interval_of_the_type_that_all_share():
    """What is told is the domain's own type, with the confidence that the interval was made for."""
    made = Outlook()
    made._remaining, made._told = Remaining(10.0, 20.0, float("inf"), 0.8, "wiener"), EPOCH
    made.smooth = 0.0
    told = made.remaining(EPOCH + 15 * SECOND)
    assert (told.low, told.middle, told.high, told.confidence) == (0.0, 5.0, float("inf"), 0.8)
    made.smooth = -2.0
    assert made.remaining(EPOCH + 15 * SECOND) is None, "it is as it was learned again: that trend is over"

"""Degradation models, first passage and the health index: right where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.assess.degradation import FEWEST, MODELS, Trend, fit
from shoptwin.assess.history import POINTS
from shoptwin.assess.prognosis import AS_LEARNED, FAILURE, SURE, FailureLevel, index, passage, remaining


def certain(drift, wandering, *, level=1.0):
    """A trend without doubt about anything but how it will wander."""
    one = np.ones(1)
    return Trend(
        1.0, one, np.zeros(1, int), drift * one, 1e12 * one, 1e9 * wandering * one, 10**9, one, level * one, 0 * one,
        0 * one,
    )  # fmt: skip


def below(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


SEEN = 96
"""Rows after which a machine is looked at: when it fails must not decide when it is asked."""


def run_to_failure(rng, model):
    """The severity of a machine over its first rows, and the rows that it has left, above 0."""
    while True:
        end = float(np.exp(FAILURE.beyond(np.array(-50.0), np.array(rng.uniform()))))
        speed, steps = math.exp(0.3 * rng.standard_normal()), rng.standard_normal(20_000)
        path = 0.4 + np.cumsum(0.02 * speed + 0.03 * steps)
        if model == "exponential":
            path = 0.4 * np.exp(np.minimum(np.cumsum(0.015 * speed + 0.02 * steps), 20.0))
        life = int(np.argmax(path >= end))
        if life > SEEN:
            seen = path[:SEEN] + 0.08 * rng.standard_normal(SEEN)
            return seen.reshape(POINTS, -1).mean(1), SEEN // POINTS, life - SEEN


@pytest.mark.parametrize("model", MODELS)
def test_the_interval_holds_the_truth_as_often_as_it_says(model):
    """Where the model is right, and its failure level too, an interval of 80 % holds the truth in 70 to 90 %."""
    rng = np.random.default_rng(11)
    held, sooner = [], []
    while len(held) < 200:
        points, rows, left = run_to_failure(rng, model)
        told = remaining(fit(points, (model,)), rows)
        if told is not None:
            held.append(told.low <= left <= told.high)
            sooner.append(left < told.low)
            assert told.model == model
    assert 0.70 <= np.mean(held) <= 0.90
    assert 0.05 <= np.mean(sooner) <= 0.15


def remembering(rng, n, rows):
    """Noise whose neighbours are alike for so many rows, about half the alarm threshold."""
    y = rng.standard_normal(n + 20 * rows)
    for i in range(1, len(y)):
        y[i] += (1 - 1 / rows) * y[i - 1]
    return 0.5 * np.exp(0.25 * y[-n:] / y.std())


NOISE = {
    "white": lambda rng, n: 0.5 + 0.1 * rng.standard_normal(n),
    "remembering": lambda rng, n: remembering(rng, n, 6),
    "wandering": lambda rng, n: 0.5 * np.exp(np.cumsum(0.1 * rng.standard_normal(n))),
}


@pytest.mark.parametrize("kind", NOISE)
def test_what_has_no_trend_is_refused(kind):
    """Noise, noise that remembers and a level that wanders without drift are refused in 95 % at least."""
    rng = np.random.default_rng(12)
    trends = [fit(NOISE[kind](rng, n)) for n in (16, 24, 32, 48) * 50]
    assert np.mean([trend.chance < SURE for trend in trends]) >= 0.95


def test_what_falls_or_is_too_short_is_refused():
    """A severity that falls has no time left to tell; fewer than sixteen points tell nothing, exact ones neither."""
    rising = 0.5 * np.exp(0.05 * np.arange(40.0))
    noise = 0.02 * np.random.default_rng(13).standard_normal(40)
    assert remaining(fit(rising + noise), 1.0) is not None
    assert remaining(fit(rising[::-1] + noise), 1.0) is None
    assert fit(rising[: FEWEST - 1]) is None
    assert remaining(fit(np.full(40, 0.7)), 1.0) is None


def test_where_the_severity_stands_is_told_from_all_points():
    """With a line and independent noise the present level lies nearer the line than the last point does."""
    rng = np.random.default_rng(14)
    off, last = [], []
    for _ in range(40):
        line = 1.0 + 0.05 * np.arange(40.0)
        points = line + 0.2 * rng.standard_normal(40)
        trend = fit(points, ("wiener",))
        off.append((trend.weight * trend.level).sum() - line[-1])
        last.append(points[-1] - line[-1])
    assert np.std(off) < 0.6 * np.std(last)


@pytest.mark.parametrize("drift", [0.05, -0.02])
def test_first_passage_is_that_of_the_closed_form(drift):
    """Draws of the time to a level follow the inverse Gaussian law, and as many never come as it says."""
    variance, end = 0.04, 3.0
    drawn = passage(certain(drift, variance), FailureLevel(end, 1e-9))
    distance = end - 1.0
    for time in (10.0, 25.0, 60.0, 200.0, 1e6):
        root = math.sqrt(variance * time)
        law = below((drift * time - distance) / root)
        law += math.exp(2 * drift * distance / variance) * below((-distance - drift * time) / root)
        assert np.mean(drawn <= time) == pytest.approx(law, abs=0.035)
    assert np.isinf(drawn).any() == (drift < 0)


def test_an_interval_may_have_no_end_but_must_have_a_middle():
    """With a drift that is uncertain the high end may be never; where half of the draws never come nothing is told."""
    trend = certain(-0.004, 0.04)
    assert np.isinf(np.quantile(passage(trend, FAILURE), 0.9, method="lower"))
    assert remaining(certain(-0.1, 0.04), 1.0) is None


def test_the_failure_level_is_conditional_on_what_was_survived():
    """Half of the draws lie above the median; of a machine that is above it already all lie above where it is."""
    u = np.linspace(0.0005, 0.9995, 1000)
    assert np.exp(np.median(FAILURE.beyond(np.full(1000, -50.0), u))) == pytest.approx(FAILURE.median, rel=0.01)
    survived = np.log(3 * FAILURE.median)
    assert (FAILURE.beyond(np.full(1000, survived), u) >= survived).all()
    assert np.isfinite(FAILURE.beyond(np.full(1000, 80.0), u)).all()


def test_each_doubling_costs_a_third_of_the_index():
    """The index is 100 as learned, 67 at the alarm threshold, 33 at twice that, 0 at the failure level and beyond."""
    assert [round(index(s)) for s in (0.0, AS_LEARNED, 1.0, 2.0, 4.0, 1e9)] == [100, 100, 67, 33, 0, 0]
    falling = [index(s) for s in np.geomspace(0.01, 10, 200)]
    assert falling == sorted(falling, reverse=True)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1e6), min_size=FEWEST, max_size=POINTS))
def test_any_severity_gives_an_interval_in_order_or_none(severity):
    """Whatever was judged, what is told is an interval in order, the same each time, or nothing."""
    trend = fit(np.array(severity))
    assert 0 <= trend.chance <= 1 + 1e-9
    told = remaining(trend, 2.0)
    assert told == remaining(trend, 2.0)
    if told is not None:
        assert 0 <= told.low <= told.middle <= told.high
        assert math.isfinite(told.middle)

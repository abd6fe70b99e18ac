"""The temperature model: lags against their closed form."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.assess.shelf import ModelShelf
from shoptwin.assess.temperatures import TemperatureFeatures
from shoptwin.domain.timing import SECOND


@pytest.fixture
def features():
    return TemperatureFeatures(ModelShelf().get("temperature"))


def walk(features, times, rows):
    out = [features.compute([7], np.array([row]), int(t * SECOND)) for t, row in zip(times, rows, strict=True)]
    return dict(zip(features.model.features, np.stack([o[0] for o in out]).T, strict=True))


def test_a_step_of_load_is_followed_as_a_first_order_lag(features):
    """After a step of the load its lag by 600 s is 1 - exp(-t / 600), whatever the sampling."""
    times = np.r_[0, 1200 + np.cumsum(np.random.default_rng(1).uniform(1, 60, 200))]
    loads = np.r_[0.0, np.ones(200)]
    out = walk(features, times, [(20.0, 15.0, load) for load in loads])
    since = times[1:] - times[0]
    np.testing.assert_allclose(out["load_600s"][1:], 1 - np.exp(-since / 600), atol=2e-5)
    assert out["ambient_600s"][-1] == pytest.approx(15.0)


def test_a_ramp_has_its_slope(features):
    """The slope of a ramp of 0.1 per second is 6 per minute."""
    times = np.arange(0, 6000.0, 5.0)
    out = walk(features, times, [(0.1 * t, np.nan, np.nan) for t in times])
    assert out["slope"][-1] == pytest.approx(6.0, rel=1e-3)


def test_a_lag_is_unknown_until_it_has_run(features):
    """A lag says nothing before its filter has run for its time constant, and nothing of a driver that is not there."""
    times = np.arange(0, 700.0, 10.0)
    out = walk(features, times, [(20.0, 15.0, np.nan) for _ in times])
    assert np.isnan(out["ambient_600s"][:60]).all()
    assert np.isfinite(out["ambient_600s"][60:]).all()
    assert np.isnan(out["load_600s"]).all()


def test_missing_values_hold_the_state(features):
    """While the temperature is missing its features are NaN, and its lags go on from where they were."""
    rows = [(20.0, 15.0, 1.0)] * 10 + [(np.nan, np.nan, np.nan)] * 5 + [(20.0, 15.0, 1.0)] * 5
    out = walk(features, np.arange(20.0) * 100, rows)
    assert all(np.isnan(out[name][10:15]).all() for name in ("level", "slope", "spread"))
    assert out["ambient_60s"][12] == pytest.approx(15.0)
    assert np.isfinite(out["slope"][15:]).all()


def test_a_batch_is_its_singles():
    """Tags of many machines in one call give what each gives alone."""
    rng = np.random.default_rng(5)
    rows = rng.normal(20, 5, (30, 4, 3))
    together, alone = (TemperatureFeatures(ModelShelf().get("temperature")) for _ in range(2))
    for i, row in enumerate(rows):
        now = (1000 + 61 * i) * SECOND
        batch = together.compute([1, 2, 3, 4], row, now)
        single = np.concatenate([alone.compute([t], row[t - 1 : t], now) for t in (1, 2, 3, 4)])
        np.testing.assert_allclose(batch, single, rtol=1e-5, atol=1e-5)

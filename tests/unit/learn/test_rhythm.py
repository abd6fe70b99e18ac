"""How rows repeat one another is told from the values, and false certainty is kept out of what is learned."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.learn.baseline import Settings, fit
from shoptwin.learn.rhythm import holds, rhythm

NAMES = ("vibration:vib:value", "power:power:value", "load:load:value")


@pytest.fixture
def rows():
    """Return a maker of rows: load drives power and vibration; all polled twice a value, vibration seven times."""

    def make(rng, n=2000):
        load = 60 + np.repeat(rng.normal(size=n // 20 + 1) * 4, 20)[:n]
        load = np.repeat(load[::2] + 0.8 * rng.normal(size=len(load[::2])), 2)[:n]
        power = 0.25 * load + np.repeat(0.3 * rng.normal(size=n // 2), 2)[:n]
        vib = np.repeat((0.02 * load + 0.1 * rng.normal(size=n))[::7], 7)[:n]
        return np.column_stack([vib, power, load])

    return make


def test_held_values_are_recognised(rows, evidence):
    """The usual tag's hold is the stride; after a step the slowest one is waited for."""
    x = rows(np.random.default_rng(1))
    time = evidence(NAMES, x).time
    assert holds(NAMES, x) == pytest.approx([7, 2, 2], rel=0.1)
    beat = rhythm(NAMES, time, x)
    assert (beat.stride, beat.settle) == (2, 7)
    assert [column for column, _ in beat.steps] == [2]


def test_coarse_and_plain_values_are_not_held(evidence):
    """A tag with few digits repeats itself, a tag that is new in every row does not: both are rows of their own."""
    rng = np.random.default_rng(2)
    x = np.column_stack([np.round(rng.normal(size=500)), rng.normal(size=(500, 2))])
    assert holds(NAMES, x) == pytest.approx([1, 1, 1], abs=0.01)
    beat = rhythm(NAMES, evidence(NAMES, x).time, x)
    assert (beat.stride, beat.settle, beat.span) == (1, 0, 0)


def test_a_single_held_value_is_no_step(rows, evidence):
    """One measurement that is polled several times does not restart the averages of its tag."""
    x = rows(np.random.default_rng(3))
    model = fit(evidence(NAMES, x), Settings("process")).model
    assert np.isinf(model.jump).any()
    assert model.rows <= len(x) / 2

"""How sure the level of a regime is, and what was never seen together."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.assess.session import Session
from shoptwin.domain.errors import ModelError
from shoptwin.learn.context import Context
from shoptwin.learn.graph import Graph
from shoptwin.learn.regimes import Certainty


@pytest.fixture
def plant():
    """Loads 0 and 100 at both setpoints, load 50 at setpoint 1 alone; less at setpoint 2: [load, setpoint]."""
    seen = [(0, 1)] * 40 + [(100, 1)] * 40 + [(50, 1)] * 40 + [(0, 2)] * 25 + [(100, 2)] * 25
    return np.array(seen, float)


def certainty(rows, columns, level):
    context = Context.of(rows, columns, 0.5, 0.05)
    return context, Certainty.of(context, context.design(rows), level(context), np.ones(1))


def test_a_level_is_as_sure_as_its_rows_are_many(plant):
    """With one context the variance of a level is one over its rows, beyond that of a usual row."""
    context, sure = certainty(plant, [1], lambda c: np.zeros((c.width, 1)))
    at = context.design(np.array([[0, 1.0], [0, 2.0]]))
    assert [sure.variance(row)[0] for row in at] == pytest.approx([0, 1 / 50 - 2 / 170])


def test_between_two_levels_either_may_be_true(plant):
    """Halfway between levels three deviations apart, with nothing seen between, the variance is a quarter of nine."""
    context, sure = certainty(plant, [1], lambda _: np.array([[0.0], [0.0], [3.0]]))
    halfway = context.design(np.array([[0, 1.5]]))[0]
    assert sure.variance(halfway)[0] == pytest.approx(9 / 4)


def test_where_it_was_seen_between_its_knots_it_is_sure():
    """A load that was seen everywhere leaves no gap between its knots, whatever lies there."""
    rows = np.linspace(0, 100, 400)[:, None]
    _, sure = certainty(rows, [0], lambda c: np.arange(c.width)[:, None] * 5.0)
    assert len(sure.pairs) == 0


def test_what_was_never_seen_together_is_outside(plant):
    """Load 50 at setpoint 2 was never seen; what lies nearer to it than to what was is unknown, in the graph too."""
    context = Context.of(plant, [0, 1], 0.5, 0.05)
    g = Graph("context")
    x = g.input("x", [2])
    design, outside = context.graph(g, x, x)
    g.output("design", design, [context.width])
    g.output("outside", outside, [1], "?")
    session = Session(g.serialize(), "context")
    expected = {(0, 1): False, (50, 1): False, (100, 2): False, (50, 2): True, (40, 2): True, (10, 2): False,
                (50, 1.2): False, (300, 1): True}  # fmt: skip
    for row, unknown in expected.items():
        values = np.array(row, float)
        told = session.run({"x": values})
        assert context.outside(values) is unknown, row
        assert bool(told["outside"][0]) is unknown, row
        np.testing.assert_allclose(told["design"], context.design(values[None])[0])


def test_what_chance_may_have_left_out_is_not_called_unseen():
    """Two settings that vary freely were not seen at every pair of their quantiles in 50 rows: that tells nothing."""
    rows = np.random.default_rng(1).normal(size=(50, 2))
    context = Context.of(rows, [0, 1], 0.5, 0.05)
    assert not any(context.outside(row) for row in np.random.default_rng(2).normal(size=(500, 2)) * 0.7)


def test_a_manifest_keeps_what_is_known(plant):
    """What was told to a manifest tells the same rows outside, also where the columns stand elsewhere."""
    names = ["load:l:value", "setpoint:s:value"]
    context = Context.of(plant, [0, 1], 0.5, 0.05)
    again = Context.told(context.tell(names), ["flow:f:value", *reversed(names)])
    for load, setpoint in [(0, 1), (50, 2), (300, 1), (100, 2)]:
        here = context.outside(np.array([load, setpoint], float))
        assert again.outside(np.array([9.0, setpoint, load])) is here
    with pytest.raises(ModelError, match="load:l:value told the regime and is missing"):
        Context.told(context.tell(names), ["setpoint:s:value"])

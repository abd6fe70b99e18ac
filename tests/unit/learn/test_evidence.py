"""What is learned from: all of it, or stretches that keep rhythm and regimes, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.assess.names import STATE
from shoptwin.assess.progress import LearnRequest
from shoptwin.learn import evidence as ev
from shoptwin.learn.rhythm import holds
from shoptwin.store.series import Evidence

NAMES = ("flow:flow:value", "load:load:value", STATE)
SECOND = 10**9


class Rows:
    """In the place of the store: rows a second apart, a few at a time."""

    def __init__(self, values, state):
        self.values, self.state = np.asarray(values, np.float32), list(state)
        self.asked = 0

    def observed(self, machine, indicator, start, stop):
        assert (machine, indicator) == ("m", "process")
        for i in range(start // SECOND, min(stop // SECOND, len(self.values)), 700):
            self.asked += 1
            at = slice(i, min(i + 700, len(self.values)))
            time = np.arange(at.start, at.stop) * SECOND
            yield Evidence(time, NAMES, self.values[at], self.state[at])


def of(n, *, load=None, state=None):
    rng = np.random.default_rng(1)
    flow = np.repeat(rng.normal(size=n // 5 + 1), 5)[:n]  # held for five rows
    load = np.full(n, 50.0) if load is None else load
    return Rows(np.column_stack([flow, load, np.full(n, 2.0)]), state or ["producing"] * n)


def request(n):
    return LearnRequest("m", "process", 0, n * SECOND)


def test_what_is_short_is_taken_whole():
    """Evidence that fits is learned from row by row, but for the rows in which the machine was off."""
    source = of(3000, state=["off" if i % 3 == 0 else "producing" for i in range(3000)])
    found = ev.gather(source, request(3000))
    assert len(found) == 2000
    assert set(found.state) == {"producing"}
    assert np.array_equal(found.values, source.values[[i for i in range(3000) if i % 3]])


def test_what_is_long_is_thinned_to_its_bound_in_whole_stretches():
    """Of too many rows whole stretches stay, as they came, from the beginning to the end, so that the rhythm does."""
    n = 5 * ev.MOST
    found = ev.gather(of(n), request(n))
    assert 0.9 * ev.MOST < len(found) <= ev.MOST
    gaps = np.flatnonzero(np.diff(found.time) != SECOND)
    assert len(gaps) < len(found) // ev.STRETCH
    assert found.time[0] < 0.05 * n * SECOND
    assert found.time[-1] > 0.95 * n * SECOND
    assert holds(NAMES, found.values.astype(float))[0] == pytest.approx(5, abs=0.1)


def test_every_regime_stays():
    """A load and a state that were there for ten minutes of a day and a half are among what is learned from."""
    n = 7 * ev.MOST
    load = np.full(n, 50.0)
    load[100_000:100_600] = 90.0
    state = ["producing"] * n
    state[60_000:60_600] = ["idle"] * 600
    found = ev.gather(of(n, load=load, state=state), request(n))
    assert (found.values[:, 1] == 90).sum() >= 100
    assert found.state.count("idle") >= 100
    assert len(found) <= ev.MOST


def test_the_same_rows_give_the_same_choice():
    """The choice is not drawn by lot: the same evidence is learned from again."""
    n = 3 * ev.MOST
    one, two = (ev.gather(of(n), request(n)) for _ in range(2))
    assert np.array_equal(one.time, two.time)


def test_stretches_do_not_fall_on_the_same_hour():
    """Stretches chosen evenly from periodic operation see it at many phases, and none is chosen twice."""
    time = np.arange(1000)
    chosen = ev.choose(time, np.zeros((1000, 1)), 40)
    assert len(set(chosen.tolist())) == 40
    assert len({int(t) % 25 for t in chosen}) > 15


def test_many_values_make_fewer_rows():
    """A machine of very many values has fewer rows, so that memory is bounded by their product."""
    assert ev.most(NAMES) == ev.MOST
    assert ev.most(["x"] * 400) == ev.MOST_VALUES // 400
    assert ev.most(["x"] * 10**6) == 4 * ev.STRETCH

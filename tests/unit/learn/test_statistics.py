"""The statistics that thresholds stand on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shoptwin.learn import statistics as st


@pytest.mark.parametrize(
    ("tail", "nu", "expected"),
    [(0.025, 1, 12.706), (0.025, 5, 2.5706), (0.005, 10, 3.1693), (0.0005, 30, 3.6460), (1e-4, 9, 6.0101),
     (1e-4, 2, 70.700), (0.025, 1e6, 1.95996), (0.05, 3.5, 2.2258)],
)  # fmt: skip
def test_t_quantiles_are_those_of_the_tables(tail, nu, expected):
    """Quantiles of Student's t agree with published tables to four digits."""
    assert st.t_quantile(tail, nu) == pytest.approx(expected, rel=2e-3)


@given(some.floats(1e-6, 0.1), some.floats(0.5, 500.0), some.floats(1.1, 5.0))
def test_less_evidence_never_narrows(tail, nu, factor):
    """Fewer degrees of freedom, or a smaller tail, never give a smaller quantile."""
    assert st.t_quantile(tail, nu) >= st.t_quantile(tail, nu * factor) * (1 - 2e-3)
    assert st.t_quantile(tail / factor, nu) >= st.t_quantile(tail, nu) * (1 - 2e-3)


@given(some.integers(0, 10_000), some.integers(3, 60), some.integers(1, 20))
def test_shrunk_covariance_can_always_be_inverted(seed, n, k):
    """Whatever the rows and columns, the shrunk covariance is symmetric with no direction of negative variance."""
    z = np.random.default_rng(seed).normal(size=(n, k))
    covariance = st.ledoit_wolf(z - z.mean(0))
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() >= -1e-12
    root = st.inverse_root(covariance)
    assert np.isfinite(root).all()


def test_shrinking_vanishes_with_rows():
    """With many rows the shrunk covariance is the sample covariance."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20_000, 4)) @ rng.normal(size=(4, 4))
    np.testing.assert_allclose(st.ledoit_wolf(z), z.T @ z / len(z), rtol=0.02, atol=0.02)


def test_whitening_whitens():
    """W cov W is the identity."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=(5, 5))
    covariance = a @ a.T + np.eye(5)
    w = st.inverse_root(covariance)
    np.testing.assert_allclose(w @ covariance @ w, np.eye(5), atol=1e-9)


def test_ewma_of_one_row_is_the_row_and_of_a_constant_the_constant():
    """Scale 1 gives the rows themselves; a constant stays one at every scale."""
    x = np.random.default_rng(2).normal(size=(50, 3))
    bank = st.ewma(x, np.array([1.0, 8.0]))
    np.testing.assert_allclose(bank[:, 0], x)
    np.testing.assert_allclose(st.ewma(np.full((9, 2), 3.0), np.array([4.0])), 3.0)


def test_wandering_shows_between_folds():
    """A column that wanders has its variance between the folds, independent noise has not."""
    rng = np.random.default_rng(3)
    x = np.column_stack([np.cumsum(rng.normal(size=500)), rng.normal(size=500)])
    share = st.between_share(x, st.folds(500))
    assert share[0] > 0.4
    assert share[1] < 0.05


def test_a_random_walk_is_found_and_noise_is_not():
    """Walk variance a row is found within a factor of two; of noise, and of what only remembers, there is none."""
    rng = np.random.default_rng(4)
    n = 4000
    walk = np.cumsum(rng.normal(size=n)) * 0.02 + rng.normal(size=n)
    remembers = np.zeros(n)
    for i in range(1, n):
        remembers[i] = 0.98 * remembers[i - 1] + rng.normal()
    found = st.random_walk(np.column_stack([walk, rng.normal(size=n), remembers]))
    assert 2e-4 < found[0] < 8e-4
    assert found[1] == found[2] == 0


def _coverage(between, rows=40, parts=5, tail=0.02, tries=1500):
    """Share of values of a new part beyond the limit that was told from others, the parts' means being this far off."""
    rng = np.random.default_rng(5)
    part = np.repeat(np.arange(parts), rows)
    beyond = 0
    for _ in range(tries):
        held = rng.normal(size=rows * parts) + between * rng.normal(size=parts)[part]
        beyond += rng.normal() + between * rng.normal() > st.unseen(held, part, tail)
    return beyond / tries


@pytest.mark.parametrize("between", [0.0, 1.0, 3.0])
def test_a_part_that_was_never_seen_stays_below_the_limit(between):
    """However far the parts lie apart, a new one exceeds the limit about as often as was asked for."""
    assert 0.005 <= _coverage(between) <= 0.035


@pytest.mark.parametrize(("between", "most"), [(0.0, 1.3), (0.5, 1.4), (1.0, 2.2)])
def test_a_small_tail_is_kept_about(between, most):
    """At one in a thousand a new part exceeds the limit as often where parts are alike, and twice as often at most."""
    rng, tail = np.random.default_rng(9), 1e-3
    part = np.repeat(np.arange(5), 40)
    beyond = []
    for _ in range(600):
        held = rng.normal(size=200) + between * rng.normal(size=5)[part]
        limit = st.unseen(held, part, tail) / math.sqrt(1 + between**2)
        beyond.append(math.erfc(limit / math.sqrt(2)) / 2)
    assert 0.7 * tail < np.mean(beyond) < most * tail


def test_rows_that_remember_one_another_are_fewer_looks():
    """Held values that repeat themselves leave a wider limit than as many that do not."""
    rng = np.random.default_rng(6)
    held, part = rng.normal(size=60), np.repeat(np.arange(3), 20)
    slow = np.repeat(held[::10], 10)
    slow = (slow - slow.mean()) / slow.std() * held.std() + held.mean()
    assert st.unseen(slow, part, 1e-4) > st.unseen(held, part, 1e-4)


def test_one_part_tells_of_its_own_scatter_alone():
    """With a single part nothing is known of others, and the limit is that of a prediction from one sample."""
    held = np.random.default_rng(7).normal(size=200)
    assert st.unseen(held, np.zeros(200), 0.025) == pytest.approx(held.mean() + 1.972 * held.std(), rel=0.1)
    assert st.unseen(np.ones(5), np.zeros(5), 0.025) == 1.0


def test_a_settled_mean_does_not_start_from_one_row():
    """Slow means have about their usual spread from the first row on, where plain ones begin with a single row's."""
    x = np.random.default_rng(8).normal(size=(200, 1000))
    usual, scale = (1 / 31) ** 0.5, np.array([16.0])
    settled, plain = st.settled_ewma(x, scale)[:, 0].std(1), st.ewma(x, scale)[:, 0].std(1)
    assert plain[0] > 4 * usual
    assert (settled < 1.4 * usual).all()
    assert settled[48:] == pytest.approx(usual, rel=0.15)

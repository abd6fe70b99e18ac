"""Fitting the vibration baseline: the normal spectrum at each load, and how far visits to a load lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.names import STATE, VALUE, Name
from shoptwin.domain.errors import ModelError
from shoptwin.domain.tag import Role
from shoptwin.learn import statistics as st
from shoptwin.learn.context import Context
from shoptwin.learn.vibration import RECENT, Vibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.learn.budget import Budget
    from shoptwin.learn.statistics import Array

LEAST_ROWS = 8
DOUBLED = 2 * np.log(2)
"""ln of power: the amplitude of the median band doubled is the threshold, of the third band x4, of any band x10."""
LIMITS = np.array([DOUBLED, 2 * DOUBLED, 2 * np.log(10)])
_DEVIATIONS = 6.0
_RANGE, _SIZE = 0.05, 0.1
"""How far beyond the learned loads and speeds is still known: of their range, and of their size."""


def fit_vibration(names: Sequence[str], x: Array, budget: Budget) -> tuple[Vibration, list[str]]:
    """Fit rows `x` [n, names]; `budget` is for the false alarms of the fine look.

    Raises:
        ModelError: too few complete rows.
    """
    parsed = {i: Name.parse(n) for i, n in enumerate(names) if n != STATE}
    bands = [i for i, n in parsed.items() if n.role is Role.WAVEFORM and n.feature.startswith("band")]
    bands = [i for i in bands if np.isnan(x[:, i]).mean() < 0.25]  # noqa: PLR2004 - a channel mostly missing is not judged
    contexts = [i for i, n in parsed.items() if n.role in {Role.LOAD, Role.SPEED} and n.feature == VALUE]
    contexts += [i for i, n in enumerate(names) if n == STATE]
    contexts = [i for i in contexts if np.isnan(x[:, i]).mean() < 0.25]  # noqa: PLR2004
    x = x[~np.isnan(x[:, [*bands, *contexts]]).any(1)]
    if not bands or len(x) < LEAST_ROWS:
        raise ModelError(f"{len(x)} complete snapshots are too few", f"At least {LEAST_ROWS} are needed: learn longer")
    context = Context.of(x, contexts, _RANGE, _SIZE)
    design, y = context.design(x), x[:, bands]
    level = _levels(context, design, y)
    off = y - design @ level
    channels = len({parsed[i].tag for i in bands})
    pairs, steps = context.between(level)
    if not len(pairs):
        pairs, steps = np.zeros((1, 2), np.int64), np.zeros((1, len(bands)))
    whitening, uncertain, limit = np.zeros((len(pairs), len(bands), len(bands))), np.zeros(steps.shape), np.inf
    if context.revisited(x):
        whitening, uncertain = _whiten(off, steps)
        limit = _fine_limit(context, x, design, y, budget)
    growth = _growth_limit(off, channels)
    where = np.array(bands, np.int64)
    model = Vibration(where, channels, context, level, growth, pairs, whitening, uncertain, limit)
    return model, [names[i] for i in bands]


def _whiten(off: Array, steps: Array) -> tuple[Array, Array]:
    """Return, per pair of levels, what makes scatter the identity and interpolation variance diagonal, and the latter.

    With C = scatter and D = diag(step^2) of a pair, (C + s D)^-1 = K (I + s Lambda)^-1 K^T for every s.
    """
    deviation = np.maximum(off.std(0), 1e-6)
    root = st.inverse_root(st.ledoit_wolf(off / deviation)) / deviation[:, None]
    turned = [np.linalg.eigh(root.T * step @ root) for step in steps]
    return np.stack([root @ v for _, v in turned]), np.maximum(np.stack([w for w, _ in turned]), 0.0)


def _levels(context: Context, design: Array, y: Array) -> Array:
    """Return the levels [width, m]: medians where there is no regime to tell apart, else least squares."""
    if context.width == 1 or all(len(k) == 1 for k in context.knots):
        level = np.zeros((context.width, y.shape[1]))
        level[0] = np.median(y, axis=0)
        return level
    return np.asarray(np.linalg.lstsq(design, y, rcond=None)[0])


def _growth_limit(off: Array, channels: int) -> Array:
    """Return the thresholds [3, C]: the fixed growth, or six of the machine's own deviations where that is more."""
    calm = np.stack([np.median(off[max(0, i - RECENT + 1) : i + 1], axis=0) for i in range(len(off))])
    order = -np.sort(-calm.reshape(len(off), channels, -1), axis=2)
    middle = order.shape[2] // 2
    growth = np.stack([order[..., middle - 1 : middle + 1].mean(2), order[..., middle // 2 - 1], order[..., 0]])
    limit: Array = np.maximum(LIMITS[:, None], _DEVIATIONS * growth.std(1))
    return limit


def _fine_limit(context: Context, x: Array, design: Array, y: Array, budget: Budget) -> float:
    """Return the limit of the root of T2, from visits held out: what ln T2 of another one hardly reaches."""
    visit = context.visits(x)
    held = np.empty(len(x))
    for v in np.unique(visit):
        train = visit != v
        level = np.linalg.lstsq(design[train], y[train], rcond=None)[0]
        off = y - design @ level
        deviation = np.maximum(off[train].std(0), 1e-6)
        whitening = st.inverse_root(st.ledoit_wolf(off[train] / deviation)) / deviation[:, None]
        held[~train] = ((off[~train] @ whitening) ** 2).sum(1)
    # Rows of one visit are alike: where one lies beyond the limit all of them do, and that is one alarm.
    tail = budget.tail(len(x) / len(np.unique(visit)))
    return float(np.exp(min(st.unseen(np.log(np.maximum(held, 1e-9)), visit, tail), 300.0) / 2))

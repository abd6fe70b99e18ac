"""Fitting the process baseline: which tags are evidence, what explains them, and how far they normally stray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.names import CONTEXTS, IGNORED, STATE, VALUE, Name
from shoptwin.domain.errors import ModelError
from shoptwin.domain.tag import Role
from shoptwin.learn import statistics as st
from shoptwin.learn.basis import Basis
from shoptwin.learn.context import Context
from shoptwin.learn.explain import explain
from shoptwin.learn.process import JUMP, Process
from shoptwin.learn.regimes import Certainty
from shoptwin.learn.ties import Ties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.learn.budget import Budget
    from shoptwin.learn.explain import Explained
    from shoptwin.learn.statistics import Array

SCALES = (1, 4, 8, 16, 32)
WANDERS = 0.4
"""A temperature with more than this share of its variance between folds tells the day, not the machine's health."""
LEAST_LOOKS = 5
"""Independent looks at a tag below which it is judged alone, by its own wide limit, and not jointly with others."""
LEAST_ROWS = 16
RUN = 6
"""Rows in a row that raise an alarm: exceedances that come alone are none, and a run of them is one."""
_LONGER = f"At least {LEAST_ROWS} are needed: learn for longer"
_RANGE, _SIZE = 0.5, 0.05
"""How far beyond the learned setpoints and loads is still known: of their range, and of their size."""
_PRESENT = 0.75
"""Share of the rows in which a value must be there to be looked at."""
_HELD = 1.5
"""Rows that a value is held for from which two rows in a row may be the same measurement."""
_WALK_DEVIATIONS = 3.0
"""Standard deviations of a tag's own random walk that its limit is widened by."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the evidence by what they are for."""

    evidence: list[int]
    drivers: list[int]
    lags: dict[str, list[int]]
    """Temperature tag -> its lagged drivers."""
    contexts: list[int]
    young: set[str]
    """Temperatures of which not every lag had run for its time constant through most of the learning part."""


def fit_process(names: Sequence[str], x: Array, budget: Budget, repeats: Array) -> tuple[Process, list[str]]:
    """Fit rows `x` [n, names] for a budget of false alarms; returns the names of the evidence too.

    `repeats` [names] is how many rows each column repeats its value for: two of those are one look, and no step.

    Raises:
        ModelError: too few complete rows, or nothing that varies.
    """
    if len(x) < LEAST_ROWS:
        raise ModelError(f"{len(x)} rows are too few", _LONGER)
    columns = _columns(names, x)
    if not columns.evidence:
        raise ModelError("no tag varies, so nothing can be learned", "Check that the sensors are not stuck")
    lags = [i for lag in columns.lags.values() for i in lag]
    x = _complete(x, [*columns.evidence, *columns.drivers, *columns.contexts, *lags])
    x = _trim(x, columns.evidence)
    if len(x) < LEAST_ROWS:
        raise ModelError(f"{len(x)} complete rows are too few", _LONGER)
    mix, explained, held = _explain(names, x, columns)
    context = Context.of(x, columns.contexts, _RANGE, _SIZE)
    design = context.design(x)
    value = np.nan_to_num(x) @ mix  # what is missing is of columns that nothing is mixed from
    level = np.asarray(np.linalg.lstsq(design, value, rcond=None)[0], np.float64)
    left: Array = value - design @ level
    for j, regression in explained.items():
        if regression.coefficients.any():
            left[:, j] = held[:, j] / np.sqrt(1 + regression.leverage(x))
    share = st.between_share(left, st.folds(len(x)))
    slow = _slow(names, columns, explained, share)
    keep = left.std(0) > 1e-9 * np.maximum(np.abs(value).max(0), 1e-9)
    keep = keep & ~slow if (keep & ~slow).any() else keep
    if not keep.any():
        raise ModelError("no tag varies, so nothing can be learned", "Check that the sensors are not stuck")
    which = np.flatnonzero(keep)
    deviation: Array = np.sqrt((left[:, keep] ** 2).mean(0))
    regressions = {n: explained[j] for n, j in enumerate(which.tolist()) if j in explained}
    jump = np.where(repeats[columns.evidence][keep] < _HELD, JUMP, np.inf)
    certainty = Certainty.of(context, design, level[:, keep] / deviation, st.decorrelation(left[:, keep]))
    basis = Basis(mix[:, keep], context, level[:, keep], deviation, regressions, certainty)
    judged = [names[columns.evidence[j]] for j in which]
    return _judge(basis, jump, left[:, keep] / deviation, share[keep], budget.tail(RUN)), judged


def _slow(names: Sequence[str], columns: Columns, explained: dict[int, Explained], share: Array) -> NDArray[np.bool_]:
    """Return which of the evidence is a temperature by whose level alone nothing can be said.

    It wanders all the same; or there are load or ambient to judge it by, and they did not explain it.
    """
    warm = np.array([Name.parse(names[c]).role is Role.TEMPERATURE for c in columns.evidence])
    driven = any(Name.parse(names[d]).role in {Role.LOAD, Role.AMBIENT} for d in columns.drivers)
    told = np.array([j in explained and explained[j].coefficients.any() for j in range(len(warm))])
    slow: NDArray[np.bool_] = warm & ((share > WANDERS) | (driven & ~told))
    return slow


def _columns(names: Sequence[str], x: Array) -> Columns:
    out = Columns([], [], {}, [], set())
    for i, text in enumerate(names):
        if text == STATE:
            out.contexts.append(i)
            continue
        name = Name.parse(text)
        present = x[~np.isnan(x[:, i]), i]
        often = len(present) >= _PRESENT * len(x)
        varies = len(present) > 0 and bool(np.ptp(present) > 0)
        if _lagged(name):
            _lag(out, name.tag, i, often=often, varies=varies)
        elif name.role in IGNORED or name.feature != VALUE or not often:
            continue
        elif name.role in CONTEXTS:
            if name.role is not Role.AMBIENT:
                out.contexts.append(i)
            if varies:
                out.drivers.append(i)
        elif varies:
            out.evidence.append(i)
    return out


def _lag(out: Columns, tag: str, column: int, *, often: bool, varies: bool) -> None:
    if not often:
        out.young.add(tag)
    elif varies:
        out.lags.setdefault(tag, []).append(column)


def _lagged(name: Name) -> bool:
    """Tell whether an observed value is a lagged driver of a temperature (`load_600s`)."""
    return "_" in name.feature


def _complete(x: Array, columns: Sequence[int]) -> Array:
    return x[~np.isnan(x[:, list(columns)]).any(1)]


def _trim(x: Array, columns: Sequence[int]) -> Array:
    """Cut a start-up off: leading twentieths of the rows, 6 standard deviations off the rest; at most a quarter."""
    size, first = max(len(x) // 20, 2), 0
    values = x[:, list(columns)]
    for start in range(0, len(x) // 4, size):
        head, rest = values[start : start + size].mean(0), values[start + size :]
        middle = np.median(rest, axis=0)
        spread = np.maximum(1.4826 * np.median(np.abs(rest - middle), axis=0), rest.std(0) / 2)
        if (np.abs(head - middle) > 6 * spread + 1e-12 * np.abs(middle)).any():
            first = start + size
    return x[first:]


def _explain(names: Sequence[str], x: Array, columns: Columns) -> tuple[Array, dict[int, Explained], Array]:
    """Return per piece of evidence what it is mixed from [names, k], what explains it, and what is left [n, k].

    What is left of an explained tag is told on rows held out: on the rows that were fitted it would look too small.
    """
    mix = np.zeros((x.shape[1], len(columns.evidence)))
    explained: dict[int, Explained] = {}
    left = x[:, columns.evidence]
    for j, column in enumerate(columns.evidence):
        mix[column, j] = 1.0
        name = Name.parse(names[column])
        if name.role is Role.TEMPERATURE and name.tag in columns.young:
            drivers = []  # how its slowest parts warm up has not been seen: nothing can be claimed to explain it
        elif name.role is Role.TEMPERATURE:
            drivers = columns.lags.get(name.tag, []) or columns.drivers
        else:  # the weather moves temperatures alone
            drivers = [d for d in columns.drivers if Name.parse(names[d]).role is not Role.AMBIENT]
        if (found := explain(x, column, drivers)) is not None:
            explained[j], left[:, j] = found
            mix[list(found[0].columns), j] = -found[0].coefficients
    return mix, explained, left


def _judge(basis: Basis, jump: Array, z: Array, share: Array, tail: float) -> Process:
    """Return the model on a basis, from the standardised evidence `z` [L, k] and its share between folds [k]."""
    rows, k = z.shape
    scales = np.array([s for s in SCALES if s <= max(rows / 8, 1)], np.float64)
    bank = st.ewma(z, scales)
    memory = st.decorrelation(z)
    # Averages over less than a tag remembers say the same thing again: they would only spend the budget.
    looks = scales[:, None] >= np.minimum(memory, scales[-1])
    # Effective looks: what folds that differ leave (5 / eta2), and no more than independent stretches there are.
    looked = np.minimum(5 / np.maximum(share, 1e-9), rows / np.maximum(scales[:, None], 2 * memory))
    together = np.flatnonzero(looked[0] >= LEAST_LOOKS)
    joint = len(together) > 1
    tag_tail = tail / (2 if joint else 1) / looks.sum()
    quantile = np.vectorize(st.t_quantile)(tag_tail / 2, np.maximum(looked - 1, 1))
    limit = quantile * bank.std(0) * np.sqrt(1 + 1 / np.maximum(looked, 1))
    if joint:
        share_of_tail = tail / 2 / (len(scales) + 1)
        rotation, variance, joint_limit = _joint(z, scales, together, share_of_tail)
        ties = Ties.fit(z, scales, together, share_of_tail / len(together))
    else:
        ties = Ties.none(k)
        rotation, variance = np.zeros((len(scales), k, 1)), np.ones((len(scales), 1))
        joint_limit = np.full(len(scales), np.inf)
    return Process(
        basis, jump, scales, rotation, variance, np.stack([st.random_walk(z @ r) for r in rotation]), joint_limit,
        np.where(looks, limit, np.inf), _WALK_DEVIATIONS**2 * st.random_walk(z), ties, float(rows),
    )  # fmt: skip


def _joint(z: Array, scales: Array, together: NDArray[np.intp], tail: float) -> tuple[Array, Array, Array]:
    """Return rotations [S, k, q], variances [S, q] and limits [S] of the joint look at q of the k tags."""
    rows, fold, bank = len(z), st.folds(len(z)), st.settled_ewma(z, scales)
    whitening = st.inverse_root(st.ledoit_wolf(z[:, together]))
    rotation = np.zeros((len(scales), z.shape[1], len(together)))
    variance, limit = np.empty((len(scales), len(together))), np.empty(len(scales))
    for i, scale in enumerate(scales):
        means = bank[:, i][:, together]
        variance[i], vectors = np.linalg.eigh(_scatter(means @ whitening, rows / scale))
        rotation[i][together] = whitening @ vectors
        limit[i] = _joint_limit(z[:, together], means, fold, scale, tail)
    return rotation, variance, limit


def _scatter(y: Array, looks: float) -> Array:
    """Return the covariance of averages, shrunk to a multiple of the identity by how few effective rows there are."""
    k = y.shape[1]
    sample = y.T @ y / len(y)
    weight = k / (k + looks)
    return np.asarray((1 - weight) * sample + weight * np.trace(sample) / k * np.eye(k))


def _joint_limit(z: Array, bank: Array, fold: NDArray[np.int64], scale: float, tail: float) -> float:
    """Return the limit of the root of T2, from folds held out: what ln T2 of another one hardly reaches."""
    rows = len(z)
    held = np.empty(rows)
    for f in range(5):
        train = fold != f
        mean = z[train].mean(0)
        whitening = st.inverse_root(st.ledoit_wolf(z[train] - mean))
        scatter = _scatter((bank[train] - mean) @ whitening, 0.8 * rows / scale)
        y = (bank[~train] - mean) @ whitening
        held[~train] = (y * np.linalg.solve(scatter, y.T).T).sum(1)
    return float(np.exp(min(st.unseen(np.log(np.maximum(held, 1e-9)), fold, tail), 300.0) / 2))

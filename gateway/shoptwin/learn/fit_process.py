"""Fitting the process baseline: which tags are evidence, what explains them, and how far they normally stray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.names import CONTEXTS, IGNORED, STATE, VALUE, Name
from shoptwin.domain.errors import ModelError
from shoptwin.domain.tag import Role
from shoptwin.learn import statistics as st
from shoptwin.learn.context import Context
from shoptwin.learn.process import Process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.learn.statistics import Array

SCALES = (1, 4, 8, 16, 32)
WANDERS = 0.4
"""A temperature with more than this share of its variance between folds tells the day, not the machine's health."""
EXPLAINED = 0.5
"""Share of the variance, on rows held out, that drivers must explain before a tag is judged by the rest."""
LEAST_ROWS = 16
_LONGER = f"At least {LEAST_ROWS} are needed: learn for longer"
_MARGIN = 0.5
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


def fit_process(names: Sequence[str], x: Array, tail: float) -> tuple[Process, list[str]]:
    """Fit rows `x` [n, names] with a probability `tail` a row of a false alarm; returns the names of the evidence too.

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
    evidence, mix = _explain(names, x, columns)
    context = Context.of(x, columns.contexts, _MARGIN)
    design = context.design(x)
    value = np.nan_to_num(x) @ mix  # what is missing is of columns that nothing is mixed from
    level = np.asarray(np.linalg.lstsq(design, value, rcond=None)[0], np.float64)
    left = value - design @ level
    fold = st.folds(len(x))
    share = st.between_share(left, fold)
    warm = np.array([Name.parse(names[c]).role is Role.TEMPERATURE for c in evidence])
    keep = left.std(0) > 1e-9 * np.maximum(np.abs(value).max(0), 1e-9)
    wandering = warm & (share > WANDERS)
    if (keep & ~wandering & ~warm).any():
        keep &= ~wandering
    if not keep.any():
        raise ModelError("no tag varies, so nothing can be learned", "Check that the sensors are not stuck")
    deviation: Array = left[:, keep].std(0)
    basis = (mix[:, keep], context, level[:, keep], deviation)
    model = _judge(basis, left[:, keep] / deviation, fold, share[keep], tail)
    return model, [names[c] for c, k in zip(evidence, keep, strict=True) if k]


def _columns(names: Sequence[str], x: Array) -> Columns:
    out = Columns([], [], {}, [])
    for i, text in enumerate(names):
        if text == STATE:
            out.contexts.append(i)
            continue
        name = Name.parse(text)
        present = x[~np.isnan(x[:, i]), i]
        if name.role in IGNORED or len(present) < 0.75 * len(x):
            continue
        varies = len(present) > 0 and np.ptp(present) > 0
        if name.feature != VALUE:
            if "_" in name.feature and varies:
                out.lags.setdefault(name.tag, []).append(i)
        elif name.role in CONTEXTS:
            if name.role is not Role.AMBIENT:
                out.contexts.append(i)
            if varies:
                out.drivers.append(i)
        elif varies:
            out.evidence.append(i)
    return out


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


def _explain(names: Sequence[str], x: Array, columns: Columns) -> tuple[list[int], Array]:
    """Return the evidence and what to subtract of each: its drivers' part, where rows held out bear it out."""
    evidence = columns.evidence
    mix = np.zeros((x.shape[1], len(evidence)))
    fold = st.folds(len(x))
    for j, column in enumerate(evidence):
        mix[column, j] = 1.0
        name = Name.parse(names[column])
        drivers = columns.lags.get(name.tag, []) if name.role is Role.TEMPERATURE else []
        drivers = drivers or columns.drivers
        if drivers and len(x) > 5 * len(drivers):
            a, y = x[:, drivers], x[:, column]
            held = np.concatenate([y[fold == f] - _predict(a, y, fold != f, fold == f) for f in range(5)])
            mean = np.concatenate([y[fold == f] - y[fold != f].mean() for f in range(5)])
            if (held**2).sum() < (1 - EXPLAINED) * (mean**2).sum():
                mix[drivers, j] = -_ridge(a, y)
    return evidence, mix


def _ridge(a: Array, y: Array) -> Array:
    """Return coefficients of centred ridge regression, with one row's weight of prior a driver."""
    spread = np.maximum(a.std(0), 1e-12 * np.abs(a).max(0) + 1e-300)
    z = (a - a.mean(0)) / spread
    solved = np.linalg.solve(z.T @ z + np.eye(z.shape[1]), z.T @ (y - y.mean()))
    return np.asarray(solved / spread)


def _predict(a: Array, y: Array, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> Array:
    coefficients = _ridge(a[train], y[train])
    return np.asarray(y[train].mean() + (a[test] - a[train].mean(0)) @ coefficients)


def _judge(
    basis: tuple[Array, Context, Array, Array], z: Array, fold: NDArray[np.int64], share: Array, tail: float
) -> Process:
    """Return the model on a `basis` (mix, context, level, deviation), judging standardised evidence [L, k]."""
    rows, k = z.shape
    scales = np.array([s for s in SCALES if s <= max(rows / 8, 1)], np.float64)
    bank = st.ewma(z, scales)
    memory = st.decorrelation(z)
    # Averages over less than a tag remembers say the same thing again: they would only spend the budget.
    looks = scales[:, None] >= np.minimum(memory, scales[-1])
    joint_tail, tag_tail = (tail / 2 / len(scales), tail / 2 / looks.sum()) if k > 1 else (0.0, tail / looks.sum())
    whitening = st.inverse_root(st.ledoit_wolf(z))
    directions = [np.linalg.eigh(_scatter(bank[:, i] @ whitening, rows / s)) for i, s in enumerate(scales)]
    rotation = np.stack([whitening @ vectors for _, vectors in directions])
    joint = [_joint_limit(z, bank[:, i], fold, s, joint_tail) if k > 1 else np.inf for i, s in enumerate(scales)]
    # Effective looks: what folds that differ leave (5 / eta2), and no more than independent stretches there are.
    looked = np.minimum(5 / np.maximum(share, 1e-9), rows / np.maximum(scales[:, None], 2 * memory))
    quantile = np.vectorize(st.t_quantile)(tag_tail / 2, np.maximum(looked - 1, 1))
    limit = quantile * bank.std(0) * np.sqrt(1 + 1 / np.maximum(looked, 1))
    return Process(
        *basis, scales, rotation, np.stack([variance for variance, _ in directions]),
        np.stack([st.random_walk(z @ r) for r in rotation]), np.array(joint), np.where(looks, limit, np.inf),
        _WALK_DEVIATIONS**2 * st.random_walk(z), float(rows),
    )  # fmt: skip


def _scatter(y: Array, looks: float) -> Array:
    """Return the covariance of averages, shrunk to a multiple of the identity by how few effective rows there are."""
    k = y.shape[1]
    sample = y.T @ y / len(y)
    weight = k / (k + looks)
    return np.asarray((1 - weight) * sample + weight * np.trace(sample) / k * np.eye(k))


def _joint_limit(z: Array, bank: Array, fold: NDArray[np.int64], scale: float, tail: float) -> float:
    """Return the limit of the root of T2: from folds held out, ln T2 by Student's t with L / (2 k + 2) freedom."""
    rows, k = z.shape
    held = np.empty(rows)
    for f in range(5):
        train = fold != f
        mean = z[train].mean(0)
        whitening = st.inverse_root(st.ledoit_wolf(z[train] - mean))
        scatter = _scatter((bank[train] - mean) @ whitening, 0.8 * rows / scale)
        y = (bank[~train] - mean) @ whitening
        held[~train] = (y * np.linalg.solve(scatter, y.T).T).sum(1)
    log = np.log(np.maximum(held, 1e-9))
    quantile = st.t_quantile(tail, rows / (2 * k + 2))
    return float(np.exp(min(log.mean() + quantile * log.std(), 300.0) / 2))

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

MINUTE = 60 * 10**9


@pytest.fixture
def evidence():
    """Return a maker of evidence: names and rows, a row a minute."""

    def make(names, values, state="unknown"):
        values = np.asarray(values, np.float32)
        state = [state] * len(values) if isinstance(state, str) else state
        time = 1_700_000_000 * 10**9 + MINUTE * np.arange(len(values))
        return SimpleNamespace(time=time, names=tuple(names), values=values, state=state)

    return make


@pytest.fixture
def pump():
    """Return a maker of rows of a pump: flow, pressure, current (driven by one workload), temperature that wanders."""

    def make(rng, n=300):
        work = np.convolve(rng.normal(size=n + 4), np.ones(5) / 5, "valid")
        noise = rng.normal(size=(n, 3)) * [1, 0.05, 0.1]
        warmth = 40 + 8 * np.sin(np.arange(n) / n * 6) + 0.2 * rng.normal(size=n)
        return np.column_stack([100 + 3 * work, 4 + 0.2 * work, 8 + 0.5 * work, warmth]) + np.c_[noise, np.zeros(n)]

    return make


@pytest.fixture
def pump_names():
    """Names of the pump's columns."""
    return ("flow:flow:value", "pressure:pressure:value", "current:current:value", "temperature:oil:value")


@pytest.fixture
def spectra():
    """Return a maker of names and rows: two channels of 12 log bands, and a load that switches between levels."""

    def make(rng, n=80, loads=(0.0, 50.0), dwell=10):
        load = np.array([loads[(i // dwell) % len(loads)] for i in range(n)])
        bands = rng.normal(size=(n, 24)) * 0.2 + np.linspace(-6, -2, 24) + 0.02 * load[:, None]
        names = [f"waveform:{c}:band{b + 1:02d}" for c in ("acc_h", "acc_v") for b in range(12)] + ["load:load:value"]
        return names, np.column_stack([bands, load])

    return make

"""A learned baseline: `fit` makes it from evidence, `to_onnx` writes it; the rest of the room only moves files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shoptwin.assess.blocks import Rhythm
from shoptwin.assess.names import STATE, Name, measured
from shoptwin.domain.errors import ModelError
from shoptwin.domain.machine import MachineState
from shoptwin.learn.budget import Budget
from shoptwin.learn.fit_process import fit_process
from shoptwin.learn.fit_vibration import fit_vibration
from shoptwin.learn.reference import reference
from shoptwin.learn.rhythm import holds, rhythm, steps, thin
from shoptwin.learn.sensors import screen, usual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.learn.context import Context
    from shoptwin.learn.statistics import Array

_SELDOM = 10
_SELDOM_SHARE = 0.02


class EvidenceLike(Protocol):
    """What learning reads: rows of observed values of one machine and indicator, in order of time."""

    @property
    def time(self) -> NDArray[np.int64]:
        """Ns UTC [n]."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns."""

    @property
    def values(self) -> NDArray[np.float32]:
        """[n, names], NaN where there was none."""

    @property
    def state(self) -> Sequence[str]:
        """The machine's state in each row."""


class Model(Protocol):
    """A fitted model: pure arithmetic on a row and its state, in numpy and as a graph."""

    kind: str
    context: Context

    def start(self) -> dict[str, Array]:
        """Return the state before the first row."""

    def step(self, x: Array, age: float, alarmed: float, state: dict[str, Array]) -> dict[str, Array]:
        """Judge one row; `next.<name>` in what it returns is the new state."""

    def graph(self) -> bytes:
        """Return the ONNX model that does the same."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user decides about learning: only how many false alarms a month are bearable."""

    indicator: str
    false_alarms_per_month: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What is normal for one indicator of one machine."""

    model: Model
    names: tuple[str, ...]
    """Inputs, in order."""
    evidence: tuple[str, ...]
    """What is judged, in the order of the outputs `ratio` (process) and `lean`."""
    since: int
    until: int
    """Times of the first and last row learned from, ns UTC."""
    rows: int
    settings: Settings
    deviation: tuple[float, ...]
    """What 1.0 of `lean` is in the tag's unit."""
    explained: dict[str, list[str]] = field(default_factory=dict)
    """Evidence -> what explains a part of it: tags, or words for them."""
    budget: Budget = field(default_factory=lambda: Budget(1.0, 0.0))
    """What the thresholds were set for."""
    rhythm: Rhythm = field(default_factory=Rhythm)
    """How rows are gathered before they are judged."""
    sensors: dict[str, Any] = field(default_factory=dict)
    """What is usual of each sensor, see `learn/sensors.py`."""
    reference: dict[str, Any] = field(default_factory=dict)
    """What diagnosis holds a row against."""
    tied: tuple[int, ...] = ()
    """Which of the evidence is judged by whether it still goes with the others."""

    def to_onnx(self) -> bytes:
        """Return the ONNX model: x, age, alarmed, state -> score, outside, known, ratio, lean, joint, new state.

        A process also tells `tie`.
        """
        return self.model.graph()

    def manifest(self) -> dict[str, Any]:
        """Return what stands beside the model, but for its hash and version."""
        fill = {name: None if np.isnan(a.flat[0]) else float(a.flat[0]) for name, a in self.model.start().items()}
        state = {name: {"shape": list(a.shape), "fill": fill[name]} for name, a in self.model.start().items()}
        return {
            "kind": self.model.kind,
            "needed": [self.names[c] for c in self.model.context.columns if self.names[c] != STATE],
            "contexts": {
                self.names[c]: list(self.model.context.bounds(i)) for i, c in enumerate(self.model.context.columns)
            },
            "explained": self.explained,
            "names": list(self.names), "evidence": list(self.evidence), "deviation": list(self.deviation),
            "learned_from": self.since, "learned_until": self.until, "rows": self.rows,
            "threshold": 1.0, "budget": asdict(self.budget),
            "rhythm": self.rhythm._asdict(), "sensors": self.sensors, "state": state,
            "reference": self.reference, "tied": list(self.tied),
        }  # fmt: skip


def fit(evidence: EvidenceLike, settings: Settings) -> Baseline:
    """Fit what is normal; pure: the same evidence and settings give the same baseline.

    Raises:
        ModelError: too little evidence, or none that varies.
    """
    running = np.array([state != MachineState.OFF.value for state in evidence.state], np.bool_)
    x, time = np.asarray(evidence.values, np.float64)[running], np.asarray(evidence.time)[running]
    if not len(x):
        raise ModelError("there is no evidence of the machine running", "Let it run, then learning goes on by itself")
    names = tuple(evidence.names)
    x = screen(names, x)
    told = ~np.isnan(x[:, list(measured(names))]).all(1)  # where all is Bad nothing is missing of what was measured
    x, time = x[told], time[told]
    sensors = usual(names, time, x, settings.false_alarms_per_month)
    beat, held = Rhythm(steps=steps(names, x)), np.ones(len(names))
    against = reference(settings.indicator, names, x)
    if settings.indicator == "process":
        beat, held = rhythm(names, time, x), holds(names, x)
        time, x = thin(beat, names, time, x)
        held = held / beat.stride
    x, time = _common_states(names, x, time)
    budget = Budget(settings.false_alarms_per_month, float(np.median(np.diff(time))) if len(time) > 1 else 0.0)
    model: Any
    explained: dict[str, list[str]] = {}
    tied: tuple[int, ...] = ()
    if settings.indicator == "vibration":
        model, judged = fit_vibration(names, x, budget)
        deviation = np.ones(len(judged))
        tags = list(dict.fromkeys(Name.parse(name).tag for name in judged))
        sensors["quiet"] = dict(zip(tags, model.growth_limit[0].tolist(), strict=True))
    else:
        model, judged = fit_process(names, x, budget, held)
        deviation, tied = model.basis.deviation, tuple(model.ties.tied)
        explained = {name: _drivers(names, model.basis.mix[:, j], name) for j, name in enumerate(judged)}
    return Baseline(
        model, names, tuple(judged), int(time[0]), int(time[-1]), len(x), settings,
        tuple(float(d) for d in deviation), {name: told for name, told in explained.items() if told}, budget, beat,
        sensors, against, tied,
    )  # fmt: skip


def _common_states(names: tuple[str, ...], x: Array, time: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Leave out rows in states too seldom seen to know what is normal in them: under 10 rows and under 2 %."""
    if STATE not in names:
        return x, time
    states, which, count = np.unique(x[:, names.index(STATE)], return_inverse=True, return_counts=True)
    seldom = (count < _SELDOM) & (count < _SELDOM_SHARE * len(x)) & (len(states) > 1)
    keep = ~seldom[which]
    return x[keep], time[keep]


def _drivers(names: tuple[str, ...], mix: Array, evidence: str) -> list[str]:
    """Return in words what a piece of evidence is corrected by."""
    used = [names[i] for i in np.flatnonzero(mix) if names[i] != evidence]
    told = [n.feature.split("_")[0] if "_" in n.feature else n.tag for n in map(Name.parse, used)]
    return sorted(dict.fromkeys(told), reverse=True)

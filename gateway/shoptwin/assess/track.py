"""One indicator of one machine over time: its baseline, its streaming state, its persistence, its learning."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.assess.learned import Learned, Pointer
from shoptwin.assess.session import finite
from shoptwin.domain.assessment import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.domain.assessment import Assessment

PERSISTENCE = {"process": (6, 15), "vibration": (2, 15)}
"""Rows in a row that raise the alarm, and that clear it. A snapshot is already the median of five."""
WARM_UP = 100
"""Latest rows that a new baseline is run over before it judges, so that its averages do not start from nothing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a baseline said of one row."""

    state: Verdict
    score: float
    known: float
    ratio: NDArray[np.float64]
    lean: NDArray[np.float64]
    joint: float


@dataclass(slots=True, eq=False)
class Track:
    """The state of one indicator. Only the worker thread touches it, but for `swap`, which is one assignment."""

    machine: str
    indicator: str
    names: tuple[str, ...]
    pointer: Pointer = field(default_factory=Pointer)
    running: tuple[Learned, dict[str, NDArray[np.float64]], NDArray[np.intp]] | None = None
    """The baseline, its state, and where its inputs stand in the observed row; replaced as one."""
    latest: Assessment | None = None
    alarm: bool = False
    against: int = 0
    """Rows in a row that speak against `alarm`."""
    rows: int = 0
    """Rows observed since the process began."""
    tried: int = 0
    """Rows there were when a fit was last asked for."""
    first: int = 0
    problem: str = ""
    recent: deque[tuple[int, NDArray[np.float64]]] = field(default_factory=lambda: deque(maxlen=WARM_UP))

    @property
    def learned(self) -> Learned | None:
        """The baseline in use."""
        return self.running[0] if self.running else None

    def observe(self, now: int, x: NDArray[np.float64]) -> None:
        """Take note of a row that is evidence."""
        self.rows += 1
        self.first = self.first or now
        self.recent.append((now, x))

    def swap(self, learned: Learned | None) -> None:
        """Put a baseline into use, run over the latest rows; the alarm stays until the new one has its say."""
        if learned is None:
            self.running = None
            return
        at = np.array([self.names.index(name) for name in learned.names], np.intp)
        state = learned.start()
        for time, x in self.recent:
            _, state = learned.step(x[at], learned.age(time), self.alarm, state)
        self.running = (learned, state, at)
        self.problem, self.tried = "", 0

    def lacking(self, x: NDArray[np.float64]) -> list[str]:
        """Return the names of the inputs without which the baseline says nothing, of those that are missing."""
        if self.running is None:
            return []
        learned, _, at = self.running
        needed = set(learned.manifest["needed"])
        return [name for name, i in zip(learned.names, at, strict=True) if np.isnan(x[i]) and name in needed]

    def beyond(self, x: NDArray[np.float64]) -> dict[str, tuple[float, float, float]]:
        """Return the contexts that lie outside what was learned: name -> value, lowest and highest known."""
        if self.running is None:
            return {}
        learned, _, at = self.running
        values = dict(zip(learned.names, x[at].tolist(), strict=True))
        bounds = {name: (values[name], *limits) for name, limits in learned.manifest["contexts"].items()}
        return {n: (v, low, high) for n, (v, low, high) in bounds.items() if v < low or v > high}

    def judge(self, now: int, x: NDArray[np.float64]) -> Judged | None:
        """Judge one row and keep what follows from it; None while there is no baseline."""
        if self.running is None:
            return None
        learned, before, at = self.running
        out, state = learned.step(x[at], learned.age(now), self.alarm, before)
        self.running = (learned, state, at)
        score = finite(out["score"])
        verdict = Verdict.ABNORMAL if score >= 1 else Verdict.NORMAL
        if bool(out["outside"][0]):
            verdict = Verdict.UNKNOWN_REGIME
        elif finite(out["known"]) < 0.5:  # noqa: PLR2004 - more than half of what it judges by is missing
            verdict = Verdict.NO_DATA
        self._persist(verdict)
        arrays: dict[str, Any] = {name: np.asarray(out[name], np.float64) for name in ("ratio", "lean")}
        return Judged(verdict, score, finite(out["known"]), joint=finite(out["joint"]), **arrays)

    def _persist(self, verdict: Verdict) -> None:
        """Count towards raising or clearing; what abstains counts for neither."""
        if verdict not in {Verdict.NORMAL, Verdict.ABNORMAL}:
            return
        self.against = self.against + 1 if (verdict is Verdict.ABNORMAL) != self.alarm else 0
        if self.against >= PERSISTENCE[self.indicator][self.alarm]:
            self.alarm, self.against = not self.alarm, 0

    def pace(self) -> float:
        """Return the nanoseconds that rows usually lie apart, 0 before there are two."""
        if len(self.recent) < 2:  # noqa: PLR2004
            return 0.0
        return (self.recent[-1][0] - self.recent[0][0]) / (len(self.recent) - 1)

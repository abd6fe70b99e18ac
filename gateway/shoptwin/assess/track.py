"""One indicator of one machine over time: its baseline, its streaming state, its persistence, its learning."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.assess.allowance import Allowance
from shoptwin.assess.blocks import Blocks
from shoptwin.assess.learned import Learned, Pointer
from shoptwin.assess.names import STATE
from shoptwin.assess.sensors import SensorWatch
from shoptwin.assess.session import finite
from shoptwin.assess.unknown import Unknown
from shoptwin.domain.assessment import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.domain.assessment import Assessment

PERSISTENCE = {"process": (6, 15), "vibration": (2, 15)}
"""Rows in a row that raise the alarm, and that clear it. A snapshot is already the median of five."""
CLEARED = 0.8
"""Score below which a row speaks for clearing where values are held: its neighbours say the same, and an alarm at the
threshold would chatter. Rows that are measurements of their own are clear below the threshold, fifteen in a row."""
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
    tie: NDArray[np.float64]
    """How far each tag no longer goes with the others, of its limit; empty where that is not judged"""
    beyond: dict[str, tuple[float, float, float]]
    """Contexts outside what was learned: name -> value, lowest and highest known."""


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
    since: int = 0
    """When the first of them came, ns UTC."""
    blocks: Blocks | None = None
    judged: Judged | None = None
    """The latest; it holds until the next block is complete."""
    rows: int = 0
    """Rows observed since the process began."""
    tried: int = 0
    """Rows there were when a fit was last asked for."""
    first: int = 0
    asked: Pointer = field(default_factory=Pointer)
    """What was in use when a fit was last asked for."""
    unknown: Unknown = field(default_factory=Unknown)
    """What was seen since of regimes that the baseline does not know."""
    problem: str = ""
    allowance: Allowance = field(default_factory=Allowance)
    """What marks of its alarms allow: the one place where a threshold differs from the learned one."""
    watch: SensorWatch = field(init=False)
    recent: deque[tuple[int, NDArray[np.float64]]] = field(default_factory=lambda: deque(maxlen=WARM_UP))

    def __post_init__(self) -> None:
        self.watch = SensorWatch(self.names)

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
        state, blocks = (
            learned.start(),
            Blocks(learned.rhythm, learned.names.index(STATE) if STATE in learned.names else None),
        )
        for time, x in self.recent:
            if (row := blocks.add(time, x[at])) is not None:
                _, state = learned.step(row, learned.age(time), self.alarm, state)
        self.running, self.blocks, self.judged = (learned, state, at), blocks, None
        self.problem, self.tried, self.unknown = "", 0, Unknown()

    def lacking(self, x: NDArray[np.float64]) -> list[str]:
        """Return the names of the inputs without which the baseline says nothing, of those that are missing."""
        if self.running is None:
            return []
        learned, _, at = self.running
        needed = set(learned.manifest["needed"])
        return [name for name, i in zip(learned.names, at, strict=True) if np.isnan(x[i]) and name in needed]

    def beyond(self, x: NDArray[np.float64]) -> dict[str, tuple[float, float, float]]:
        """Return the contexts of the inputs `x` that lie outside what was learned: name -> value, lowest, highest."""
        if self.running is None:
            return {}
        learned = self.running[0]
        values = dict(zip(learned.names, x.tolist(), strict=True))
        bounds = {name: (values[name], *limits) for name, limits in learned.manifest["contexts"].items()}
        return {n: (v, low, high) for n, (v, low, high) in bounds.items() if v < low or v > high}

    def judge(self, now: int, x: NDArray[np.float64]) -> Judged | None:
        """Judge one row and keep what follows from it; None while there is no baseline, or nothing to judge yet."""
        if self.running is None or self.blocks is None:
            return None
        row = self.blocks.add(now, x[self.running[2]])
        if row is not None:
            self.judged = self._step(now, row, self.running)
        return self.judged

    def _step(
        self,
        now: int,
        x: NDArray[np.float64],
        running: tuple[Learned, dict[str, NDArray[np.float64]], NDArray[np.intp]],
    ) -> Judged:
        learned, before, at = running
        out, state = learned.step(x, learned.age(now), self.alarm, before)
        self.unknown.see(now, outside=bool(out["outside"][0]))
        if not bool(out["outside"][0]):  # what a regime that nobody knows looks like says nothing of the known ones
            self.running = (learned, state, at)
        score = self.allowance.apply(learned, x, finite(out["score"]))
        verdict = Verdict.ABNORMAL if score >= 1 else Verdict.NORMAL
        if bool(out["outside"][0]):
            verdict = Verdict.UNKNOWN_REGIME
        elif finite(out["known"]) < 0.5:  # noqa: PLR2004 - more than half of what it judges by is missing
            verdict = Verdict.NO_DATA
        if self.blocks is None or not self.blocks.moved:
            self._persist(verdict, score, now, learned.rhythm.span)
        arrays: dict[str, Any] = {n: np.asarray(out.get(n, ()), np.float64) for n in ("ratio", "lean", "tie")}
        return Judged(verdict, score, finite(out["known"]), joint=finite(out["joint"]), beyond=self.beyond(x), **arrays)

    def _persist(self, verdict: Verdict, score: float, now: int, span: int) -> None:
        """Count towards raising or clearing; what abstains counts for neither. Raising also takes `span` ns."""
        if verdict not in {Verdict.NORMAL, Verdict.ABNORMAL}:
            return
        clear = CLEARED if span and not self.allowance.relieved else 1.0
        counts = score < clear if self.alarm else verdict is Verdict.ABNORMAL
        self.against = self.against + 1 if counts else 0
        before = self.alarm
        self.since = now if self.against == 1 else self.since
        if self.against >= PERSISTENCE[self.indicator][self.alarm] and (self.alarm or now - self.since >= span):
            self.alarm, self.against = not self.alarm, 0
        rows, raised = PERSISTENCE[self.indicator][False], self.alarm and not before
        self.allowance.follow((self.machine, self.indicator), now, rows, raised=raised, standing=self.alarm)

    def pace(self) -> float:
        """Return the nanoseconds that rows usually lie apart, 0 before there are two."""
        if len(self.recent) < 2:  # noqa: PLR2004
            return 0.0
        return (self.recent[-1][0] - self.recent[0][0]) / (len(self.recent) - 1)

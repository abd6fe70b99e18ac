"""`shoptwin replay`: the daemon's own pipeline over a recording, on a virtual clock, learning inline.

What comes out is one JSON object a line, in order of time: assessments of the indicator `health`, and alarms as they
are raised and cleared. The same recording gives the same lines, and no line depends on what comes after its time.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from shoptwin.acquire.scaling import Scaling
from shoptwin.alarms.bad_data import BadData
from shoptwin.alarms.book import AlarmBook
from shoptwin.alarms.definitions import define
from shoptwin.alarms.limits import LimitJudge
from shoptwin.alarms.maintenance import Maintenance
from shoptwin.alarms.thresholds import all_limits
from shoptwin.assess.assessor import Assessor
from shoptwin.assess.shelf import ModelShelf
from shoptwin.config.loading import load_machines
from shoptwin.domain.alarm import EventKind
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.errors import ModelError, RecordingError
from shoptwin.domain.tag import TagTable, ValueKind
from shoptwin.domain.timing import iso
from shoptwin.pipeline import Pipeline
from shoptwin.recording import Recording
from shoptwin.runtime.clock import VirtualClock
from shoptwin.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from shoptwin.alarms.maintenance import MaintenanceChange
    from shoptwin.assess.progress import LearnRequest
    from shoptwin.domain.alarm import AlarmEvent, AlarmState
    from shoptwin.domain.assessment import Assessment, Observation, Remaining
    from shoptwin.domain.kpi import MachineSummary
    from shoptwin.domain.twin import StateChange
    from shoptwin.recording import Row

_STEPS = 1000


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay did, in figures."""

    rows: int
    assessments: int
    raised: int
    cleared: int
    learned: tuple[str, ...]
    """`<machine>/<indicator>` of each baseline that was learned."""


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """Observations that stay in memory, as learning reads them."""

    time: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    state: list[str]


class _Memory:
    """In the place of the sample store: keeps the observations that learning will ask for, and no samples."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], list[Observation]] = {}

    def append(self, batch: SampleBatch) -> None:
        """Keep nothing: the recording itself has the samples."""

    def append_observations(self, observations: Iterable[Observation]) -> None:
        """Keep observations."""
        for o in observations:
            self._kept.setdefault((o.machine, o.indicator), []).append(o)

    def alarmed(self, machine: str, now: int) -> None:
        """Keep nothing: a replay has its waveforms in its recording."""

    def take(self, request: LearnRequest) -> _Evidence:
        """Return the evidence that was asked for."""
        kept = self._kept.get((request.machine, request.indicator), [])
        asked = [o for o in kept if request.since <= o.time < request.latest]
        values = np.array([o.values for o in asked], np.float32)
        names = asked[-1].names if asked else ()
        return _Evidence(np.array([o.time for o in asked], np.int64), names, values, [o.state.value for o in asked])


@dataclass(slots=True)
class _Events:
    """In the place of the ledger: what would be sent is written as lines."""

    out: TextIO
    counts: dict[str, int] = field(default_factory=lambda: {"assessment": 0, "raised": 0, "cleared": 0})

    def assessment(self, a: Assessment) -> None:
        """Write a verdict on health."""
        if a.indicator == "health":
            self.counts["assessment"] += 1
            self._write(kind="assessment", time=iso(a.time), machine=a.machine, indicator=a.indicator,
                        state=a.state.value, score=a.score, evidence=list(a.evidence), note=a.note,
                        index=a.index, remaining=_remaining(a.remaining),
                        since=iso(a.since) if a.since else None,
                        hypotheses=[{"fault": h.fault, "support": h.support} for h in a.hypotheses])  # fmt: skip

    def alarms(self, events: Sequence[AlarmEvent], states: Sequence[AlarmState]) -> None:
        """Write alarms that are raised or cleared."""
        del states
        for event in events:
            if event.kind in {EventKind.RAISED, EventKind.CLEARED} and event.definition.machine:
                self.counts[event.kind.value] += 1
                self._write(kind="alarm", time=iso(event.time), machine=event.definition.machine,
                            alarm=event.definition.id, event=event.kind.value, text=event.state.text)  # fmt: skip

    def machine_state(self, change: StateChange) -> None:
        """Leave machine states out: the contract has no line for them."""

    def maintenance(self, change: MaintenanceChange) -> None:
        """Leave maintenance out."""

    def summary(self, summary: MachineSummary, verdicts: Iterable[Assessment]) -> None:
        """Leave summaries out."""

    def _write(self, **line: Any) -> None:  # noqa: ANN401 - whatever a line holds
        self.out.write(json.dumps(line, ensure_ascii=False) + "\n")


def replay(
    recording: Path, out: TextIO | Path, progress: Callable[[float], None] | None = None, *, unsigned: bool = False
) -> ReplayResult:
    """Replay a recording and write its events to `out`; `progress` is told the share that is done.

    With `unsigned`, shipped models run that no release has signed. A recording that is cut off is replayed as far as it
    goes, and its error is raised at the end.

    Raises:
        ConfigError: machine.toml cannot be used. RecordingError: the recording cannot be read, or not to its end.
    """
    source = Recording.open(recording)
    machines = load_machines(recording / "machine.toml")
    if isinstance(out, Path):
        with out.open("w", encoding="utf-8") as file:
            return replay(recording, file, progress, unsigned=unsigned)
    table = TagTable(tag for machine in machines for tag in machine.tags)
    events, memory, clock = _Events(out), _Memory(), VirtualClock(source.start)
    with TemporaryDirectory(prefix="shoptwin-replay-") as learned:
        pipeline = Pipeline(
            clock=clock, table=table, configured=machines, twin=Twin(table, machines),
            judge=LimitJudge(table, machines), bad_data=BadData(table),
            book=AlarmBook(define(machines, ())), maintenance=Maintenance(table, machines),
            assessor=Assessor(table, machines, ModelShelf(unsigned=unsigned), Path(learned)), summaries=(),
            samples=memory, transitions=events, heard=events.assessment,
        )  # fmt: skip
        pipeline.resume()
        batches = _Batches(table, source)
        done: list[str] = []
        problem = None
        try:
            for i, row in enumerate(source.rows()):
                clock.set(row.time)
                _row(pipeline, batches.of(row), memory, Path(learned), done)
                if progress is not None and i * _STEPS // len(source) != (i + 1) * _STEPS // len(source):
                    progress((i + 1) / len(source))
        except RecordingError as error:
            problem = error
    if problem is not None:
        raise problem
    return ReplayResult(len(source), events.counts["assessment"], events.counts["raised"], events.counts["cleared"],
                        tuple(done))  # fmt: skip


def _row(pipeline: Pipeline, batches: Iterable[SampleBatch], memory: _Memory, learned: Path, done: list[str]) -> None:
    """Take one row through the pipeline; whatever has been learned enough of by then judges it already."""
    for batch in batches:
        pipeline.take(batch)
    pipeline.tick()
    for request in pipeline.assessor.requests(pipeline.clock.now()):
        from shoptwin.learn.run import run  # noqa: PLC0415 - onnx is 0.2 s that a replay without learning saves

        limits = next(all_limits(machine) for machine in pipeline.configured if machine.name == request.machine)
        try:
            pipeline.assessor.adopt(request, run(replace(request, limits=limits), memory.take(request), learned))
        except ModelError as error:  # too little evidence: the machine goes on learning, and its verdicts say so
            pipeline.assessor.declined(request, str(error))
        else:
            done.append(f"{request.machine}/{request.indicator}")
    if windows := pipeline.windows():
        pipeline.conclude(pipeline.assessor.assess(windows))


def _remaining(left: Remaining | None) -> dict[str, Any] | None:
    """Return how long is left, in seconds; JSON has no infinity."""
    if left is None:
        return None
    return asdict(left) | {"high": left.high if math.isfinite(left.high) else None}


class _Batches:
    """Turns rows of a recording into the batches that a driver would have sent."""

    def __init__(self, table: TagTable, source: Recording) -> None:
        index = {tag.name: i for i, tag in table}
        strange = sorted((set(source.scalars) | source.waves.keys()) - index.keys())
        if strange:
            raise RecordingError(
                f"{source.path}: {', '.join(strange)} stands in the data and not in machine.toml",
                "Give each column a [[machine.tag]] with its role",
            )
        self._scalars = np.array([index[name] for name in source.scalars], np.int32)
        self._waves = {name: index[name] for name in source.waves}
        self._scaling = Scaling(table)

    def of(self, row: Row) -> list[SampleBatch]:
        """Return the batches of one row: scalars, then waveforms."""
        out = []
        if len(self._scalars):
            out.append(SampleBatch.of("recording", ValueKind.F8, self._scalars, row.scalars, source_time=row.time,
                                      receive_time=row.time))  # fmt: skip
        if row.waves:
            tags = [self._waves[name] for name in row.waves]
            out.append(SampleBatch.of("recording", ValueKind.WAVEFORM, tags, list(row.waves.values()),
                                      source_time=row.time, receive_time=row.time))  # fmt: skip
        return [scaled for batch in out for scaled in self._scaling.apply(batch)]

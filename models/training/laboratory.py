"""What the yardstick would say of a change to learning, in a minute: every recording, in each way it can be told.

    python models/training/laboratory.py [--family skab tep] [--telling as-is 1 2 3 4 5] [--anew]

The first run takes the recordings through the product's own pipeline and keeps what it observes in build/laboratory
(five minutes on two cores). Every run then learns and judges anew from there, with the numpy twin of what learning
writes as ONNX, so that a change under `shoptwin/learn` shows at once; one of features or of the twin needs `--anew`.
Protocols, figures and goals are the yardstick's own code. `X` marks a goal that is missed. Before anything is claimed,
`score_table.py` runs the product itself.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pickle
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the recordings share the cores: told before numpy is imported

import numpy as np

from shoptwin.assess.assessor import Assessor
from shoptwin.assess.features import Features
from shoptwin.assess.fusion import fuse
from shoptwin.assess.learned import Learned
from shoptwin.assess.track import Track
from shoptwin.domain.assessment import Assessment, Verdict
from shoptwin.domain.errors import ModelError
from shoptwin.learn.baseline import Settings, fit
from shoptwin.learn.extend import Before
from shoptwin.replay import replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from shoptwin.assess.features import Observed
    from shoptwin.domain.assessment import Window
    from shoptwin.learn.baseline import Baseline

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "laboratory"
AS_IS = "as-is"
_OFF = "off"


@dataclass(slots=True)
class Rows:
    """What was observed of one indicator, row by row: what learning and judging get."""

    names: tuple[str, ...]
    time: list[int] = field(default_factory=list)
    """ns UTC"""
    state: list[str] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    """[names] each"""

    def before(self, until: int) -> Evidence:
        """Return the rows of the learning part that are evidence."""
        kept = [
            i for i, time in enumerate(self.time)
            if time < until and self.state[i] != _OFF and np.isfinite(self.values[i][:-1]).any()
        ]  # fmt: skip
        values = np.array([self.values[i] for i in kept], np.float32)
        time = np.array([self.time[i] for i in kept], np.int64)
        return Evidence(time, self.names, values, [self.state[i] for i in kept])


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows as `fit` reads them."""

    time: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    state: list[str]


class InNumpy(Learned):
    """A baseline that judges by its model's own arithmetic, without a file and a session."""

    __slots__ = ("baseline",)

    def __init__(self, baseline: Baseline) -> None:
        manifest = baseline.manifest() | Before().manifest(baseline, baseline.until)
        super().__init__("laboratory", "", "", manifest, None, {})  # type: ignore[arg-type]
        object.__setattr__(self, "baseline", baseline)

    def step(
        self, x: NDArray[np.float64], age: float, alarmed: bool, state: dict[str, NDArray[np.float64]]
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.float64]]]:
        """Judge one row [names]; what Learned does."""
        out = self.baseline.model.step(x, age, float(alarmed), state)  # type: ignore[attr-defined]
        return out, {name: out[f"next.{name}"] for name in state}


def observe(recording: Path) -> dict[str, Rows]:
    """Take a recording through the pipeline and return what it shows of each indicator."""
    rows: dict[str, Rows] = {}
    plain = Features.observe

    def observed(self: Features, window: Window, layout: Any, bursts: Any) -> dict[str, Observed]:  # noqa: ANN401
        found = plain(self, window, layout, bursts)
        for indicator, row in found.items():
            names = layout.vibration if indicator == "vibration" else layout.process
            kept = rows.setdefault(indicator, Rows(names))
            kept.time.append(window.now)
            kept.state.append(window.state.value)
            kept.values.append(np.array(row.values, np.float64))
        return found

    with patch.object(Features, "observe", observed), patch.object(Assessor, "requests", lambda *_: ()):
        replay(recording, io.StringIO())
    return rows


def judge(path: Path, shared: Path) -> Any:  # noqa: ANN401 - the yardstick's Verdict
    """Learn from what was observed of one recording, judge the rest, and return the yardstick's verdict."""
    yardstick(shared)
    truth, rows = pickle.loads(path.read_bytes())  # noqa: S301 - written by `keep`
    until = round(truth.learned * 1e3) * 10**6
    tracks = {indicator: Track("m", indicator, each.names) for indicator, each in rows.items()}
    for indicator, track in tracks.items():
        _learn(track, rows[indicator].before(until))
    verdict = importlib.import_module("events").silent(truth, "")
    verdict.state = verdict.state.astype("U16")
    at = np.round(truth.times * 1e3).astype(np.int64) * 10**6
    live: float | None = None
    for now, health in _health(tracks, rows, until):
        row = int(np.searchsorted(at, now, side="right")) - 1
        if row >= 0 and np.isnan(verdict.score[row]):
            verdict.state[row], verdict.score[row] = health.state.value, health.score
        if health.alarm and live is None:
            live = now / 1e9
        elif not health.alarm and live is not None:
            verdict.alarms.append((live, now / 1e9))
            live = None
    if live is not None:
        verdict.alarms.append((live, np.inf))
    return verdict


def _learn(track: Track, evidence: Evidence) -> None:
    for time, x in zip(evidence.time.tolist(), evidence.values.astype(np.float64), strict=True):
        track.observe(time, x)
    try:
        track.swap(InNumpy(fit(evidence, Settings(track.indicator))))
    except ModelError as error:
        track.problem = str(error)


def _health(tracks: dict[str, Track], rows: dict[str, Rows], until: int) -> Iterator[tuple[int, Assessment]]:
    """Yield the time and the fused assessment of each judged row."""
    latest: dict[str, Assessment] = {}
    events = sorted((time, indicator, i) for indicator, each in rows.items() for i, time in enumerate(each.time))
    for n, (now, indicator, i) in enumerate(events):
        if now < until:
            continue
        each, track = rows[indicator], tracks[indicator]
        state, score = _verdict(track, now, each.values[i], off=each.state[i] == _OFF)
        latest[indicator] = Assessment("m", indicator, now, state, score, alarm=track.alarm)
        if n + 1 == len(events) or events[n + 1][0] != now:
            yield now, fuse("m", now, list(latest.values()))


def _verdict(track: Track, now: int, x: NDArray[np.float64], *, off: bool) -> tuple[Verdict, float]:
    if off:
        return Verdict.UNKNOWN_REGIME, 0.0
    if track.lacking(x):
        return Verdict.NO_DATA, 0.0
    judged = track.judge(now, x)
    return (judged.state, judged.score) if judged else (Verdict.LEARNING, 0.0)


def keep(recording: Path, truth: Any, path: Path) -> None:  # noqa: ANN401 - the yardstick's Truth
    """Observe a recording, keep what was seen, and delete the recording."""
    path.write_bytes(pickle.dumps((truth, observe(recording))))
    shutil.rmtree(recording)


def prepare(family: str, telling: str, shared: Path, pool: ProcessPoolExecutor) -> list[Path]:
    """Return what is kept of a family in one telling, observing it first where nothing is."""
    folder = KEPT / f"{family}-{telling}"
    if not folder.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        families = importlib.import_module("recordings").FAMILIES
        vary = importlib.import_module("vary").vary
        with tempfile.TemporaryDirectory(dir=KEPT) as work:
            made = Path(work, "kept")
            made.mkdir()
            jobs = []
            for i, (recording, truth) in enumerate(families[family](shared / "data", Path(work), None)):
                told = truth if telling == AS_IS else vary(recording, truth, int(telling))
                jobs.append(pool.submit(keep, recording, told, made / f"{i:03d}"))
            for job in jobs:
                job.result()
            made.rename(folder)
    return sorted(folder.iterdir())


def yardstick(shared: Path) -> None:
    """Let the yardstick's modules be imported."""
    if (place := str(shared / "evaluate")) not in sys.path:
        sys.path.insert(0, place)


def main() -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="where evaluate/ and data/ are")
    parser.add_argument("--family", nargs="+", help="default: all")
    parser.add_argument("--telling", nargs="+", default=[AS_IS, "1", "2", "3", "4", "5"], help="as-is, or seeds")
    parser.add_argument("--anew", action="store_true", help="forget what was observed before")
    told = parser.parse_args()
    if not (told.shared / "evaluate" / "score.py").exists():
        print(f"{told.shared}/evaluate is not here: give --shared", file=sys.stderr)
        return 1
    yardstick(told.shared)
    figures = importlib.import_module("figures").FIGURES
    if told.anew:
        shutil.rmtree(KEPT, ignore_errors=True)
    missed = [0] * len(told.telling)
    with ProcessPoolExecutor(2) as pool:
        for family in told.family or figures:
            columns = []
            for telling in told.telling:
                paths = prepare(family, telling, told.shared, pool)
                columns.append(figures[family](list(pool.map(judge, paths, [told.shared] * len(paths)))))
            for row in zip(*columns, strict=True):
                cells = (f"{figure.show():>9}{' ' if figure.met else 'X'}" for figure in row)
                print(f"{family:8} {row[0].name:46} {row[0].show_goal():11}", *cells, flush=True)
            missed = [m + sum(not figure.met for figure in c) for m, c in zip(missed, columns, strict=True)]
    print(f"{'':8} {'goals missed':46} {'':11}", *(f"{m:>9} " for m in missed))
    return 0


if __name__ == "__main__":
    # By its own name, so that what it keeps can be read by others too: pickles name the module of a class.
    sys.exit(importlib.import_module("laboratory").main())

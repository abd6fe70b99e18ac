"""How well remaining life is told, over machines that ran to failure: docs/reference/prognosis.md's tables.

    python models/training/prognosis_table.py [--print] [--telling as-is]

It judges the recordings as the laboratory keeps them (see laboratory.py), by the product's own tracks and outlooks,
with its defaults: two minutes on two cores. Each row at which an interval was told is asked whether the failure came
within it; a machine counts once, however many rows it has. The failure level is told from the recordings too, so each
family is also judged with the level that the other one alone would have given.
"""

from __future__ import annotations

import argparse
import importlib
import math
import pickle
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import laboratory
import numpy as np
from pages import write_between

from shoptwin.assess import outlook
from shoptwin.assess.degradation import FLOOR
from shoptwin.assess.fusion import fuse
from shoptwin.assess.outlooks import JUDGED, Outlooks
from shoptwin.assess.prognosis import FAILURE, FailureLevel, remaining
from shoptwin.assess.track import Track
from shoptwin.domain.assessment import Assessment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "prognosis.md"
RUN_TO_FAILURE = ("femto", "cmapss")
HEALTHY = {
    "femto": ("loop",), "skab": ("loop", "quiet-400"), "tep": ("normal",)
}  # fmt: skip
"""Kinds of recordings without a failure at their end, by family: nothing should be told of most of their time."""
PARTS = ((0.0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.0))
"""Of the time between the end of learning and failure."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of one machine. Times in seconds from the end of learning."""

    family: str
    kind: str
    life: float
    time: NDArray[np.float64]
    index: NDArray[np.float64]
    low: NDArray[np.float64]
    """NaN where nothing was told, as in `high`."""
    high: NDArray[np.float64]
    last: float
    """Severity at the end, smoothed as the health index is."""

    @property
    def told(self) -> NDArray[np.bool_]:
        """Rows at which an interval was told."""
        return np.isfinite(self.low)

    @property
    def left(self) -> NDArray[np.float64]:
        """What was left in truth."""
        return self.life - self.time


def watch(path: Path, family: str, shared: Path, failure: FailureLevel) -> Told:
    """Judge what was observed of one recording, and return what is told of it."""
    laboratory.yardstick(shared)
    truth, rows = pickle.loads(path.read_bytes())  # noqa: S301 - written by the laboratory
    until = round(truth.learned * 1e3) * 10**6
    tracks = {indicator: Track("m", indicator, each.names) for indicator, each in rows.items()}
    for indicator, track in tracks.items():
        laboratory._learn(track, rows[indicator].before(until))  # noqa: SLF001 - of one house
    events = sorted((time, indicator, i) for indicator, each in rows.items() for i, time in enumerate(each.time))
    latest: dict[str, Assessment] = {}
    lines, smooth = [], math.nan
    with (
        tempfile.TemporaryDirectory() as kept,
        patch.object(outlook, "remaining", partial(remaining, failure=failure)),
    ):
        outlooks = Outlooks(Path(kept))
        for now, indicator, i in (event for event in events if event[0] >= until):
            each, track = rows[indicator], tracks[indicator]
            state, score = laboratory._verdict(track, now, each.values[i], off=each.state[i] == "off")  # noqa: SLF001
            verdict = Assessment("m", indicator, now, state, score, alarm=track.alarm)
            latest[indicator] = outlooks.of(track, verdict)
            health = fuse("m", now, list(latest.values()))
            if health.state in JUDGED:
                logarithm = math.log(max(health.score, FLOOR))
                smooth = logarithm if math.isnan(smooth) else smooth + (logarithm - smooth) / outlook.MEMORY
            left = health.remaining
            lines.append((
                (now - until) / 1e9, math.nan if health.index is None else health.index,
                left.low if left else math.nan, left.high if left else math.nan,
            ))  # fmt: skip
    time, index, low, high = np.array(lines).T
    return Told(family, truth.kind, truth.end - until / 1e9, time, index, low, high, math.exp(smooth))


def level(families: Sequence[Sequence[Told]]) -> FailureLevel:
    """Return the failure level that families of machines run to failure tell: each family counts once.

    Kinds of machines differ as machines of a kind do; where there is one family, they are taken to differ as much.
    """
    ends = [np.log([t.last for t in told]) for told in families]
    within = float(np.mean([e.var(ddof=1) for e in ends]))
    middles = np.array([np.median(e) for e in ends])
    between = float(middles.var(ddof=1)) if len(ends) > 1 else within
    return FailureLevel(float(np.exp(middles.mean())), math.sqrt(3 * (within + between)) / math.pi)


def figures(told: Sequence[Told], part: tuple[float, float] = (0.0, 1.0)) -> list[str]:
    """Return the cells of one row: machines, told of how many, share told, held, too late, too early, width."""
    share, held, late, early, width = [], [], [], [], []
    for t in told:
        within = (t.time >= part[0] * t.life) & (t.time <= part[1] * t.life)
        rows = within & t.told
        share.append(rows.sum() / max(within.sum(), 1))
        if rows.any():
            low, high, left = t.low[rows], t.high[rows], t.left[rows]
            held.append(((low <= left) & (left <= high)).mean())
            late.append((left < low).mean())
            early.append((left > high).mean())
            width.append(float(np.median(np.log(np.maximum(high, 1.0) / np.maximum(low, 1.0)))))
    counts = [str(len(told)), str(len(held)), f"{np.mean(share):.0%}"]
    if not held:
        return [*counts, "", "", "", ""]
    return [*counts, *(f"{np.mean(x):.0%}" for x in (held, late, early)), f"{math.exp(np.median(width)):.1f}"]


def tables(found: dict[str, list[Told]], shipped: FailureLevel, crossed: dict[str, tuple[FailureLevel, list[Told]]],
           healthy: dict[str, list[Told]]) -> str:  # fmt: skip
    """Return the text between the marks."""
    rows = [[f, "as shipped", *figures(told)] for f, told in found.items()]
    rows += [["all", "as shipped", *figures([t for told in found.values() for t in told])]]
    for family, (failure, told) in crossed.items():
        other = " and ".join(f for f in found if f != family)
        rows.append([family, f"{failure.median:.1f} / {failure.spread:.2f}, of {other} alone", *figures(told)])
    heading = ["machines", "told of", "time told", "held", "failed sooner", "failed later", "high / low"]
    text = [_table(["family", "failure level", *heading], rows)]
    text.append("By how much of its life after learning a machine had behind it:")
    parts = [
        [f, f"{a:.0%} to {b:.0%}", *figures(told, (a, b))] for f, told in found.items() for a, b in PARTS
    ]  # fmt: skip
    text.append(_table(["family", "of its life", *heading], parts))
    text.append("Machines that do not fail, and what was told of them:")
    quiet = [
        [f, str(len(told)), f"{np.mean([t.told.mean() for t in told]):.1%}",
         f"{np.nanmedian(np.concatenate([t.index for t in told])):.0f}",
         f"{np.nanmin(np.concatenate([t.index for t in told])):.0f}"]
        for f, told in healthy.items()
    ]  # fmt: skip
    text.append(_table(["family", "recordings", "time told", "median index", "lowest index"], quiet))
    whole = level(list(found.values()))
    text.append(
        f"Failure level of the two families together: {whole.median:.2f} times the alarm threshold, spread "
        f"{whole.spread:.2f}; shipped: {shipped.median:g} and {shipped.spread:g}."
    )
    return "\n\n".join(text)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * 2 + ["---:"] * (len(heading) - 2), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="where evaluate/ and data/ are")
    parser.add_argument("--print", dest="only", action="store_true", help="print the tables, write nothing")
    parser.add_argument("--telling", default=laboratory.AS_IS, help="as-is, or a seed: other words are printed alone")
    told = parser.parse_args()
    if not (told.shared / "evaluate" / "score.py").exists():
        print(f"{told.shared}/evaluate is not here: give --shared", file=sys.stderr)
        return 1
    laboratory.yardstick(told.shared)
    importlib.import_module("recordings")
    with ProcessPoolExecutor(2) as pool:

        def run(family: str, failure: FailureLevel) -> list[Told]:
            paths = laboratory.prepare(family, told.telling, told.shared, pool)
            return list(pool.map(partial(watch, family=family, shared=told.shared, failure=failure), paths))

        every = {family: run(family, FAILURE) for family in dict.fromkeys((*RUN_TO_FAILURE, *HEALTHY))}
        found = {f: [t for t in every[f] if t.kind == "life"] for f in RUN_TO_FAILURE}
        crossed = {}
        for family in found:
            failure = level([found[other] for other in found if other != family])
            crossed[family] = failure, [t for t in run(family, failure) if t.kind == "life"]
        healthy = {f: [t for t in every[f] if t.kind in kinds] for f, kinds in HEALTHY.items()}
    text = tables(found, FAILURE, crossed, {f: told for f, told in healthy.items() if told})
    if told.only or told.telling != laboratory.AS_IS:
        print(text)
        return 0
    return write_between(PAGE, "table", text.splitlines())


if __name__ == "__main__":
    sys.exit(main())

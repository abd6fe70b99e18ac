"""How often the right fault is named: runs whose fault is known, by the product's own assessor, as a confusion table.

    python models/training/diagnosis_table.py [--shared DIR] [--print]

Writes the table into docs/reference/diagnosis.md; with `--print` it only prints it. A run's name is what was named
first in most of the rows in which something was named. Faults that are not told as hypotheses, since they were not
borne out, are judged here too, so that the table says why.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # runs share the cores: told before numpy is imported

import numpy as np
from diagnosis_runs import FAMILIES, HEALTHY, Run
from pages import write_between

from shoptwin.assess import Assessor, ModelShelf, diagnosis, diagnostician, suspects
from shoptwin.domain.assessment import Observation, Window
from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import ModelError
from shoptwin.domain.machine import Learning, Machine, MachineState
from shoptwin.domain.tag import Role, Tag, TagTable
from shoptwin.domain.timing import SECOND
from shoptwin.learn.run import run as learn

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "diagnosis.md"
EPOCH = 1_700_000_000 * SECOND
NOTHING = "nothing"
NAMED = diagnosis.NAMED | suspects.NAMED
TOO = frozenset({"lubrication", "sensor-drift", "sensor-swapped"})
"""What is judged here and not told by the product."""


class _Evidence:
    """Observations as learning reads them."""

    def __init__(self, kept: list[Observation]) -> None:
        self.time = np.array([o.time for o in kept])
        self.names = kept[-1].names
        self.values = np.array([o.values for o in kept])
        self.state = [o.state.value for o in kept]


def play(run: Run) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Yield for each judged row whether the machine was abnormal, and what was named, the best supported first."""
    every = round(run.every * SECOND)
    made = tuple(Tag(f"m.{name}", name, "m", Role(role), unit) for name, role, unit in run.tags)
    until = EPOCH + run.learn * every
    machine = Machine("m", made, learning=Learning(until), bearings=run.bearings, gears=run.gears)
    table = TagTable(made)
    index = np.array(table.of_machine("m"), np.int32)
    kept: dict[str, list[Observation]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        assessor = Assessor(table, [machine], ModelShelf(), Path(place))
        for i, row in enumerate(run.rows):
            now = EPOCH + i * every
            for request in assessor.requests(now):
                with suppress(ModelError):  # too little to learn of this indicator: the other one is judged
                    old = [o for o in kept[request.indicator] if o.time < request.until]
                    assessor.adopt(request, learn(request, _Evidence(old), Path(place)))
            judged = assessor.assess([_window(table, index, now, row)])
            for _, error in judged.broken:
                raise error
            for o in judged.observations:
                kept[o.indicator].append(o)
            [health] = [a for a in judged.assessments if a.indicator == "health"]
            if i >= run.learn:
                yield health.alarm or health.state.value == "abnormal", tuple(h.fault for h in health.hypotheses)


def _window(table: TagTable, index: Any, now: int, row: dict[str, Any]) -> Window:  # noqa: ANN401 - int32 [tags]
    values = [row[table[i].name] for i in index.tolist()]
    waves = {i: v for i, v in zip(index.tolist(), values, strict=True) if isinstance(v, Waveform)}
    numbers = np.array([np.nan if isinstance(v, Waveform) else v for v in values], float)
    times = np.full(len(index), now)
    good = np.zeros(len(index), np.uint32)
    return Window(
        "m", now, MachineState.UNKNOWN, index, numbers, good, times, times, waves, frozenset(index.tolist())
    )  # fmt: skip


def verdict(run: Run) -> tuple[str, str, str, int, int]:
    """Return family, truth, the run's name, rows in which something was named, and rows that were judged."""
    diagnostician.BORNE_OUT = NAMED | TOO
    first: Counter[str] = Counter()
    rows = 0
    for _, names in play(run):
        rows += 1
        first.update(names[:1])
    name = first.most_common(1)[0][0] if first else NOTHING
    right = "right, less precisely" if name in run.also else name
    return run.family, run.truth, right, sum(first.values()), rows


def table(found: list[tuple[str, str, str, int, int]]) -> list[str]:
    """Return the lines of the table: a row for each family and truth."""
    rows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    claims: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for family, truth, name, named, judged in found:
        rows[family, truth][name] += 1
        claims[family, truth][0] += named
        claims[family, truth][1] += judged
    lines = ["| machines | true fault | told | runs | named first, share of runs |", "| --- | --- | --- | ---: | --- |"]
    for (family, truth), names in rows.items():
        total = names.total()
        shares = ", ".join(f"{_mark(n, truth)} {c / total:.0%}" for n, c in names.most_common())
        if truth == HEALTHY:
            named, judged = claims[family, truth]
            shares += f"; {named} of {judged} rows"
        told = "" if truth in {HEALTHY, "another fault"} else "yes" if truth in NAMED else "no"
        lines.append(f"| {family} | {truth} | {told} | {total} | {shares} |")
    return lines


def _mark(name: str, truth: str) -> str:
    return f"**{name}**" if name == truth or name.startswith("right") else name


def main() -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="where data/ is")
    parser.add_argument("--print", action="store_true", help="print the table, and leave the page as it is")
    told = parser.parse_args()
    data = told.shared / "data"
    if not data.exists():
        print(f"{data} is not here: give --shared", file=sys.stderr)
        return 1
    found = []
    with ProcessPoolExecutor(2) as pool:
        for family in FAMILIES:
            found += pool.map(verdict, family(data))
            print(f"{family.__name__}: {len(found)} runs so far", file=sys.stderr)
    lines = table(found)
    print("\n".join(lines))
    return 0 if told.print else write_between(PAGE, "table", lines)


if __name__ == "__main__":
    sys.exit(main())

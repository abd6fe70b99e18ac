"""Would each constant have been chosen without the family that it is judged on? Makes the second table of detection.md.

    python models/training/left_out.py [--telling as-is 1 2 3 4 5] [--print]

Every constant that learning and judging do not take from the evidence is set lower and higher, one at a time, and each
family is scored in each telling by `laboratory.py`. Leaving one family out, the value that misses the fewest goals of
the others is chosen (the default where it is as good as any), and what the left-out family misses with it is told
beside what it misses with the default. A default that only pays on the family it was chosen on shows here.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import laboratory as lab
import numpy as np
from pages import write_between
from score_table import AS_IS, PAGE, TELLINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPORTED = ("genesis", "cwru")
"""Families without a goal: nothing could be chosen by them."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that was chosen: in which modules it stands, and what else it could be."""

    name: str
    places: tuple[str, ...]
    others: tuple[Any, ...]

    @property
    def default(self) -> Any:  # noqa: ANN401 - a number, a tuple or an array
        """Return the value that the product has."""
        return getattr(importlib.import_module(self.places[0]), self.name)


_LIMITS = 2 * np.log([2.0, 4.0, 10.0])
CONSTANTS = (
    Constant("TAIL", ("shoptwin.learn.budget",), (3e-5, 3e-4)),
    Constant("SCALES", ("shoptwin.learn.fit_process",), ((1, 4, 8, 16), (1, 4, 16, 64))),
    Constant("WANDERS", ("shoptwin.learn.fit_process",), (0.3, 0.55)),
    Constant("LEAST_LOOKS", ("shoptwin.learn.fit_process",), (3, 8)),
    Constant("EXPLAINED", ("shoptwin.learn.explain",), (0.3, 0.7)),
    Constant("JUMP", ("shoptwin.learn.fit_process",), (3.0, 6.0)),
    Constant(
        "PERSISTENCE", ("shoptwin.assess.track",),
        ({"process": (4, 10), "vibration": (2, 10)}, {"process": (9, 22), "vibration": (3, 22)}),
    ),
    Constant("SUDDEN", ("shoptwin.learn.vibration",), (0.5, 1.0)),
    Constant("LIMITS", ("shoptwin.learn.fit_vibration",), (_LIMITS * 0.75, _LIMITS * 1.5)),
)  # fmt: skip


def judge(path: Path, shared: Path, constant: Constant | None, choice: int) -> Any:  # noqa: ANN401 - the yardstick's Verdict
    """Judge one recording with one constant set to one of its other values."""
    if constant is None:
        return lab.judge(path, shared)
    before = constant.default
    try:
        for place in constant.places:
            setattr(importlib.import_module(place), constant.name, constant.others[choice])
        return lab.judge(path, shared)
    finally:
        for place in constant.places:
            setattr(importlib.import_module(place), constant.name, before)


def settings() -> Iterator[tuple[Constant | None, int]]:
    """Yield the default, then every other value of every constant."""
    yield None, 0
    for constant in CONSTANTS:
        for choice in range(len(constant.others)):
            yield constant, choice


def missed(shared: Path, tellings: list[str]) -> dict[str, list[int]]:
    """Return the goals that each family misses in all tellings together, in the order of `settings`."""
    figures = importlib.import_module("figures").FIGURES
    out: dict[str, list[int]] = {}
    with ProcessPoolExecutor(2) as pool:
        for family, figure in figures.items():
            if family in REPORTED:
                continue
            paths = {telling: lab.prepare(family, telling, shared, pool) for telling in tellings}
            counts = []
            for constant, choice in settings():
                work = functools.partial(judge, shared=shared, constant=constant, choice=choice)
                columns = [figure(list(pool.map(work, each))) for each in paths.values()]
                counts.append(sum(not one.met for column in columns for one in column))
            out[family] = counts
            print(f"{family}: {counts}", flush=True)
    return {family: counts for family, counts in out.items() if any(counts)}


def table(found: dict[str, list[int]]) -> list[str]:
    """Return the lines of the table: goals missed with each value, and by what would be chosen without the family."""
    lines = [f"| constant | value | {' | '.join(found)} | all |", f"| --- | --- |{' ---: |' * (len(found) + 1)}"]
    all_settings = list(settings())
    for i, (constant, choice) in enumerate(all_settings):
        counts = [each[i] for each in found.values()]
        name, value = (constant.name, told(constant.others[choice])) if constant else ("all", "default")
        lines.append(f"| {name} | {value} | {' | '.join(map(str, counts))} | {sum(counts)} |")
    for constant in CONSTANTS:
        cells, total = [], 0
        for family in found:
            chosen = best(found, family, [0, *(i for i, (c, _) in enumerate(all_settings) if c is constant)])
            total += found[family][chosen]
            choice = all_settings[chosen][1]
            cells.append(f"{found[family][chosen]}{f' ({told(constant.others[choice])})' if chosen else ''}")
        lines.append(f"| {constant.name} | chosen without the family | {' | '.join(cells)} | {total} |")
    return lines


def best(found: dict[str, list[int]], family: str, choices: list[int]) -> int:
    """Return which of the settings misses the fewest goals of all other families; the first of several."""
    return min(choices, key=lambda i: sum(counts[i] for name, counts in found.items() if name != family))


def told(value: Any) -> str:  # noqa: ANN401 - whatever a constant is
    """Return a value in short."""
    if isinstance(value, dict):
        return ", ".join(f"{raise_} up {clear} down" for raise_, clear in value.values())
    if isinstance(value, (tuple, np.ndarray)):
        return " ".join(f"{x:.3g}" for x in value)
    return f"{value:.3g}"


def main() -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=lab.Path, default=lab.ROOT.parent / "shared", help="the yardstick")
    parser.add_argument("--telling", nargs="+", default=TELLINGS, help=f"{AS_IS}, or seeds")
    parser.add_argument("--print", dest="only", action="store_true", help="print the table, write nothing")
    asked = parser.parse_args()
    if not (asked.shared / "evaluate" / "score.py").exists():
        print(f"{asked.shared}/evaluate is not here: give --shared", file=sys.stderr)
        return 1
    lab.yardstick(asked.shared)
    lines = table(missed(asked.shared, asked.telling))
    text = "\n".join([f"In the tellings {', '.join(asked.telling)}:", "", *lines])
    if asked.only:
        print(text)
        return 0
    return write_between(PAGE, "left out", text.splitlines())


if __name__ == "__main__":
    sys.exit(main())

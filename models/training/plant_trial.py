"""Prove detection on the practice plant: machine-months with a fault of each kind, judged by the product itself.

    python models/training/plant_trial.py [--seeds 50] [--kinds fan leak] [--only healthy] [--json FILE] [--write]

A run is one machine for 30 days, a snapshot every 15 minutes: two shifts, stops, orders for three products, weekends
and free Mondays with a cold start after them; each seed begins in another season. The first ten days are learned
from, as a user would type it; later a fault begins and grows until the machine fails, at the end of the run.
`shoptwin.replay` judges it with the product's defaults. Every alarm that an operator would see counts: raised before
the fault's beginning it is false, raised or standing before the failure it is found. Exits 0 only if both goals are
met. With `--write` the table goes into docs/reference/detection.md. `--seeds 2` tells the trend within minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the runs share the cores: told before numpy is imported

import numpy as np
from pages import write_between
from trial_table import PAGE, table, totals

from shoptwin.domain.timing import DAY, MINUTE, iso, parse_time
from shoptwin.replay import replay
from shoptwin_plant.faults import KINDS
from shoptwin_plant.machines import Mill, Packer, Press
from shoptwin_plant.physics.life import calendar
from shoptwin_plant.physics.noise import generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin_plant.simulated import Simulated

ROWS, LEARNED = 2880, 960
"""Snapshots of a run, and those that are learned from."""
EVERY = 15 * MINUTE
STRIDE = 60
"""Seconds that the physics is stepped at once: below every time constant that a snapshot each 15 minutes could show."""
SAMPLES = 4096
SCALE = 0.001
"""g in one count of the converter."""
FIRST = parse_time("2025-01-01T06:00:00Z")
"""A Wednesday: 30 days later a run ends on a Friday, so that no machine fails while it stands."""
_APART = 52
"""Days of the year from one seed's beginning to the next one's, so that few seeds see all seasons already."""
HEALTHY = "healthy"
_OFF = "the machine is off"
"""What the product says instead of a verdict while there is nothing to judge."""
MACHINES: dict[str, type[Simulated]] = {machine.name: machine for machine in (Press, Mill, Packer)}

GROWTH = {
    # Spalls go from the first flake to a rough race within days to weeks of running; a cage goes faster.
    "bearing-outer": (4, 12), "bearing-inner": (4, 12), "bearing-ball": (4, 12), "bearing-cage": (2, 6),
    # Dirt and wear build up slowly, couplings and feet work loose over weeks.
    "imbalance": (3, 12), "misalignment": (3, 12), "looseness": (2, 10), "fan": (4, 12), "coolant-filter": (3, 12),
    # A crack in a tooth grows with each turn; a bearing that lost its grease lives for days.
    "gear-tooth": (2, 8), "lubrication": (2, 6),
    # Bars break one after the other; a corroding contact of one phase gets hot and worse.
    "rotor-bar": (4, 12), "phase-imbalance": (2, 8),
    # A slipping belt polishes itself; a tool beyond its life goes within two or three days; ways and pumps slowly.
    "belt-slip": (2, 8), "tool-wear": (2, 3), "friction": (3, 12), "pump-wear": (4, 12),
    "heater": (2, 8), "leak": (2, 12),
    # Sensors: at once (then it is how long nobody minds), or as contacts corrode and amplifiers drift.
    "sensor-stuck": (2, 12), "sensor-swapped": (2, 12), "sensor-spikes": (2, 8), "sensor-drift": (3, 12),
    "sensor-clipped": (3, 12),
}  # fmt: skip
"""Days from a fault's beginning to the functional failure, at least and at most; drawn log-uniformly between."""
LEFT_OUT = {"more-rejects": "no process tag moves: the share of rejects is judged by `quality`, not by health"}


@dataclass(frozen=True, slots=True)
class Case:
    """One run to do."""

    kind: str
    seed: int


@dataclass(slots=True)
class Result:
    """What became of it. Times are days since the start of the run."""

    kind: str
    seed: int
    machine: str
    tag: str = ""
    begin: float = ROWS * EVERY / DAY
    months: float = 0.0
    """Healthy ones that were judged: from the end of learning to the fault's beginning, in months of 30 days."""
    false: list[tuple[float, str]] = field(default_factory=list)
    """Alarms raised before the fault's beginning: when, and which."""
    found: float | None = None
    standing: bool = False
    """Whether the alarm that counts as found stood already when the fault began."""
    severity: float | None = None
    lead: float | None = None
    by: str = ""
    states: dict[str, int] = field(default_factory=dict)
    """Verdicts after the fault's beginning, in rows."""
    peak: float = 0.0
    """The largest score after it."""
    running: int = 0
    """Rows between learning and the fault's beginning in which the machine was not off."""
    abstained: int = 0
    """Those of them on which the product gave no verdict."""
    learned: tuple[str, ...] = ()
    seconds: float = 0.0
    """Of the processor."""


def run(case: Case) -> Result:
    """Simulate one machine-month and let the product judge it."""
    begun = time.process_time()
    rng = generator(case.seed, "trial", case.kind)
    start = FIRST + case.seed * _APART % 365 // 7 * 7 * DAY
    machine, tag = _machine(case, rng, start)
    result = Result(case.kind, case.seed, machine.name, tag)
    if case.kind != HEALTHY:
        low, high = GROWTH[case.kind]
        grows = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))) * DAY)
        machine.faults.inject(case.kind, start + ROWS * EVERY - grows, grows, tag=tag)
        result.begin -= grows / DAY
    result.months = (result.begin - LEARNED * EVERY / DAY) / 30
    with tempfile.TemporaryDirectory(prefix="shoptwin-trial-") as place:
        record(machine, Path(place), start)
        out = io.StringIO()
        result.learned = replay(Path(place), out).learned
    _judge(result, machine, start, [json.loads(line) for line in out.getvalue().splitlines()])
    result.seconds = time.process_time() - begun
    return result


def _machine(case: Case, rng: np.random.Generator, start: int) -> tuple[Simulated, str]:
    """Return the machine of a run, and the tag that a sensor fault befalls; each seed another of those that can."""
    able = [kind for kind in MACHINES.values() if case.kind == HEALTHY or case.kind in kind(1, 0).faults.supported]
    kind = able[case.seed % len(able)]
    seed = int(rng.integers(1 << 31))
    machine = kind(seed, start, 4.0 * EVERY / 1e9, calendar(start), STRIDE)
    if isinstance(machine, Press):
        machine.samples = SAMPLES
    if case.kind == HEALTHY or not KINDS[case.kind].sensor:
        return machine, ""
    sensors = list(machine.twins if case.kind == "sensor-swapped" else machine.sensors)
    return machine, str(rng.choice(sensors))


def record(machine: Simulated, place: Path, start: int) -> None:
    """Write a recording of a machine: what `shoptwin replay` reads."""
    scalars = [tag.name for tag in machine.tags if not tag.rate]
    waves = {tag.name: np.zeros((ROWS, SAMPLES), np.int16) for tag in machine.tags if tag.rate}
    lines = [f"time,{','.join(scalars)}"]
    for row in range(ROWS):
        now = start + row * EVERY
        told = {update.tag: update.value for updates in machine.advance(now) for update in updates}
        for name, samples in waves.items():
            samples[row] = np.clip(np.round(np.array(told[name], np.float32) / SCALE), -32767, 32767)
        lines.append(f"{iso(now)},{','.join(f'{told[name]:.7g}' for name in scalars)}")
    (place / "scalars.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (place / "machine.toml").write_text("\n".join(_toml(machine, start)) + "\n", "utf-8")
    if waves:
        rate = {f"{tag.name}.rate": tag.rate for tag in machine.tags if tag.rate}
        scale = {f"{name}.scale": SCALE for name in waves}
        times = (start + np.arange(ROWS) * EVERY) / 1e9
        np.savez(place / "waveforms.npz", time=times, **waves, **rate, **scale)  # type: ignore[arg-type]


def _toml(machine: Simulated, start: int) -> Iterator[str]:
    """Yield what a user would type of a machine."""
    setup = machine.setup
    yield f'[[machine]]\nname = "{machine.name}"'
    if setup.iso20816:
        yield f'iso20816 = "{setup.iso20816}"'
    yield f"[machine.learning]\nuntil = {iso(start + LEARNED * EVERY)}"
    yield "[machine.state]"
    if setup.power_off is not None:
        yield f"off = {setup.power_off}\nidle = {setup.power_idle}"
    if setup.states:
        yield "values = { " + ", ".join(f'"{code}" = "{state}"' for code, state in setup.states.items()) + " }"
    for tag in machine.tags:
        yield f'[[machine.tag]]\nname = "{tag.name}"\nrole = "{tag.role}"\nunit = "{tag.unit}"'
        if tag.limits:
            limits = (f'{key} = "{v}"' if isinstance(v, str) else f"{key} = {v}" for key, v in tag.limits.items())
            yield "limits = { " + ", ".join(limits) + " }"


def _judge(result: Result, machine: Simulated, start: int, events: list[dict[str, Any]]) -> None:
    """Read from what the product said what was false, and whether and when the fault was found."""
    end = ROWS * EVERY / DAY
    standing: dict[str, str] = {}
    states: Counter[str] = Counter()
    for event in events:
        at = (parse_time(event["time"]) - start) / DAY
        if at >= result.begin and result.found is None and standing:
            result.found, result.standing, result.by = result.begin, True, next(iter(standing.values()))
        if event["kind"] == "assessment":
            if at >= result.begin:
                states[event["state"]] += 1
                result.peak = max(result.peak, event["score"])
            elif at >= LEARNED * EVERY / DAY and _OFF not in event["note"]:
                result.running += 1
                result.abstained += event["state"] not in {"normal", "abnormal"}
        elif event["event"] == "cleared":
            standing.pop(event["alarm"], None)
        else:
            standing[event["alarm"]] = f"{event['alarm']}: {event['text']}"
            if at < result.begin:
                result.false.append((at, standing[event["alarm"]]))
            elif result.found is None:
                result.found, result.by = at, standing[event["alarm"]]
    result.states = dict(states)
    if result.kind != HEALTHY and result.found is not None:
        (fault,) = machine.faults.active()
        result.lead = end - result.found
        result.severity = fault.severity(start + round(result.found * DAY))


def main() -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=[HEALTHY, *GROWTH], default=[HEALTHY, *GROWTH])
    parser.add_argument("--only", choices=[HEALTHY, *GROWTH], help="one kind alone")
    parser.add_argument("--seeds", type=int, default=50, help="runs of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--json", type=Path, help="keep every run there, a line each; those that it has are not done anew"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/reference/detection.md")
    parser.add_argument("--misses", action="store_true", help="tell each false alarm and each fault not found")
    told = parser.parse_args()
    kinds = [told.only] if told.only else told.kinds
    cases = [Case(kind, seed) for seed in range(told.first, told.first + told.seeds) for kind in kinds]
    begun = time.perf_counter()
    results = _run_all(cases, told.json)
    lines = table([[result for result in results if result.kind == kind] for kind in kinds])
    told_totals, met = totals(results)
    print("\n".join([*lines, "", *told_totals]))
    each = median(result.seconds for result in results)
    minutes = (time.perf_counter() - begun) / 60
    print(f"\n{len(results)} machine-months, {each:.1f} s of processor each; this took {minutes:.1f} min")
    for kind, why in LEFT_OUT.items():
        print(f"not tried: {kind}: {why}")
    if told.misses:
        _tell(results)
    if told.write and write_between(PAGE, "trial", [*lines, "", *told_totals]):
        return 1
    return 0 if met else 1


def _run_all(cases: list[Case], kept: Path | None) -> list[Result]:
    """Do all runs on two processes; with a file to keep them in, go on where an earlier trial was cut off."""
    lines = kept.read_text("utf-8").splitlines() if kept and kept.exists() else []
    before = {Case(each["kind"], each["seed"]): Result(**each) for each in map(json.loads, lines)}
    results = [before[case] for case in cases if case in before]
    with ProcessPoolExecutor(2) as pool:
        for done in as_completed([pool.submit(run, case) for case in cases if case not in before]):
            results.append(done.result())
            if kept:
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(results[-1])) + "\n")
            if sys.stderr.isatty():
                print(f"\r{len(results)} of {len(cases)}", end="", file=sys.stderr, flush=True)
    return results


def _tell(results: list[Result]) -> None:
    for r in sorted(results, key=lambda r: (r.kind, r.seed)):
        for at, alarm in r.false:
            print(f"false  {r.kind:15} {r.seed:3} {r.machine:9} day {at:5.2f}  {alarm[:170]}")
        if r.kind != HEALTHY and r.found is None:
            where = f"{r.machine:9} {r.tag} from day {r.begin:.2f}"
            print(f"missed {r.kind:15} {r.seed:3} {where}, peak {r.peak:.2f}, {r.states}")


if __name__ == "__main__":
    sys.exit(main())

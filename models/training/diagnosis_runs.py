"""Runs of machines whose fault is known, for diagnosis_table.py: recorded ones, simulated ones, and spoilt sensors.

Each run begins with a part that is learned as normal. The rules of diagnosis were written against seeds below 100 of
the practice plant's physics; the table's are from 100 on, each a machine of its own: speed, bearing and noise differ.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.kinematics import Bearing, Gear, defects
from shoptwin_plant.physics import bearing as plant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

HEALTHY = "healthy"
SEED = 100


@dataclass(slots=True)
class Run:
    """One machine over time. `rows` are values by tag; the first `learn` are normal operation."""

    family: str
    truth: str
    tags: tuple[tuple[str, str, str], ...]
    """name, role and unit"""
    rows: list[dict[str, Any]]
    learn: int
    bearings: tuple[Bearing, ...] = ()
    gears: tuple[Gear, ...] = ()
    every: float = 60.0
    """seconds between two rows"""
    also: frozenset[str] = field(default_factory=frozenset)
    """Names that are right, too, though less precise."""


CWRU = Bearing("drive end", defects(9, 7.94, 39.04)), Bearing("fan end", defects(8, 6.746, 28.5))
PRONOSTIA = (Bearing("test", defects(13, 3.5, 25.6)),)
_TURNS = {"1": 1800.0, "2": 1650.0, "3": 1500.0}


def cwru(data: Path) -> Iterator[Run]:
    """Yield the bearing rig in bursts of 8192 samples, 5.1 turns: its faults are seeded, the whole half is healthy."""
    size, speed = 8192, 1797.0
    tags = (("de", "waveform", "g"), ("fe", "waveform", "g"), ("speed", "speed", "rpm"))

    def bursts(path: Path) -> list[dict[str, Any]]:
        x = np.stack([np.load(path)["DE"], np.load(path)["FE"]])
        pieces = x[:, : x.shape[1] // size * size].reshape(2, -1, size)
        return [
            {"de": Waveform(d, 48e3), "fe": Waveform(f, 48e3), "speed": speed} for d, f in zip(*pieces, strict=True)
        ]

    paths = sorted((data / "cwru").glob("*.npz"))
    for sound in (bursts(p) for p in paths if "Normal" in p.name):
        half = len(sound) // 2
        yield Run("cwru", HEALTHY, tags, sound, half, CWRU)
        for path in paths:
            if "Normal" not in path.name:
                truth = (
                    "bearing-inner"
                    if "_IR_" in path.name
                    else "bearing-outer"
                    if "_OR" in path.name
                    else "bearing-ball"
                )
                yield Run("cwru", truth, tags, sound[:half] + bursts(path), half, CWRU, also=frozenset({"bearing"}))


def femto(data: Path) -> Iterator[Run]:
    """Yield bearings run to failure: bursts of 0.1 s, 2.5 to 3 turns; which of their parts failed is not known."""
    also = frozenset({"bearing-outer", "bearing-inner", "bearing-ball"})
    tags = (("h", "waveform", "g"), ("v", "waveform", "g"), ("speed", "speed", "rpm"))
    for path in sorted((data / "femto").glob("*.npz")):
        run = np.load(path)
        x, scale, period = run["acc_i16"], float(run["lsb_g"]), float(run["period_s"])
        speed = _TURNS[path.stem.removeprefix("Bearing")[0]]
        rows = [
            {
                "h": Waveform(b[:, 0].copy(), 25_600.0, scale),
                "v": Waveform(b[:, 1].copy(), 25_600.0, scale),
                "speed": speed,
            }
            for b in x
        ]
        learn = int(600 / period)
        yield Run("femto", "bearing", tags, rows, learn, PRONOSTIA, every=period, also=also)
        yield Run("femto", HEALTHY, tags, rows[: len(rows) // 2], learn, PRONOSTIA, every=period)


def gearbox(data: Path) -> Iterator[Run]:
    """Yield the gearbox at each load: healthy, and with a broken tooth; 32 teeth mesh with 80."""
    size, rate, speed = 4096, 12_800.0, 29.75
    tags = (*((f"a{k}", "waveform", "") for k in range(4)), ("load", "load", "%"), ("speed", "speed", "Hz"))
    gears = (Gear("pinion", 32.0, 1.0), Gear("wheel", 32.0, 0.4))
    snaps: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for path in sorted((data / "gearbox").glob("*.csv.gz")):
        condition, load = path.name.split(".")[0].split("30hz")
        with gzip.open(path, "rt") as file:
            x = np.loadtxt(file, delimiter=",", skiprows=1, dtype=np.float32)
        pieces = x[: len(x) // size * size].reshape(-1, size, 4)
        snaps[condition, float(load)] = [
            {f"a{k}": Waveform(np.ascontiguousarray(p[:, k]), rate) for k in range(4)}
            | {"load": float(load), "speed": speed}
            for p in pieces
        ]
    loads = sorted({load for _, load in snaps})
    part = {load: int(0.6 * len(snaps["h", load])) for load in loads}
    learned = [
        row for v in (0, 1) for load in loads for row in snaps["h", load][v * part[load] // 2 :][: part[load] // 2]
    ]
    for load in loads:
        yield Run("gearbox", HEALTHY, tags, learned + snaps["h", load][part[load] :], len(learned), (), gears)
        yield Run("gearbox", "gear-mesh", tags, learned + snaps["b", load], len(learned), (), gears)


SIMULATED = {
    HEALTHY: "", "bearing-outer": "outer", "bearing-inner": "inner", "bearing-ball": "ball", "bearing-cage": "cage",
    "imbalance": "imbalance", "misalignment": "misalignment", "looseness": "looseness", "gear-mesh": "tooth",
    "lubrication": "dry",
}  # fmt: skip
"""Truth, and what the practice plant's physics call it."""


def simulated(_: Path, count: int = 8) -> Iterator[Run]:
    """Yield machines of the practice plant's physics: with everything configured, and without a speed."""
    for truth, kind in SIMULATED.items():
        if kind and kind not in plant.Condition.__dataclass_fields__:
            continue
        for seed in range(count):
            for known in (True, False):
                yield _machine(truth, kind, seed, known=known)


def _machine(truth: str, kind: str, seed: int, *, known: bool) -> Run:
    rng = np.random.default_rng([SEED + seed, *truth.encode(), known])
    geometry = plant.Geometry(
        int(rng.integers(7, 14)), float(rng.uniform(10, 17)), 72.5, float(rng.choice([0, 0, 0.4]))
    )
    base = rng.uniform(20, 50)
    rows: list[dict[str, Any]] = []
    for i in range(110):
        load = float(np.clip(0.6 + 0.1 * rng.standard_normal(), 0.1, 1))
        speed = base * (1 - 0.016 * load)
        severity = {kind: min(1.0, max(0.0, (i - 60) / 40))} if kind else {}
        burst = plant.waveform(plant.Condition(speed, load, **severity), rng, geometry)
        level = plant.velocity_rms(burst, plant.RATE)
        rows.append({"acc": Waveform(burst, plant.RATE), "level": level, "load": 100 * load, "speed": 60 * speed})
    tags = (("acc", "waveform", "g"), ("level", "vibration", "mm/s"), ("load", "load", "%"))
    bearings = (Bearing("de", defects(geometry.balls, geometry.ball, geometry.pitch, np.degrees(geometry.contact))),)
    also = frozenset({"bearing"}) if truth.startswith("bearing-") else frozenset()
    if known:
        return Run(
            "simulated",
            truth,
            (*tags, ("speed", "speed", "rpm")),
            rows,
            60,
            bearings,
            (Gear("pinion", 21.0, 1.0),),
            also=also,
        )
    return Run(
        "simulated, no speed", truth, tags, [{k: v for k, v in r.items() if k != "speed"} for r in rows], 60, also=also
    )


def sensors(data: Path, count: int = 8) -> Iterator[Run]:
    """Yield a recorded chemical plant: healthy, with a fault of the process, and with one of its sensors spoilt."""
    roles = {"f": "flow", "p": "pressure", "t": "temperature", "o": "other", "w": "power"}
    tags = tuple((f"x{i}", roles[c], "") for i, c in enumerate("ffffffpotftfopfopftfwtt" + "o" * 29))
    normal, test = _plant(data, "d00"), _plant(data, "d00_te")
    judged = np.vstack([normal, test])
    for path in sorted((data / "tep").glob("d*_te.dat.gz")):
        if path.name[:3] != "d00":
            faulty = np.vstack([normal, _plant(data, path.name.split(".")[0])])
            yield Run("process", "another fault", tags, _rows(tags, faulty), len(normal), every=180.0)
    yield Run("process", HEALTHY, tags, _rows(tags, judged), len(normal), every=180.0)
    for fault, spoil in SPOILT.items():
        for seed in range(count):
            x = judged.copy()
            spoil(x, len(normal) + 160, np.random.default_rng([SEED + seed, *fault.encode()]), tags)
            yield Run("process", fault, tags, _rows(tags, x), len(normal), every=180.0)


@cache
def _plant(data: Path, name: str) -> Array:
    with gzip.open(data / "tep" / f"{name}.dat.gz", "rt") as file:
        x = np.loadtxt(file)
    return x.T if len(x) == 52 else x


def _rows(tags: tuple[tuple[str, str, str], ...], x: Array) -> list[dict[str, Any]]:
    return [dict(zip((name for name, *_ in tags), row, strict=True)) for row in x.tolist()]


def _stuck(x: Array, at: int, rng: np.random.Generator, _: object) -> None:
    column = rng.integers(x.shape[1])
    x[at:, column] = x[at, column]


def _spikes(x: Array, at: int, rng: np.random.Generator, _: object) -> None:
    column, late = rng.integers(x.shape[1]), x[at:]
    hit = rng.random(len(late)) < 0.04
    late[hit, column] += rng.choice([-15, 15], hit.sum()) * x[:at, column].std()


def _drift(x: Array, at: int, rng: np.random.Generator, _: object) -> None:
    column = rng.integers(x.shape[1])
    x[at:, column] += np.linspace(0, 15, len(x) - at) * x[:at, column].std()


def _swapped(x: Array, at: int, rng: np.random.Generator, tags: Any) -> None:  # noqa: ANN401 - as in Run
    wanted = rng.choice(["temperature", "flow"])
    alike = [i for i, (_, role, _) in enumerate(tags) if role == wanted]
    one, other = rng.choice(alike, 2, replace=False)
    x[at:, [one, other]] = x[at:, [other, one]]


SPOILT: dict[str, Callable[..., None]] = {
    "sensor-stuck": _stuck, "sensor-spikes": _spikes, "sensor-swapped": _swapped, "sensor-drift": _drift,
}  # fmt: skip
FAMILIES = (cwru, femto, gearbox, simulated, sensors)

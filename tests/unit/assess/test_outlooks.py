"""Health index and remaining life in the verdicts: told of what is judged, kept, begun anew, fused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from shoptwin.assess.fusion import fuse
from shoptwin.domain.assessment import Assessment, Remaining, Verdict
from shoptwin.domain.machine import MachineState
from shoptwin.domain.timing import SECOND

PUMP = (("flow", "flow", "l/min"), ("pressure", "pressure", "bar"), ("current", "current", "A"))
LEARNED = 200


class Pump:
    """A pump that has learned, and whose flow is off by so much more each row."""

    def __init__(self, bench, epoch):
        self.bench, self.epoch, self.rng, self.at = bench(PUMP, until=epoch + LEARNED * SECOND), epoch, None, 0
        self.rng = np.random.default_rng(1)
        for _ in range(LEARNED):
            self.step()

    @property
    def now(self):
        return self.epoch + self.at * SECOND

    def step(self, flow=0.0, **more):
        work, at = self.rng.normal(), self.now
        self.at += 1
        values = {
            "flow": 100 + 2 * work + self.rng.normal() + flow,
            "pressure": 4 + 0.1 * work + 0.05 * self.rng.normal(),
            "current": 8 + 0.3 * work + 0.1 * self.rng.normal(),
        }
        return self.bench.step(at, values, **more)["health"]

    def wear(self, rows=250):
        return [self.step(-10 * math.expm1(i / 100)) for i in range(rows)]


def test_wear_lowers_the_index_and_gets_an_end(bench, epoch):
    """While it learns nothing is told; as learned the index is high; worn, it has fallen and an end is told."""
    made = bench(PUMP, until=epoch + LEARNED * SECOND)
    learning = made.step(epoch, {"flow": 100.0, "pressure": 4.0, "current": 8.0})["health"]
    assert learning.state is Verdict.LEARNING
    assert (learning.index, learning.remaining) == (None, None)
    pump = Pump(bench, epoch)
    calm = [pump.step() for _ in range(100)]
    assert {a.state for a in calm} == {Verdict.NORMAL}
    assert all(a.index >= 80 for a in calm)
    assert not any(a.remaining for a in calm)
    worn = pump.wear()
    assert worn[-1].state is Verdict.ABNORMAL
    assert worn[-1].index < 34
    left = worn[-1].remaining
    assert 0 <= left.low < left.middle < left.high
    assert left.confidence == 0.8


def test_what_cannot_be_judged_has_no_index(bench, epoch):
    """Bad data, an unknown state, maintenance and silence tell neither index nor end, and never 100."""
    pump = Pump(bench, epoch)
    assert pump.wear()[-1].remaining is not None
    bad = {name: 0x80000000 for name, *_ in PUMP}
    for health in (
        pump.step(status=bad), pump.step(state=MachineState.OFF),
        pump.bench.step(pump.now + 4000 * SECOND, dict.fromkeys(name for name, *_ in PUMP))["health"],
        pump.step(maintenance=True),
    ):  # fmt: skip
        assert health.state not in {Verdict.NORMAL, Verdict.ABNORMAL}
        assert (health.index, health.remaining) == (None, None)


def test_silence_for_a_while_keeps_the_index(bench, epoch):
    """A window without news repeats what was told, as it does the score."""
    pump = Pump(bench, epoch)
    told = pump.wear()[-1]
    again = pump.bench.step(pump.now, dict.fromkeys(name for name, *_ in PUMP))["health"]
    assert (again.state, again.index, again.remaining) == (told.state, told.index, told.remaining)


def test_maintenance_begins_the_history_anew(bench, epoch):
    """After maintenance the trend from before is forgotten, on the disk too."""
    pump = Pump(bench, epoch)
    assert pump.wear(650)[-1].remaining is not None
    kept = pump.bench.learned / "m1" / "process.outlook.json"
    assert len(json.loads(kept.read_text())["history"]["means"]) > 100
    pump.step(maintenance=True)
    assert json.loads(kept.read_text())["history"]["means"] == []
    assert pump.step(-20).remaining is None


def test_a_restart_goes_on_with_the_history(bench, epoch):
    """After a restart the trend of before is told at once; with a damaged file it begins anew and nothing breaks."""
    pump = Pump(bench, epoch)
    pump.wear(700)
    pump.bench.restart()
    worn = [pump.step(-10 * math.expm1((700 + i) / 100)) for i in range(20)]
    assert worn[-1].remaining is not None
    kept = pump.bench.learned / "m1" / "process.outlook.json"
    kept.write_text('{"version": "1", "history": 3}')
    pump.bench.restart()
    assert pump.step(-10 * math.expm1(7)).index is not None
    assert pump.step(-10 * math.expm1(7)).remaining is None


def test_another_baseline_begins_the_history_anew(bench, epoch):
    """What is learned anew measures severity by another rule: the old history is left."""
    pump = Pump(bench, epoch)
    pump.wear(300)
    pump.bench.assessor.relearn("m1", pump.now)
    assert [pump.step(-20).index for _ in range(LEARNED)] == [None] * LEARNED
    [asked] = pump.bench.learn(pump.now + 10**18)
    assert asked.machine == "m1"
    health = pump.step(-20)
    assert (health.model, health.index, health.remaining) == ("process-m1@2", 100.0, None)
    kept = json.loads((pump.bench.learned / "m1" / "process.outlook.json").read_text())
    assert (kept["version"], len(kept["history"]["means"])) == ("2", 1)


def test_a_disk_that_takes_nothing_stops_no_verdict(bench, epoch, monkeypatch):
    """Where the history cannot be kept the verdict is told all the same, and the problem is said."""
    pump = Pump(bench, epoch)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shoptwin.assess.outlooks.write_atomically", full)
    assert pump.wear(700)[-1].remaining is not None
    assert "No space left" in pump.bench.assessor.refused["m1/process"]


PART = Assessment("m1", "process", 1, Verdict.ABNORMAL, 2.0, index=40.0, remaining=Remaining(1, 5, 9, 0.8, "wiener"))


@pytest.mark.parametrize(
    ("other", "index", "middle"),
    [
        ({"state": Verdict.NORMAL, "index": 90.0, "remaining": None}, 40.0, 5),
        ({"state": Verdict.ABNORMAL, "index": 60.0, "remaining": Remaining(1, 3, 9, 0.8, "wiener")}, 40.0, 3),
        ({"state": Verdict.LEARNING, "index": None, "remaining": None}, 40.0, 5),
        ({"state": Verdict.NO_DATA, "index": None, "remaining": None}, 40.0, 5),
    ],
)
def test_health_has_the_lowest_index_and_the_nearest_end(other, index, middle):
    """Of several indicators the worst index and the earliest end are told, of those that judge."""
    health = fuse("m1", 2, [PART, replace(PART, indicator="vibration", score=0.5, **other)])
    assert (health.index, health.remaining.middle) == (index, middle)


def test_health_is_not_told_where_an_indicator_is_blind():
    """One indicator without data while the other is normal: no index, or a blind machine would show 100."""
    parts = [replace(PART, state=Verdict.NORMAL, score=0.1, index=100.0, remaining=None)]
    assert fuse("m1", 2, parts).index == 100.0
    blind = replace(parts[0], indicator="vibration", state=Verdict.NO_DATA, index=None)
    health = fuse("m1", 2, [*parts, blind])
    assert (health.state, health.index, health.remaining) == (Verdict.NO_DATA, None, None)

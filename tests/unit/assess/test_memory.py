"""What an indicator goes on with after a restart, and when it is written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shoptwin.domain.assessment import Verdict
from shoptwin.domain.timing import MINUTE, SECOND

PUMP = (("flow", "flow", "l/min"), ("pressure", "pressure", "bar"), ("current", "current", "A"))
DRIVEN = (("flow", "flow", "l/min"), ("current", "current", "A"), ("rate", "setpoint", "l/min"))
LEARNED = 200


class Pump:
    """A pump that has learned; `step` gives its next row, changed by `more`."""

    def __init__(self, bench, epoch):
        self.bench, self.epoch, self.at = bench(PUMP, until=epoch + LEARNED * SECOND), epoch, 0
        self.rng = np.random.default_rng(1)
        for _ in range(LEARNED + 1):
            self.step()

    @property
    def now(self):
        return self.epoch + self.at * SECOND

    @property
    def file(self):
        return self.bench.learned / "m1" / "process.memory.json"

    def step(self, flow=0.0, **more):
        work, at = self.rng.normal(), self.now
        self.at += 1
        values = {
            "flow": 100 + 2 * work + self.rng.normal() + flow, "pressure": 4 + 0.1 * work + 0.05 * self.rng.normal(),
            "current": 8 + 0.3 * work + 0.1 * self.rng.normal(),
        }  # fmt: skip
        return self.bench.step(at, values | more)["health"]

    def restart(self):
        self.bench.assessor.keep(self.now, every=0)
        self.bench.restart()


def test_a_stuck_sensor_stays_stuck(bench, epoch):
    """After a restart a value that has not moved is stuck since when it was before."""
    pump = Pump(bench, epoch)
    before = [pump.step(current=8.0) for _ in range(80)][-1]
    assert before.alarm
    pump.restart()
    after = pump.step(current=8.0)
    assert (after.state, after.alarm, after.since) == (Verdict.ABNORMAL, True, before.since)
    assert any(e.startswith("current has given the very same value for 1 min") for e in after.evidence)
    assert "very same" not in str(pump.step().evidence)


def test_a_slow_drift_goes_on(bench, epoch):
    """What only long averages see is seen in the first row after a restart, as in the last one before."""
    pump = Pump(bench, epoch)
    before = [pump.step(flow=-6.0) for _ in range(150)][-1]
    assert before.state is Verdict.ABNORMAL
    pump.restart()
    after = pump.step(flow=-6.0)
    assert after.state is Verdict.ABNORMAL
    assert after.score == pytest.approx(before.score, rel=0.25)
    pump.bench.restart()
    pump.file.unlink()
    pump.bench.restart()
    assert pump.step(flow=-6.0).state is Verdict.NORMAL  # without it the averages begin at normal


def test_a_regime_is_counted_on(bench, epoch):
    """Rows and visits of a regime that nobody knows yet are counted on after a restart."""
    made, rng = bench(DRIVEN, until=epoch + LEARNED * SECOND), np.random.default_rng(8)
    asked = [*([50.0] * 20 + [60.0] * 20) * 5, *[60.0] * 20, *[100.0] * 20]
    for i, rate in enumerate(asked):
        values = {"flow": rate + rng.normal(), "current": 8 + rate / 20 + 0.1 * rng.normal(), "rate": rate}
        said = made.step(epoch + i * SECOND, values)["health"]
    assert "learning it: 16 of 16 rows, 1 of 2 visits" in said.note
    made.assessor.keep(epoch + len(asked) * SECOND, every=0)
    made.restart()
    again = made.step(epoch + (len(asked) + 1) * SECOND, values)["health"]
    assert "learning it: 16 of 16 rows, 1 of 2 visits" in again.note


def test_it_is_written_seldom_and_when_an_alarm_comes(bench, epoch):
    """A machine that is well is written each ten minutes; one whose alarm comes, at once; one that learns, never."""
    pump = Pump(bench, epoch)
    pump.bench.assessor.keep(pump.now)
    written = pump.file.stat().st_mtime_ns
    pump.bench.assessor.keep(pump.now + 9 * MINUTE)
    assert pump.file.stat().st_mtime_ns == written
    for _ in range(10):
        pump.step(flow=-20.0)
        pump.bench.assessor.keep(pump.now)
    assert pump.file.stat().st_mtime_ns > written
    written = pump.file.stat().st_mtime_ns
    pump.bench.assessor.keep(pump.now + 10 * MINUTE)
    assert pump.file.stat().st_mtime_ns > written
    fresh = bench(PUMP, until=epoch + LEARNED * SECOND)
    fresh.step(epoch, {"flow": 100.0, "pressure": 4.0, "current": 8.0})
    fresh.assessor.keep(epoch, every=0)
    assert not (fresh.learned / "m1" / "process.memory.json").exists()


@pytest.mark.parametrize(
    "damage",
    ["{half", "[]", "{}", {"version": "7"}, {"names": ["flow"]}, {"state": {"bank": [1.0]}}, {"state": {"bank": "x"}},
     {"sensors": {}}, {"sensors": None}, {"unknown": {"rows": "many"}}, {"against": None}],
)  # fmt: skip
def test_what_does_not_fit_is_left_alone(bench, epoch, damage):
    """A damaged file, and one of another baseline or of other tags, changes nothing: averages begin anew."""
    pump = Pump(bench, epoch)
    for _ in range(150):
        pump.step(flow=-6.0)
    pump.bench.assessor.keep(pump.now, every=0)
    told = json.loads(pump.file.read_text())
    pump.file.write_text(damage if isinstance(damage, str) else json.dumps(told | damage))
    pump.bench.restart()
    assert pump.bench.assessor.refused == {}
    assert pump.step(flow=-6.0).state is Verdict.NORMAL

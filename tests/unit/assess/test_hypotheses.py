"""From bursts to an alarm that says what may be behind it, with a machine of the practice plant's physics."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.alarms.health import health_condition
from shoptwin.assess import Assessor, ModelShelf
from shoptwin.assess.fusion import fuse
from shoptwin.domain.assessment import Assessment, Hypothesis, Verdict, Window
from shoptwin.domain.batch import Waveform
from shoptwin.domain.kinematics import Bearing, defects
from shoptwin.domain.machine import Learning, Machine, MachineState
from shoptwin.domain.tag import Role, Tag, TagTable
from shoptwin.domain.timing import MINUTE, SECOND
from shoptwin.learn.run import run
from shoptwin_plant.physics import bearing as plant

EPOCH = 1_700_000_000 * SECOND
LEARNED, ROWS = 20, 40
GEOMETRY = plant.Geometry(9, 15.0, 72.5)
BEARING = Bearing("drive end", defects(9, 15.0, 72.5))


class _Evidence:
    def __init__(self, rows):
        self.time = np.array([o.time for o in rows])
        self.names, self.values = rows[-1].names, np.array([o.values for o in rows])
        self.state = [o.state.value for o in rows]


@pytest.fixture
def told(tmp_path):
    """What is said of health, minute by minute, of a machine whose fault is there from the 21st minute on."""

    def play(*, speed=True, **fault):
        tags = [("acc", "waveform", "g")] + [("speed", "speed", "rpm")] * speed
        made = tuple(Tag(f"m.{n}", n, "m", Role(r), u) for n, r, u in tags)
        machine = Machine("m", made, learning=Learning(EPOCH + LEARNED * MINUTE), bearings=(BEARING,))
        table, rng = TagTable(made), np.random.default_rng(1)
        assessor, kept, out = Assessor(table, [machine], ModelShelf(), tmp_path), [], []
        index = np.array(table.of_machine("m"), np.int32)
        for i in range(ROWS):
            now, condition = EPOCH + i * MINUTE, plant.Condition(30.0, 0.6, **(fault if i >= LEARNED else {}))
            for request in assessor.requests(now):
                if request.indicator == "vibration":
                    assessor.adopt(request, run(request, _Evidence(kept), tmp_path))
            wave = Waveform(plant.waveform(condition, rng, GEOMETRY), plant.RATE)
            values = np.array([np.nan, 1800.0][: len(index)])
            times, good = np.full(len(index), now), np.zeros(len(index), np.uint32)
            window = Window("m", now, MachineState.UNKNOWN, index, values, good, times, times, {int(index[0]): wave},
                            frozenset(index.tolist()))  # fmt: skip
            judged = assessor.assess([window])
            assert not judged.broken
            kept += judged.observations
            out += [a for a in judged.assessments if a.indicator == "health"]
        return out

    return play


def test_a_damaged_race_is_named_with_its_grounds_and_its_beginning(told):
    """An alarm on an outer race names it first, on which tag, how much it has grown, and since when."""
    last = told(outer=0.5)[-1]
    assert last.alarm
    assert last.hypotheses[0].fault == "bearing-outer"
    assert last.hypotheses[0].tags == ("acc",)
    assert "outer race of drive end" in last.hypotheses[0].grounds[0]
    assert EPOCH + LEARNED * MINUTE <= last.since <= EPOCH + (LEARNED + 4) * MINUTE
    condition = health_condition(last)
    assert "may be bearing-outer" in condition.text
    assert "since 2023-11-14T22:3" in condition.text
    assert any("outer race" in line for line in condition.evidence)


def test_without_a_speed_the_part_is_not_named(told):
    """Where no tag tells the speed, the same damage is a bearing or impacts, and no more is claimed."""
    faults = {h.fault for h in told(speed=False, outer=0.5)[-1].hypotheses}
    assert faults == {"bearing"}


def test_a_sound_machine_has_no_hypothesis(told):
    """While all is normal nothing is named, and nothing has begun."""
    calm = told()
    assert {a.state for a in calm[LEARNED:]} == {Verdict.NORMAL}
    assert not any(a.hypotheses or a.since for a in calm)


def test_the_cause_told_first_is_of_what_raised_the_alarm():
    """Of several indicators the one that alarms speaks first, however sure another is of something else."""
    stuck, bearing = Hypothesis("sensor-stuck", 0.9), Hypothesis("bearing-outer", 0.8)
    calm = Assessment("m", "process", 1, Verdict.NORMAL, 0.9, hypotheses=(stuck,))
    loud = Assessment("m", "vibration", 1, Verdict.NORMAL, 0.8, hypotheses=(bearing,), alarm=True)
    assert [h.fault for h in fuse("m", 1, [calm, loud]).hypotheses] == ["bearing-outer", "sensor-stuck"]

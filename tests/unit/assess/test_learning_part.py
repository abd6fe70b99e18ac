"""A learning part that is too short, that holds a fault, or of a machine that never stops or never runs."""

from __future__ import annotations

import numpy as np
import pytest

from shoptwin.domain.assessment import Verdict
from shoptwin.domain.machine import MachineState
from shoptwin.domain.timing import SECOND

PUMP = (("flow", "flow", "l/min"), ("pressure", "pressure", "bar"))
MOTOR = (("acc", "waveform", "g"),)


def pump(rng, flow=0.0):
    return {"flow": 100 + 2 * rng.normal() + flow, "pressure": 4 + 0.1 * rng.normal()}


def run(made, epoch, rows, values, first=0, **more):
    """Assess `rows` rows, one a second."""
    return [made.step(epoch + i * SECOND, values(i), **more)["health"] for i in range(first, first + rows)]


@pytest.mark.parametrize(("rows", "enough"), [(15, False), (16, True)])
def test_a_process_that_was_learned_too_shortly(bench, epoch, rows, enough):
    """Below 16 rows the verdict stays `learning`, with reason and cure; from 16 on it is judged, by wide limits."""
    rng = np.random.default_rng(1)
    made = bench(PUMP, until=epoch + rows * SECOND)
    said = run(made, epoch, 200, lambda _: pump(rng))
    judged = said[rows + 1 :]
    if enough:
        assert {a.state for a in judged} == {Verdict.NORMAL}
        assert run(made, epoch, 40, lambda _: pump(rng, -90.0), 200)[-1].alarm
        return
    assert {a.state for a in said} == {Verdict.LEARNING}
    assert all("cannot learn yet: 15 rows are too few" in a.note for a in judged)
    assert "At least 16 are needed" in judged[-1].note
    assert "give a later learning.until, or shoptwin relearn m1" in judged[-1].note
    assert made.assessor.refused == {}  # too little evidence is no fault of the gateway
    made.restart()
    assert "too few" in run(made, epoch, 20, lambda _: pump(rng), 200)[-1].note


def test_a_span_that_gave_too_little_asks_again_and_needs_no_cure(bench, epoch):
    """Without a user's `until` learning goes on by itself: it says what is missing, and judges once that is there."""
    rng = np.random.default_rng(2)
    made = bench(PUMP, span=10 * SECOND)
    said = run(made, epoch, 60, lambda _: pump(rng))
    assert "cannot learn yet: 10 rows are too few" in said[12].note
    assert "until" not in said[12].note
    assert said[12].state is Verdict.LEARNING
    assert said[-1].state is Verdict.NORMAL


@pytest.mark.parametrize(("rows", "enough"), [(7, False), (8, True)])
def test_a_vibration_that_was_learned_too_shortly(bench, burst, epoch, rows, enough):
    """Below 8 snapshots there is no verdict but `learning`, with the reason; from 8 on there is."""
    rng = np.random.default_rng(3)
    made = bench(MOTOR, until=epoch + rows * SECOND)
    said = run(made, epoch, 30, lambda _: {"acc": burst(rng)})[rows + 1 :]
    if enough:
        assert {a.state for a in said} == {Verdict.NORMAL}
    else:
        assert {a.state for a in said} == {Verdict.LEARNING}
        assert all("7 complete snapshots are too few" in a.note for a in said)


def test_a_machine_that_never_runs(bench, epoch):
    """Off for ever: nothing is learned, also beyond `until`, and each verdict says why."""
    rng = np.random.default_rng(4)
    made = bench(PUMP, until=epoch + 50 * SECOND)
    said = run(made, epoch, 100, lambda _: pump(rng, -100.0), state=MachineState.OFF)
    assert {a.state for a in said} == {Verdict.LEARNING}
    assert {a.note for a in said} == {"learning, 0%; the machine is off: nothing to learn from"}
    assert made.kept == []


def test_a_machine_that_stands_still_and_no_tag_says_so(bench, epoch):
    """Where no tag tells the state, values that never move teach nothing, and the verdict says so; it is not normal."""
    made = bench(PUMP, until=epoch + 50 * SECOND)
    said = run(made, epoch, 100, lambda _: {"flow": 0.0, "pressure": 0.0})
    assert {a.state for a in said} == {Verdict.LEARNING}
    assert "no tag varies, so nothing can be learned" in said[-1].note


def test_a_machine_that_never_stops(bench, epoch):
    """It has one state only: that is learned, judged, and a lost flow is found; once it stops it is not judged."""
    rng = np.random.default_rng(5)
    made = bench(PUMP, until=epoch + 100 * SECOND)
    producing = {"state": MachineState.PRODUCING}
    said = run(made, epoch, 200, lambda _: pump(rng), **producing)
    assert {a.state for a in said[101:]} == {Verdict.NORMAL}
    assert run(made, epoch, 40, lambda _: pump(rng, -40.0), 200, **producing)[-1].alarm
    stopped = run(made, epoch, 1, lambda _: pump(rng, -100.0), 240, state=MachineState.OFF)[0]
    assert stopped.state is Verdict.UNKNOWN_REGIME


def test_a_fault_in_the_learning_part_is_told_beside_each_verdict(bench, epoch):
    """A flow that falls all through the learning part: it is judged, and every verdict says what is doubtful."""
    rng = np.random.default_rng(6)
    made = bench(PUMP, until=epoch + 300 * SECOND)
    said = run(made, epoch, 400, lambda i: pump(rng, -15 * min(i, 300) / 300))
    assert said[-1].state is Verdict.NORMAL
    assert said[-1].note == "learned, but flow fell all through the learning part and did not level off"
    [version] = made.assessor.versions("m1")
    assert [(d["kind"], d["tags"]) for d in version.doubts] == [("drift", ["flow"])]


def test_a_tag_that_never_moved_is_told_in_the_list_alone(bench, epoch):
    """It is no evidence, and no reason to doubt each verdict."""
    rng = np.random.default_rng(7)
    made = bench(PUMP, until=epoch + 100 * SECOND)
    said = run(made, epoch, 200, lambda _: pump(rng) | {"pressure": 4.0})
    assert (said[-1].state, said[-1].note) == (Verdict.NORMAL, "")
    [version] = made.assessor.versions("m1")
    assert [(d["kind"], d["tags"]) for d in version.doubts] == [("constant", ["pressure"])]

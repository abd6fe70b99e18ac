"""Marks move the threshold of the regime that an alarm was raised in, within bounds, and nothing else."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shoptwin.assess.allowance import Allowance, Allowances
from shoptwin.assess.names import STATE
from shoptwin.assess.regimes import Grid, described
from shoptwin.assess.track import Track
from shoptwin.domain.assessment import Verdict
from shoptwin.domain.feedback import Exceedance, Mark, MoveKind, ThresholdMove
from shoptwin.domain.machine import MachineState
from shoptwin.domain.timing import SECOND

LOAD = "load:load:value"
TRACK = ("m1", "process")
PRODUCING, IDLE = (float(tuple(MachineState).index(s)) for s in (MachineState.PRODUCING, MachineState.IDLE))


def baseline(knots=(10.0, 20.0, 30.0, 40.0), states=(PRODUCING,)):
    """A stand-in for a learned baseline: all that an allowance reads of one."""
    return SimpleNamespace(
        names=[LOAD, STATE],
        manifest={
            "known": [{"regimes": {"names": [LOAD, STATE], "knots": [list(knots), list(states)]}}],
            "contexts": {LOAD: [knots[0] - 5, knots[-1] + 5], STATE: [min(states), max(states)]},
        },
    )


def allowance(learned=None):
    made = Allowance()
    made.apply(learned or baseline(), np.array([20.0, PRODUCING]), 0.5)
    return made


def seen(level, load=20.0, state=PRODUCING):
    return Exceedance(*TRACK, 1, ((LOAD, load), (STATE, state)), level)


def mark(made, what, level, occurrence="a", **regime):
    """Mark an alarm; return the moves."""
    moves = made.answer(what, seen(level, **regime), occurrence, 2, "kim")
    made.take(moves)
    return moves


def factor(made, load=20.0, state=PRODUCING):
    return made.factor(made.grid.cell({LOAD: load, STATE: state}))


def test_a_false_alarm_goes_just_below_the_threshold():
    """The alarm that was marked false would not have been raised; far away the threshold stays as it was learned."""
    made = allowance()
    [move] = mark(made, Mark.FALSE, 1.2)
    assert (move.kind, move.by, move.occurrence) == (MoveKind.FALSE, "kim", "a")
    assert move.factor == pytest.approx(1.2 * 1.01)
    assert factor(made) == pytest.approx(move.factor)
    assert made.apply(baseline(), np.array([20.0, PRODUCING]), 1.2) < 1
    assert factor(made, load=30.0) == factor(made, load=10.0) == pytest.approx(math.sqrt(move.factor))
    assert factor(made, load=40.0) == 1


def test_neither_a_mark_nor_all_of_them_go_too_far():
    """One mark raises by half at most, all together to twice at most: a score of 2 is abnormal whatever was marked."""
    made = allowance()
    mark(made, Mark.FALSE, 50.0)
    assert factor(made) == pytest.approx(1.5)
    for n in range(5):
        mark(made, Mark.FALSE, 50.0, f"more {n}")
        mark(made, Mark.FALSE, 50.0, f"beside {n}", load=30.0)
    assert factor(made) == pytest.approx(2)
    assert made.apply(baseline(), np.array([20.0, PRODUCING]), 2.0) >= 1


def test_a_true_alarm_takes_half_of_it_back():
    """A true alarm in the regime halves what it was allowed, and never lowers a threshold below the learned one."""
    made = allowance()
    assert mark(made, Mark.TRUE, 1.3) == ()
    mark(made, Mark.FALSE, 1.3)
    allowed = factor(made)
    [move] = mark(made, Mark.TRUE, 3.0, "b")
    assert factor(made) == move.factor == pytest.approx(math.sqrt(allowed))
    for n in range(20):
        mark(made, Mark.TRUE, 3.0, f"more {n}")
    assert 1 <= factor(made) < 1.001


def test_another_mark_of_the_same_alarm_counts_instead():
    """Changing a mark first undoes what it moved; the same mark twice moves no further; all moves are told."""
    made = allowance()
    mark(made, Mark.FALSE, 1.3)
    assert [m.kind for m in mark(made, Mark.FALSE, 1.3)] == [MoveKind.WITHDRAWN, MoveKind.FALSE]
    assert factor(made) == pytest.approx(1.313)
    assert "after 1 false alarm" in made.note
    assert [m.kind for m in mark(made, Mark.TRUE, 1.3)] == [MoveKind.WITHDRAWN]
    assert factor(made) == 1
    assert made.note == ""
    mark(made, Mark.FALSE, 1.3)
    mark(made, Mark.MAINTENANCE_DONE, 1.3)
    assert factor(made) == 1


def test_a_state_of_the_machine_has_no_neighbours():
    """What is normal while producing says nothing of idling, next to it as a number or not."""
    made = allowance(baseline(states=(IDLE, PRODUCING)))
    mark(made, Mark.FALSE, 1.4)
    assert factor(made) > 1
    assert factor(made, state=IDLE) == 1


def test_a_new_baseline_keeps_what_its_regimes_were_allowed():
    """Moves are found again where the levels of a new baseline lie; a regime that it does not know has none."""
    made = allowance()
    mark(made, Mark.FALSE, 1.4)
    made.apply(baseline((12.0, 22.0, 32.0)), np.array([22.0, PRODUCING]), 0.5)
    assert factor(made, load=21.0) == pytest.approx(1.414)
    made.apply(baseline((100.0, 110.0)), np.array([100.0, PRODUCING]), 0.5)
    assert made.moved() == {}
    assert made.answer(Mark.FALSE, seen(1.4), "b", 3, "kim") == ()


def test_reset_and_relearning_end_all_moves():
    """After a reset or a relearn thresholds are the learned ones, also when all is read back from the ledger."""
    made, all_moves = allowance(), []
    for kind in (MoveKind.RESET, MoveKind.RELEARN):
        all_moves += mark(made, Mark.FALSE, 1.4, kind.value)
        assert factor(made) > 1
        end = ThresholdMove(5, *TRACK, kind, "kim")
        made.take([end])
        all_moves.append(end)
        assert factor(made) == 1
    again = Allowances()
    again.take(all_moves)
    assert again.of(*TRACK).moves == ()


def test_the_level_of_an_alarm_is_what_as_many_rows_as_raise_it_reached():
    """One row far out does not count; the level follows an alarm that goes on in its regime, and no other."""
    made, learned = Allowance(), baseline()

    def rows(*scores, load=20.0, raised=False):
        for n, score in enumerate(scores):
            made.apply(learned, np.array([load, PRODUCING]), score)
            made.follow(TRACK, 100 + n, 3, raised=raised and n == len(scores) - 1, standing=raised)

    rows(0.9, 1.1, 9.0, 1.2, raised=True)
    assert made.latest == Exceedance(*TRACK, 103, ((LOAD, 20.0), (STATE, PRODUCING)), 1.1)
    assert made.news() == made.latest
    assert made.news() is None
    for n, score in enumerate((1.4, 1.5, 1.6)):
        made.apply(learned, np.array([20.0, PRODUCING]), score)
        made.follow(TRACK, 200 + n, 3, raised=False, standing=True)
    assert made.latest.level == 1.4
    for n, score in enumerate((5.0, 5.0, 5.0)):
        made.apply(learned, np.array([40.0, PRODUCING]), score)
        made.follow(TRACK, 300 + n, 3, raised=False, standing=True)
    assert made.latest.level == 1.4


def test_an_alarm_that_was_false_ends_just_below_the_threshold():
    """Where values are held an alarm clears below 0.8; one that was marked false clears at 0.99 too."""
    track = Track(*TRACK, ("x",))
    track.allowance.apply(baseline(), np.array([20.0, PRODUCING]), 1.2)
    for now in range(6):
        track._persist(Verdict.ABNORMAL, 1.2, now, 1)
    assert track.alarm
    for now in range(30):
        track._persist(Verdict.NORMAL, 0.99, now, 1)
    assert track.alarm
    mark(track.allowance, Mark.FALSE, 1.2)
    for now in range(15):
        track._persist(Verdict.NORMAL, 0.99, now, 1)
    assert not track.alarm
    for now in range(6):
        track._persist(Verdict.ABNORMAL, 1.2, now, 1)
    assert track.alarm
    assert not track.allowance.relieved


@given(
    some.lists(
        some.tuples(
            some.sampled_from(Mark), some.floats(1, 100), some.sampled_from("abcd"),
            some.sampled_from((10.0, 20.0, 30.0, 40.0)),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_whatever_is_marked_a_threshold_stays_within_its_bounds(marks):
    """Any marks in any order: every factor is 1 to 2, moves tell what they led to, and read back they say the same."""
    made, moves = allowance(), []
    for what, level, occurrence, load in marks:
        moves += mark(made, what, level, occurrence, load=load)
        for at in (10.0, 20.0, 30.0, 40.0):
            assert 1 <= factor(made, load=at) <= 2 + 1e-12
    again = allowance()
    again.take(moves)
    assert {a: factor(again, load=a) for a in (10.0, 40.0)} == {a: factor(made, load=a) for a in (10.0, 40.0)}
    if moves:
        assert moves[-1].factor == pytest.approx(factor(made, load=dict(moves[-1].regime)[LOAD]))


def test_regimes_in_words():
    """A regime is told by its tags and the machine's state; where nothing tells one it is all operation."""
    assert described(((LOAD, 20.0), (STATE, PRODUCING))) == "load 20, producing"
    assert described(((STATE, float(tuple(MachineState).index(MachineState.UNKNOWN))),)) == "all operation"
    assert described(()) == "all operation"
    assert Grid.of({"contexts": {LOAD: [1, 2]}}).cell({}) == ()


PUMP = (("flow", "flow", "l/min"), ("pressure", "pressure", "bar"))


def test_a_false_alarm_is_not_raised_again(bench, epoch):
    """After the mark the same excursion is normal, and the note says why; a gross one is abnormal still."""
    made, at = bench(PUMP, until=epoch + 200 * SECOND), iter(range(10_000))

    def run(rows, seed, flow=0.0):
        rng = np.random.default_rng(seed)
        return [
            made.step(
                epoch + next(at) * SECOND,
                {"flow": 100 + 2 * rng.normal() + flow, "pressure": 4 + 0.1 * rng.normal()},
            )["health"]
            for _ in range(rows)
        ]

    run(200, 1)
    off = next(off for off in range(2, 30) if [*run(100, 2), *run(40, 3, -off)][-1].alarm)
    [why] = made.assessor.allowances.exceeded()
    assert (why.machine, why.indicator) == ("m1", "process")
    assert 1 <= why.level < 1.45
    own = made.assessor.allowances.of("m1", "process")
    own.take(own.answer(Mark.FALSE, own.latest, "a", epoch, "kim"))
    assert not run(100, 2)[-1].alarm
    again = run(40, 3, -off)
    assert not any(a.alarm for a in again)
    [(allowed, _)] = own.moved().values()
    assert again[-1].note == f"threshold of this regime raised {allowed:.3g}x after 1 false alarm"
    assert run(100, 2)[-1].state is Verdict.NORMAL
    assert run(40, 3, -40.0)[-1].alarm

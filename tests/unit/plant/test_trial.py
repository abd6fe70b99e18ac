"""How the trial counts: what is false, what is found, and how sure its figures are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "models" / "training"))
import plant_trial as trial
import trial_table

from shoptwin.config.loading import load_machines
from shoptwin.domain.timing import DAY, iso
from shoptwin.recording import Recording
from shoptwin_plant.faults import KINDS
from shoptwin_plant.machines import Mill

START = trial.FIRST


def event(day: float, kind: str, **more: Any) -> dict[str, Any]:
    """Return a line of a replay."""
    return {"kind": kind, "time": iso(START + round(day * DAY)), **more}


def judged(*events: dict[str, Any], kind: str = "fan", begin: float = 24.0) -> trial.Result:
    """Judge the lines of a run whose fault begins at a day."""
    machine, result = Mill(1, START), trial.Result(kind, 1, "mill-5", begin=begin)
    if kind != trial.HEALTHY:
        machine.faults.inject(kind, START + round(begin * DAY), round((30 - begin) * DAY))
    trial._judge(result, machine, START, list(events))
    return result


def test_an_alarm_before_the_fault_is_false_and_the_next_one_finds_it() -> None:
    """Both limits and health count; severity and lead are those of the first alarm after the beginning."""
    result = judged(
        event(12, "alarm", alarm="health.abnormal", event="raised", text="a"),
        event(13, "alarm", alarm="health.abnormal", event="cleared", text="a"),
        event(9, "assessment", state="learning", score=0.0, note="learning, 90%"),
        event(22, "assessment", state="unknown-regime", score=0.2, note="process: the machine is off: not judged"),
        event(22.5, "assessment", state="unknown-regime", score=0.2, note="load 90 is beyond what was learned"),
        event(23, "assessment", state="normal", score=0.2, note=""),
        event(26, "assessment", state="abnormal", score=1.7, note=""),
        event(27, "alarm", alarm="spindle_temp.hi", event="raised", text="b"),
        event(28, "alarm", alarm="health.abnormal", event="raised", text="c"),
    )
    assert [at for at, _ in result.false] == [12]
    assert (result.found, result.lead, result.severity) == (27, 3, 0.5)
    assert not result.standing
    assert (result.running, result.abstained) == (2, 1)
    assert (result.states, result.peak) == ({"abnormal": 1}, 1.7)


def test_an_alarm_that_stands_when_the_fault_begins_is_false_and_finds_it() -> None:
    """It is told apart, so that nobody takes it for a detection."""
    result = judged(
        event(20, "alarm", alarm="health.abnormal", event="raised", text="a"),
        event(25, "assessment", state="abnormal", score=1.1, note=""),
    )
    assert (len(result.false), result.found, result.standing) == (1, 24, True)


def test_silence_is_a_miss_and_a_healthy_run_has_no_fault() -> None:
    """What stands only in a healthy run is false."""
    assert judged(event(25, "assessment", state="normal", score=0.5, note="")).found is None
    healthy = judged(event(29, "alarm", alarm="a", event="raised", text=""), kind=trial.HEALTHY, begin=30.0)
    assert (len(healthy.false), healthy.found) == (1, None)


def test_each_kind_is_tried_or_left_out_with_a_reason() -> None:
    """None of the plant's faults is forgotten, and at least twenty are tried."""
    assert trial.GROWTH.keys() | trial.LEFT_OUT.keys() == set(KINDS)
    assert len(trial.GROWTH) >= 20


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)])
def test_intervals_of_counts_are_those_of_the_tables(count: int, low: float, high: float) -> None:
    """Byar's approximation is within a tenth of the exact limits of a Poisson count."""
    assert trial_table.poisson(count) == (pytest.approx(low, abs=0.03), pytest.approx(high, rel=0.1))


def test_the_goals_decide() -> None:
    """One false alarm in a month and every fault found is enough; a share below 95 % is not, and is marked."""
    run = trial.Result("fan", 1, "mill-5", months=1.0, false=[(1, "a")], found=27, severity=0.5, lead=3)
    missed = trial.Result("fan", 2, "mill-5", months=1.0)
    assert trial_table.totals([run])[1]
    lines, met = trial_table.totals([run] * 18 + [missed] * 2)
    assert not met
    assert trial_table._MISSED in lines[1]
    assert trial_table._MISSED in trial_table.table([[run, missed]])[-1]
    assert trial_table.wilson(18, 20) == (pytest.approx(0.699, abs=0.01), pytest.approx(0.972, abs=0.01))


def test_a_recording_of_a_run_is_what_replay_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one opens, has all tags and the learning part that a user would type."""
    monkeypatch.setattr(trial, "ROWS", 8)
    for seed, kind in enumerate(("imbalance", "friction", "heater")):
        place = tmp_path / kind
        place.mkdir()
        machine, _ = trial._machine(trial.Case(kind, seed), trial.generator(1, kind), START)
        trial.record(machine, place, START)
        recording = Recording.open(place)
        assert len(recording) == 8
        assert {*recording.scalars, *recording.waves} == {tag.name for tag in machine.tags}
        (loaded,) = load_machines(place / "machine.toml")
        assert loaded.learning.until == START + trial.LEARNED * trial.EVERY

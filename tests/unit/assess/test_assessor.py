"""Verdicts: learning, normal, abnormal, unknown-regime, no-data; and what each says."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from shoptwin.assess import Assessor
from shoptwin.domain.assessment import Verdict
from shoptwin.domain.errors import ModelError, ModelRejected
from shoptwin.domain.machine import Learning, MachineState
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.timing import SECOND

EPOCH = 1_700_000_000 * SECOND

PUMP = (("flow", "flow", "l/min"), ("pressure", "pressure", "bar"), ("current", "current", "A"))
MOTOR = (("acc", "waveform", "g"), ("load", "load", "%"))


def pump(rng, *, flow=0.0):
    work = rng.normal()
    return {
        "flow": 100 + 2 * work + rng.normal() + flow,
        "pressure": 4 + 0.1 * work + 0.05 * rng.normal(),
        "current": 8 + 0.3 * work + 0.1 * rng.normal(),
    }


def taught(bench, epoch, *, rows=200, **more):
    """A pump that has learned for `rows` seconds."""
    made = bench(PUMP, until=epoch + rows * SECOND, **more)
    rng = np.random.default_rng(1)
    for i in range(rows):
        made.step(epoch + i * SECOND, pump(rng))
    return made, rng


def test_it_learns_judges_and_raises(bench, epoch):
    """Until the user's time it learns and says how far; then all is normal; a lost flow raises, in words."""
    made = bench(PUMP, until=epoch + 200 * SECOND)
    rng = np.random.default_rng(1)
    said = [made.step(epoch + i * SECOND, pump(rng))["health"] for i in range(200)]
    assert {a.state for a in said} == {Verdict.LEARNING}
    assert said[100].progress == pytest.approx(0.5, abs=0.02)
    assert "learning, 50%" in said[100].note
    calm = [made.step(epoch + i * SECOND, pump(rng))["health"] for i in range(200, 400)]
    assert {a.state for a in calm} == {Verdict.NORMAL}
    assert not any(a.alarm for a in calm)
    assert calm[0].model == "process-m1@1"
    assert len(calm[0].sha256) == 64
    assert all(np.isfinite(a.score) for a in calm)
    throttled = [made.step(epoch + i * SECOND, pump(rng, flow=-20))["health"] for i in range(400, 420)]
    assert throttled[-1].state is Verdict.ABNORMAL
    assert [a.alarm for a in throttled].index(True) == 5
    assert "flow" in throttled[-1].evidence[0] or "flow" in throttled[-1].evidence[1]
    assert any("l/min below normal" in e for e in throttled[-1].evidence)
    healed = [made.step(epoch + i * SECOND, pump(rng))["health"] for i in range(420, 520)]
    assert not healed[-1].alarm
    assert [a.state for a in healed].index(Verdict.NORMAL) <= [a.alarm for a in healed].index(False) - 14


def test_a_span_of_good_data_ends_learning_without_a_user(bench, epoch):
    """Without `until` learning ends after the span, counted from the first row, also across a restart."""
    made = bench(PUMP, span=100 * SECOND)
    rng = np.random.default_rng(2)
    for i in range(60):
        made.step(epoch + i * SECOND, pump(rng))
    made.restart()
    said = [made.step(epoch + i * SECOND, pump(rng))["health"] for i in range(60, 130)]
    assert said[0].progress == pytest.approx(0.6)
    assert [a.state for a in said].index(Verdict.NORMAL) == 40


def test_a_bearing_that_wears_raises(bench, burst, epoch):
    """Growing impacts raise the alarm, and the evidence names the waveform, the band and how much."""
    made = bench(MOTOR, until=epoch + 30 * SECOND)
    rng = np.random.default_rng(3)
    said = []
    for i in range(100):
        wave = burst(rng, impacts=0.0 if i < 60 else 0.4 * (i - 60))
        said.append(made.step(epoch + i * SECOND, {"acc": wave, "load": 50.0})["health"])
    assert {a.state for a in said[30:60]} == {Verdict.NORMAL}
    assert said[-1].alarm
    assert not any(a.alarm for a in said[:61])
    assert "acc energy in" in said[-1].evidence[0]
    assert "kHz is" in said[-1].evidence[0]


def test_a_load_that_was_not_learned_is_an_unknown_regime(bench, burst, epoch):
    """Beyond the learned loads there is no verdict on health and no alarm, however loud; within them there is."""
    made = bench(MOTOR, until=epoch + 40 * SECOND)
    rng = np.random.default_rng(4)
    for i in range(40):
        load = 20.0 + 40.0 * (i // 10 % 2)
        made.step(epoch + i * SECOND, {"acc": burst(rng, gain=1 + load / 50), "load": load})
    between = made.step(epoch + 40 * SECOND, {"acc": burst(rng, gain=1.8), "load": 40.0})["health"]
    assert between.state is Verdict.NORMAL
    for i in range(41, 60):
        beyond = made.step(epoch + i * SECOND, {"acc": burst(rng, gain=9), "load": 90.0})["health"]
    assert beyond.state is Verdict.UNKNOWN_REGIME
    assert not beyond.alarm
    assert beyond.note.startswith("load 90 was not learned (known: 12 to 68)")
    back = made.step(epoch + 60 * SECOND, {"acc": burst(rng, gain=2.2), "load": 60.0})["health"]
    assert back.state in {Verdict.NORMAL, Verdict.ABNORMAL}


def driven(rng, setpoint, flow=0.0):
    """A pump whose setpoint makes the flow."""
    return {"flow": setpoint + flow + rng.normal(), "current": 8 + setpoint / 20 + 0.1 * rng.normal(), "rate": setpoint}


DRIVEN = (("flow", "flow", "l/min"), ("current", "current", "A"), ("rate", "setpoint", "l/min"))


def visits(made, rng, start, setpoints, rows=20, **more):
    """Some rows at each of the setpoints, one after the other; returns what was said last at each."""
    times = iter(range(start, start + rows * len(setpoints)))
    return [
        [made.step(EPOCH + next(times) * SECOND, driven(rng, s, **more))["health"] for _ in range(rows)][-1]
        for s in setpoints
    ]


def test_an_unknown_regime_is_learned_on_its_second_visit(bench, epoch):
    """What was seen twice beyond the learned setpoints is learned too, in a new version, and judged from then on."""
    made, rng = bench(DRIVEN, until=epoch + 200 * SECOND), np.random.default_rng(8)
    visits(made, rng, 0, [50.0, 60.0] * 5)
    first = visits(made, rng, 200, [60.0, 100.0])[-1]
    assert first.state is Verdict.UNKNOWN_REGIME
    assert first.note.endswith("no verdict on health here; learning it: 16 of 16 rows, 1 of 2 visits")
    again = visits(made, rng, 240, [60.0, 100.0, 60.0, 100.0])
    assert [a.state for a in again[1:]] == [Verdict.NORMAL] * 3
    assert again[-1].model == "process-m1@2"
    throttled = visits(made, rng, 320, [100.0, 60.0], flow=-20.0)
    assert [a.state for a in throttled] == [Verdict.ABNORMAL] * 2


def test_what_grows_slowly_in_a_known_regime_is_not_learned_with_a_new_one(bench, epoch):
    """Learning a new setpoint takes nothing from the known ones: a flow that sank there meanwhile still shows."""
    made, rng = bench(DRIVEN, until=epoch + 200 * SECOND), np.random.default_rng(9)
    visits(made, rng, 0, [50.0, 60.0] * 5)
    visits(made, rng, 200, [50.0, 60.0] * 10, flow=-3.0)
    visits(made, rng, 600, [60.0, 100.0] * 2)
    sunk = visits(made, rng, 680, [50.0, 60.0], flow=-12.0)
    assert [a.model for a in sunk] == ["process-m1@2"] * 2
    assert [a.state for a in sunk] == [Verdict.ABNORMAL] * 2


def test_no_regime_is_learned_while_an_alarm_stands(bench, epoch):
    """A machine that alarms is throttled to where nobody has been: its fault is not learned as normal of that."""
    made, rng = bench(DRIVEN, until=epoch + 200 * SECOND), np.random.default_rng(12)
    visits(made, rng, 0, [50.0, 60.0] * 5)
    assert visits(made, rng, 200, [60.0], flow=-20.0)[-1].alarm
    throttled = visits(made, rng, 220, [100.0, 60.0, 100.0, 60.0], flow=-20.0)
    assert throttled[0].note.endswith("no verdict on health here; it is not learned while an alarm stands")
    assert [a.model for a in throttled] == ["process-m1@1"] * 4
    assert throttled[-1].alarm
    assert throttled[-1].state is Verdict.ABNORMAL


def test_a_single_strange_setpoint_is_no_regime(bench, epoch):
    """A value of a setpoint that comes alone, however often, opens no regime."""
    made, rng = bench(DRIVEN, until=epoch + 200 * SECOND), np.random.default_rng(13)
    visits(made, rng, 0, [50.0, 60.0] * 5)
    for i in range(60):
        rate = 6553.5 if i % 2 else 60.0
        said = made.step(epoch + (200 + i) * SECOND, driven(rng, 60.0) | {"rate": rate})["health"]
    assert said.state is Verdict.UNKNOWN_REGIME
    assert "learning it: 0 of 16 rows, 0 of 2 visits" in said.note
    assert said.model == "process-m1@1"


def test_what_somebody_went_back_to_says_that_it_learns_no_regime(bench, epoch):
    """A version that was chosen by hand stays as it is, and the verdict on a new regime says so."""
    made, rng = bench(DRIVEN, until=epoch + 200 * SECOND), np.random.default_rng(14)
    visits(made, rng, 0, [50.0, 60.0] * 5)
    visits(made, rng, 200, [60.0, 100.0] * 2 + [60.0])
    made.assessor.roll_back("m1", "process", "1")
    said = visits(made, rng, 300, [60.0, 100.0] * 3)
    assert said[-1].state is Verdict.UNKNOWN_REGIME
    assert "it is not learned, as somebody went back to this version" in said[-1].note


def test_two_things_never_asked_for_together_are_an_unknown_regime(bench, epoch):
    """A load and a setpoint that were both learned, but never together, are told as what they are."""
    tags = (*DRIVEN, ("load", "load", "%"))
    made, rng = bench(tags, until=epoch + 200 * SECOND), np.random.default_rng(10)

    def row(i, rate, load):
        values = driven(rng, rate) | {"load": load}
        return made.step(epoch + i * SECOND, values)["health"]

    for i in range(200):
        row(i, *((50.0, 20.0), (60.0, 20.0), (50.0, 80.0))[i // 10 % 3])
    assert row(200, 50.0, 80.0).state is Verdict.NORMAL
    said = row(201, 60.0, 80.0)
    assert said.state is Verdict.UNKNOWN_REGIME
    assert said.note.startswith("rate, load and the machine's state were not learned in this combination")


def test_indicators_share_the_false_alarms_of_their_machine(bench, burst, epoch):
    """A machine judged by its spectra and by its tags asks for half of its false alarms from each."""
    made = bench((*MOTOR, ("current", "current", "A")), until=epoch + 20 * SECOND)
    rng = np.random.default_rng(11)
    for i in range(20):
        made.step(epoch + i * SECOND, {"acc": burst(rng), "load": 50.0, "current": 8 + rng.normal()})
    asked = made.learn(epoch + 20 * SECOND)
    assert {r.indicator: r.false_alarms_per_month for r in asked} == {"vibration": 0.5, "process": 0.5}


def test_a_bad_context_is_no_data_and_named(bench, burst, epoch):
    """Without the load that the baseline needs there is no verdict, and the tag and its status are named."""
    made = bench(MOTOR, until=epoch + 20 * SECOND)
    rng = np.random.default_rng(5)
    for i in range(20):
        made.step(epoch + i * SECOND, {"acc": burst(rng), "load": 50.0})
    said = made.step(
        epoch + 20 * SECOND,
        {"acc": burst(rng), "load": 50.0},
        status={"load": StatusCode.BAD_SENSOR_FAILURE},
    )
    assert said["vibration"].state is Verdict.NO_DATA
    assert "load BadSensorFailure" in said["vibration"].note


def test_one_dead_accelerometer_does_not_blind_the_other(bench, burst, epoch):
    """With one of two waveforms flat the other is still judged and raises; with both flat there is no data."""
    made = bench((("acc_h", "waveform", "g"), ("acc_v", "waveform", "g")), until=epoch + 20 * SECOND)
    rng = np.random.default_rng(6)
    flat = burst(rng, gain=0.0)
    for i in range(30):
        made.step(epoch + i * SECOND, {"acc_h": burst(rng), "acc_v": burst(rng)})
    said = [made.step(epoch + i * SECOND, {"acc_h": flat, "acc_v": burst(rng)})["health"] for i in range(30, 40)]
    assert {a.state for a in said} == {Verdict.NORMAL}
    assert said[-1].note == "without acc_h it is flat: the sensor may be unplugged"
    for i in range(40, 50):
        loud = made.step(epoch + i * SECOND, {"acc_h": flat, "acc_v": burst(rng, gain=9.0)})["health"]
    assert loud.alarm
    assert loud.evidence[0].startswith("acc_v")
    gone = made.step(epoch + 50 * SECOND, {"acc_h": flat, "acc_v": flat})["health"]
    assert gone.state is Verdict.NO_DATA
    assert gone.alarm


def test_it_does_without_one_bad_tag_and_says_so(bench, epoch):
    """With one Bad tag of several the others are judged, the note says which is left out, and alarms are raised."""
    made, rng = taught(bench, epoch)
    bad = {"status": {"current": StatusCode.BAD_TIMEOUT}}
    said = [made.step(epoch + i * SECOND, pump(rng), **bad)["health"] for i in range(200, 240)]
    assert {a.state for a in said} == {Verdict.NORMAL}
    assert said[-1].note == "without current BadTimeout"
    loud = [made.step(epoch + i * SECOND, pump(rng, flow=-30), **bad)["health"] for i in range(240, 260)]
    assert loud[-1].alarm


def test_most_tags_bad_is_no_data(bench, epoch):
    """With more than half of what it judges by missing there is no verdict, and the alarm stays as it was."""
    made, rng = taught(bench, epoch)
    for i in range(200, 220):
        said = made.step(epoch + i * SECOND, pump(rng, flow=-30))["health"]
    assert said.alarm
    bad = {"status": {"current": StatusCode.BAD_TIMEOUT, "flow": StatusCode.BAD_TIMEOUT}}
    for i in range(220, 260):
        said = made.step(epoch + i * SECOND, pump(rng), **bad)["health"]
    assert said.state is Verdict.NO_DATA
    assert "flow BadTimeout" in said.note
    assert said.alarm


def test_a_stale_tag_is_left_out(bench, epoch):
    """A value that has not been refreshed for many of its intervals is not judged, and its age is told."""
    made, rng = taught(bench, epoch)
    said = made.step(epoch + 260 * SECOND, pump(rng), old={"current": 60 * SECOND})["health"]
    assert "current stale for 1 min" in said.note


def test_a_nan_register_is_no_evidence(bench, epoch):
    """Rows with NaN neither break learning nor the verdicts after it."""
    made = bench(PUMP, until=epoch + 200 * SECOND)
    rng = np.random.default_rng(7)
    for i in range(260):
        values = pump(rng) | ({"flow": np.nan} if i % 7 == 3 else {})
        said = made.step(epoch + i * SECOND, values)["health"]
        assert np.isfinite(said.score)
    assert said.state is Verdict.NORMAL


def test_a_machine_that_is_off_is_not_judged_nor_learned_from(bench, epoch):
    """While the machine is off nothing is evidence, and the verdict says why there is none."""
    made, rng = taught(bench, epoch)
    before = len(made.kept)
    said = made.step(epoch + 200 * SECOND, pump(rng, flow=-100), state=MachineState.OFF)["health"]
    assert said.state is Verdict.UNKNOWN_REGIME
    assert said.note == "the machine is off: not judged"
    assert len(made.kept) == before


def test_maintenance_freezes_learning(bench, epoch):
    """In maintenance nothing is observed, no verdict is given and no persistence is counted."""
    made, rng = taught(bench, epoch)
    before = len(made.kept)
    for i in range(200, 230):
        said = made.step(epoch + i * SECOND, pump(rng, flow=-100), maintenance=True)["health"]
    assert said.state is Verdict.NO_DATA
    assert "maintenance" in said.note
    assert not said.alarm
    assert len(made.kept) == before


def test_maintenance_is_said_whatever_arrives(bench, epoch):
    """In maintenance the verdict says so, with news and without."""
    made, rng = taught(bench, epoch)
    for news in (pump(rng), dict.fromkeys(("flow", "pressure", "current"))):
        said = made.step(epoch + 200 * SECOND, news, maintenance=True)["health"]
        assert (said.state, said.note) == (Verdict.NO_DATA, "in maintenance: not judged")


def test_before_anything_was_learned_a_machine_that_is_off_is_learning(bench, epoch):
    """No regime is unknown while none is known."""
    made = bench(PUMP)
    said = made.step(epoch, pump(np.random.default_rng(1)), state=MachineState.OFF)["health"]
    assert said.state is Verdict.LEARNING
    assert "the machine is off" in said.note


def test_health_is_always_told(bench, epoch):
    """A window without news, and a machine without anything to judge, still get a verdict on health."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    again = made.step(epoch + 201 * SECOND, dict.fromkeys(("flow", "pressure", "current")))
    assert list(again) == ["health"]
    assert again["health"].state is Verdict.NORMAL
    assert again["health"].input_age == SECOND
    lost = made.step(epoch + 400 * SECOND, dict.fromkeys(("flow", "pressure", "current")))["health"]
    assert lost.state is Verdict.NO_DATA
    assert "nothing new for" in lost.note
    counter = bench((("parts", "count", ""),))
    said = counter.step(epoch, {"parts": 5.0})["health"]
    assert said.state is Verdict.NO_DATA
    assert "role" in said.note


def test_the_past_alone_decides(bench, epoch):
    """What comes later changes nothing that was said before."""
    said = []
    for later in (0.0, -50.0):
        made = bench(PUMP, until=epoch + 100 * SECOND)
        rng = np.random.default_rng(9)
        rows = [pump(rng) for _ in range(150)]
        for i, row in enumerate(rows):
            out = made.step(epoch + i * SECOND, row | {"flow": row["flow"] + (later if i >= 140 else 0)})["health"]
            if i < 140:
                said.append((out.state, out.score, out.evidence, out.alarm))
    assert said[:140] == said[140:]


def test_many_machines_at_once_are_each_as_if_alone(bench, burst, epoch):
    """A batch over machines gives each the verdict that it gets alone."""
    names = tuple(f"m{i}" for i in range(4))
    both = bench(MOTOR, machines=names, until=epoch + 20 * SECOND)
    single = bench(MOTOR, machines=names, until=epoch + 20 * SECOND)
    rng = np.random.default_rng(10)
    for i in range(30):
        now = epoch + i * SECOND
        values = {m: {"acc": burst(rng, n=2048 + 512 * k), "load": 50.0} for k, m in enumerate(names)}
        both.learn(now)
        judged = both.assessor.assess([both.window(now, values[m], machine=m) for m in names])
        both.kept += judged.observations
        for m in names:
            alone = single.step(now, values[m], machine=m)["health"]
            together = next(a for a in judged.assessments if a.machine == m and a.indicator == "health")
            assert together.state is alone.state
            assert together.score == pytest.approx(alone.score, rel=1e-5, abs=1e-5)


def test_a_spoilt_baseline_is_refused_and_the_old_one_stays(bench, epoch):
    """A newly learned file with a wrong hash is refused by name; what was in use goes on, after a restart too."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    folder = made.learned / "m1"
    for suffix in ("onnx", "json"):
        (folder / f"process-2.{suffix}").write_bytes((folder / f"process-1.{suffix}").read_bytes())
    with (folder / "process-2.onnx").open("ab") as file:
        file.write(b"\0")
    asked = made.ask(epoch + 300 * SECOND)
    with pytest.raises(ModelRejected, match="sha256"):
        made.assessor.adopt(asked, "2")
    assert "m1/process" in made.assessor.refused
    assert made.step(epoch + 201 * SECOND, pump(rng))["health"].model == "process-m1@1"
    made.restart()
    assert made.step(epoch + 202 * SECOND, pump(rng))["health"].state is Verdict.NORMAL


def test_a_restart_goes_on_with_what_was_learned(bench, epoch):
    """After a restart the baseline on disk judges from the first row on, without false alarm or new learning."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    made.restart()
    said = [made.step(epoch + i * SECOND, pump(rng))["health"] for i in range(201, 260)]
    assert {a.state for a in said} == {Verdict.NORMAL}
    assert made.assessor.requests(epoch + 260 * SECOND) == ()


def test_a_disk_that_cannot_be_written_stops_no_verdict(bench, epoch):
    """Where nothing can be kept, learning goes on in memory, and what is wrong is told."""
    made = bench(PUMP, until=epoch + 200 * SECOND)
    made.learned.parent.mkdir(exist_ok=True)
    made.learned.write_text("a file where the folder should be")
    said = made.step(epoch, pump(np.random.default_rng(13)))["health"]
    assert said.state is Verdict.LEARNING
    assert "cannot be written" in made.assessor.refused["m1/process"]


def test_a_later_until_is_learned_anew(bench, epoch):
    """A user who moves `until` past the old one gets a new baseline at that time, and the old one judges until then."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    later = [dataclasses.replace(m, learning=Learning(epoch + 300 * SECOND)) for m in made.machines]
    made.assessor.configure(made.table, later)
    assert made.step(epoch + 250 * SECOND, pump(rng))["health"].model == "process-m1@1"
    assert made.step(epoch + 300 * SECOND, pump(rng))["health"].model == "process-m1@2"


def test_a_replaced_sensor_starts_only_its_own_baseline_anew(bench, burst, epoch):
    """`sensor_replaced` on the accelerometer learns the vibration anew, from then on; the process baseline stays."""
    made = bench((*PUMP, ("acc", "waveform", "g")), until=epoch + 100 * SECOND, span=50 * SECOND)
    rng = np.random.default_rng(11)
    for i in range(110):
        made.step(epoch + i * SECOND, pump(rng) | {"acc": burst(rng)})
    assert made.assessor.sensor_replaced(made.table.index("m1.acc"), epoch + 110 * SECOND) == ("m1", "vibration")
    said = made.step(epoch + 110 * SECOND, pump(rng) | {"acc": burst(rng, gain=9)})
    assert said["vibration"].state is Verdict.LEARNING
    assert said["process"].state is Verdict.NORMAL
    for i in range(111, 180):
        said = made.step(epoch + i * SECOND, pump(rng) | {"acc": burst(rng, gain=9)})
    assert said["vibration"].state is Verdict.NORMAL
    assert said["vibration"].model == "vibration-m1@2"


def test_a_machine_is_learned_anew_and_gone_back_to(bench, epoch):
    """`relearn` forgets all of a machine; `roll_back` uses what was learned before, over a restart too."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    assert [(v.version, v.used) for v in made.assessor.versions("m1")] == [("1", True)]
    assert made.assessor.relearn("m1", epoch + 201 * SECOND) == ("process",)
    said = made.step(epoch + 202 * SECOND, pump(rng, flow=-20))["health"]
    assert said.state is Verdict.LEARNING
    assert [(v.version, v.used) for v in made.assessor.versions("m1")] == [("1", False)]
    assert made.assessor.roll_back("m1", "process") == "1"
    said = [made.step(epoch + i * SECOND, pump(rng, flow=-20))["health"] for i in range(203, 230)]
    assert said[-1].state is Verdict.ABNORMAL
    assert said[-1].model == "process-m1@1"
    made.restart()
    assert made.step(epoch + 230 * SECOND, pump(rng))["health"].model == "process-m1@1"


def test_what_cannot_be_gone_back_to(bench, epoch):
    """An indicator or version that there is not, and a spoilt one, are refused; what was in use stays in use."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    for indicator, version, told in (
        ("process", "9", "no version 9"),
        ("process", "", "no earlier"),
        ("x", "1", "'x'"),
    ):
        with pytest.raises(ModelError, match=told):
            made.assessor.roll_back("m1", indicator, version)
    for suffix in ("onnx", "json"):
        (made.learned / "m1" / f"process-7.{suffix}").write_bytes(b"spoilt")
    with pytest.raises(ModelRejected):
        made.assessor.roll_back("m1", "process", "7")
    assert made.assessor.refused == {}
    made.restart()
    assert made.step(epoch + 201 * SECOND, pump(rng))["health"].model == "process-m1@1"


def test_going_back_without_models(bench, epoch):
    """On a box where no model runs nothing is gone back to, and it says that the limits guard the machine."""
    made, _ = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(np.random.default_rng(2)))
    bare = Assessor(made.table, made.machines, None, made.learned)
    with pytest.raises(ModelError) as refused:
        bare.roll_back("m1", "process", "1")
    assert "no models are in use: limit alarms alone" in refused.value.hint


@pytest.mark.parametrize("since", [10, 300])
def test_what_is_learned_anew_while_a_fit_is_under_way(bench, epoch, since):
    """A baseline of the old evidence is left aside, whether learning began anew from a later or an earlier time."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    asked = made.ask(epoch + 300 * SECOND)
    made.assessor.relearn("m1", epoch + since * SECOND)
    assert made.assessor.adopt(asked, "1") is False
    assert made.assessor.learning("m1", epoch)[0].version == ""
    made.restart()
    [state] = made.assessor.learning("m1", epoch)
    assert (state.version, state.since) == ("", epoch + since * SECOND)


def test_a_rollback_while_a_fit_is_under_way(bench, epoch):
    """Who goes back while something is being learned stays there when it has been."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    made.assessor.relearn("m1", epoch + 100 * SECOND)
    asked = made.ask(epoch + 300 * SECOND)
    assert made.assessor.roll_back("m1", "process") == "1"
    assert made.assessor.adopt(asked, "1") is False
    assert made.assessor.requests(epoch + 10**6 * SECOND) == ()
    assert made.step(epoch + 301 * SECOND, pump(rng))["health"].model == "process-m1@1"


def test_a_rollback_stays_where_a_later_until_had_made_the_newer_one(bench, epoch):
    """A user's `until` does not undo what they went back to; learning anew does."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    made.machines = tuple(dataclasses.replace(m, learning=Learning(epoch + 300 * SECOND)) for m in made.machines)
    made.assessor.configure(made.table, made.machines)
    assert made.step(epoch + 300 * SECOND, pump(rng))["health"].model == "process-m1@2"
    assert made.assessor.roll_back("m1", "process") == "1"
    assert made.step(epoch + 301 * SECOND, pump(rng))["health"].model == "process-m1@1"
    made.restart()
    assert made.step(epoch + 302 * SECOND, pump(rng))["health"].model == "process-m1@1"
    made.assessor.relearn("m1", epoch)
    made.step(epoch + 303 * SECOND, pump(rng))
    # From the same evidence the same is learned: it is that one again.
    assert made.step(epoch + 304 * SECOND, pump(rng))["health"].model == "process-m1@2"


def test_an_old_alarm_does_not_come_back_on_a_machine_that_is_learned_anew(bench, epoch):
    """Where the alarm was saved as standing and the machine is learned anew, a restart does not raise it again."""
    made, rng = taught(bench, epoch)
    for i in range(200, 230):
        said = made.step(epoch + i * SECOND, pump(rng, flow=-20))["health"]
    assert said.alarm
    made.assessor.relearn("m1", epoch + 230 * SECOND)
    made.restart()
    made.assessor.restore([SimpleNamespace(alarm="m1/health.abnormal", condition=True)])
    assert not made.step(epoch + 231 * SECOND, pump(rng))["health"].alarm


def test_learning_anew_on_a_disk_that_cannot_be_written(bench, epoch):
    """It is learned anew all the same, and said what a restart would do."""
    made, rng = taught(bench, epoch)
    made.step(epoch + 200 * SECOND, pump(rng))
    (made.learned / "m1" / ".process.json.new").mkdir()
    made.assessor.relearn("m1", epoch + 201 * SECOND)
    [state] = made.assessor.learning("m1", epoch + 201 * SECOND)
    assert state.version == ""
    assert "after a restart it is as it was before" in state.problem
    assert made.assessor.roll_back("m1", "process") == "1"


def test_too_little_evidence_keeps_learning(bench, epoch):
    """Where the rows do not suffice for a fit, it goes on learning, and asks again when there is twice as much."""
    made = bench(PUMP, until=epoch + 5 * SECOND)
    rng = np.random.default_rng(12)
    asked = []
    for i in range(40):
        now = epoch + i * SECOND
        asked += [i] * len(made.assessor.requests(now))
        made.assessor.assess([made.window(now, pump(rng))])
    assert asked == [5, 10, 20]


def test_a_window_is_due_when_its_fast_tags_are_new(bench, epoch):
    """A machine is due once its fast tags have all got a value; a slow one, or one that is lost, is not waited for."""
    made = bench(PUMP)
    flow, pressure, current = (made.table.index(f"m1.{n}") for n in ("flow", "pressure", "current"))
    due = made.assessor.due
    assert not due("m1", frozenset(), epoch)
    assert due("m1", frozenset({flow, pressure, current}), epoch)
    taken = []
    for i in range(1, 40):
        now = epoch + i * SECOND
        assert not due("m1", frozenset({flow}), now)
        fresh = {flow, pressure} | ({current} if i % 10 == 0 else set())
        taken.append(due("m1", frozenset(fresh), now + SECOND // 10))
    assert all(taken[20:])
    assert not due("nobody", frozenset({flow}), epoch)

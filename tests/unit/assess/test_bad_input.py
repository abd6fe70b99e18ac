"""Input that is not what it seems: each kind gets a verdict that is not normal by accident, and says why."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from shoptwin.alarms.bad_data import BadData
from shoptwin.alarms.book import AlarmBook
from shoptwin.alarms.definitions import define
from shoptwin.alarms.limits import LimitJudge
from shoptwin.alarms.maintenance import Maintenance
from shoptwin.assess import Assessor, ModelShelf
from shoptwin.assess.sensors import cut_off
from shoptwin.domain.assessment import Verdict
from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.machine import Learning, Machine
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import SECOND
from shoptwin.learn.run import run
from shoptwin.pipeline import Pipeline
from shoptwin.runtime.clock import VirtualClock
from shoptwin.twin.twin import Twin

EPOCH = 1_700_000_000 * SECOND
LEARNED, AFTER = 200, 80
PUMP = (("flow", "flow", "l/min"), ("pressure", "pressure", "bar"), ("current", "current", "A"))
MOTOR = (("acc_h", "waveform", "g"), ("acc_v", "waveform", "g"))


def pump(rng):
    work = rng.normal()
    return {
        "flow": 100 + 2 * work + rng.normal(),
        "pressure": 4 + 0.1 * work + 0.05 * rng.normal(),
        "current": 8 + 0.3 * work + 0.1 * rng.normal(),
    }


def judged(bench, epoch, spoil, *, rows=AFTER, status=None, held=1):
    """What is said of a pump whose rows `spoil(i, values)` changed after learning; values are new each `held` rows."""
    made, rng = bench(PUMP, until=epoch + LEARNED * SECOND), np.random.default_rng(1)
    said, values = [], {}
    for i in range(LEARNED + rows):
        values = values if i % held else pump(rng)
        more = {"status": status} if status and i >= LEARNED else {}
        told = spoil(i - LEARNED, dict(values)) if i >= LEARNED else values
        said.append(made.step(epoch + i * SECOND, told, **more)["health"])
    return said[LEARNED:]


def heard(bench, burst, epoch, spoil, *, rows=30):
    """What is said of a motor with two accelerometers, whose bursts `spoil(i, values)` changed after learning."""
    made, rng = bench(MOTOR, until=epoch + 60 * SECOND), np.random.default_rng(2)
    said = []
    for i in range(60 + rows):
        values = {"acc_h": burst(rng), "acc_v": burst(rng)}
        told = spoil(i - 60, values, rng) if i >= 60 else values
        said.append(made.step(epoch + i * SECOND, told)["health"])
    return said[60:]


def test_nothing_is_wrong_with_sensors_that_are_well(bench, burst, epoch):
    """Without a fault of a sensor all verdicts are normal and nothing is said of sensors."""
    for said in (judged(bench, epoch, lambda _, v: v), heard(bench, burst, epoch, lambda _, v, __: v)):
        assert {a.state for a in said} == {Verdict.NORMAL}
        assert all(not a.since and not a.note for a in said)


def test_a_stuck_tag_is_abnormal(bench, epoch):
    """A value inside its usual range that never changes any more raises, and the evidence names it with the time."""
    said = judged(bench, epoch, lambda _, v: v | {"flow": 100.0})
    assert said[-1].state is Verdict.ABNORMAL
    assert said[-1].alarm
    assert any(e.startswith("flow has given the very same value for 1 min") for e in said[-1].evidence)
    assert said[-1].since == epoch + LEARNED * SECOND


def test_a_stuck_tag_that_moves_again_is_well(bench, epoch):
    """Once the value changes again it is no longer called stuck."""
    said = judged(bench, epoch, lambda i, v: v | ({"flow": 100.0} if i < 50 else {}))
    assert any("very same" in e for e in said[49].evidence)
    assert not any("very same" in e for e in said[50].evidence)


def test_a_value_that_is_usually_held_is_not_stuck(bench, epoch):
    """A tag that is measured each ten seconds is not called stuck in between."""
    said = judged(bench, epoch, lambda _, v: v, held=10, rows=100)
    assert not any("very same" in e for a in said for e in a.evidence)


@pytest.mark.parametrize("end", [0.0, 88.0])
def test_a_value_at_rest_is_judged_by_its_level_and_not_called_stuck(bench, epoch, end):
    """At or beyond an end of the learned range, as of a machine at rest, a constant value is nothing for its sensor."""
    said = judged(bench, epoch, lambda _, v: v | {"flow": end})
    assert said[-1].state is Verdict.ABNORMAL
    assert not any("very same" in e for e in said[-1].evidence)


def test_a_device_that_repeats_itself_is_no_data(bench, epoch):
    """Where all tags stand still there is no verdict: the device repeats old values, or the machine rests."""
    said = judged(bench, epoch, lambda *_: {"flow": 100.0, "pressure": 4.0, "current": 8.0})
    assert said[-1].state is Verdict.NO_DATA
    assert "does the machine rest, or the device repeat itself?" in said[-1].note


def flowing(tmp_path, batches):
    """What the pipeline says of a pump that was learned, given batches of (source time, receive time, values)."""
    tags = tuple(Tag(n, n, "m1", Role(r), u) for n, r, u in PUMP)
    machines, table, heard = (Machine("m1", tags, learning=Learning(EPOCH + LEARNED * SECOND)),), TagTable(tags), []
    bare = SimpleNamespace(alarms=lambda *_: None, machine_state=lambda *_: None, maintenance=lambda *_: None)
    kept = []
    pipeline = Pipeline(
        clock=VirtualClock(EPOCH), table=table, configured=machines, twin=Twin(table, machines),
        judge=LimitJudge(table, machines), bad_data=BadData(table), book=AlarmBook(define(machines, ())),
        maintenance=Maintenance(table, machines), assessor=Assessor(table, machines, ModelShelf(), tmp_path),
        summaries=(), transitions=bare, heard=heard.append,
        samples=SimpleNamespace(append=lambda *_: None, append_observations=kept.extend, alarmed=lambda *_: None),
    )  # fmt: skip
    pipeline.resume()
    for source, received, values in batches:
        pipeline.clock.set(received)
        batch = SampleBatch.of("g", ValueKind.F8, [0, 1, 2], values, source_time=source, receive_time=received)
        pipeline.take(batch)
        pipeline.tick()
        for request in pipeline.assessor.requests(received):
            rows = [o for o in kept if o.time < request.until]
            evidence = SimpleNamespace(
                time=np.array([o.time for o in rows]), names=rows[0].names,
                values=np.stack([o.values for o in rows]), state=[o.state.value for o in rows],
            )  # fmt: skip
            pipeline.assessor.adopt(request, run(request, evidence, tmp_path))
        if windows := pipeline.windows():
            pipeline.conclude(pipeline.assessor.assess(windows))
    return [a for a in heard if a.indicator == "health" and a.time >= EPOCH + (LEARNED + 1) * SECOND]


@pytest.mark.parametrize("flow", [0.0, -20.0])
def test_samples_that_come_twice_and_out_of_order(tmp_path, flow):
    """Among duplicates and samples that come late a pump that is well raises nothing, and one that is not does."""
    rng, batches = np.random.default_rng(1), []
    for i in range(LEARNED + 100):
        now, values = EPOCH + i * SECOND, list(pump(rng).values())
        values[0] += flow if i >= LEARNED else 0.0
        batches.append((now, now + SECOND // 100, values))  # by the device's own clock
        if i >= LEARNED:
            late = [90.0 - flow, 4.0, 8.0]  # of a minute ago, and looking the other way
            batches += [(now, now + SECOND // 4, values), (now - 60 * SECOND, now + SECOND // 2, late)]
    said = flowing(tmp_path, batches)
    assert said[-1].alarm is (flow < 0)
    assert any(a.alarm for a in said) is (flow < 0)
    assert said[-1].state is (Verdict.ABNORMAL if flow < 0 else Verdict.NORMAL)


def test_one_sample_that_is_sent_many_times_counts_once(tmp_path):
    """A single odd sample raises nothing, however often it is sent again before the next."""
    rng, batches = np.random.default_rng(1), []
    for i in range(LEARNED + 40):
        now, values = EPOCH + i * SECOND, list(pump(rng).values())
        values[0] -= 40.0 if i == LEARNED + 20 else 0.0
        times = 9 if i == LEARNED + 20 else 1
        batches += [(now, now + (n + 1) * SECOND // 20, values) for n in range(times)]
    said = flowing(tmp_path, batches)
    assert any(a.state is Verdict.ABNORMAL for a in said)
    assert not any(a.alarm for a in said)


def test_a_fault_shows_among_repeated_rows(bench, epoch):
    """A fault is found as well where each row comes twice."""
    made, rng = bench(PUMP, until=epoch + LEARNED * SECOND), np.random.default_rng(1)
    for i in range(LEARNED):
        made.step(epoch + i * SECOND, pump(rng))
    for i in range(LEARNED, LEARNED + 20):
        values = pump(rng)
        values["flow"] -= 20
        said = [made.step(epoch + i * SECOND, values)["health"] for _ in range(2)]
    assert said[-1].alarm


@pytest.mark.parametrize("lost", [("flow", "pressure"), ("flow", "pressure", "current")])
def test_missing_and_bad_samples_are_no_data(bench, epoch, lost):
    """Where most or all of the values are Bad there is no verdict, and the tags are named with their status."""
    said = judged(bench, epoch, lambda _, v: v, status=dict.fromkeys(lost, StatusCode.BAD_SENSOR_FAILURE))
    assert {a.state for a in said} == {Verdict.NO_DATA}
    assert "flow BadSensorFailure" in said[-1].note


def test_rows_in_which_all_is_bad_do_not_count_against_what_was_there(bench, epoch):
    """A machine whose device was lost for half of the learning time is learned from the other half."""
    tags = (("temp", "temperature", "degC"), ("room", "ambient", "degC"), ("flow", "flow", "l/min"))
    made, rng = bench(tags, until=epoch + 400 * SECOND), np.random.default_rng(1)
    for i in range(420):
        lost = 100 <= i < 300
        bad = dict.fromkeys(("temp", "flow"), StatusCode.BAD_NOT_CONNECTED) if lost else {}
        values = {"temp": 50 + rng.normal(), "room": 20 + 0.1 * rng.normal(), "flow": 100 + rng.normal()}
        said = made.step(epoch + i * SECOND, values, status=bad)["health"]
    assert said.state is Verdict.NORMAL
    assert len(made.kept) < 230


def clip(wave):
    return Waveform(np.clip(wave.samples, -0.4, 0.4), wave.rate)


def test_a_waveform_that_is_cut_off_is_abnormal(bench, burst, epoch):
    """Bursts that lie flat at a rail raise, and the evidence says how much of them does."""
    said = heard(bench, burst, epoch, lambda _, v, __: v | {"acc_h": clip(v["acc_h"])})
    assert said[-1].state is Verdict.ABNORMAL
    assert any(e.startswith("acc_h is cut off in") for e in said[-1].evidence)


def test_a_waveform_that_always_was_cut_off_is_not_told_of(bench, burst, epoch):
    """What was cut off while learning too is nothing new."""
    made, rng = bench(MOTOR, until=epoch + 60 * SECOND), np.random.default_rng(2)
    for i in range(90):
        said = made.step(epoch + i * SECOND, {"acc_h": clip(burst(rng)), "acc_v": burst(rng)})["health"]
    assert said.state is Verdict.NORMAL


@pytest.mark.parametrize("rate", [12_800.0, 51_200.0])
def test_another_sampling_rate_is_no_data(bench, burst, epoch, rate):
    """Bursts at another rate than was learned cannot be compared: no verdict, with both rates in the note."""
    said = heard(bench, burst, epoch, lambda _, __, rng: {t: burst(rng, rate=rate) for t in ("acc_h", "acc_v")})
    assert {a.state for a in said} == {Verdict.NO_DATA}
    assert f"is sampled at {rate:g} Hz, learned at 25600 Hz" in said[-1].note


def test_one_waveform_at_another_rate_does_not_blind_the_other(bench, burst, epoch):
    """With one of two at another rate the other is still judged and raises."""
    said = heard(bench, burst, epoch, lambda _, __, rng: {
        "acc_h": burst(rng, rate=12_800.0), "acc_v": burst(rng, gain=9.0)})  # fmt: skip
    assert said[-1].alarm
    assert "acc_h is sampled at" in said[-1].note


def test_a_rate_that_wobbles_a_little_is_the_same(bench, burst, epoch):
    """A rate that is measured anew each time is not another one for that."""
    said = heard(bench, burst, epoch, lambda i, v, __: {
        t: dataclasses.replace(w, rate=w.rate * (1 + 0.01 * (-1) ** i)) for t, w in v.items()})  # fmt: skip
    assert {a.state for a in said} == {Verdict.NORMAL}


def test_the_same_burst_again_and_again_is_not_normal(bench, burst, epoch):
    """A device that serves one old burst for ever is found out, though it looks healthy."""
    old = {t: burst(np.random.default_rng(9)) for t in ("acc_h", "acc_v")}
    said = heard(bench, burst, epoch, lambda _, __, ___: old, rows=60)
    assert said[-1].state is Verdict.NO_DATA
    assert "the very same burst" in said[-1].note


def test_a_sensor_that_came_loose_is_not_normal(bench, burst, epoch):
    """A sensor that measures a tenth in all bands is found, though nothing has grown."""
    said = heard(bench, burst, epoch, lambda _, __, rng: {"acc_h": burst(rng, gain=0.1), "acc_v": burst(rng)})
    assert said[-1].state is not Verdict.NORMAL
    assert any("acc_h measures" in text for text in (*said[-1].evidence, said[-1].note))


def test_a_sensor_that_was_replaced_is_told_apart(bench, burst, epoch):
    """Where all bands grow by one factor the evidence asks whether the sensor was replaced."""
    said = heard(bench, burst, epoch, lambda _, __, rng: {"acc_h": burst(rng, gain=5.0), "acc_v": burst(rng)})
    assert said[-1].state is Verdict.ABNORMAL
    assert any(e.startswith("all bands of acc_h grew by the same factor, 5") for e in said[-1].evidence)


def test_a_tag_that_stepped_alone_is_told_apart(bench, epoch):
    """Where one tag steps from one row to the next, and no other moves, the evidence asks about its sensor."""
    said = judged(bench, epoch, lambda i, v: v | ({"flow": v["flow"] + 25.0} if i >= 10 else {}), rows=40)
    assert said[-1].state is Verdict.ABNORMAL
    assert any(e.startswith("flow stepped at once") for e in said[-1].evidence)


def test_a_tag_that_drifted_did_not_step(bench, epoch):
    """A slow change of one tag is no step."""
    said = judged(bench, epoch, lambda i, v: v | {"flow": v["flow"] + 0.4 * i})
    assert said[-1].state is Verdict.ABNORMAL
    assert not any("stepped" in e for a in said for e in a.evidence)


@pytest.mark.parametrize(
    ("samples", "share"),
    [([0, 1, 2, 3], 0.0), ([3, 3, 3, 3, 0, 1, 2, 0, 1, 0], 0.4), ([1, 1, 0, 1, 1, 0], 0.0), ([2, 2, 2], 0.0),
     ([5, 5, 5, 0, -5, -5, -5, 0, 0, 0], 0.6)],
)  # fmt: skip
def test_the_share_that_is_cut_off(samples, share):
    """Samples count where three or more in a row lie at the highest or the lowest value."""
    assert cut_off(np.array(samples)) == pytest.approx(share)

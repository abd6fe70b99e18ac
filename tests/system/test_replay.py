"""`shoptwin replay` keeps the contract of the yardstick: on a small recording of its own, and on real ones."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shoptwin.domain.timing import parse_time

SHARED = Path(__file__).parents[2] / ".." / "shared"
START = parse_time("2026-01-05T06:00:00Z")
STATES = {"learning", "normal", "abnormal", "unknown-regime", "no-data"}


def iso(second):
    moment = dt.datetime.fromtimestamp(START / 1e9 + second, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def machine(until, tags):
    text = f'[[machine]]\nname = "machine-1"\n\n[machine.learning]\nuntil = {iso(until)}\n'
    return text + "".join(f'\n[[machine.tag]]\nname = "{n}"\nrole = "{r}"\nunit = "{u}"\n' for n, r, u in tags)


def run(recording, out, tmp, expected=0):
    """Run the command as a user would, with a temporary directory of its own; return its events."""
    tmp.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "shoptwin", "replay", str(recording), "--out", str(out)]
    done = subprocess.run(
        command, env=os.environ | {"TMPDIR": str(tmp)}, cwd=tmp, capture_output=True, text=True, check=False
    )
    assert done.returncode == expected, done.stderr
    assert list(tmp.iterdir()) == []
    return [json.loads(line) for line in out.read_text().splitlines()]


def rows_of(count, seed=1):
    """A pump, a row a second: from row 450 on the flow is throttled."""
    rng = np.random.default_rng(seed)
    work = rng.normal(size=count)
    flow = 100 + 2 * work + rng.normal(size=count)
    flow[450:] -= 25
    return np.column_stack([flow, 4 + 0.1 * work + 0.05 * rng.normal(size=count), 8 + rng.normal(size=count)])


PUMP = (("flow", "flow", "l/min"), ("pressure", "pressure", "bar"), ("current", "current", "A"))


@pytest.fixture
def pump(tmp_path):
    """Write the pump's recording; returns its directory."""

    def write(name="pump", count=500, hole=frozenset(), limits=""):
        path = tmp_path / name
        path.mkdir()
        text = machine(300, PUMP)
        (path / "machine.toml").write_text(text.replace('unit = "bar"\n', f'unit = "bar"\n{limits}'))
        lines = ["time,flow,pressure,current"]
        for i, row in enumerate(rows_of(500)[:count]):
            cells = ["" if (i, k) in hole else f"{v:.9g}" for k, v in enumerate(row)]
            lines.append(",".join([iso(i), *cells]))
        (path / "scalars.csv").write_text("\n".join(lines) + "\n")
        return path

    return write


def check(events, first, last):
    """Hold events to the contract: kinds, names, order, alternation, finite scores."""
    live, before = {}, first
    for e in events:
        assert e["machine"] == "machine-1"
        assert before <= e["time"] <= last
        before = e["time"]
        if e["kind"] == "assessment":
            assert e["indicator"] == "health"
            assert e["state"] in STATES
            assert np.isfinite(e["score"])
        else:
            assert e["kind"] == "alarm"
            assert live.get(e["alarm"], "cleared") != e["event"]
            live[e["alarm"]] = e["event"]
    return live


def test_the_contract(pump, tmp_path):
    """Each row has its assessment, learning ends where the user said, throttled flow raises, and it repeats itself."""
    recording = pump()
    events = run(recording, tmp_path / "out.jsonl", tmp_path / "tmp")
    live = check(events, iso(0), iso(499))
    assert live == {"health.abnormal": "raised"}
    states = {e["time"]: e["state"] for e in events if e["kind"] == "assessment"}
    assert list(states) == [iso(i) for i in range(500)]
    assert {states[iso(i)] for i in range(300)} == {"learning"}
    assert {states[iso(i)] for i in range(300, 450)} == {"normal"}
    [raised] = [e for e in events if e["kind"] == "alarm"]
    assert iso(450) < raised["time"] < iso(460)
    assert "flow" in raised["text"]
    again = run(recording, tmp_path / "again.jsonl", tmp_path / "tmp")
    assert again == events


def test_an_index_goes_with_each_verdict(pump, tmp_path):
    """A judged row has a health index, high before the fault and low after; one that learns has none."""
    events = run(pump(), tmp_path / "events.jsonl", tmp_path / "tmp")
    told = [(e["state"], e["index"]) for e in events if e["kind"] == "assessment"]
    assert {index for state, index in told if state not in {"normal", "abnormal"}} <= {None}
    judged = [index for state, index in told if state in {"normal", "abnormal"}]
    assert judged[0] > 90
    assert judged[-1] < 34


def test_the_future_changes_nothing(pump, tmp_path):
    """A recording without its end gives the same lines up to there, to the last digit."""
    whole = run(pump(), tmp_path / "whole.jsonl", tmp_path / "tmp")
    part = run(pump("part", 420), tmp_path / "part.jsonl", tmp_path / "tmp")
    assert part == whole[: len(part)]
    assert len(part) == 420


def test_limits_are_judged_too(pump, tmp_path):
    """Limits in machine.toml raise and clear alarms of their own, from the first row on."""
    recording = pump(limits="limits = { hi = 4.2, deadband = 0.05 }\n")
    events = run(recording, tmp_path / "out.jsonl", tmp_path / "tmp")
    check(events, iso(0), iso(499))
    own = [e for e in events if e["kind"] == "alarm" and e["alarm"].endswith("pressure.hi")]
    assert own[0]["time"] < iso(300)
    assert {e["event"] for e in own} == {"raised", "cleared"}


def test_holes_do_not_silence_it(pump, tmp_path):
    """Missing cells cost the rows' joint look, never their assessment."""
    hole = frozenset((i, i % 3) for i in range(0, 500, 7))
    events = run(pump(hole=hole), tmp_path / "out.jsonl", tmp_path / "tmp")
    check(events, iso(0), iso(499))
    assert sum(e["kind"] == "assessment" for e in events) == 500
    assert any(e["kind"] == "alarm" and e["event"] == "raised" and e["time"] > iso(450) for e in events)


def test_a_recording_that_is_cut_off_is_replayed_as_far_as_it_goes(pump, tmp_path):
    """A last line that ends in the middle ends the replay with 65, after every row before it."""
    recording = pump()
    text = (recording / "scalars.csv").read_text()
    (recording / "scalars.csv").write_text(text[: text.rindex(",") + 2])
    events = run(recording, tmp_path / "out.jsonl", tmp_path / "tmp", expected=65)
    assert sum(e["kind"] == "assessment" for e in events) == 499


def test_waveforms_are_judged(tmp_path):
    """A bearing whose waveform grows is raised in a recording of waveforms alone, with the band in the text."""
    path = tmp_path / "bearing"
    path.mkdir()
    (path / "machine.toml").write_text(machine(300, (("acc", "waveform", "g"),)))
    rng = np.random.default_rng(2)
    samples = rng.normal(size=(90, 2560)) * 100
    samples[60:] *= 1 + 0.3 * np.arange(30)[:, None]
    np.savez(
        path / "waveforms.npz",
        **{"time": START / 1e9 + 10.0 * np.arange(90), "acc": samples.astype(np.int16), "acc.rate": 25_600.0,
           "acc.scale": 0.001},
    )  # fmt: skip
    events = run(path, tmp_path / "out.jsonl", tmp_path / "tmp")
    assert check(events, iso(0), iso(890)) == {"health.abnormal": "raised"}
    [raised] = [e for e in events if e["kind"] == "alarm"]
    assert raised["time"] > iso(600)
    assert "acc energy in" in raised["text"]


@pytest.fixture
def recordings():
    """Return the yardstick's generators of recordings; skips where the recorded data is absent."""
    if not (SHARED / "data").is_dir() or not (SHARED / "evaluate" / "recordings.py").exists():
        pytest.skip("recorded data is not here: ../shared/data and ../shared/evaluate")
    sys.path.insert(0, str(SHARED / "evaluate"))
    try:
        import recordings  # noqa: PLC0415 - only where it is
    finally:
        sys.path.remove(str(SHARED / "evaluate"))
    return recordings


def alarms(out, *, kind="raised"):
    events = [json.loads(line) for line in out.read_text().splitlines()]
    return [parse_time(e["time"]) / 1e9 for e in events if e["kind"] == "alarm" and e["event"] == kind]


@pytest.mark.timeout(180)
def test_the_recorded_machine_is_told_before_it_fails(recordings, tmp_path):
    """The temperature of a real machine raises an alarm before its failure is over, and seldom else."""
    [(path, truth)] = recordings.nab(SHARED / "data", tmp_path, None)
    run_real(path, tmp_path)
    raised = alarms(tmp_path / "out.jsonl")
    windows = truth.info["windows"]
    assert any(first <= t <= last for t in raised for first, last in windows[-1:])
    assert sum(not any(first <= t <= last for first, last in windows) for t in raised) <= 3


@pytest.mark.timeout(180)
def test_the_recorded_bearing_is_told_before_it_breaks(recordings, tmp_path):
    """A real bearing run to failure raises minutes before the end, never in its first half, and stays raised."""
    lives = (r for r in recordings.femto(SHARED / "data", tmp_path, None) if r[1].name == "Bearing2_1")
    path, truth = next(lives)
    run_real(path, tmp_path)
    raised = alarms(tmp_path / "out.jsonl")
    assert raised
    assert min(raised) > (truth.start + truth.end) / 2
    assert max(raised) <= truth.end - 120
    assert len(raised) - len(alarms(tmp_path / "out.jsonl", kind="cleared")) == 1


def run_real(path, tmp_path):
    from shoptwin.replay import replay  # noqa: PLC0415 - in this process: the command is tested above

    replay(path, tmp_path / "out.jsonl")

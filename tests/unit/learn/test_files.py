"""Versions on disk, the pointer, and the learning process."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from weakref import ref

import numpy as np
import pytest

from shoptwin.assess.learned import Pointer, load, read_pointer, write_pointer
from shoptwin.assess.progress import LearnRequest, progress
from shoptwin.assess.session import Session
from shoptwin.assess.versions import Version, check, earlier, listing, versions
from shoptwin.domain.assessment import Observation
from shoptwin.domain.errors import ModelError, ModelRejected
from shoptwin.domain.machine import Learning, MachineState
from shoptwin.domain.tag import TagTable
from shoptwin.learn.baseline import Settings, fit
from shoptwin.learn.extend import Before
from shoptwin.learn.files import KEPT, save
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore


@pytest.fixture
def baseline(evidence, pump, pump_names):
    return fit(evidence(pump_names, pump(np.random.default_rng(1))), Settings("process"))


def kept(folder, machine, baseline, until):
    return save(folder, LearnRequest(machine, "process", 0, until), baseline, Before())


def test_versions_follow_one_another(tmp_path, baseline):
    """Each save is a new version, which stands beside the ones before; one that is not there cannot be gone back to."""
    assert [kept(tmp_path, "press/3", baseline, 100) for _ in range(3)] == ["1", "2", "3"]
    found = load(tmp_path, "press/3", "process", check(tmp_path, "press/3", "process", "2"))
    assert found.version == "2"
    assert found.manifest["asked_until"] == 100
    with pytest.raises(ModelError, match="no version 9") as wrong:
        check(tmp_path, "press/3", "process", "9")
    assert wrong.value.hint == "there are 1, 2, 3"


def test_what_is_in_use_outlives_the_process(tmp_path):
    """The pointer is read as it was written; one of an older release has neither a choice nor what was before."""
    pointer = Pointer("3", 42, chosen=True, before="2")
    write_pointer(tmp_path, "press/3", "process", pointer)
    assert read_pointer(tmp_path, "press/3", "process") == pointer
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "process.json").write_text('{"version": "3", "since": 42}')
    assert read_pointer(tmp_path, "m", "process") == Pointer("3", 42)


def test_what_is_on_disk_is_listed_with_what_it_was_learned_from(tmp_path, baseline):
    """Each version tells from when to when and from how many rows it was learned, and which is in use."""
    for _ in range(2):
        kept(tmp_path, "m", baseline, 0)
    first, second = listing(tmp_path, "m", "process", "1")
    assert first == Version("process", "1", True, baseline.since, baseline.until, baseline.rows, 1.0)
    assert not second.used
    (tmp_path / "m" / "process-2.json").write_text("{")
    assert listing(tmp_path, "m", "process", "1")[1] == Version("process", "2", False)
    assert listing(tmp_path, "m", "vibration", "") == []


def test_the_version_before(tmp_path, baseline):
    """The one before that in use; while one is learned anew, the one in use then; none before the first."""
    for _ in range(3):
        kept(tmp_path, "m", baseline, 0)
    assert earlier(tmp_path, "m", "process", Pointer("3")) == "2"
    assert earlier(tmp_path, "m", "process", Pointer("", 42, before="2")) == "2"
    assert earlier(tmp_path, "m", "process", Pointer("", 42, before="9")) == "3"
    for pointer, indicator in ((Pointer("1"), "process"), (Pointer(), "vibration")):
        with pytest.raises(ModelError, match="no earlier version"):
            earlier(tmp_path, "m", indicator, pointer)


def test_old_versions_are_dropped_in_the_end(tmp_path, baseline):
    """The last ten versions stay on disk, models and manifests."""
    for _ in range(KEPT + 3):
        kept(tmp_path, "m", baseline, 0)
    assert versions(tmp_path, "m", "process") == list(range(4, KEPT + 4))
    assert len(list((tmp_path / "m").glob("process-*.json"))) == KEPT


def test_what_a_power_cut_leaves_is_no_version(tmp_path, baseline):
    """A half-written file and a model without its manifest are no version, and go when the next one is written."""
    kept(tmp_path, "m", baseline, 0)
    (tmp_path / "m" / ".process-2.onnx.new").write_bytes(b"half")
    (tmp_path / "m" / "process-2.onnx").write_bytes(b"whole, but without its manifest")
    (tmp_path / "m" / "vibration-7.onnx").write_bytes(b"somebody else's")
    assert versions(tmp_path, "m", "process") == [1]
    (tmp_path / "m" / "process-3.onnx").write_bytes(b"another")
    assert kept(tmp_path, "m", baseline, 0) == "2"
    assert {p.name for p in (tmp_path / "m").iterdir() if not p.name.endswith(".lock")} == {
        "process-1.json", "process-1.onnx", "process-2.json", "process-2.onnx", "vibration-7.onnx",
    }  # fmt: skip
    assert load(tmp_path, "m", "process", "2").version == "2"


@pytest.mark.parametrize("damage", ["hash", "shape", "manifest", "absent"])
def test_damaged_files_are_rejected_with_a_cure(tmp_path, baseline, damage):
    """A wrong hash, a wrong shape, a broken manifest and a missing file are each rejected."""
    kept(tmp_path, "m", baseline, 0)
    model, manifest = tmp_path / "m" / "process-1.onnx", tmp_path / "m" / "process-1.json"
    told = json.loads(manifest.read_text())
    match damage:
        case "hash":
            model.write_bytes(model.read_bytes()[:-1] + b"\x01")
        case "shape":
            manifest.write_text(json.dumps(told | {"names": told["names"][:-1]}))
        case "manifest":
            manifest.write_text("{")
        case "absent":
            model.unlink()
    with pytest.raises(ModelRejected) as caught:
        load(tmp_path, "m", "process", "1")
    assert caught.value.hint


@pytest.fixture(params=["process", "vibration"])
def machines(request, pump, pump_names, spectra):
    """Return the indicator, and names and rows of two machines of a kind."""
    seeds = (3, 4)
    if request.param == "process":
        return request.param, [(pump_names, 3 * seed * pump(np.random.default_rng(seed))) for seed in seeds]
    return request.param, [spectra(np.random.default_rng(seed)) for seed in seeds]


def test_baselines_of_one_structure_share_a_session(tmp_path, evidence, machines):
    """What was learned of two machines of a kind runs in one session, and scores as each file does by itself."""
    (indicator, both), found = machines, []
    for machine, (names, rows) in zip("ab", both, strict=True):
        request = LearnRequest(machine, indicator, 0, 1)
        version = save(tmp_path, request, fit(evidence(names, rows), Settings(indicator)), Before())
        found.append((load(tmp_path, machine, indicator, version), tmp_path / machine / f"{indicator}-1.onnx", rows))
    (one, _, _), (other, _, _) = found
    assert one.session is other.session
    assert one.arrays.keys() == other.arrays.keys()
    for learned, model, rows in found:
        alone, state = Session(model.read_bytes(), "alone"), learned.start()
        for row in np.asarray(rows, float)[:30]:
            out, after = learned.step(row, 7.0, False, state)
            feeds = {"x": row, "age": np.array([7.0]), "alarmed": np.array([0.0])}
            told = alone.run(feeds | {f"state.{name}": array for name, array in state.items()})
            assert told.keys() == out.keys()
            for name, value in told.items():
                np.testing.assert_array_equal(out[name], value, err_msg=name)
            state = after


def test_a_session_is_closed_with_the_last_baseline_in_it(tmp_path, baseline):
    """A session that no baseline runs in any more is not kept."""
    kept(tmp_path, "m", baseline, 0)
    session = ref(load(tmp_path, "m", "process", "1").session)
    gc.collect()
    assert session() is None


def test_a_broken_pointer_is_as_none(tmp_path):
    """A pointer that cannot be read means that nothing is in use."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "process.json").write_text("{half")
    assert read_pointer(tmp_path, "m", "process") == Pointer()


def learn(store, learned, request):
    command = [sys.executable, "-m", "shoptwin.learn", *request.arguments(store, learned)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_learning_process_learns_from_the_store(tmp_path, evidence, pump, pump_names):
    """`python -m shoptwin.learn` reads the daemon's store, writes what `fit` gives, and names its version."""
    store = SampleStore.open(tmp_path / "twin.db", TagTable(), Keep(samples=10**18, max_bytes=10**9))
    rows = evidence(pump_names, pump(np.random.default_rng(2)))
    store.append_observations(
        Observation("press 3", "process", int(t), MachineState.UNKNOWN, pump_names, v)
        for t, v in zip(rows.time, rows.values, strict=True)
    )
    store.flush()
    first, last = int(rows.time[0]), int(rows.time[-1])
    done = learn(tmp_path / "twin.db", tmp_path / "learned", LearnRequest("press 3", "process", first, last + 1))
    within = LearnRequest("press 3", "process", first, last + 1, limits=(("flow", "hi", 50.0),))
    doubted = learn(tmp_path / "twin.db", tmp_path / "learned", within)
    early = learn(tmp_path / "twin.db", tmp_path / "learned", LearnRequest("press 3", "process", first, first + 1))
    store.close()
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
    found = load(tmp_path / "learned", "press 3", "process", "1")
    import hashlib  # noqa: PLC0415 - this test's own

    assert found.sha256 == hashlib.sha256(fit(rows, Settings("process")).to_onnx()).hexdigest()
    assert doubted.returncode == 0, doubted.stderr
    [doubt, *_] = load(tmp_path / "learned", "press 3", "process", "2").manifest["doubts"]
    assert doubt["text"] == "flow was above its limit hi (50) for 100% of the learning part"
    assert early.returncode == 3
    assert "too few" in early.stderr
    assert read_pointer(tmp_path / "learned", "press 3", "process") == Pointer()  # the daemon puts it into use


def test_the_learning_process_says_what_is_wrong_with_the_store(tmp_path):
    """A store that cannot be read ends the process with 1 and one line."""
    (tmp_path / "twin.db").write_bytes(b"no database " * 1000)
    done = learn(tmp_path / "twin.db", tmp_path / "learned", LearnRequest("m", "process", 0, 10))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_learning_process_is_nice():
    """Learning runs at the lowest priority."""
    code = (
        "import os, runpy, sys; sys.argv[1:] = ['--help']\n"
        "try: runpy.run_module('shoptwin.learn', run_name='__main__')\n"
        "except SystemExit: print(os.nice(0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) == min(19, os.nice(0) + 19)


@pytest.mark.parametrize(
    ("until", "since", "now", "expected"),
    [(200, 100, 150, 0.5), (200, 100, 200, 1.0), (200, 250, 260, 0.2), (None, 100, 125, 0.5), (None, 100, 90, 0.0),
     (100, 100, 125, 0.5), (200, 100, 900, 1.0)],
)  # fmt: skip
def test_progress(until, since, now, expected):
    """A user's time ends learning; a span does where there is none, or where learning began anew after it."""
    assert progress(Learning(until, 50), since, now) == pytest.approx(expected)

"""Learning many machines through an executor."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from shoptwin.assess.learned import load
from shoptwin.assess.progress import LearnRequest
from shoptwin.assess.versions import versions
from shoptwin.domain.assessment import Observation
from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import TagTable
from shoptwin.learn import jobs as room
from shoptwin.learn.jobs import Job, learn, learn_all
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore


@pytest.fixture
def twin(tmp_path, evidence, pump, pump_names):
    """A store with evidence of two pumps, and only a little of a third."""
    store = SampleStore.open(tmp_path / "twin.db", TagTable(), Keep(samples=10**18, max_bytes=10**9))
    for i, n in enumerate((120, 120, 10)):
        rows = evidence(pump_names, pump(np.random.default_rng(i))[:n])
        store.append_observations(
            Observation(f"pump-{i}", "process", int(t), MachineState.UNKNOWN, pump_names, v)
            for t, v in zip(rows.time, rows.values, strict=True)
        )
    store.flush()
    store.close()
    return tmp_path / "twin.db"


@pytest.fixture
def jobs(twin):
    return [Job(twin, twin.parent / "learned", LearnRequest(f"pump-{i}", "process", 0, 2**62)) for i in range(3)]


class Elsewhere(Executor):
    """A cluster, as far as can be told from here: what is sent and what comes back goes through bytes."""

    def submit(self, fn, /, *args, **kwargs):
        told = pickle.dumps((fn, args, kwargs))
        future = Future()
        body, given, named = pickle.loads(told)  # noqa: S301 - our own bytes
        future.set_result(pickle.loads(pickle.dumps(body(*given, **named))))  # noqa: S301 - as above
        return future


@pytest.mark.parametrize("kind", ["processes", "threads", "a cluster"])
def test_any_executor_learns_the_same(jobs, kind):
    """Processes, threads and an executor that only takes bytes write the same models, and tell of each as it ends."""
    pool = {
        "processes": lambda: ProcessPoolExecutor(2, get_context("spawn"), initializer=room.stand_back),
        "threads": lambda: ThreadPoolExecutor(2), "a cluster": Elsewhere,
    }[kind]()  # fmt: skip
    heard = []
    with pool:
        found = learn_all(jobs, pool, heard.append)
    assert [outcome.job for outcome in found] == jobs
    assert [(outcome.version, outcome.early) for outcome in found] == [("1", False), ("1", False), ("", True)]
    assert "too few" in found[2].problem
    assert len(heard) == 3
    alone = learn(Job(jobs[0].twin, jobs[0].learned / "alone", jobs[0].request))
    assert load(alone.job.learned, "pump-0", "process", "1").sha256 == load(
        jobs[0].learned, "pump-0", "process", "1"
    ).sha256  # fmt: skip


def test_what_is_learned_already_is_not_learned_again(jobs, monkeypatch):
    """A second run gives the versions of the first without a fit; another budget or more evidence is learned anew."""
    assert learn(jobs[0]).version == "1"
    with monkeypatch.context() as patched:
        patched.setattr("shoptwin.learn.run.fit", lambda *_: pytest.fail("it is learned again"))
        assert learn(jobs[0]).version == "1"
    request = jobs[0].request
    budget = LearnRequest(request.machine, "process", 0, request.until, 12.0)
    shorter = LearnRequest(request.machine, "process", 0, 1_700_000_000 * 10**9 + 100 * 60 * 10**9)
    assert [learn(Job(jobs[0].twin, jobs[0].learned, r)).version for r in (budget, shorter)] == ["2", "3"]


def test_a_spoilt_model_is_learned_again(jobs):
    """What was learned from the same, but is not whole on disk any more, is learned anew."""
    learn(jobs[0])
    (jobs[0].learned / "pump-0" / "process-1.onnx").write_bytes(b"spoilt")
    assert learn(jobs[0]).version == "2"


def test_an_interrupted_run_goes_on(jobs, monkeypatch):
    """A run that was cut off between model and manifest leaves no version; started anew it gives a whole one."""
    from shoptwin.learn import files  # noqa: PLC0415 - to be spoilt

    def cut(path, data):
        if path.suffix == ".json":
            raise OSError(28, "the power went", str(path))
        path.write_bytes(data)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_atomically", cut)
        assert "the power went" in learn(jobs[0]).problem
    assert versions(jobs[0].learned, "pump-0", "process") == []
    assert learn(jobs[0]).version == "1"
    assert load(jobs[0].learned, "pump-0", "process", "1").version == "1"


def test_a_worker_that_dies_stops_no_other(jobs):
    """A job whose process is killed comes back as a problem, and so do those that went down with it."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=os._exit, initargs=(1,)) as pool:
        found = learn_all(jobs, pool)
    assert all("its process ended" in outcome.problem and not outcome.early for outcome in found)


def test_two_that_learn_the_same_take_different_numbers(jobs):
    """Several processes that write one machine's versions at a time do not write over one another."""
    requests = [LearnRequest("pump-0", "process", 0, 2**62, float(budget)) for budget in range(1, 5)]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = learn_all([Job(jobs[0].twin, jobs[0].learned, request) for request in requests], pool)
    assert sorted(outcome.version for outcome in found) == ["1", "2", "3", "4"]


def test_a_worker_stands_back():
    """A learning process has the lowest priority and a bound on its memory, beyond which it fails and not the box."""
    code = (
        "import os, resource\nfrom shoptwin.learn import jobs\njobs.stand_back()\n"
        "print(os.nice(0), resource.getrlimit(resource.RLIMIT_DATA)[0])\n"
        "import numpy as np\n"
        "try: np.ones(10**8)\n"
        "except MemoryError: print('bounded')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(min(os.nice(0) + 19, 19)), str(room.MOST_MEMORY), "bounded"]
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != room.MOST_MEMORY

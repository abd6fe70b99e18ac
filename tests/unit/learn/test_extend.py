"""Learning a regime that a baseline does not know: what is taken, what is not, and what is kept of it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from shoptwin.assess.learned import load
from shoptwin.assess.progress import LearnRequest
from shoptwin.domain.assessment import Observation
from shoptwin.domain.errors import ModelError
from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import TagTable
from shoptwin.learn.extend import Before, read_before
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

MINUTE = 60 * 10**9
BEGIN = 1_700_000_000 * 10**9
NAMES = ("flow:flow:value", "current:current:value", "setpoint:rate:value")


@pytest.fixture
def twin(tmp_path):
    """A store with 200 rows at two setpoints, then 100 of a flow that sank at one of them, then 40 at a third."""
    rng = np.random.default_rng(1)
    rate = np.r_[np.repeat([50.0, 60.0] * 10, 10), np.full(100, 60.0), np.full(40, 100.0)]
    sunk = np.r_[np.zeros(200), np.linspace(0, -8, 100), np.zeros(40)]
    rows = np.column_stack([rate + sunk + rng.normal(size=340), 8 + rate / 20 + 0.1 * rng.normal(size=340), rate])
    store = SampleStore.open(tmp_path / "twin.db", TagTable(), Keep(samples=10**18, max_bytes=10**9))
    store.append_observations(
        Observation("m", "process", BEGIN + i * MINUTE, MachineState.PRODUCING, NAMES, row.astype("f4"))
        for i, row in enumerate(rows)
    )
    store.flush()
    store.close()
    return tmp_path / "twin.db"


def learn(twin, learned, request):
    command = [sys.executable, "-m", "shoptwin.learn", *request.arguments(twin, learned)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_learning_process_adds_what_lay_outside_and_nothing_else(twin, tmp_path):
    """The third setpoint is learned, the flow that sank at a known one is not, and drift is counted from the first."""
    until = BEGIN + 200 * MINUTE
    first = LearnRequest("m", "process", 0, until)
    assert learn(twin, tmp_path, first).stdout.split() == ["1"]
    more = LearnRequest("m", "process", 0, until, extends="1", beyond=BEGIN + 340 * MINUTE)
    done = learn(twin, tmp_path, more)
    assert done.stdout.split() == ["2"], done.stderr
    before, after = (load(tmp_path, "m", "process", version).manifest for version in "12")
    assert (before["rows"], after["rows"]) == (200, 240)
    assert before["contexts"]["setpoint:rate:value"][1] < 100 < after["contexts"]["setpoint:rate:value"][1]
    assert after["aging"] == before["aging"]
    assert [known["until"] for known in after["known"]] == [until, BEGIN + 340 * MINUTE]
    assert after["asked_until"] == before["asked_until"]


def test_what_retention_took_is_not_made_up_for(twin, tmp_path):
    """Where the first learning part is no longer kept, a new regime is not learned in its place."""
    until = BEGIN + 200 * MINUTE
    assert learn(twin, tmp_path, LearnRequest("m", "process", 0, until)).returncode == 0
    with sqlite3.connect(twin) as file:
        file.execute("DELETE FROM observations WHERE time < ?", (BEGIN + 50 * MINUTE,))
    file.close()
    more = LearnRequest("m", "process", 0, until, extends="1", beyond=BEGIN + 340 * MINUTE)
    done = learn(twin, tmp_path, more)
    assert done.returncode == 3
    assert "what was learned from first is no longer kept" in done.stderr


def test_what_cannot_be_gone_on_from_says_so(tmp_path):
    """A version that is gone, or was learned before regimes were kept, ends in a cure and not in a guess."""
    request = LearnRequest("m", "process", 0, 1, extends="7", beyond=2)
    with pytest.raises(ModelError, match=r"process-7\.json cannot be gone on from") as gone:
        read_before(tmp_path, request)
    assert "shoptwin relearn" in gone.value.hint
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "process-7.json").write_text(json.dumps({"rows": 3}))
    with pytest.raises(ModelError, match="cannot be gone on from"):
        read_before(tmp_path, request)
    assert read_before(tmp_path, LearnRequest("m", "process", 0, 1)) == Before()

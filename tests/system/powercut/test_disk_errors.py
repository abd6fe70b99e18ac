"""A disk that fails in the middle of a write or a sync: nothing is told that is not there, and it heals by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPT = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import workload
from shoptwin.store.ledger import Ledger
from shoptwin.store.samples import SampleStore
from shoptwin.store.files import open_reader

state, trouble = Path(sys.argv[1]), Path(sys.argv[2])
ledger = Ledger.open(state / "ledger.db")
store = SampleStore.open(state / "twin.db", workload.tags(), workload.KEEP)
seen = {}

def occurrences():
    reader = open_reader(state / "ledger.db")
    found = [int(row[0]) for row in reader.execute("SELECT occurrence FROM alarm_events ORDER BY seq")]
    reader.close()
    return found

def alarm(n):
    return ledger.writer.submit(lambda tx: workload.raised(tx, n))

def sample(n):
    try:
        workload.second(store, n, wait=0.5)
        return True
    except RuntimeError:
        return False

for n in (1, 2):
    alarm(n).result(10)
    assert sample(n)
trouble.touch()
waiting = [alarm(n) for n in (3, 4, 5)]
seen["taken while failing"] = [sample(n) for n in (3, 4)]
time.sleep(1.0)
seen["told while failing"] = [future.done() for future in waiting]
seen["failure"] = [ledger.failure.code if ledger.failure else None, store.failure.code if store.failure else None]
trouble.unlink()
for future in waiting:
    future.result(15)
end = time.monotonic() + 15
while (ledger.failure or store.failure) and time.monotonic() < end:
    time.sleep(0.05)
seen["healed"] = [ledger.failure is None, store.failure is None, store.flush(10)]
alarm(6).result(10)
seen["alarms"] = occurrences()
told = [float(workload.values(n)[3]) for n in range(1, 5)]
seen["samples"] = store.read("press-t3", -2**63, 2**63 - 1).values.tolist() == told
seen["aside"] = [str(ledger.quarantined), str(store.quarantined)]
store.close()
ledger.close()
print(json.dumps(seen))
"""


@pytest.mark.parametrize("what", ["write", "sync"])
def test_a_disk_that_fails_for_a_while(tmp_path: Path, what: str) -> None:
    """While writes or syncs fail, alarms and samples wait, in order, and nobody is told; then all of them are there."""
    shim, state, tape = tmp_path / "tape.so", tmp_path / "state", tmp_path / "tape"
    state.mkdir()
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(HERE / "tape.c"), "-ldl"], check=True)
    env = os.environ | {"TAPE_DIR": str(state), "TAPE": str(tape), "LD_PRELOAD": str(shim)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(state), f"{tape}.{what}", str(HERE)],
        env=env, timeout=100, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "taken while failing": [False, False], "told while failing": [False, False, False],
        "failure": ["store-io", "store-io"], "healed": [True, True, True], "alarms": [1, 2, 3, 4, 5, 6],
        "samples": True, "aside": ["None", "None"],
    }  # fmt: skip

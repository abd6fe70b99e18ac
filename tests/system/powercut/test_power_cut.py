"""Power cuts at many moments of a busy while: what was told to anyone is there, and the files are sound.

A real process writes with the stores that the daemon has; a shim under it records each write, sync and change of a
name. The disk model then leaves what a power cut may leave, and the stores are opened as the next start would.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from shoptwin.assess.learned import read_pointer
from shoptwin.store.files import StoreFile
from shoptwin.store.ledger import Ledger
from shoptwin.store.ledger_schema import MIGRATIONS as LEDGER
from shoptwin.store.sample_reader import SampleReader
from shoptwin.store.samples import SampleStore
from shoptwin.store.samples_schema import MIGRATIONS as TWIN

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

HERE = Path(__file__).parent
CUTS = 1_200
"""In the suite that always runs; the slow one cuts at every step, in each way."""
ALL = (-(2**63), 2**63 - 1)
pytestmark = pytest.mark.timeout(600)


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"powercut_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


disk, workload = _module("disk"), _module("workload")


class Told(NamedTuple):
    """What the process had told to others before the power went."""

    alarm: int = 0
    second: int = 0
    sent: int = 0
    learned: int = 0


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What the workload did to its files, step by step."""
    place = tmp_path_factory.mktemp("tape")
    shim, state, tape = place / "tape.so", place / "state", place / "tape"
    state.mkdir()
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(HERE / "tape.c"), "-ldl"], check=True)
    env = os.environ | {"TAPE_DIR": str(state), "TAPE": str(tape), "LD_PRELOAD": str(shim)}
    subprocess.run([sys.executable, str(HERE / "workload.py"), str(state)], check=True, env=env, timeout=300)
    return list(disk.play(tape))


def _told(before: Told, step: Any) -> Told:
    if step.name != "told" or step.op != "W":
        return before
    what, number = step.data.decode().split()
    return before._replace(**{what: int(number)})


def _cuts(steps: list[Any], moments: set[int], seed: int, place: Path) -> Iterator[tuple[Path, Told, str]]:
    """Yield a folder as each power cut leaves it, what was told before, and words for the cut."""
    whole, told = disk.Disk(), Told()
    for n, step in enumerate(steps):
        whole.do(step)
        told = _told(told, step)
        if n not in moments:
            continue
        for how in disk.Cut if len(moments) == len(steps) else [list(disk.Cut)[(n + seed) % len(disk.Cut)]]:
            left = place / "left"
            shutil.rmtree(left, ignore_errors=True)
            left.mkdir()
            whole.cut(how, random.Random(seed * 1_000_003 + n), left)
            (left / "told").unlink(missing_ok=True)
            yield left, told, f"step {n} ({step.op} {step.name}), seed {seed}: {how.value}"


def _opened(path: Path, migrations: Any, **how: bool) -> sqlite3.Connection:
    connection, aside = StoreFile(path, migrations, **how).open()
    assert aside is None, "a power cut is no damage"
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return connection


def _check(left: Path, told: Told) -> None:
    """See that all that was told is there, once, and nothing is half done."""
    with closing(_opened(left / "ledger.db", LEDGER)) as tx:
        occurrences = [int(row[0]) for row in tx.execute("SELECT occurrence FROM alarm_events ORDER BY seq")]
        assert occurrences == list(range(1, len(occurrences) + 1))
        assert told.alarm <= len(occurrences) <= told.alarm + 1
        assert (
            tx.execute("SELECT max(CAST(occurrence AS INTEGER)) FROM alarms").fetchone()[0]
            == (occurrences or [None])[-1]
        )
        waiting = [row[0] for row in tx.execute("SELECT seq FROM outbox ORDER BY seq")]
        first = waiting[0] if waiting else len(occurrences) + 1
        assert waiting == list(range(first, len(occurrences) + 1)), "each alarm has its message, until it was sent"
        assert first in {told.sent + 1, told.sent + 5}
    with closing(_opened(left / "twin.db", TWIN, incremental_vacuum=True)) as tx:
        (seen,) = tx.execute("SELECT count(*) FROM observations").fetchone()
        assert told.second <= seen <= told.second + 1
        folded = tx.execute("SELECT coalesce(sum(samples), 0) FROM chunks").fetchone()[0]
        assert tx.execute("SELECT coalesce(sum(count), 0) FROM minutes").fetchone()[0] == folded
        assert tx.execute("SELECT count(*) FROM dropped").fetchone()[0] == 0
    series = SampleReader(left / "twin.db").read("press-t3", *ALL) if seen else ()
    assert len(series) == seen
    for n in range(seen):
        assert series.values[n] == workload.values(n + 1)[3]
    assert int(read_pointer(left / "learned", "press", "process").version or 0) in {told.learned, told.learned + 10}


def test_a_power_cut_takes_nothing_that_was_told(steps: list[Any], tmp_path: Path) -> None:
    """Wherever the power goes, each alarm and each second that was told of is there, and the files are sound."""
    moments = set(random.Random(7).sample(range(len(steps)), min(CUTS, len(steps))))
    for left, told, words in _cuts(steps, moments, seed=1, place=tmp_path):
        try:
            _check(left, told)
        except Exception as error:  # whatever it is, it is told at which cut
            raise AssertionError(f"after a power cut at {words}, told {told}: {error}") from error


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(2, 5))
def test_a_power_cut_at_every_step(steps: list[Any], tmp_path: Path, seed: int) -> None:
    """The same at each single step, in each of the ways that a disk may lose what was not synced."""
    for left, told, words in _cuts(steps, set(range(len(steps))), seed, place=tmp_path):
        try:
            _check(left, told)
        except Exception as error:  # as above
            raise AssertionError(f"after a power cut at {words}, told {told}: {error}") from error


def test_the_stores_themselves_go_on_after_it(steps: list[Any], tmp_path: Path) -> None:
    """Opened as the daemon opens them, after some of the cuts, both stores set nothing aside and write on."""
    moments = set(range(400, len(steps), len(steps) // 12))
    for left, told, words in _cuts(steps, moments, seed=5, place=tmp_path):
        ledger = Ledger.open(left / "ledger.db")
        store = SampleStore.open(left / "twin.db", workload.tags(), workload.KEEP)
        try:
            workload.alarm(ledger, told.alarm + 2)
            workload.second(store, told.second + 2)
            assert store.fold()
            assert (ledger.quarantined, store.quarantined, store.failure) == (None, None, None), words
        finally:
            store.close()
            ledger.close()


def test_the_model_sees_what_is_not_synced(steps: list[Any], tmp_path: Path) -> None:
    """Were the syncs of the ledger's log left out, alarms that were told would be lost: the test above can fail."""
    careless = [step for step in steps if not (step.op == "S" and step.name == "ledger.db-wal")]
    lost = 0
    for left, told, _ in _cuts(careless, set(range(400, len(careless), 40)), seed=3, place=tmp_path):
        try:
            _check(left, told)
        except Exception:  # noqa: BLE001 - what goes wrong differs
            lost += 1
    assert lost > 0

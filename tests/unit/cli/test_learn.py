"""`shoptwin learn`: machines of a store, learned without a daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shoptwin.assess.learned import Pointer, write_pointer
from shoptwin.assess.versions import versions
from shoptwin.domain.assessment import Observation
from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import TagTable
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from pathlib import Path

EPOCH, SECOND = 1_700_000_000 * 10**9, 10**9
NAMES = ("temperature:temp:value", "current:current:value")


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A configuration of two machines, and a store that holds evidence of both and of one that is gone."""
    machine = '[[machine]]\nname = "{0}"\n\n[[machine.tag]]\nname = "temp"\nid = "{0}-temp"\ndevice = "plc1"\n'
    machine += 'address = "holding:0:float32"\nrole = "temperature"\nunit = "degC"\n\n'
    text = '[gateway]\nsite = "s"\nname = "g"\n\n[[device]]\nname = "plc1"\ndriver = "modbus"\n'
    text += 'url = "tcp://192.0.2.10"\nperiod = "1s"\n\n' + machine.format("press") + machine.format("mill")
    (tmp_path / "shoptwin.toml").write_text(text)
    (tmp_path / "state").mkdir()
    store = SampleStore.open(tmp_path / "state" / "twin.db", TagTable(), Keep(samples=10**18, max_bytes=10**9))
    rng = np.random.default_rng(1)
    for name, n in (("press", 100), ("mill", 5), ("gone", 100)):
        store.append_observations(
            Observation(name, "process", EPOCH + i * SECOND, MachineState.PRODUCING, NAMES,
                        rng.normal(50, 1, 2).astype(np.float32))
            for i in range(n)
        )  # fmt: skip
    store.flush()
    store.close()
    return tmp_path


def test_learns_what_there_is_evidence_of(shoptwin: Any, plant: Path) -> None:
    """Each machine of the configuration is learned; too little evidence is told and no failure; again is the same."""
    config = ["--config", str(plant / "shoptwin.toml"), "--json"]
    first = shoptwin("learn", *config, "--workers", "2")
    assert first.exit_code == 0
    mill, press = json.loads(first.output)
    assert (press["machine"], press["version"], press["rows"]) == ("press", "1", 100)
    assert (mill["machine"], mill["version"], mill["early"]) == ("mill", "", True)
    assert "too few" in mill["problem"]
    assert json.loads(shoptwin("learn", "press", *config).output)[0]["version"] == "1"
    assert versions(plant / "state" / "learned", "press", "process") == [1]


def test_what_was_begun_anew_counts_from_there(shoptwin: Any, plant: Path) -> None:
    """Evidence from before a machine was learned anew, or a sensor replaced, is not learned from."""
    write_pointer(plant / "state" / "learned", "press", "process", Pointer(since=EPOCH + 40 * SECOND))
    found = shoptwin("learn", "press", "--config", str(plant / "shoptwin.toml"), "--json")
    assert json.loads(found.output)[0]["rows"] == 60


def test_a_machine_that_there_is_not(shoptwin: Any, plant: Path) -> None:
    """An unknown machine is refused, and the known ones are named."""
    found = shoptwin("learn", "pres", "--config", str(plant / "shoptwin.toml"))
    assert found.exit_code == 2
    assert "there is no machine pres; there are mill, press" in found.stderr

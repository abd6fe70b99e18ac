"""What the daemon learned of a machine: listed, learned anew, and gone back to."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def pump(running_pump: Any, daemon: Any) -> Any:
    """Run a pump, and a daemon that learns it within seconds."""
    return daemon(running_pump.configuration('span = "5s"')).start()


def judged_by(version: str) -> Any:
    """Tell whether this version of what was learned is in use."""
    return lambda status: (status["machines"][0]["health"] or {"model": ""})["model"].endswith(f"@{version}")


def test_learned_anew_and_gone_back_to(pump: Any) -> None:
    """`relearn` makes a second version; `rollback` goes back to the first, over a restart too; all is on record."""
    pump.until(judged_by("1"), 60)
    [first] = json.loads(pump.run("learned", "pump-1", "--json").stdout)
    assert (first["indicator"], first["version"], first["used"]) == ("process", "1", True)
    assert first["rows"] >= 16
    told = pump.run("relearn", "pump-1", "--by", "anna")
    assert told.returncode == 0, told.stderr
    assert "pump-1 (process) is learned anew" in told.stdout
    pump.until(lambda status: status["machines"][0]["health"]["state"] == "learning")
    pump.until(judged_by("2"), 60)
    second = json.loads(pump.run("learned", "pump-1", "--json").stdout)[1]
    assert second["learned_from"] > first["learned_until"]
    told = pump.run("rollback", "pump-1", "process", "--by", "ben")
    assert told.returncode == 0, told.stderr
    pump.until(judged_by("1"))
    listed = pump.run("learned", "pump-1").stdout.splitlines()
    assert [line.split()[2] for line in listed[1:]] == ["yes", "no"]
    assert pump.ledger("SELECT who, action, subject FROM audit WHERE action IN ('relearn', 'rollback')") == [
        ("anna", "relearn", "pump-1"), ("ben", "rollback", "pump-1"),
    ]  # fmt: skip
    pump.stop()
    memory = json.loads((pump.state / "learned" / "pump-1" / "process.memory.json").read_text())
    assert memory["version"] == "1"  # written at the end, ten minutes not being over
    assert len(memory["names"]) == len(memory["sensors"]["since"])
    pump.start()
    pump.until(judged_by("1"))


def test_what_cannot_be_learned_anew(pump: Any) -> None:
    """A machine, an indicator, a version or a time that there is not is refused with a cure, and nothing changes."""
    pump.until(judged_by("1"), 60)
    for words, cure in (
        (("relearn", "pump-2"), "pump-1"),
        (("relearn", "pump-1", "--since", "2100-01-01T00:00:00Z"), "--since"),
        (("rollback", "pump-1", "vibration"), "process"),
        (("rollback", "pump-1", "process"), "stays in use"),
        (("rollback", "pump-1", "process", "--to", "7"), "there are 1"),
        (("learned", "pump-2"), "pump-1"),
    ):
        told = pump.run(*words)
        assert told.returncode == 1, told.stdout
        assert cure in told.stderr
    assert judged_by("1")(pump.status())

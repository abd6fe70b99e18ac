"""What an operator says of an alarm: marked false it moves the threshold of its regime, over a restart; all is kept."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

KEY = "pump-1/health.abnormal"


@pytest.fixture
def pump(running_pump: Any, daemon: Any) -> tuple[Any, Any]:
    """Give a daemon that has learned a pump, and the pump."""
    box = daemon(running_pump.configuration('span = "6s"')).start()
    box.until(lambda status: (status["machines"][0]["health"] or {"state": ""})["state"] == "normal", 60)
    return box, running_pump


def health(status: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of the pump's health."""
    found: dict[str, Any] = status["machines"][0]["health"]
    return found


def creep(box: Any, flow: Any) -> None:
    """Let the flow rise until that raises the alarm, and no further."""
    while not health(box.status())["alarm"]:
        flow.off += 1.5
        assert flow.off < 200, "no flow raises an alarm"
        time.sleep(1.0)


def thresholds(box: Any) -> dict[str, Any]:
    """Return the ledger."""
    found: dict[str, Any] = json.loads(box.run("thresholds", "pump-1", "--json").stdout)
    return found


@pytest.mark.timeout(240)
def test_a_false_alarm_moves_the_threshold(pump: Any) -> None:
    """Marked false a threshold rises, over a restart; another mark and relearning take that back; all is on record."""
    box, flow = pump
    creep(box, flow)
    told = box.run("mark", KEY, "false", "--note", "new product", "--by", "anna")
    assert told.returncode == 0, told.stderr
    assert "is marked false by anna" in told.stdout
    assert "the threshold of process at all operation is 1." in told.stdout
    [regime] = thresholds(box)["regimes"]
    assert 1 < regime["factor"] <= 1.5
    assert regime["false_alarms"] == 1
    flow.off = 0.0
    box.until(lambda status: not health(status)["alarm"], 60)
    assert "after 1 false alarm" in health(box.status())["note"]
    flow.off = 200.0  # whatever was marked, the gross is told
    box.until(lambda status: health(status)["alarm"], 60)
    flow.off = 0.0

    box.stop()
    box.start()
    box.until(lambda status: "after 1 false alarm" in (health(status) or {"note": ""})["note"], 60)
    [kept] = thresholds(box)["regimes"]
    assert kept["factor"] == regime["factor"]

    first = thresholds(box)["alarms"][0]
    assert (first["alarm"], first["mark"], first["by"], first["note"]) == (KEY, "false", "anna", "new product")
    told = box.run("mark", first["occurrence"][:8], "true", "--by", "ben")
    assert told.returncode == 0, told.stderr
    assert thresholds(box)["regimes"] == []
    box.run("mark", first["occurrence"], "false", "--by", "anna")
    assert box.run("relearn", "pump-1", "--by", "ben").returncode == 0
    ledger = thresholds(box)
    assert ledger["regimes"] == []
    assert [mark["mark"] for mark in ledger["marks"]] == ["false", "true", "false"]
    assert [(move["why"], move["by"]) for move in ledger["moves"]] == [
        ("false", "anna"), ("withdrawn", "ben"), ("false", "anna"), ("relearn", "ben"),
    ]  # fmt: skip
    late = box.run("mark", first["occurrence"], "false", "--by", "anna")
    assert "no threshold moves" in late.stdout
    assert box.ledger("SELECT who, mark, door FROM marks ORDER BY seq")[:2] == [
        ("anna", "false", "rest"), ("ben", "true", "rest"),
    ]  # fmt: skip


@pytest.mark.timeout(120)
def test_marks_that_move_nothing(pump: Any) -> None:
    """A limit's alarm keeps its limit and says so; maintenance done says how to learn anew; nonsense is refused."""
    box, flow = pump
    flow.off = 1000.0
    box.until(lambda status: status["machines"][0]["alarms"] == 2, 60)
    limit = box.run("mark", "pump-1/flow.hi", "false")
    assert "no limit moves by itself" in limit.stdout
    gross = box.run("mark", KEY, "false")
    assert "beyond what may be allowed (2)" in gross.stdout
    done = box.run("mark", KEY, "maintenance-done")
    assert "shoptwin relearn pump-1 --since 20" in done.stdout
    assert thresholds(box)["regimes"] == []
    for words, cure in (
        (("mark", "pump-1/nothing.hi", "false"), "There is no alarm"),
        (("mark", "pump-1/pressure.bad", "false"), "never raised"),
        (("thresholds", "pump-2"), "pump-1"),
    ):
        told = box.run(*words)
        assert told.returncode == 1, told.stdout
        assert cure in told.stderr
    told = box.run("thresholds", "pump-1", "--reset", "--by", "anna")
    assert "pump-1" in told.stdout
    assert ("anna", "reset-thresholds") in box.ledger("SELECT who, action FROM audit")

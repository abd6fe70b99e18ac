"""A learning part that cannot be believed, and one that is too short: the daemon says so wherever it says anything."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from shoptwin.domain.timing import iso


def health(status: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of the pump's health, empty before anything is."""
    return status["machines"][0]["health"] or {"state": "", "note": ""}


@pytest.mark.timeout(120)
def test_a_fault_while_learning(running_pump: Any, daemon: Any) -> None:
    """Learned beyond a limit: it is judged, and each verdict and the list of what was learned say what is doubtful."""
    box = daemon(running_pump.configuration('span = "4s"', hi=50)).start()
    status = box.until(lambda found: health(found)["state"] == "normal", 60)
    doubt = "flow was above its limit hi (50) for 100% of the learning part"
    assert f"learned, but {doubt}" in health(status)["note"]
    assert f"learned, but {doubt}" in " ".join(box.run("status").stdout.split())
    told = " ".join(box.run("learned", "pump-1").stdout.split())
    assert f"process 1, but {doubt}: repair the machine" in told
    [version] = json.loads(box.run("learned", "pump-1", "--json").stdout)
    assert (version["doubts"][0]["kind"], version["doubts"][0]["tags"]) == ("limit", ["flow"])


@pytest.mark.timeout(120)
def test_too_short(running_pump: Any, daemon: Any) -> None:
    """A user's `until` that came too early: the machine is learning, with reason and cure, not normal by accident."""
    until = iso(time.time_ns() + 6 * 10**9)
    box = daemon(running_pump.configuration(f"until = {until}", period="500ms")).start()
    status = box.until(lambda found: "cannot learn yet" in health(found)["note"], 60)
    assert health(status)["state"] == "learning"
    assert "rows are too few" in health(status)["note"]
    assert "give a later learning.until, or shoptwin relearn pump-1" in health(status)["note"]

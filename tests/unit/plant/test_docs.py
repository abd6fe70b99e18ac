from __future__ import annotations

import re
from pathlib import Path

from shoptwin_plant import plant
from shoptwin_plant.machines import simulated

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "practice-plant.md"


def test_the_page_says_how_the_daemon_is_asked() -> None:
    """Where the daemon of the page keeps its state elsewhere, its socket there is named for commands."""
    page = PAGE.read_text("utf-8")
    folders = set(re.findall(r"shoptwin run .*--state-dir (\S+)", page))
    assert folders
    assert all(f"shoptwin status --socket {folder}/shoptwin.sock" in page for folder in folders)


def test_the_page_tells_every_fault_and_the_machines_that_can_have_it() -> None:
    """The table of faults in docs/how-to/practice-plant.md is the one that the plant has."""
    machines = simulated(1, 0, 1.0)
    told = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    for name, description in plant.faults():
        able = [machine.name for machine in machines if name in machine.faults.supported]
        where = "any, one tag" if len(able) == len(machines) else ", ".join(able)
        assert f"| `{name}` | {where} | {description} |" in told

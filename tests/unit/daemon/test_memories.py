"""What drivers have learned, in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlite_utils import Database

from shoptwin.daemon.memories import LedgerMemories
from shoptwin.store.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_learned_outlives_a_restart_but_not_other_settings(tmp_path: Path) -> None:
    """The last text of each device is there after the start, for the settings that it was learned with alone."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    memories = LedgerMemories(ledger)
    for device, settings, text in (("a", "s1", "old"), ("a", "s1", "new"), ("b", "s2", "b's")):
        memories.keep(device, settings, text)
        assert memories.recall(device, settings) == text
    ledger.close()
    ledger = Ledger.open(tmp_path / "ledger.db")
    memories = LedgerMemories(ledger)
    assert [memories.recall(*key) for key in (("a", "s1"), ("a", "s2"), ("b", "s2"), ("c", "s1"))] == [
        "new", None, "b's", None,
    ]  # fmt: skip
    ledger.close()


def test_a_ledger_of_an_earlier_release_takes_it_up(tmp_path: Path) -> None:
    """A file that was made before there were such memories has its table added, and keeps what it had."""
    Ledger.open(tmp_path / "ledger.db").close()
    with Database(tmp_path / "ledger.db").conn as old:
        for table in ("device_memory", "exceedances", "marks", "threshold_moves"):
            old.execute(f"DROP TABLE {table}")
        for index in ("occurrence", "alarm_kind"):
            old.execute(f"DROP INDEX idx_alarm_events_{index}")
        old.execute("INSERT INTO counters (name, value) VALUES ('starts', 7)")
        old.execute("PRAGMA user_version = 1")
    old.close()
    ledger = Ledger.open(tmp_path / "ledger.db")
    memories = LedgerMemories(ledger)
    memories.keep("a", "s", "text")
    ledger.close()
    ledger = Ledger.open(tmp_path / "ledger.db")
    with ledger.reader() as reader:
        assert reader.execute("SELECT value FROM counters WHERE name = 'starts'").fetchone()[0] == 7
    reader.close()
    assert LedgerMemories(ledger).recall("a", "s") == "text"
    ledger.close()


def test_a_disk_that_does_not_take_it_costs_a_line_of_the_log(tmp_path: Path) -> None:
    """What cannot be written is at hand until the process ends, and nobody is stopped for it."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    memories = LedgerMemories(ledger)
    ledger.close()
    with structlog.testing.capture_logs() as lines:
        memories.keep("a", "s", "text")
    assert [line["event"] for line in lines] == ["what was learned about a device is not on the disk"]
    assert memories.recall("a", "s") == "text"

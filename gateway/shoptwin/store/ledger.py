"""`ledger.db`: alarms, outbox, audit, maintenance, learning, counters. Small, and durable at each commit.

The functions here work on a transaction `tx`, so that several go into ONE: an alarm's transition is saved, logged and
put in the outbox together or not at all:

    def job(tx):
        save_alarms(tx, book.take_dirty())
        log_event(tx, event)
        add_message(tx, message)
    ledger.writer.submit(job)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.store.alarm_log import load_alarms, load_events, log_event, save_alarms
from shoptwin.store.files import StoreFile, open_reader
from shoptwin.store.ledger_schema import MIGRATIONS, SALVAGE, continue_numbers
from shoptwin.store.outbox import Counts, OutboxBounds, add_message, counts, pending, sent
from shoptwin.store.records import (
    LearningRecord,
    audit,
    end_maintenance,
    last_sequence,
    load_audit,
    load_device_memory,
    load_learning,
    load_maintenance,
    next_sequence,
    prune,
    save_device_memory,
    save_learning,
    save_maintenance,
)
from shoptwin.store.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from shoptwin.domain.errors import StoreError

__all__ = [
    "Counts",
    "LearningRecord",
    "Ledger",
    "OutboxBounds",
    "add_message",
    "audit",
    "counts",
    "end_maintenance",
    "last_sequence",
    "load_alarms",
    "load_audit",
    "load_device_memory",
    "load_events",
    "load_learning",
    "load_maintenance",
    "log_event",
    "next_sequence",
    "pending",
    "prune",
    "save_alarms",
    "save_device_memory",
    "save_learning",
    "save_maintenance",
    "sent",
]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The open ledger. Jobs that a failing disk refuses wait in memory, in order, and are written once it is well."""

    path: Path
    writer: Writer

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open or create the ledger; a damaged one is set aside, and what can be read of it is carried over.

        Raises:
            StoreFull: the directory cannot be written. StoreError: a newer program wrote the file.
        """
        file = StoreFile(path, MIGRATIONS, cache_kib=256, salvage=SALVAGE, renewed=continue_numbers)
        return cls(path, Writer(file, retain_on_failure=True))

    @property
    def failure(self) -> StoreError | None:
        """What is wrong with the disk now, None where nothing is."""
        return self.writer.failure

    @property
    def quarantined(self) -> Path | None:
        """Where the damaged file lies that was found since the start, None where there was none."""
        return self.writer.quarantined

    def reader(self) -> sqlite3.Connection:
        """Return a new read-only connection; the caller closes it.

        Raises:
            StoreError: the file cannot be read.
        """
        return open_reader(self.path)

    def close(self) -> None:
        """Write what waits and close; may be called twice."""
        self.writer.close()

"""What a gateway writes in a busy while, and, in the file `told`, what it could tell others that it has.

    python workload.py DIRECTORY

Alarms with their messages, a second of samples after the other, folds, retention, waveforms, what was learned, and
checkpoints much more often than they would be, so that a tape of it shows each of them many times.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.learned import Pointer, write_pointer
from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Annunciation, EventKind, Priority
from shoptwin.domain.assessment import Observation
from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.machine import MachineState
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import SECOND
from shoptwin.store import history
from shoptwin.store.ledger import Ledger, add_message, log_event, pending, save_alarms, sent
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray

NOW = 1_764_000_000 * SECOND
TAGS = 20
SECONDS = 90
ALARM = "press/temp.hi"
KEEP = Keep(samples=10**18, minutes=10**18, hours=10**18)


def tags() -> TagTable:
    return TagTable(Tag(f"press-t{i}", f"t{i}", "press", Role.OTHER) for i in range(TAGS))


def main(directory: Path) -> None:
    told = os.open(directory / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    history.SECONDS = 15
    ledger = Ledger.open(directory / "ledger.db")
    store = SampleStore.open(directory / "twin.db", tags(), KEEP)
    ledger.writer.submit(lambda tx: tx.execute("PRAGMA wal_autocheckpoint = 40").fetchall()).result()
    store._writer.submit(lambda tx: tx.execute("PRAGMA wal_autocheckpoint = 40").fetchall()).result()
    for n in range(1, SECONDS + 1):
        alarm(ledger, n)
        os.write(told, f"alarm {n}\n".encode())
        second(store, n)
        os.write(told, f"second {n}\n".encode())
        if n % 10 == 0:
            gone = ledger.writer.submit(some_sent).result()
            os.write(told, f"sent {gone}\n".encode())
            store.retain(NOW + n * SECOND)
            write_pointer(directory / "learned", "press", "process", Pointer(str(n)))
            os.write(told, f"learned {n}\n".encode())
    store.close()
    ledger.close()


def alarm(ledger: Ledger, n: int) -> None:
    """Raise an alarm for the nth time; return once that is durable."""
    ledger.writer.submit(lambda tx: raised(tx, n)).result()


def raised(tx: sqlite3.Connection, n: int) -> None:
    """Write that an alarm was raised for the nth time, and the message that tells of it."""
    definition = AlarmDef("temp.hi", "press", "hi", Priority.HIGH, tag="press-t0")
    state = AlarmState(ALARM, Annunciation.UNACKNOWLEDGED, raised_at=NOW + n * SECOND, occurrence=str(n))
    save_alarms(tx, [state])
    log_event(tx, AlarmEvent(EventKind.RAISED, definition, state, NOW + n * SECOND))
    add_message(tx, OutboxMessage(str(n), "a/b", MessageClass.ALARM, "press", b"x" * 800, 1, False, NOW + n))


def some_sent(tx: sqlite3.Connection) -> int:
    """Let the broker have acknowledged a few; return the last."""
    seqs = [seq for seq, _ in pending(tx, limit=4)]
    sent(tx, seqs)
    return seqs[-1]


def values(n: int) -> NDArray[np.float32]:
    """Return what the tags are in the nth second."""
    return np.random.default_rng(n).normal(size=TAGS).astype(np.float32)


def second(store: SampleStore, n: int, wait: float = 30) -> None:
    """Take in what a second brings; return once that is durable."""
    at = NOW + n * SECOND
    store.append(SampleBatch.of("g", ValueKind.F4, np.arange(TAGS), values(n), source_time=at, receive_time=at))
    store.append_observations([Observation("press", "process", at, MachineState.IDLE, ("a",), np.float32([n]))])
    if n % 7 == 0:
        wave = Waveform(np.arange(2048, dtype=np.int16), 1000.0)
        store.append(SampleBatch.of("w", ValueKind.WAVEFORM, [0], [wave], source_time=at, receive_time=at))
    if not store.flush(wait):
        raise RuntimeError(str(store.failure))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The ledger's books: outbox, alarms, audit, maintenance, learning, counters; and a damaged or newer file."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Annunciation, EventKind, Priority
from shoptwin.domain.errors import StoreError
from shoptwin.domain.maintenance import MaintenanceWindow
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.store import files
from shoptwin.store.ledger import (
    LearningRecord,
    Ledger,
    OutboxBounds,
    add_message,
    audit,
    counts,
    end_maintenance,
    load_alarms,
    load_audit,
    load_events,
    load_learning,
    load_maintenance,
    log_event,
    next_sequence,
    pending,
    prune,
    save_alarms,
    save_learning,
    save_maintenance,
    sent,
)
from shoptwin.store.ledger_schema import MIGRATIONS
from shoptwin.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a ledger in which nobody else writes."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, MIGRATIONS, tmp_path / "ledger.db")
    yield connection
    connection.close()


def test_messages_leave_in_the_order_they_came(tx: sqlite3.Connection, message: Callable[..., OutboxMessage]) -> None:
    """Pending messages come out as they were put in, in order, from a given number on, until they are sent."""
    seqs = [add_message(tx, message(n)) for n in range(5)]
    assert seqs == sorted(set(seqs))
    assert pending(tx, 0, 3) == [(seqs[n], message(n)) for n in range(3)]
    assert [m.id for _, m in pending(tx, seqs[2], 10)] == ["id-3", "id-4"]
    assert sent(tx, [seqs[0], seqs[3], 999]) == 2
    assert [m.id for _, m in pending(tx, 0, 10)] == ["id-1", "id-2", "id-4"]
    assert sent(tx, []) <= 0


def test_a_number_is_never_given_twice(tx: sqlite3.Connection, message: Callable[..., OutboxMessage]) -> None:
    """A message that is added to an emptied outbox gets a higher number than all before it."""
    last = max(add_message(tx, message(n)) for n in range(3))
    sent(tx, range(1, last + 1))
    assert add_message(tx, message(4)) == last + 1


def test_counts_tell_what_waits(tx: sqlite3.Connection, message: Callable[..., OutboxMessage]) -> None:
    """Counts give messages and bytes per class and the time of the oldest, and follow what is sent."""
    assert counts(tx).oldest == 0
    first = add_message(tx, message(1, size=100))
    add_message(tx, message(2, MessageClass.SUMMARY, size=7))
    told = counts(tx)
    assert (told.messages, told.bytes, told.oldest) == (2, 107, 1_001)
    assert told.waiting == {MessageClass.ALARM: 1, MessageClass.SUMMARY: 1}
    sent(tx, [first])
    assert (counts(tx).messages, counts(tx).bytes, counts(tx).oldest) == (1, 7, 1_002)


def test_a_full_outbox_sheds_summaries_first(tx: sqlite3.Connection, message: Callable[..., OutboxMessage]) -> None:
    """Over its bounds the outbox gives up whole classes in their order, the oldest first, and counts what went."""
    bounds = OutboxBounds(messages=10, bytes=10_000, each_time=1)
    for n, kind in enumerate([MessageClass.ALARM, MessageClass.SUMMARY, MessageClass.STATE] * 3):
        add_message(tx, message(n, kind), bounds)
    for n in range(100, 104):
        add_message(tx, message(n), bounds)
    left = [(m.kind, m.id) for _, m in pending(tx, 0, 100)]
    assert len(left) == 10
    assert sum(kind is MessageClass.ALARM for kind, _ in left) == 7
    assert [i for kind, i in left if kind is MessageClass.SUMMARY] == []
    assert counts(tx).shed == {MessageClass.SUMMARY: 3}


def test_a_summary_cannot_push_out_an_alarm(tx: sqlite3.Connection, message: Callable[..., OutboxMessage]) -> None:
    """With nothing but alarms waiting, a new summary is what goes; one more alarm pushes out the oldest alarm."""
    bounds = OutboxBounds(messages=5, bytes=10_000, each_time=3)
    for n in range(5):
        add_message(tx, message(n), bounds)
    add_message(tx, message(50, MessageClass.SUMMARY), bounds)
    assert [m.id for _, m in pending(tx, 0, 100)] == [f"id-{n}" for n in range(5)]
    add_message(tx, message(60), bounds)
    assert [m.id for _, m in pending(tx, 0, 100)] == ["id-1", "id-2", "id-3", "id-4", "id-60"]
    assert counts(tx).shed == {MessageClass.SUMMARY: 1, MessageClass.ALARM: 1}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(MessageClass)), st.integers(0, 400)), max_size=40),
    st.integers(1, 12),
    st.integers(100, 1500),
    st.integers(1, 4),
)
def test_shedding_keeps_the_bounds_and_the_order_of_classes(
    added: list[tuple[MessageClass, int]], most: int, most_bytes: int, each: int
) -> None:
    """Whatever is added, the outbox is within its bounds, its counts are true, and no class goes before a lower one."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, MIGRATIONS, None)  # type: ignore[arg-type]
    order = list(MessageClass)
    bounds = OutboxBounds(most, most_bytes, each)
    gone_before: dict[MessageClass, int] = {}
    for n, (kind, size) in enumerate(added):
        add_message(connection, OutboxMessage(str(n), "t", kind, "k", b"x" * size, 1, False, n), bounds)
        left = pending(connection, 0, 1000)
        told = counts(connection)
        assert (told.messages, told.bytes) == (len(left), sum(len(m.payload) for _, m in left))
        assert told.messages <= most
        assert told.bytes <= most_bytes
        went = {k for k, shed in told.shed.items() if shed > gone_before.get(k, 0)}
        if went:
            highest = max(order.index(k) for k in went)
            assert all(order.index(m.kind) >= highest for _, m in left)
        gone_before = told.shed
        assert told.messages + sum(told.shed.values()) == n + 1
    connection.close()


def _any_state() -> AlarmState:
    """Return a state in which no field has its default."""
    values: dict[str, Any] = {}
    for n, field in enumerate(dataclasses.fields(AlarmState), 1):
        if field.name == "annunciation":
            values[field.name] = Annunciation.RETURNED
        elif field.name == "evidence":
            values[field.name] = ("temperature of the bearing 81.5 °C", "rising")
        elif field.type == "bool":
            values[field.name] = True
        else:
            values[field.name] = {"int": 1_764_000_000_000_000_000 + n, "str": f"wörd {n}"}.get(str(field.type), n / 3)
    return AlarmState(**values)


def test_alarm_states_come_back_as_they_were(tx: sqlite3.Connection) -> None:
    """Every field of an alarm's state survives, and a later state takes the place of the one before."""
    state = _any_state()
    plain = AlarmState("a/first")
    save_alarms(tx, [state, plain])
    assert load_alarms(tx) == tuple(sorted((state, plain), key=lambda s: s.alarm))
    later = dataclasses.replace(plain, annunciation=Annunciation.ACKNOWLEDGED, value=None, limit=80.0)
    save_alarms(tx, [later])
    assert later in load_alarms(tx)
    assert len(load_alarms(tx)) == 2


def test_transitions_are_logged_for_people(tx: sqlite3.Connection) -> None:
    """A logged transition tells what, when, how much against which limit, by whom and why; old ones can be pruned."""
    definition = AlarmDef("spindle_temp.hi", "press", "hi", Priority.HIGH, tag="press-temp", unit="degC")
    state = AlarmState(definition.key, Annunciation.ACKNOWLEDGED, value=81.5, limit=80.0, evidence=("rising",))
    log_event(tx, AlarmEvent(EventKind.RAISED, definition, state, 5))
    log_event(tx, AlarmEvent(EventKind.ACKNOWLEDGED, definition, state, 1_000, by="mia", reason="on my way"))
    (row,) = load_events(tx, since=6)
    expected = {"time": 1_000, "kind": "acknowledged", "alarm": "press/spindle_temp.hi", "who": "mia", "value": 81.5}
    assert expected.items() <= row.items()
    assert row["evidence"] == ["rising"]
    assert prune(tx, 6) == 1
    assert [event["time"] for event in load_events(tx)] == [1_000]


def test_one_transaction_or_none(ledger: Ledger, message: Callable[..., OutboxMessage]) -> None:
    """An alarm's state, its message and its sequence number are all kept or, when the job fails, none of them."""

    def half(tx: sqlite3.Connection) -> None:
        save_alarms(tx, [AlarmState("press/x")])
        next_sequence(tx, "press")
        add_message(tx, message(1))
        raise RuntimeError

    assert isinstance(ledger.writer.submit(half).exception(5), RuntimeError)
    reader = ledger.reader()
    assert load_alarms(reader) == ()
    assert counts(reader).messages == 0
    assert ledger.writer.submit(lambda tx: next_sequence(tx, "press")).result(5) == 1
    reader.close()


def test_maintenance_is_on_record(tx: sqlite3.Connection) -> None:
    """An open window survives, is replaced by the next on the same machine, and stays on record once ended."""
    window = MaintenanceWindow("press", 100, 200, "new belt", "mia")
    save_maintenance(tx, window)
    longer = dataclasses.replace(window, until=300)
    save_maintenance(tx, longer)
    save_maintenance(tx, MaintenanceWindow("saw", 100, 0, "", "key switch"))
    assert load_maintenance(tx) == (longer, MaintenanceWindow("saw", 100, 0, "", "key switch"))
    assert end_maintenance(tx, "press", 150, "mia")
    assert not end_maintenance(tx, "press", 160, "mia")
    assert [open_.machine for open_ in load_maintenance(tx)] == ["saw"]
    kept = tx.execute("SELECT ended_at, ended_by FROM maintenance WHERE machine = 'press'").fetchall()
    assert kept == [(150, "mia")]


def test_learning_and_audit_are_on_record(tx: sqlite3.Connection) -> None:
    """How learning stands is kept per machine and subject, and who did what in the order in which it was done."""
    first = LearningRecord("press", "process", 5, detail={"windows": 12})
    save_learning(tx, first)
    done = dataclasses.replace(first, until=9, state="done", version="2026-11-22")
    save_learning(tx, done)
    save_learning(tx, LearningRecord("saw", "vibration", 1))
    assert load_learning(tx, "press") == (done,)
    assert len(load_learning(tx)) == 2
    audit(tx, 7, "mia", "cli", "acknowledge", "press/x", "on my way")
    audit(tx, 8, "jo", "rest", "maintenance", "press")
    assert [(row["who"], row["action"]) for row in load_audit(tx)] == [("mia", "acknowledge"), ("jo", "maintenance")]
    assert [row["who"] for row in load_audit(tx, since=8)] == ["jo"]


def test_counters_outlive_a_restart(ledger: Ledger) -> None:
    """A sequence number goes on where it was after the ledger was closed and opened again."""
    assert [ledger.writer.submit(lambda tx: next_sequence(tx, "press")).result(5) for _ in range(3)] == [1, 2, 3]
    assert ledger.writer.submit(lambda tx: next_sequence(tx, "saw")).result(5) == 1
    ledger.close()
    again = Ledger.open(ledger.path)
    assert again.writer.submit(lambda tx: next_sequence(tx, "press")).result(5) == 4
    again.close()


def test_a_reader_cannot_write(ledger: Ledger) -> None:
    """What `reader` returns sees what is committed and refuses to write."""
    reader = ledger.reader()
    assert load_alarms(reader) == ()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        next_sequence(reader, "press")
    reader.close()


@pytest.mark.parametrize("content", [b"this is not a database at all" * 300, b"SQLite format 3\0" + b"\xff" * 20_000])
def test_a_file_of_rubbish_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """A file that is no database is set aside with its -wal, and a new ledger works within five seconds."""
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    path.with_name("ledger.db-wal").write_bytes(b"rubbish")
    begun = time.monotonic()
    ledger = Ledger.open(path)
    assert ledger.writer.submit(lambda tx: next_sequence(tx, "press")).result(5) == 1
    assert time.monotonic() - begun < 5
    assert ledger.quarantined is not None
    assert ledger.quarantined.name.startswith("ledger.db.corrupt-")
    assert ledger.quarantined.read_bytes() == content
    ledger.close()


def test_only_the_last_damaged_files_are_kept(tmp_path: Path) -> None:
    """Of files set aside the newest few are kept, so that they do not fill the disk."""
    path = tmp_path / "ledger.db"
    for n in range(5):
        path.write_bytes(b"rubbish %d" % n * 100)
        Ledger.open(path).close()
    kept = sorted(tmp_path.glob("ledger.db.corrupt-*"), key=lambda p: p.stat().st_mtime_ns)
    assert len(kept) == files.KEPT_ASIDE
    assert kept[-1].read_bytes().startswith(b"rubbish 4")


def test_what_can_be_read_of_a_damaged_ledger_is_carried_over(
    tmp_path: Path, message: Callable[..., OutboxMessage]
) -> None:
    """Of a ledger with damaged pages the readable alarms and messages are in the new one, and numbers go on above."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)
    ledger.writer.submit(lambda tx: save_alarms(tx, [AlarmState("press/x", Annunciation.UNACKNOWLEDGED)]))
    for n in range(200):
        ledger.writer.submit(lambda tx, n=n: add_message(tx, message(n, size=3_000)))
    last = ledger.writer.submit(lambda tx: add_message(tx, message(200))).result(5)
    ledger.close()
    with path.open("r+b") as file:  # some pages in the middle of the outbox
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096 * 8)
    again = Ledger.open(path)
    assert again.quarantined is not None
    reader = again.reader()
    assert [state.alarm for state in load_alarms(reader)] == ["press/x"]
    left = [m.id for _, m in pending(reader, 0, 1000)]
    assert {"id-0", "id-200"} <= set(left)
    assert len(left) > 150
    assert counts(reader).messages == len(left)
    assert again.writer.submit(lambda tx: add_message(tx, message(300))).result(5) > last
    reader.close()
    again.close()


def test_an_older_program_leaves_a_newer_file_alone(tmp_path: Path) -> None:
    """A file of a newer schema is refused with the cure, and is not touched."""
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer Shoptwin.*Install the newer Shoptwin again") as caught:
        Ledger.open(path)
    assert caught.value.code == "store-newer"
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    """A change of the schema is made whole or not at all, together with the number that says so."""
    connection = sqlite3.connect(tmp_path / "some.db", isolation_level=None)

    def good(db: Any) -> None:
        db.table("one").create({"n": int})

    def bad(db: Any) -> None:
        db.table("two").create({"n": int})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        migrate(connection, (good, bad), tmp_path / "some.db")
    assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["one"]
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    migrate(connection, (good, lambda db: db.table("two").create({"n": int})), tmp_path / "some.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_opening_an_up_to_date_ledger_does_not_import_sqlite_utils(tmp_path: Path) -> None:
    """The library that makes the schema, 9 MB of memory, is only loaded where there is something to make."""
    Ledger.open(tmp_path / "ledger.db").close()
    code = (
        "import sys; from pathlib import Path; from shoptwin.store.ledger import Ledger; "
        "Ledger.open(Path(sys.argv[1])).close(); sys.exit('sqlite_utils' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "ledger.db"], check=True)


def test_the_check_at_opening_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file too large to be checked in time is opened all the same, and no timer is left behind."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)

    def many(tx: sqlite3.Connection) -> None:
        row = ("t", "alarm", "k", b"x" * 200, 1, 0, 5)
        insert = "INSERT INTO outbox (id, topic, kind, key, payload, qos, retain, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        tx.executemany(insert, ((str(n), *row) for n in range(50_000)))

    ledger.writer.submit(many).result(30)
    ledger.close()
    monkeypatch.setattr(files, "CHECK_SECONDS", 0.001)
    again = Ledger.open(path)
    assert again.quarantined is None
    assert again.writer.submit(lambda tx: counts(tx).messages).result(5) == 50_000
    again.close()
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]

"""The ledger of feedback: what was raised, how it was marked, and what that moved."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, EventKind
from shoptwin.domain.feedback import AlarmMark, Exceedance, Mark, MoveKind, ThresholdMove
from shoptwin.store.alarm_log import log_event
from shoptwin.store.feedback import (
    find_occurrence,
    load_exceedances,
    load_marks,
    load_moves,
    load_occurrences,
    save_exceedances,
    save_mark,
    save_moves,
)
from shoptwin.store.ledger_schema import MIGRATIONS
from shoptwin.store.migrations import migrate
from shoptwin.store.records import prune

if TYPE_CHECKING:
    from collections.abc import Iterator

REGIME = (("load:load:value", 50.0), ("state:machine:state", 2.0))
KEY = "press-3/health.abnormal"


@pytest.fixture
def tx() -> Iterator[sqlite3.Connection]:
    """A ledger in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, MIGRATIONS, None)  # type: ignore[arg-type]
    yield connection
    connection.close()


def log(tx: sqlite3.Connection, time: int, kind: EventKind, occurrence: str, machine: str = "press-3") -> None:
    definition = AlarmDef("health.abnormal", machine, "abnormal")
    state = AlarmState(definition.key, occurrence=occurrence, value=1.3, text="abnormal")
    log_event(tx, AlarmEvent(kind, definition, state, time))


def test_moves_come_back_as_they_were_made(tx: sqlite3.Connection) -> None:
    """All moves of a machine, or of all machines, oldest first, with their regimes."""
    false = ThresholdMove(1, "press-3", "process", MoveKind.FALSE, "kim", REGIME, 0.2, 1.22, "a")
    reset = ThresholdMove(2, "press-3", "process", MoveKind.RESET, "kim")
    other = ThresholdMove(3, "mill", "vibration", MoveKind.TRUE, "ben", (), -0.1, 1.1, "b")
    save_moves(tx, [false, reset])
    save_moves(tx, [other])
    assert load_moves(tx) == (false, reset, other)
    assert load_moves(tx, "press-3") == (false, reset)


def test_every_mark_is_kept(tx: sqlite3.Connection) -> None:
    """A mark that was changed stays beside the later one, with who, when and what they noted."""
    first = AlarmMark(1, KEY, "a", Mark.FALSE, "kim", "all is well")
    later = AlarmMark(2, KEY, "a", Mark.TRUE, "ben")
    save_mark(tx, first, "press-3", "rest")
    save_mark(tx, later, "press-3", "rest")
    assert load_marks(tx, "press-3") == (first, later)
    assert load_marks(tx, "mill") == ()


def test_the_latest_exceedance_of_each_indicator_within_a_time(tx: sqlite3.Connection) -> None:
    """Those of an earlier occurrence, of a later one and of another machine are left out."""
    found = [
        Exceedance("press-3", "process", 10, REGIME, 1.2), Exceedance("press-3", "process", 20, REGIME, 1.3),
        Exceedance("press-3", "vibration", 15, (), 1.1), Exceedance("press-3", "process", 40, REGIME, 9.0),
        Exceedance("mill", "process", 20, REGIME, 9.0),
    ]  # fmt: skip
    save_exceedances(tx, found)
    assert load_exceedances(tx, "press-3", 10, 30) == (found[1], found[2])


def test_occurrences_with_when_they_ended_and_when_the_one_before_did(tx: sqlite3.Connection) -> None:
    """Each time that a machine's alarm was raised, oldest first, and by the beginning of its id."""
    log(tx, 10, EventKind.RAISED, "aa1")
    log(tx, 15, EventKind.ACKNOWLEDGED, "aa1")
    log(tx, 20, EventKind.CLEARED, "aa1")
    log(tx, 25, EventKind.RAISED, "zz9", "mill")
    log(tx, 30, EventKind.RAISED, "aa2")
    first, second = load_occurrences(tx, "press-3")
    assert (first.alarm, first.occurrence, first.raised, first.cleared, first.before) == (KEY, "aa1", 10, 20, 0)
    assert (second.occurrence, second.raised, second.cleared, second.before) == ("aa2", 30, 0, 20)
    assert load_occurrences(tx, "press-3", 1) == (second,)
    assert find_occurrence(tx, "aa2") == (second,)
    assert len(find_occurrence(tx, "aa")) == 2
    assert find_occurrence(tx, "%") == find_occurrence(tx, "b") == ()


def test_marks_and_moves_outlive_the_log(tx: sqlite3.Connection) -> None:
    """Old transitions are forgotten; what people said, and what it moved, is not."""
    log(tx, 10, EventKind.RAISED, "a")
    save_exceedances(tx, [Exceedance("press-3", "process", 10, REGIME, 1.2)])
    save_mark(tx, AlarmMark(11, KEY, "a", Mark.FALSE, "kim"), "press-3", "rest")
    save_moves(tx, [ThresholdMove(11, "press-3", "process", MoveKind.FALSE, "kim", REGIME, 0.2, 1.2, "a")])
    prune(tx, 100)
    assert load_occurrences(tx, "press-3") == load_exceedances(tx, "press-3", 0, 100) == ()
    assert len(load_marks(tx, "press-3")) == len(load_moves(tx)) == 1

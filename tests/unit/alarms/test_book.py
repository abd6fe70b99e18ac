"""The book of all alarms: delays of many alarms at once, saving, reloading, finding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.alarms.book import GONE, AlarmBook
from shoptwin.alarms.engine import step
from shoptwin.domain.alarm import (
    Action,
    AlarmDef,
    AlarmState,
    Annunciation,
    Command,
    Condition,
    EventKind,
    Priority,
    Tick,
)
from shoptwin.domain.errors import ShoptwinError

T = 10**15
DEFINITIONS = {
    definition.key: definition
    for definition in (
        AlarmDef("temp.hi", "press-3", "hi", Priority.MEDIUM, on_delay=10, off_delay=5),
        AlarmDef("temp.hihi", "press-3", "hihi", Priority.HIGH),
        AlarmDef("temp.hi", "pump-1", "hi", Priority.MEDIUM, on_delay=3),
        AlarmDef("plc1.not-connected", None, "not-connected", Priority.HIGH),
    )
}


def said(key: str, active: bool | None, time: int = T) -> Condition:
    return Condition(key, active, time, 1.0)


def do(key: str, action: Action, by: str = "ann") -> Command:
    return Command(key, action, by)


def kinds(events: tuple[Any, ...]) -> list[tuple[str, str]]:
    return [(event.definition.key, event.kind.value) for event in events]


def test_delays_run_out_one_after_the_other() -> None:
    """`next_due` names the next delay, and a tick announces those alone that are over."""
    book = AlarmBook(DEFINITIONS)
    assert book.next_due() is None
    book.apply([said("press-3/temp.hi", True), said("pump-1/temp.hi", True)], T)
    assert book.next_due() == T + 3
    assert kinds(book.tick(T + 3)) == [("pump-1/temp.hi", "raised")]
    assert book.next_due() == T + 10
    assert book.tick(T + 9) == ()
    assert kinds(book.tick(T + 11)) == [("press-3/temp.hi", "raised")]
    assert book.next_due() is None


def test_a_delay_that_stands_still_is_not_due() -> None:
    """Bad data and suppression take a delay off the list of what is due, and put it back afterwards."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hi", True)], T)
    book.apply([said("press-3/temp.hi", None)], T + 4)
    assert book.next_due() is None
    book.apply([said("press-3/temp.hi", True)], T + 100)
    assert book.next_due() == T + 106
    book.apply([do("press-3/temp.hi", Action.SUPPRESS)], T + 101)
    assert book.next_due() is None
    book.apply([do("press-3/temp.hi", Action.UNSUPPRESS)], T + 102)
    assert book.next_due() == T + 106


def test_what_was_announced_is_dirty_once_and_new_values_are_not() -> None:
    """A new value or a running delay is not worth a write to the card; each announcement is."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hi", True)], T)
    assert book.take_dirty() == ()
    book.apply([said("press-3/temp.hihi", True)], T)
    (state,) = book.take_dirty()
    assert (state.alarm, state.annunciation) == ("press-3/temp.hihi", Annunciation.UNACKNOWLEDGED)
    book.apply([Condition("press-3/temp.hihi", True, T + 1, 2.0)], T + 1)
    assert book.take_dirty() == ()
    book.apply([do("press-3/temp.hihi", Action.TEST)], T + 2)
    assert book.take_dirty() == ()


def test_a_restart_goes_on_where_the_saved_states_are() -> None:
    """An alarm that was saved standing is not raised twice, and is cleared when its condition is found gone."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hihi", True)], T)
    again = AlarmBook(DEFINITIONS, book.take_dirty())
    assert again.apply([said("press-3/temp.hihi", True, T + 5)], T + 5) == ()
    assert [state.raised_at for _, state in again.standing()] == [T]
    assert kinds(again.apply([said("press-3/temp.hihi", False, T + 6)], T + 6)) == [("press-3/temp.hihi", "cleared")]


def test_standing_alarms_come_most_urgent_and_latest_first() -> None:
    """Active and returned-unacknowledged alarms stand, of one machine or of all; acknowledged and gone ones do not."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("pump-1/temp.hi", True)], T)
    book.apply([said("press-3/temp.hihi", True, T + 5), said("_gateway/plc1.not-connected", True, T + 6)], T + 6)
    book.apply([said("press-3/temp.hihi", False, T + 7)], T + 7)
    assert [definition.key for definition, _ in book.standing()] == [
        "_gateway/plc1.not-connected", "press-3/temp.hihi", "pump-1/temp.hi",
    ]  # fmt: skip
    book.apply([do("press-3/temp.hihi", Action.ACKNOWLEDGE)], T + 8)
    assert book.standing("press-3") == ()
    assert AlarmBook({}).standing() == ()


def test_suppressed_alarms_are_listed() -> None:
    """What is suppressed is not standing, and is listed as suppressed."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hihi", True), do("press-3/temp.hihi", Action.SUPPRESS)], T)
    assert book.standing() == ()
    assert [state.alarm for _, state in book.suppressed("press-3")] == ["press-3/temp.hihi"]


def test_a_definition_that_goes_while_its_alarm_stands_clears_it() -> None:
    """Each kind of loose end is closed with an event that says why, and the closed state is saved."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hihi", True), said("pump-1/temp.hi", True)], T)
    book.apply([said("_gateway/plc1.not-connected", True), said("_gateway/plc1.not-connected", False)], T)
    book.apply([do("press-3/temp.hi", Action.SUPPRESS)], T)
    events = book.configure({}, T + 9)
    assert {event.definition.key: event.kind for event in events} == {
        "press-3/temp.hihi": EventKind.CLEARED,
        "_gateway/plc1.not-connected": EventKind.ACKNOWLEDGED,
        "press-3/temp.hi": EventKind.UNSUPPRESSED,
    }
    assert {event.reason for event in events} == {GONE}
    assert all(event.state.annunciation is Annunciation.NORMAL and not event.state.suppressed_by for event in events)
    assert {state.alarm for state in book.take_dirty()} == {event.definition.key for event in events}
    assert book.tick(T + 99) == book.take_dirty() == ()


def test_an_alarm_raised_and_removed_before_it_was_saved_is_closed_too() -> None:
    """A reload right after an announcement loses neither."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hihi", True)], T)
    assert kinds(book.configure({}, T)) == [("press-3/temp.hihi", "cleared")]
    assert [state.annunciation for state in book.take_dirty()] == [Annunciation.NORMAL]


def test_an_alarm_that_ended_and_was_removed_before_it_was_saved_is_saved_as_it_ended() -> None:
    """A reload does not make the ledger keep an older state than what was announced."""
    book = AlarmBook(DEFINITIONS)
    key = "press-3/temp.hihi"
    book.apply([said(key, True), do(key, Action.ACKNOWLEDGE), said(key, False)], T)
    assert book.configure({}, T) == ()
    assert [(state.alarm, state.annunciation) for state in book.take_dirty()] == [(key, Annunciation.NORMAL)]
    assert book.take_dirty() == ()


def test_saved_alarms_that_are_no_longer_configured_are_closed_at_the_first_chance() -> None:
    """A configuration that changed while the daemon was down leaves no alarm standing at the SCADA."""
    state = AlarmState("old/temp.hi", Annunciation.ACKNOWLEDGED, condition=True, raised_at=T, occurrence="x")
    book = AlarmBook(DEFINITIONS, [state, AlarmState("old/quiet.hi")])
    (event,) = book.tick(T + 1)
    assert (event.kind, event.reason, event.definition.machine, event.definition.id, event.state.occurrence) == (
        EventKind.CLEARED, GONE, "old", "temp.hi", "x",
    )  # fmt: skip
    assert book.tick(T + 2) == ()


def test_a_reload_keeps_the_state_of_what_stays_and_heeds_new_delays() -> None:
    """An alarm whose definition changes keeps its state; a delay that became shorter ends sooner."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hihi", True), said("press-3/temp.hi", True)], T)
    occurrence = book["press-3/temp.hihi"][1].occurrence
    shorter = DEFINITIONS | {"press-3/temp.hi": AlarmDef("temp.hi", "press-3", "hi", on_delay=2)}
    assert book.configure(shorter, T + 1) == ()
    assert book.next_due() == T + 3
    assert kinds(book.tick(T + 3)) == [("press-3/temp.hi", "raised")]
    assert book["press-3/temp.hihi"][1].occurrence == occurrence


def test_a_clock_that_goes_back_makes_no_delay_late() -> None:
    """After a step back all delays are over after at most their length, whether ticks or samples tell the time."""
    for tell in (lambda book, now: book.tick(now), lambda book, now: book.apply([], now)):
        book = AlarmBook(DEFINITIONS)
        book.apply([said("press-3/temp.hi", True), said("pump-1/temp.hi", True)], T)
        assert tell(book, T - 10**12) == ()
        assert book.next_due() == T - 10**12 + 3
        assert len(book.tick(T - 10**12 + 10)) == 2


def test_what_is_not_defined_is_passed_over() -> None:
    """A verdict that comes from the worker thread after a reload does no harm."""
    assert AlarmBook(DEFINITIONS).apply([said("gone/temp.hi", True), do("gone/temp.hi", Action.TEST)], T) == ()


def test_alarms_are_found_by_key_by_unambiguous_id_and_by_occurrence() -> None:
    """People may write the shortest thing that is clear."""
    book = AlarmBook(DEFINITIONS)
    book.apply([said("press-3/temp.hihi", True)], T)
    assert book.find("press-3/temp.hi") == "press-3/temp.hi"
    assert book.find("temp.hihi") == "press-3/temp.hihi"
    assert book.find(book["press-3/temp.hihi"][1].occurrence) == "press-3/temp.hihi"
    with pytest.raises(ShoptwinError, match=r"alarm of 2 machines.*press-3/temp\.hi, pump-1/temp\.hi"):
        book.find("temp.hi")
    with pytest.raises(ShoptwinError, match=r"Did you mean press-3/temp\.hihi"):
        book.find("tmp.hihi")
    with pytest.raises(ShoptwinError, match="no alarm 'zzz'"):
        book.find("zzz")
    with pytest.raises(ShoptwinError, match="no alarm ''"):
        book.find("")


INPUTS = st.one_of(
    st.tuples(st.sampled_from(sorted(DEFINITIONS)), st.sampled_from([True, True, False, None])),
    st.tuples(st.sampled_from(sorted(DEFINITIONS)), st.sampled_from(Action)),
    st.integers(1, 15),
    st.integers(-20, -1),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(INPUTS, max_size=60))
def test_the_book_does_what_ticking_every_alarm_would_do(inputs: list[Any]) -> None:
    """The heap of due times forgets no alarm: the book announces what stepping all alarms at each tick announces."""
    book, now = AlarmBook(DEFINITIONS), T
    states = {key: AlarmState(key) for key in DEFINITIONS}
    for given_ in inputs:
        expected = []
        if isinstance(given_, int):
            now += given_
            found = book.tick(now)
            for key, definition in DEFINITIONS.items():
                states[key], events = step(definition, states[key], Tick(), now)
                expected += events
        else:
            key, what = given_
            one = do(key, what) if isinstance(what, Action) else said(key, what, now)
            found = book.apply([one], now)
            states[key], events = step(DEFINITIONS[key], states[key], one, now)
            expected += events
            for other, definition in DEFINITIONS.items():
                states[other], events = step(definition, states[other], Tick(), now)
                expected += events
        assert {(e.definition.key, e.kind) for e in found} == {(e.definition.key, e.kind) for e in expected}
        due = [s.due for s in states.values() if s.due and not s.held_since and not s.suppressed_by]
        assert book.next_due() == min(due, default=None)

"""Maintenance of machines: by command, by key switch, and what it does to alarms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.alarms.book import AlarmBook
from shoptwin.alarms.definitions import define
from shoptwin.alarms.maintenance import Maintenance
from shoptwin.domain.alarm import Condition
from shoptwin.domain.errors import ShoptwinError
from shoptwin.domain.maintenance import KEY_SWITCH, MaintenanceWindow
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.timing import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoptwin.domain.twin import TwinDelta

    Delta = Callable[..., TwinDelta]

T = 1_800_000_000 * SECOND
BAD = int(StatusCode.BAD_NOT_CONNECTED)


@pytest.fixture
def maintenance(table, machines) -> Maintenance:
    """No machine is in maintenance."""
    return Maintenance(table, machines)


def kinds(changes: tuple[Any, ...]) -> list[tuple[str, str]]:
    return [(change.window.machine, change.kind.value) for change in changes]


def test_a_window_begins_and_ends_by_itself(maintenance: Maintenance) -> None:
    """A machine is in maintenance until the time that was said, and both ends are on record."""
    begun = maintenance.begin("press-3", T + HOUR, "new belt", "ann", T)
    assert begun.text == "maintenance of press-3 begun until 2027-01-15T09:00:00.000Z by ann: new belt"
    assert maintenance.machines == {"press-3"}
    assert maintenance.next_due() == T + HOUR
    assert maintenance.tick(T + HOUR - 1) == ()
    (ended,) = maintenance.tick(T + HOUR)
    assert ended.text == "maintenance of press-3 ended by ann: its time was over"
    assert maintenance.machines == frozenset()
    assert maintenance.next_due() is None


def test_a_window_can_be_ended_early_and_given_another_end(maintenance: Maintenance) -> None:
    """A second begin changes the end and keeps the beginning; an end ends it at once."""
    maintenance.begin("press-3", T + HOUR, "belt", "ann", T)
    changed = maintenance.begin("press-3", T + 3 * HOUR, "belt, longer", "bob", T + MINUTE)
    assert changed.kind.value == "changed"
    assert maintenance.active("press-3") == MaintenanceWindow("press-3", T, T + 3 * HOUR, "belt, longer", "bob")
    assert maintenance.end("press-3", "bob", T + 2 * MINUTE).kind.value == "ended"
    assert maintenance.active("press-3") is None


def test_what_makes_no_sense_is_refused_with_the_cure(maintenance: Maintenance) -> None:
    """An unknown machine, an end in the past, an end of nothing."""
    with pytest.raises(ShoptwinError, match="Did you mean press-3"):
        maintenance.begin("press3", T + HOUR, "", "ann", T)
    with pytest.raises(ShoptwinError, match="--for 2h"):
        maintenance.begin("press-3", T, "", "ann", T)
    with pytest.raises(ShoptwinError, match="not in maintenance"):
        maintenance.end("press-3", "ann", T)


def test_a_key_switch_begins_and_ends_a_window(maintenance: Maintenance, delta: Delta) -> None:
    """A true value begins it, repeats change nothing, a false one ends it; it has no end of its own."""
    (begun,) = maintenance.observe(delta(("u-key", T, 1.0)), T)
    assert begun.text == "maintenance of pump-1 begun as long as its key switch is on by key switch: key switch on"
    assert maintenance.observe(delta(("u-key", T, 1.0), ("p-temp", T, 50.0)), T + 1) == ()
    assert maintenance.tick(T + DAY) == ()
    assert kinds(maintenance.observe(delta(("u-key", T, 0.0)), T + DAY)) == [("pump-1", "ended")]


def test_a_bad_value_of_the_key_switch_changes_nothing(maintenance: Maintenance, delta: Delta) -> None:
    """A lost PLC neither begins nor ends maintenance; nor does a value that is no number."""
    nothing = (("u-key", T, 0.0, BAD), ("u-key", T, float("nan")), ("u-key", T, 0.0, int(StatusCode.UNCERTAIN)))
    maintenance.observe(delta(("u-key", T, 1.0)), T)
    for row in nothing:
        assert maintenance.observe(delta(row), T + 1) == ()
    assert maintenance.machines == {"pump-1"}


def test_every_turn_of_the_key_within_a_batch_counts(maintenance: Maintenance, delta: Delta) -> None:
    """On and off within one batch are both on record."""
    changes = maintenance.observe(delta(("u-key", T, 1.0), ("u-key", T + 1, 0.0), ("u-key", T + 2, 1.0)), T + 3)
    assert [change.kind.value for change in changes] == ["begun", "ended", "begun"]


def test_the_key_switch_does_not_end_what_a_command_began(maintenance: Maintenance, delta: Delta) -> None:
    """A command's window lasts until its time, whatever the key does meanwhile."""
    maintenance.begin("pump-1", T + HOUR, "seal", "ann", T)
    assert maintenance.observe(delta(("u-key", T, 1.0), ("u-key", T + 1, 0.0)), T + 1) == ()
    assert maintenance.machines == {"pump-1"}
    assert kinds(maintenance.tick(T + HOUR)) == [("pump-1", "ended")]


def test_the_key_switch_takes_over_when_the_commands_time_is_over(maintenance: Maintenance, delta: Delta) -> None:
    """With the key still on, the machine stays in maintenance without a gap, and the key ends it."""
    maintenance.observe(delta(("u-key", T, 1.0)), T)
    assert maintenance.begin("pump-1", T + HOUR, "seal", "ann", T + 1).kind.value == "changed"
    (kept,) = maintenance.tick(T + HOUR)
    assert (kept.kind.value, kept.window.switched, kept.window.since) == ("changed", True, T)
    with pytest.raises(ShoptwinError, match="key switch holds pump-1"):
        maintenance.end("pump-1", "ann", T + 2 * HOUR)
    assert kinds(maintenance.observe(delta(("u-key", T, 0.0)), T + 2 * HOUR)) == [("pump-1", "ended")]


def test_windows_survive_a_restart(table, machines, delta: Delta) -> None:
    """Saved windows go on: one that ran out meanwhile ends at the first tick, a key's ends with the key."""
    saved = (
        MaintenanceWindow("press-3", T, T + HOUR, "belt", "ann"),
        MaintenanceWindow("pump-1", T, 0, "", KEY_SWITCH),
    )
    again = Maintenance(table, machines, saved)
    assert again.windows == saved
    assert kinds(again.tick(T + 2 * HOUR)) == [("press-3", "ended")]
    assert again.machines == {"pump-1"}
    assert kinds(again.observe(delta(("u-key", T, 0.0)), T + 2 * HOUR)) == [("pump-1", "ended")]


def test_a_clock_that_goes_back_makes_no_window_longer(maintenance: Maintenance) -> None:
    """A step of the clock between two ticks moves the window along with it."""
    maintenance.begin("press-3", T + HOUR, "belt", "ann", T)
    maintenance.tick(T + 10 * MINUTE)
    assert maintenance.tick(T - DAY) == ()
    assert maintenance.next_due() == T - DAY + 50 * MINUTE
    assert kinds(maintenance.tick(T - DAY + 50 * MINUTE)) == [("press-3", "ended")]


def test_a_reload_ends_the_window_of_what_went(table, machines, delta: Delta) -> None:
    """A machine that is no longer configured, or its key switch, leaves no window open."""
    maintenance = Maintenance(table, machines)
    maintenance.begin("press-3", T + HOUR, "belt", "ann", T)
    maintenance.observe(delta(("u-key", T, 1.0)), T)
    assert maintenance.configure(table, machines, T + 1) == ()
    keyless = (replace(machines[1], maintenance_tag=None),)
    changes = maintenance.configure(table, keyless, T + 2)
    assert sorted(kinds(changes)) == [("press-3", "ended"), ("pump-1", "ended")]
    assert maintenance.observe(delta(("u-key", T, 1.0)), T + 3) == ()


def test_maintenance_silences_the_alarms_of_its_machine_alone(table, machines, devices) -> None:
    """Standing and coming alarms of the machine are suppressed, others go on; at the end what is true is announced."""
    book, maintenance = AlarmBook(define(machines, devices)), Maintenance(table, machines)
    book.apply([Condition("pump-1/temp.hi", True, T)], T)
    maintenance.begin("pump-1", T + HOUR, "seal", "ann", T + 1)
    events = book.apply(maintenance.commands(book.definitions), T + 1)
    assert {event.kind.value for event in events} == {"suppressed"}
    assert {event.definition.machine for event in events} == {"pump-1"}
    assert {event.reason for event in events} == {"maintenance: seal"}
    assert {state.suppressed_by for _, state in book.suppressed()} == {"maintenance: seal"}
    assert book.standing() == ()
    assert book.apply(maintenance.commands(book.definitions), T + 2) == ()
    raised = book.apply([Condition("pump-1/vib.bad", True, T), Condition("press-3/flow.lo", True, T)], T + 2)
    assert [event.definition.key for event in raised] == ["press-3/flow.lo"]
    maintenance.tick(T + HOUR)
    after = book.apply(maintenance.commands(book.definitions), T + HOUR)
    assert {e.definition.key for e in after if e.kind.value == "raised"} == {"pump-1/temp.hi", "pump-1/vib.bad"}
    assert book.suppressed() == ()


def test_an_alarm_that_a_reload_adds_during_maintenance_is_suppressed_too(table, machines, devices) -> None:
    """The commands bring every alarm in line with the windows, also new ones."""
    definitions = define(machines, devices)
    book, maintenance = AlarmBook({}), Maintenance(table, machines)
    maintenance.begin("pump-1", T + HOUR, "", "ann", T)
    book.configure(definitions, T + 1)
    book.apply(maintenance.commands(book.definitions), T + 1)
    assert {definition.machine for definition, _ in book.suppressed()} == {"pump-1"}
    assert len(book.suppressed()) == sum(definition.machine == "pump-1" for definition in definitions.values())
    assert {state.suppressed_by for _, state in book.suppressed()} == {"maintenance"}

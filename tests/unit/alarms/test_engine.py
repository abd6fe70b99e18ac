"""The engine, step by step; its rules as a whole are in test_engine_rules.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shoptwin.alarms.bench import step_rates
from shoptwin.alarms.engine import step
from shoptwin.alarms.transitions import SUPPRESSED, TRANSITIONS, Trigger, shown
from shoptwin.domain.alarm import Action, AlarmState, Annunciation, EventKind, Tick
from shoptwin.domain.timing import DAY, HOUR, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Drive = Callable[..., Any]

T = 1_800_000_000 * SECOND


def test_without_delays_an_alarm_is_raised_and_cleared_with_its_condition(drive: Drive) -> None:
    """Without delays each change of the condition is announced in the same step, with the time of the sample."""
    alarm = drive()
    assert alarm.true(T + 7, time=T) == ["raised"]
    assert (alarm.state.raised_at, alarm.events[0].time) == (T, T + 7)
    assert alarm.state.annunciation is Annunciation.UNACKNOWLEDGED
    assert alarm.false(T + 20, time=T + 15) == ["cleared"]
    assert (alarm.state.cleared_at, alarm.events[1].time) == (T + 15, T + 20)
    assert alarm.state.annunciation is Annunciation.RETURNED


def test_an_alarm_is_raised_once_the_on_delay_is_over_and_says_since_when(drive: Drive) -> None:
    """A condition that lasts for the on-delay is raised at the tick that ends it; `raised_at` is its beginning."""
    alarm = drive(on=10)
    assert alarm.true(T) == []
    assert alarm.tick(T + 9) == []
    assert alarm.tick(T + 10) == ["raised"]
    assert (alarm.state.raised_at, alarm.events[0].time) == (T, T + 10)


def test_a_condition_shorter_than_the_on_delay_is_never_announced(drive: Drive) -> None:
    """A spike within the on-delay leaves no trace, and the next one starts the delay anew."""
    alarm = drive(on=10)
    alarm.true(T)
    assert alarm.false(T + 9) == []
    assert alarm.tick(T + 11) == []
    alarm.true(T + 12)
    assert alarm.tick(T + 21) == []
    assert alarm.tick(T + 22) == ["raised"]


def test_a_return_shorter_than_the_off_delay_keeps_the_alarm(drive: Drive) -> None:
    """A value that comes back for less than the off-delay neither clears nor raises again."""
    alarm = drive(off=10)
    alarm.true(T)
    first = alarm.state.occurrence
    alarm.false(T + 1)
    assert alarm.true(T + 5) == []
    assert alarm.tick(T + 60) == []
    assert alarm.state.occurrence == first
    alarm.false(T + 70)
    assert alarm.tick(T + 80) == ["cleared"]
    assert alarm.state.cleared_at == T + 70


def test_a_buffered_batch_tells_what_lasted_for_the_delay_by_its_own_times(drive: Drive) -> None:
    """Samples of a minute that arrive at once are judged by their own times: raised, then cleared."""
    alarm = drive(on=10, off=5)
    now = T + 60
    assert alarm.true(now, time=T) == []
    assert alarm.true(now, time=T + 9) == []
    assert alarm.true(now, time=T + 10) == ["raised"]
    assert alarm.false(now, time=T + 30) == []
    assert alarm.false(now, time=T + 35) == ["cleared"]
    assert (alarm.state.raised_at, alarm.state.cleared_at) == (T, T + 30)


def test_a_short_pulse_in_a_late_batch_is_not_announced(drive: Drive) -> None:
    """A pulse shorter than the delay stays unannounced however late its batch arrives."""
    alarm = drive(on=10)
    assert alarm.true(T + 60, time=T) == []
    assert alarm.false(T + 60, time=T + 9) == []
    assert alarm.tick(T + HOUR) == []


def test_a_device_whose_clock_is_behind_does_not_shorten_the_delay(drive: Drive) -> None:
    """A source time an hour ago starts the delay now: a wrong clock of a PLC must not raise at once."""
    alarm = drive(on=10 * SECOND)
    alarm.true(T, time=T - HOUR)
    assert alarm.tick(T + 9 * SECOND) == []
    assert alarm.tick(T + 10 * SECOND) == ["raised"]


def test_a_device_whose_clock_is_ahead_does_not_raise_in_the_future(drive: Drive) -> None:
    """A source time in the future counts as now."""
    alarm = drive()
    alarm.true(T, time=T + DAY)
    assert alarm.state.raised_at == T


def test_acknowledging_keeps_who_and_when_and_happens_once(drive: Drive) -> None:
    """The first acknowledgement is on record; a second one changes nothing and announces nothing."""
    alarm = drive()
    alarm.true(T)
    assert alarm.do(Action.ACKNOWLEDGE, T + 1, "ann") == ["acknowledged"]
    before = alarm.state
    assert alarm.do(Action.ACKNOWLEDGE, T + 2, "bob") == []
    assert alarm.state is before
    assert (before.acknowledged_by, before.acknowledged_at) == ("ann", T + 1)
    assert alarm.false(T + 3) == ["cleared"]
    assert alarm.state.annunciation is Annunciation.NORMAL


def test_acknowledging_a_returned_alarm_ends_it(drive: Drive) -> None:
    """An alarm that went by itself is normal once somebody has seen it."""
    alarm = drive()
    alarm.true(T)
    alarm.false(T + 1)
    assert alarm.do(Action.ACKNOWLEDGE, T + 2) == ["acknowledged"]
    assert alarm.state.annunciation is Annunciation.NORMAL
    assert alarm.do(Action.ACKNOWLEDGE, T + 3) == []


def test_acknowledging_what_was_never_raised_does_nothing(drive: Drive) -> None:
    """A normal alarm, and one whose delay still runs, cannot be acknowledged."""
    alarm = drive(on=10)
    assert alarm.do(Action.ACKNOWLEDGE, T) == []
    alarm.true(T + 1)
    assert alarm.do(Action.ACKNOWLEDGE, T + 2) == []
    assert alarm.state.acknowledged_by == ""


def test_raised_again_while_returned_it_is_a_new_occurrence(drive: Drive) -> None:
    """A re-raise of a returned, unacknowledged alarm has an id of its own and is unacknowledged."""
    alarm = drive()
    alarm.true(T)
    first = alarm.state.occurrence
    alarm.false(T + 1)
    assert alarm.true(T + 2) == ["raised"]
    assert alarm.state.occurrence not in {"", first}
    assert (alarm.state.acknowledged_by, alarm.state.cleared_at) == ("", 0)


def test_occurrences_differ_even_at_the_same_time(drive: Drive) -> None:
    """A device whose clock stands still does not give two occurrences the same id."""
    alarm = drive()
    seen = set()
    for n in range(5):
        alarm.true(T + n, time=T)
        seen.add(alarm.state.occurrence)
        alarm.false(T + n, time=T)
    assert len(seen) == 5


def test_new_values_of_a_standing_alarm_are_kept_without_an_event(drive: Drive) -> None:
    """The latest and the worst value are followed, and the worst begins anew with the next occurrence."""
    alarm = drive()
    alarm.true(T, value=92)
    assert alarm.true(T + 1, value=97) == []
    assert alarm.true(T + 2, value=93) == []
    assert (alarm.state.value, alarm.state.worst) == (93, 97)
    alarm.false(T + 3, value=80)
    assert (alarm.state.value, alarm.state.worst) == (80, 97)
    alarm.true(T + 4, value=91)
    assert alarm.state.worst == 91


def test_the_worst_value_of_a_low_alarm_is_the_lowest(drive: Drive) -> None:
    """Below a limit, less is worse."""
    alarm = drive(condition="lolo")
    for n, value in enumerate((3.0, 1.0, 2.0)):
        alarm.true(T + n, value=value)
    assert alarm.state.worst == 1.0


def test_bad_data_neither_raises_nor_clears(drive: Drive) -> None:
    """While the data is Bad an alarm stays as it is, for however long."""
    alarm = drive(on=10, off=10)
    assert alarm.condition(None, T) == []
    assert alarm.tick(T + HOUR) == []
    alarm.true(T + HOUR)
    alarm.tick(T + 2 * HOUR)
    alarm.false(T + 2 * HOUR)
    alarm.condition(None, T + 2 * HOUR + 1)
    assert alarm.tick(T + 9 * HOUR) == []
    assert alarm.state.annunciation.active


def test_bad_data_stops_a_delay_and_good_data_lets_it_run_on(drive: Drive) -> None:
    """A delay stands still while the data is Bad: time that was known counts, unknown time does not."""
    alarm = drive(on=10)
    alarm.true(T)
    alarm.condition(None, T + 6)
    assert alarm.tick(T + 500) == []
    assert alarm.true(T + 506) == []
    assert alarm.tick(T + 509) == []
    assert alarm.tick(T + 510) == ["raised"]
    assert alarm.state.raised_at == T


def test_unknown_time_does_not_count_by_the_times_of_samples_either(drive: Drive) -> None:
    """Samples long after a gap of Bad data do not make a delay end early."""
    alarm = drive(on=10)
    alarm.true(T)
    alarm.condition(None, T + 1)
    assert [alarm.true(T + 100), alarm.true(T + 101), alarm.true(T + 108)] == [[], [], []]
    assert alarm.true(T + 109) == ["raised"]


def test_a_flickering_sensor_does_not_keep_an_alarm_back_for_ever(drive: Drive) -> None:
    """Every second sample Bad still adds up to the on-delay."""
    alarm, kinds = drive(on=10), []
    for n in range(60):
        kinds += alarm.condition(True if n % 2 == 0 else None, T + n, value=95)
    assert kinds == ["raised"]


def test_a_condition_that_ended_while_the_data_was_bad_cancels_its_delay(drive: Drive) -> None:
    """Good data that says false after Bad data ends the delay for good."""
    alarm = drive(on=10)
    alarm.true(T)
    alarm.condition(None, T + 5)
    assert alarm.false(T + 6) == []
    assert alarm.tick(T + 100) == []
    assert alarm.state.held_since == alarm.state.due == alarm.state.paused == 0


def test_while_suppressed_nothing_is_announced_and_afterwards_what_is_still_true(drive: Drive) -> None:
    """Un-suppressing announces a condition that is still true, as a new occurrence, since when it is true."""
    alarm = drive()
    alarm.true(T)
    first = alarm.state.occurrence
    assert alarm.do(Action.SUPPRESS, T + 1, reason="maintenance") == ["suppressed"]
    assert (shown(alarm.state), alarm.state.annunciation) == (SUPPRESSED, Annunciation.NORMAL)
    assert alarm.state.suppressed_by == "maintenance"
    assert alarm.true(T + 2, value=99) == []
    assert alarm.tick(T + HOUR) == []
    assert alarm.do(Action.UNSUPPRESS, T + 2 * HOUR) == ["unsuppressed", "raised"]
    assert alarm.state.raised_at == T
    assert alarm.state.occurrence != first


def test_a_condition_that_went_during_suppression_is_not_announced(drive: Drive) -> None:
    """What began and ended while suppressed is not announced afterwards."""
    alarm = drive()
    alarm.do(Action.SUPPRESS, T)
    assert alarm.true(T + 1) == []
    assert alarm.false(T + 2) == []
    assert alarm.do(Action.UNSUPPRESS, T + 3) == ["unsuppressed"]
    assert alarm.tick(T + HOUR) == []


def test_the_on_delay_goes_on_during_suppression(drive: Drive) -> None:
    """A condition that is younger than its on-delay at the end of a suppression waits for the rest of it."""
    alarm = drive(on=10)
    alarm.do(Action.SUPPRESS, T)
    alarm.true(T + 95)
    assert alarm.do(Action.UNSUPPRESS, T + 100) == ["unsuppressed"]
    assert alarm.tick(T + 104) == []
    assert alarm.tick(T + 105) == ["raised"]


def test_suppressing_an_alarm_that_is_about_to_clear_ends_it(drive: Drive) -> None:
    """An alarm within its off-delay that is suppressed does not come back when the suppression ends."""
    alarm = drive(off=10)
    alarm.true(T)
    alarm.false(T + 5)
    alarm.do(Action.SUPPRESS, T + 6)
    assert alarm.state.cleared_at == T + 5
    assert alarm.do(Action.UNSUPPRESS, T + 60) == ["unsuppressed"]
    assert alarm.tick(T + HOUR) == []


def test_suppressing_twice_or_ending_none_announces_nothing(drive: Drive) -> None:
    """A second suppression keeps the first reason; un-suppressing what is not suppressed does nothing."""
    alarm = drive()
    assert alarm.do(Action.UNSUPPRESS, T) == []
    alarm.do(Action.SUPPRESS, T, reason="maintenance")
    assert alarm.do(Action.SUPPRESS, T + 1, reason="other") == []
    assert alarm.state.suppressed_by == "maintenance"


def test_unknown_data_at_the_end_of_a_suppression_waits_until_it_is_known(drive: Drive) -> None:
    """Bad data is not announced as an alarm at the end of maintenance; the next Good sample decides."""
    alarm = drive()
    alarm.true(T)
    alarm.do(Action.SUPPRESS, T + 1)
    alarm.condition(None, T + 2)
    assert alarm.do(Action.UNSUPPRESS, T + 3) == ["unsuppressed"]
    assert alarm.tick(T + HOUR) == []
    assert alarm.true(T + HOUR) == ["raised"]


def test_a_condition_that_is_found_gone_after_maintenance_and_bad_data_is_not_announced(drive: Drive) -> None:
    """An alarm that stood before, and whose first known sample afterwards is false, stays silent."""
    alarm = drive()
    alarm.true(T)
    alarm.condition(None, T + 1)
    alarm.do(Action.SUPPRESS, T + 2)
    alarm.do(Action.UNSUPPRESS, T + 3)
    assert alarm.false(T + 4) == []
    assert alarm.tick(T + HOUR) == []


@pytest.mark.parametrize("suppressed", [False, True])
def test_a_test_is_announced_and_changes_nothing(drive: Drive, suppressed: bool) -> None:
    """A TEST event carries the state as it is, by whom and why, also during maintenance."""
    alarm = drive()
    if suppressed:
        alarm.do(Action.SUPPRESS, T)
    before = alarm.state
    assert alarm.do(Action.TEST, T + 1, "ann", "loop check") == ["test"]
    event = alarm.events[-1]
    assert (event.kind, event.by, event.reason, event.state) == (EventKind.TEST, "ann", "loop check", before)
    assert alarm.state is before


def test_a_clock_that_goes_back_does_not_hang_a_delay(drive: Drive) -> None:
    """After a step of the clock by a day into the past the delay takes at most its length from then on."""
    alarm = drive(on=10)
    alarm.true(T)
    assert alarm.tick(T - DAY) == []
    assert alarm.tick(T - DAY + 10) == ["raised"]
    assert alarm.state.raised_at <= T - DAY + 10


def test_no_occurrence_lasts_for_less_than_nothing(drive: Drive) -> None:
    """A clock that went back while an alarm stood does not let it end before it began."""
    alarm = drive()
    alarm.true(T)
    alarm.false(T - DAY)
    assert alarm.state.cleared_at >= alarm.state.raised_at


def test_a_step_that_changes_nothing_returns_the_same_state(drive: Drive) -> None:
    """Callers may compare by identity to see whether anything has to be done."""
    alarm = drive()
    before = alarm.state
    alarm.false(T)
    alarm.tick(T)
    assert alarm.state is before


def test_the_engine_obeys_the_table(drive: Drive) -> None:
    """Each state, brought about step by step, answers each trigger as the table says, and else not at all."""
    for state in (*(a.value for a in Annunciation), SUPPRESSED):
        for trigger in Trigger:
            alarm = drive()
            if state != "normal":
                alarm.true(T)
            if state == "acknowledged":
                alarm.do(Action.ACKNOWLEDGE, T)
            if state == "returned-unacknowledged":
                alarm.false(T)
            if state == SUPPRESSED:
                alarm.do(Action.SUPPRESS, T)
            assert shown(alarm.state) == state
            if trigger in {Trigger.HELD, Trigger.GONE}:
                kinds = alarm.condition(trigger is Trigger.HELD, T + 1)
            else:
                kinds = alarm.do(Action(trigger.value), T + 1)
            expected = TRANSITIONS.get((state, trigger))
            if expected is None:
                assert (kinds, shown(alarm.state)) == ([], state), (state, trigger)
            else:
                assert kinds[0] == expected.event.value, (state, trigger)
                if state != SUPPRESSED:  # there the condition is still true and raises at once
                    assert shown(alarm.state) == expected.after, (state, trigger)


def test_the_engine_is_fast_enough_for_every_sample_of_a_thousand_tags() -> None:
    """Two hundred thousand steps a CPU second on a developer's machine; a tenth of it is asked here, for slow boxes."""
    rates = step_rates(20_000)
    assert min(rates.mixed, rates.quiet, rates.standing) > 20_000


def test_a_saved_state_goes_on_where_it_was(drive: Drive) -> None:
    """A state that was saved and read back raises at the same moment as the one that was not."""
    alarm = drive(on=10)
    alarm.true(T)
    saved = AlarmState(**{name: getattr(alarm.state, name) for name in AlarmState.__dataclass_fields__})
    assert step(alarm.definition, saved, Tick(), T + 10)[0] == step(alarm.definition, alarm.state, Tick(), T + 10)[0]

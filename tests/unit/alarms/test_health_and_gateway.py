"""Conditions of models, devices and the gateway itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoptwin.alarms.book import AlarmBook
from shoptwin.alarms.definitions import define
from shoptwin.alarms.gateway import (
    assess_failed,
    certificate_expiring,
    clock_invalid,
    device_conditions,
    device_doubts,
    learning_failed,
    models_rejected,
    part_lost,
    store_corrupt,
    store_full,
)
from shoptwin.alarms.health import health_condition
from shoptwin.alarms.words import confidence, figure
from shoptwin.domain.alarm import Action, Annunciation, Command, Condition
from shoptwin.domain.assessment import Assessment, Verdict
from shoptwin.domain.device import DeviceChange, DeviceHealth
from shoptwin.domain.errors import ModelRejected, StoreCorrupt, StoreFull
from shoptwin.domain.timing import DAY, SECOND

T = 1_800_000_000 * SECOND
ABNORMAL = Assessment(
    "press-3", "health", T, Verdict.ABNORMAL, 1.623, model="vibration@1.0", confidence=0.78,
    evidence=("spindle_vib 4.1 times its usual level", "temp 6 K above what its load explains"), alarm=True,
)  # fmt: skip


def test_an_abnormal_machine_is_told_with_grounds_and_confidence() -> None:
    """The condition says what, how much against which limit, how sure, why, and by which model."""
    condition = health_condition(ABNORMAL)
    assert (condition.alarm, condition.active, condition.value, condition.limit) == (
        "press-3/health.abnormal", True, 1.623, 1.0,
    )  # fmt: skip
    assert condition.text == (
        "health of press-3 is abnormal: score 1.623, alarm at 1 (fairly sure, 78%) · "
        "spindle_vib 4.1 times its usual level; temp 6 K above what its load explains · by vibration@1.0"
    )
    assert condition.evidence == ABNORMAL.evidence


@pytest.mark.parametrize("verdict", [Verdict.NO_DATA, Verdict.UNKNOWN_REGIME])
def test_a_model_that_abstains_leaves_the_alarm_as_it_is(verdict: Verdict) -> None:
    """Not to know is neither normal nor abnormal."""
    condition = health_condition(replace(ABNORMAL, state=verdict, note="spindle_vib is Bad"))
    assert condition.active is None
    assert condition.text == "health of press-3 cannot be told: spindle_vib is Bad"


def test_learning_anew_ends_an_alarm() -> None:
    """A machine that learns anew has no normal to deviate from."""
    condition = health_condition(replace(ABNORMAL, state=Verdict.LEARNING, alarm=False, progress=0.4))
    assert (condition.active, condition.text) == (False, "health of press-3 is being learned, 40% done")


def test_persistence_is_the_assessors() -> None:
    """A single abnormal window whose alarm does not stand yet is not active."""
    assert health_condition(replace(ABNORMAL, alarm=False)).active is False


def test_other_indicators_have_no_alarm_of_their_own() -> None:
    """Handing over the wrong indicator is a mistake of the caller."""
    with pytest.raises(ValueError, match="vibration has no alarm"):
        health_condition(replace(ABNORMAL, indicator="vibration"))


@pytest.mark.parametrize("health", [DeviceHealth.LOST, DeviceHealth.AUTH_FAILED, DeviceHealth.QUARANTINED])
def test_one_alarm_tells_how_a_device_is_wrong(health: DeviceHealth) -> None:
    """Of the three alarms of a device exactly one is true, with the reason; none once it is connected."""
    wrong = device_conditions(DeviceChange("plc1", health, T, "no route to host"))
    (one,) = [c for c in wrong if c.active]
    assert "plc1" in one.text
    assert "no route to host" in one.text
    right = device_conditions(DeviceChange("plc1", DeviceHealth.CONNECTED, T))
    assert {c.alarm for c in right} == {c.alarm for c in wrong}
    assert not any(c.active for c in right)


def test_a_certificate_that_is_not_accepted_has_its_own_checks(machines, devices) -> None:
    """What to check is by the error that a device is lost for, also where that becomes another one."""
    book = AlarmBook(define(machines, devices))
    for cause, reason in (("timeout", "silent"), ("not-trusted", "shows another certificate")):
        book.apply(device_conditions(DeviceChange("plc2", DeviceHealth.LOST, T, reason, cause)), T)
        book.tick(T + 20 * SECOND)
        definition, state = book["_gateway/plc2.not-connected"]
        assert (state.cause, state.text.endswith(reason)) == (cause, True)
        first = definition.advised(state.cause)[0]
        assert ("cable" in first, "certificate" in first) == (cause == "timeout", cause == "not-trusted")
    assert not any("certificate" in line for line in definition.advice)


def test_a_device_that_still_connects_says_nothing() -> None:
    """The start is no loss."""
    assert device_conditions(DeviceChange("plc1", DeviceHealth.CONNECTING, T)) == ()


def test_a_full_store_names_the_file_and_what_is_wrong() -> None:
    """One alarm for all files; a damaged one is not a full one."""
    failures = {"twin.db": StoreFull("No space left", "Free some."), "ledger.db": None}
    wrong = store_full(failures, T)
    assert (wrong.active, wrong.text) == (True, "twin.db: No space left. Free some.")
    assert store_full({"twin.db": None, "ledger.db": StoreCorrupt("x")}, T).active is False


def test_a_damaged_store_stays_on_the_list_until_somebody_saw_it(machines, devices) -> None:
    """The damage is over when it is told; the alarm is returned and unacknowledged."""
    book = AlarmBook(define(machines, devices))
    events = book.apply(store_corrupt("twin.db", "twin.db.corrupt-1", T), T)
    assert [event.kind.value for event in events] == ["raised", "cleared"]
    ((_, state),) = book.standing()
    assert state.annunciation is Annunciation.RETURNED
    assert "twin.db.corrupt-1" in state.text
    book.apply([Command("_gateway/store.corrupt", Action.ACKNOWLEDGE, "ann")], T)
    assert book.standing() == ()


def test_what_the_gateway_tells_of_itself_is_defined(machines, devices) -> None:
    """Each condition names an alarm that exists, is true with a reason and false without."""
    definitions = define(machines, devices)
    true = (
        models_rejected([ModelRejected("vibration@1: wrong hash"), ModelRejected("thermal@1: wrong shape")], T),
        assess_failed("press-3", "division by zero", T),
        clock_invalid(True, T),
        learning_failed("out of memory", T),
        store_full({"twin.db": StoreFull("full")}, T),
    )
    false = (
        models_rejected([], T),
        assess_failed("press-3", None, T),
        clock_invalid(False, T),
        learning_failed(None, T),
        store_full({}, T),
    )
    assert all(c.active for c in true)
    assert not any(c.active for c in false)
    assert [c.alarm for c in true] == [c.alarm for c in false]
    assert {c.alarm for c in true} <= set(definitions)
    assert all(c.text for c in (*true, *false))
    assert true[0].text == "vibration@1: wrong hash; thermal@1: wrong shape"


@pytest.mark.parametrize(
    ("value", "against", "text"),
    [
        (92.34, 90.0, "92.34"),
        (92.3, None, "92.3"),
        (90.0001, 90.0, "90.0001"),
        (1234567.8, 1e6, "1234568"),
        (-3.14159, None, "-3.142"),
        (0.000012345, None, "1.234e-05"),
        (1e300, 0.0, "1e+300"),
        (90.0 + 1.5e-14, 90.0, "90.000000000000014"),
    ],
)
def test_figures_are_short_and_true(value: float, against: float | None, text: str) -> None:
    """Four digits, or as many as it takes to be on the right side of the limit."""
    assert figure(value, against) == text


@pytest.mark.parametrize(
    ("value", "words"),
    [(1, "very sure"), (0.9, "very sure"), (0.75, "fairly sure"), (0.5, "not sure"), (0.1, "a first hint")],
)
def test_confidence_in_words(value: float, words: str) -> None:
    """People are told how sure the gateway is in words."""
    assert confidence(value) == words


def test_a_condition_without_a_time_counts_from_now(machines, devices) -> None:
    """A condition whose source gave no time is taken as of now."""
    book = AlarmBook(define(machines, devices))
    book.apply([Condition("_gateway/model.rejected", True, 0)], T)
    assert book["_gateway/model.rejected"][1].raised_at == T


def test_a_slow_device_and_a_wrong_clock_are_told_in_figures() -> None:
    """More than 5 % of the polls left out, or a clock more than a minute off, is a condition; less is none."""
    late, clock = device_doubts("plc1", 0.25, -90.4, T)
    assert (late.alarm, late.active, late.value) == ("_gateway/plc1.late", True, 25.0)
    assert late.text == "25% of the last polls of plc1 were left out: it is too slow for its period"
    assert (clock.alarm, clock.active) == ("_gateway/plc1.clock-skew", True)
    assert clock.text == "the clock of plc1 is 90 s ahead of the gateway's"
    assert [c.active for c in device_doubts("plc1", 0.05, 60.0, T)] == [False, False]
    assert [c.active for c in device_doubts("plc1", 0.0, None, T)] == [False, False]


def test_a_certificate_is_told_60_days_before_its_end() -> None:
    """The certificate that ends first is told with whose it is, the day and the cure; 60 days and more are enough."""
    ends = {"gateway": T + 61 * DAY, "server": T + 59 * DAY, "user": T - DAY}
    told = certificate_expiring("plc1", ends, T)
    assert (told.alarm, told.active, told.value) == ("_gateway/plc1.certificate-expiring", True, -1.0)
    assert told.text.index("of the user") < told.text.index("of the server")
    assert "of the gateway" not in told.text
    assert "shoptwin trust accept" in told.text
    assert not certificate_expiring("plc1", {"gateway": T + 60 * DAY}, T).active
    assert not certificate_expiring("plc1", {}, T).active


def test_a_part_that_does_not_answer_is_told_by_name() -> None:
    """What does not answer behind a device is named, up to five of it, and counted; nothing is no condition."""
    told = part_lost("plc1", ["unit 7"], T)
    assert (told.alarm, told.active, told.value) == ("_gateway/plc1.part-lost", True, 1.0)
    assert told.text == "plc1 does not reach unit 7: what is read there has no value"
    many = part_lost("plc1", [f"unit {n}" for n in range(1, 9)], T)
    assert (many.value, many.text.count("unit ")) == (8.0, 5)
    assert "unit 5 and 3 more" in many.text
    assert part_lost("plc1", [], T).active is False


def test_one_hiccup_of_a_part_is_no_alarm(machines, devices) -> None:
    """A part must be away for half a minute before it is told, and back for as long before that is over."""
    book = AlarmBook(define(machines, devices))
    for second, silent in ((0, ["unit 7"]), (20, []), (21, ["unit 7"]), (50, ["unit 7"])):
        assert book.apply([part_lost("plc1", silent, T + second * SECOND)], T + second * SECOND) == ()
    (raised,) = book.apply([part_lost("plc1", ["unit 7"], T + 51 * SECOND)], T + 51 * SECOND)
    assert raised.definition.key == "_gateway/plc1.part-lost"
    assert raised.state.raised_at == T + 21 * SECOND

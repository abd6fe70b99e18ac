"""Tags without data, and devices without connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shoptwin.alarms.bad_data import BadData
from shoptwin.domain.quality import StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoptwin.domain.twin import TwinDelta

    Delta = Callable[..., TwinDelta]

NAN = float("nan")
FAILED, TIMEOUT = int(StatusCode.BAD_SENSOR_FAILURE), int(StatusCode.BAD_TIMEOUT)


def test_a_bad_sample_is_told_once_and_its_end_too(table, delta: Delta) -> None:
    """A tag that turns Bad on a connected device, and back, is told once each."""
    judge = BadData(table)
    judge.judge(delta(("p-temp", 1, 20.0)))
    (bad,) = judge.judge(delta(("p-temp", 2, NAN, FAILED), ("p-flow", 2, 5.0)))[:1]
    assert (bad.alarm, bad.active, bad.time) == ("press-3/temp.bad", True, 2)
    assert bad.text == "temp has no usable value: BadSensorFailure"
    assert judge.judge(delta(("p-temp", 3, NAN, FAILED))) == ()
    (good,) = judge.judge(delta(("p-temp", 4, 20.0)))
    assert (good.active, good.text) == (False, "temp has good data again")


def test_the_last_sample_of_a_batch_counts(table, delta: Delta) -> None:
    """A Bad sample that is followed by a Good one in the same batch is not bad data that lasts."""
    judge = BadData(table)
    judge.judge(delta(("p-temp", 1, 20.0)))
    assert judge.judge(delta(("p-temp", 2, NAN, FAILED), ("p-temp", 3, 20.0))) == ()


@pytest.mark.parametrize("status", [StatusCode.BAD_NOT_CONNECTED, StatusCode.BAD_WAITING_FOR_INITIAL_DATA])
def test_what_is_not_connected_is_unknown_and_not_bad(table, delta: Delta, status: StatusCode) -> None:
    """A code that speaks of the connection says nothing about the tag."""
    (unknown,) = BadData(table).judge(delta(("p-temp", 1, NAN, int(status))))
    assert unknown.active is None


def test_tags_of_a_lost_device_are_unknown(table, delta: Delta) -> None:
    """While a device is lost its tags are not called bad one by one, whatever their code; others are."""
    judge = BadData(table)
    judge.judge(delta(("p-temp", 1, 20.0), ("p-count", 1, 1.0)))
    assert judge.device("plc1", False, 2) == ()
    found = judge.judge(delta(("p-temp", 3, NAN, TIMEOUT), ("p-count", 3, NAN, TIMEOUT)))
    assert {c.alarm: c.active for c in found} == {"press-3/temp.bad": None, "press-3/count.bad": True}


def test_a_bad_tag_whose_device_is_lost_afterwards_becomes_unknown(table, delta: Delta) -> None:
    """A timeout that turns out to be a lost device takes the word back, so that the delay stands still."""
    judge = BadData(table)
    judge.judge(delta(("p-temp", 1, NAN, TIMEOUT)))
    (unknown,) = judge.device("plc1", False, 2)
    assert (unknown.alarm, unknown.active, unknown.time) == ("press-3/temp.bad", None, 2)
    assert judge.device("plc1", True, 3) == ()
    (bad,) = judge.judge(delta(("p-temp", 4, NAN, FAILED)))
    assert bad.active is True


@pytest.mark.parametrize("status", [StatusCode.BAD_TIMEOUT, StatusCode.BAD_COMMUNICATION_ERROR])
def test_tags_that_nobody_answers_for_while_a_part_is_lost(table, delta: Delta, status: StatusCode) -> None:
    """While a part of a device is lost, what nobody answers for there is unknown; what a device says itself is not."""
    judge = BadData(table)
    judge.judge(delta(("p-temp", 1, NAN, int(status)), ("p-flow", 1, NAN, FAILED), ("p-count", 1, NAN, TIMEOUT)))
    (unknown,) = judge.parts("plc1", lost=True, now=2)
    assert (unknown.alarm, unknown.active, unknown.time) == ("press-3/temp.bad", None, 2)
    assert judge.parts("plc1", lost=True, now=3) == ()
    assert judge.judge(delta(("p-temp", 4, NAN, int(status)))) == ()
    (failed,) = judge.judge(delta(("p-temp", 5, NAN, FAILED)))
    assert failed.active is True
    judge.judge(delta(("p-temp", 6, NAN, int(status))))
    assert judge.parts("plc1", lost=False, now=7) == ()
    (bad,) = judge.judge(delta(("p-temp", 8, NAN, int(status))))
    assert bad.active is True


def test_a_reload_keeps_that_a_part_is_lost(table, delta: Delta) -> None:
    """After a reload what nobody answers for is still unknown."""
    judge = BadData(table)
    judge.parts("plc1", lost=True, now=1)
    judge.configure(table)
    (unknown,) = judge.judge(delta(("p-temp", 2, NAN, TIMEOUT)))
    assert unknown.active is None


def test_a_reload_keeps_what_was_told_and_what_is_lost(table, machines, delta: Delta) -> None:
    """After a reload the lost device is still lost, and a tag that was bad is not told twice."""
    judge = BadData(table)
    judge.judge(delta(("p-temp", 1, NAN, FAILED)))
    judge.device("plc2", False, 2)
    table.replace(tag for machine in machines for tag in machine.tags)
    judge.configure(table)
    assert judge.judge(delta(("p-temp", 3, NAN, FAILED))) == ()
    (unknown,) = judge.judge(delta(("p-count", 3, NAN, TIMEOUT)))
    assert unknown.active is None


def test_an_empty_batch_says_nothing(table, delta: Delta) -> None:
    """Nothing in, nothing out."""
    assert BadData(table).judge(delta()) == ()

"""Which alarms a configuration has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoptwin.alarms.advice import BY_CONDITION, BY_ROLE, HIGH, LOW, advice
from shoptwin.alarms.definitions import define
from shoptwin.domain.alarm import Priority
from shoptwin.domain.device import Device
from shoptwin.domain.errors import ConfigError
from shoptwin.domain.machine import Machine
from shoptwin.domain.tag import Limits, Role, Tag
from shoptwin.domain.timing import MINUTE, SECOND


def test_every_alarm_that_can_occur_is_defined(machines, devices) -> None:
    """Limits, zones, bad data, health, devices and the gateway itself: each has one key."""
    assert sorted(define(machines, devices)) == sorted([
        "press-3/temp.hihi", "press-3/temp.hi", "press-3/temp.lo", "press-3/temp.lolo", "press-3/temp.bad",
        "press-3/flow.lo", "press-3/flow.bad", "press-3/count.bad", "press-3/health.abnormal",
        "pump-1/vib.zone-c", "pump-1/vib.zone-d", "pump-1/vib.bad", "pump-1/key.bad",
        "pump-1/temp.hi", "pump-1/temp.bad", "pump-1/health.abnormal",
        "_gateway/press-3.assess-failed", "_gateway/pump-1.assess-failed",
        "_gateway/plc1.not-connected", "_gateway/plc1.auth-failed", "_gateway/plc1.quarantined",
        "_gateway/plc1.part-lost", "_gateway/plc1.late", "_gateway/plc1.clock-skew",
        "_gateway/plc1.certificate-expiring",
        "_gateway/plc2.not-connected", "_gateway/plc2.auth-failed", "_gateway/plc2.quarantined",
        "_gateway/plc2.part-lost", "_gateway/plc2.late", "_gateway/plc2.clock-skew",
        "_gateway/plc2.certificate-expiring",
        "_gateway/model.rejected", "_gateway/store.full", "_gateway/store.corrupt", "_gateway/clock.invalid",
        "_gateway/learning.failed",
    ])  # fmt: skip


def test_a_definition_carries_what_its_reader_needs(machines, devices) -> None:
    """Priority, delays, unit and what to check next come with the alarm; key and definition agree."""
    found = define(machines, devices)
    hihi, bad = found["press-3/temp.hihi"], found["press-3/temp.bad"]
    assert (hihi.priority, hihi.on_delay, hihi.off_delay) == (Priority.HIGH, 3 * SECOND, SECOND)
    assert (hihi.tag, hihi.unit, hihi.machine) == ("temp", "degC", "press-3")
    assert "fan" in hihi.advice[0]
    assert (bad.priority, bad.on_delay) == (Priority.LOW, MINUTE)
    assert found["pump-1/vib.zone-d"].priority is Priority.HIGH
    assert found["_gateway/plc1.not-connected"].machine is None
    assert all(key == definition.key for key, definition in found.items())


def test_two_alarms_of_one_name_are_refused() -> None:
    """A machine that is called as the gateway's own place in the topics is refused with the cure."""
    machine = Machine("_gateway", (Tag("t", "plc1", "_gateway", Role.OTHER),))
    with pytest.raises(ConfigError, match="Rename"):
        define([replace(machine), machine], [Device("plc1", "modbus", SECOND)])


def test_every_alarm_says_what_to_check_next() -> None:
    """Whatever the role, each limit, zone and gateway alarm comes with advice, each piece short enough to read."""
    tags = tuple(
        Tag(role.value, role.value, "m", role, "mm/s", limits=Limits(hihi=4, hi=3, lo=2, lolo=1)) for role in Role
    )
    zoned = Tag("zoned", "zoned", "m", Role.VIBRATION, "mm/s")
    found = define([Machine("m", (*tags, zoned), iso20816="group2-rigid")], [Device("plc1", "modbus", SECOND)])
    for definition in found.values():
        assert definition.advice, definition.key
        assert all(0 < len(line) <= 110 for line in definition.advice), definition.key


def test_advice_for_bad_data_is_about_the_sensor_whatever_it_measures() -> None:
    """A tag without data says nothing about what it measures."""
    assert advice("bad", Role.TEMPERATURE) == advice("bad") == BY_CONDITION["bad"]


def test_the_advice_table_holds_no_dead_rows() -> None:
    """Each row of advice is reached by some condition."""
    assert {way for _, way in BY_ROLE} == {HIGH, LOW}
    conditions = {d.condition for d in define([Machine("m")], [Device("d", "x", SECOND)]).values()} | {"bad"}
    assert set(BY_CONDITION) == conditions

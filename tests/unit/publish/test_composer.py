from __future__ import annotations

import json
import math
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoptwin.domain.alarm import AlarmDef, AlarmState
from shoptwin.domain.assessment import Assessment, Remaining, Verdict
from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import ConfigError
from shoptwin.domain.kpi import MachineSummary, TagSummary
from shoptwin.domain.machine import Machine, MachineState
from shoptwin.domain.maintenance import MaintenanceWindow
from shoptwin.domain.message import MessageClass
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.timing import SECOND, iso
from shoptwin.domain.twin import LiveValue, StateChange
from shoptwin.publish import schemas
from shoptwin.publish.composer import Composer
from shoptwin.publish.payloads import DeviceReport

SCHEMAS = {path.stem: json.loads(path.read_text()) for path in schemas.DIRECTORY.glob("*.json")}
CHECK = {name: jsonschema.Draft202012Validator(schema) for name, schema in SCHEMAS.items()}


def read(message):
    """Decode a message as strictly as a stranger would, and hold it against the schema that it names."""

    def no(constant):
        raise AssertionError(f"{constant} is no JSON")

    told = json.loads(message.payload, parse_constant=no)
    name, _, version = told["schema"].removeprefix("shoptwin.").partition("/")
    assert version == "1"
    CHECK[name].validate(told)
    assert told["id"] == message.id
    return told


def health(begin, score=0.4):
    return Assessment(
        "press-3", "vibration", begin, Verdict.LEARNING, score, "vib@1", "00", 3 * SECOND, 0.4, 0.9, ("level rises",)
    )


def test_the_shipped_schemas_are_those_of_the_types():
    """Who changes a payload must run `python -m shoptwin.publish.schemas`, and then look at what he has changed."""
    shipped = {path.name: path.read_text() for path in schemas.DIRECTORY.glob("*.json")}
    assert shipped == schemas.generate()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_a_schema_and_requires_every_field(name):
    """The schemas are valid themselves, and leave no field of ours open."""
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    for definition in SCHEMAS[name]["$defs"].values():
        if "properties" in definition:
            assert definition["required"] == list(definition["properties"])


def test_an_alarm_says_what_how_much_since_when_how_sure_and_what_to_do(composer, event, begin):
    """The alarm's message holds all that the alarm's reader needs; the event bears the same number and time."""
    happened, stands = composer.alarm(event(confidence=0.8, evidence=("1.2 K/min",)), 7)
    told, alarm = read(happened), read(stands)
    assert (happened.kind, stands.kind) == (MessageClass.EVENT, MessageClass.ALARM)
    assert (happened.retain, stands.retain) == (False, True)
    assert (told["type"], told["kind"], told["by"], told["reason"]) == ("alarm", "raised", "anna", "seen")
    assert told["alarm"] == alarm["alarm"]
    assert (told["seq"], alarm["seq"], told["time"], alarm["time"]) == (7, 7, iso(begin), iso(begin))
    assert (alarm["site"], alarm["area"], alarm["line"], alarm["machine"]) == ("plant-1", "hall-2", "line-a", "press-3")
    assert alarm["alarm"] == {
        "id": "spindle_temp.hi", "occurrence": "o-1", "state": "unacknowledged", "active": True, "test": False,
        "priority": "high", "condition": "hi", "tag": "spindle_temp", "value": 83.5, "limit": 80.0, "unit": "degC",
        "text": "Spindle at 83.5 °C", "since": iso(begin - SECOND), "raised_at": iso(begin - SECOND),
        "cleared_at": None, "acknowledged": None, "suppressed": None, "confidence": 0.8, "evidence": ["1.2 K/min"],
        "advice": ["Check the fan", "Check the load"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("transition", "emptied"),
    [
        (("raised", "unacknowledged", ""), False),
        (("acknowledged", "acknowledged", ""), False),
        (("cleared", "returned-unacknowledged", ""), False),
        (("cleared", "normal", ""), True),
        (("acknowledged", "normal", ""), True),
        (("suppressed", "normal", "maintenance"), False),
        (("unsuppressed", "normal", ""), True),
        (("test", "normal", ""), False),
    ],
)
def test_the_topic_is_emptied_once_nothing_stands(composer, event, transition, emptied):
    """Normal and acknowledged: an empty retained payload. Suppressed stays visible; a test is never retained."""
    kind, annunciation, suppressed = transition
    happened, stands = composer.alarm(event(kind, annunciation, suppressed_by=suppressed), 1)
    read(happened)
    assert (stands.payload == b"") == emptied
    assert stands.retain == (kind != "test")
    if not emptied:
        assert read(stands)["alarm"]["suppressed"] == (suppressed or None)


def test_an_acknowledgement_says_who_and_when_and_an_older_one_does_not_count(composer, event, begin):
    """Only this occurrence's acknowledgement is told."""
    seen = event("acknowledged", "acknowledged", acknowledged_by="anna", acknowledged_at=begin)
    assert read(composer.alarm(seen, 1)[1])["alarm"]["acknowledged"] == {"by": "anna", "at": iso(begin)}
    old = event(acknowledged_by="anna", acknowledged_at=begin - 9 * SECOND)
    assert read(composer.alarm(old, 1)[1])["alarm"]["acknowledged"] is None


def test_the_gateways_own_alarm_goes_to_the_gateways_topic(composer, event):
    """An alarm of no machine has no place in the plant but that of its gateway."""
    happened, stands = composer.alarm(event(machine=None), 1)
    assert happened.topic == "shoptwin/v1/plant-1/_gateway/gw-1/event"
    assert stands.topic == "shoptwin/v1/plant-1/_gateway/gw-1/alarm/spindle_temp.hi"
    assert read(stands)["machine"] is None


def test_events_tell_of_machine_states_and_maintenance(composer, begin):
    """The event topic has three types of message, each with its own fields."""
    change = read(composer.machine_state(StateChange("press-3", MachineState.IDLE, MachineState.PRODUCING, begin), 2))
    assert (change["type"], change["before"], change["after"]) == ("machine-state", "idle", "producing")
    window = MaintenanceWindow("press-3", begin, begin + SECOND, "bearing", "anna")
    began = read(composer.maintenance(window, 3))
    assert (began["kind"], began["time"], began["until"]) == ("began", iso(begin), iso(begin + SECOND))
    ended = read(composer.maintenance(window, 4, ended=begin + 5))
    assert (ended["kind"], ended["by"], ended["reason"]) == ("ended", "anna", "bearing")


def test_a_state_keeps_every_digit_and_says_the_quality(composer, machine, begin):
    """A 64-bit counter is an integer, a float32 has its own digits, a Bad value and a waveform are null."""
    waveform = Waveform(np.zeros(4, np.int16), 25_600.0)
    live = [
        LiveValue(0, np.float32(23.1), 0, begin, begin),
        LiveValue(1, 2**64 - 1, 0, begin, begin),
        LiveValue(2, waveform, StatusCode.GOOD, begin, begin),
    ]
    window = MaintenanceWindow("press-3", begin, 0, "key", "key switch")
    message = composer.state(
        "press-3", MachineState.IDLE, zip(machine.tags, live, strict=True), [health(begin)], window, begin
    )
    assert b"18446744073709551615" in message.payload
    told = read(message)
    assert told["tags"]["spindle_temp"] == {"value": 23.1, "unit": "degC", "quality": "Good", "time": iso(begin)}
    assert told["tags"]["parts"]["value"] == 2**64 - 1
    assert told["tags"]["burst"]["value"] is None
    assert told["maintenance"]["until"] is None
    assert told["health"]["vibration"]["progress"] == 0.4
    assert told["health"]["vibration"]["input_age"] == 3.0
    assert told["health"]["vibration"]["index"] is None
    assert told["health"]["vibration"]["remaining"] is None
    assert message.retain
    bad = LiveValue(0, None, StatusCode.BAD_NOT_CONNECTED, 0, begin)
    told = read(composer.state("press-3", MachineState.UNKNOWN, [(machine.tags[0], bad)], (), None, begin))
    assert told["tags"]["spindle_temp"] == {"value": None, "unit": "degC", "quality": "BadNotConnected", "time": None}


def test_a_summary_has_the_figures_by_the_tags_name_and_null_where_there_are_none(composer, begin):
    """NaN becomes null, times in states become seconds, and the interval is told."""
    nan = math.nan
    tags = (
        TagSummary("id-1", "degC", 60, 0.9, 60.0, 61.0, 62.5, 62.0),
        TagSummary("id-2", "", 0, nan, nan, nan, nan, nan),
    )
    figures = MachineSummary("press-3", begin, begin + 60 * SECOND, tags, {MachineState.IDLE: 60 * SECOND})
    told = read(composer.summary(figures, [health(begin, math.inf)], 5))
    assert told["tags"]["spindle_temp"]["max"] == 62.5
    assert told["tags"]["parts"] == {
        "unit": "", "count": 0, "good": 0.0, "min": None, "mean": None, "max": None, "last": None
    }  # fmt: skip
    assert (told["seconds"], told["states"]) == (60.0, {"idle": 60.0})
    assert told["health"]["vibration"]["score"] is None
    assert told["time"] == told["stop"] == iso(begin + 60 * SECOND)


def test_the_gateways_status_says_what_is_wrong(composer, begin):
    """Devices, the outbox and the reasons for being degraded; retained, and offline in the will and the goodbye."""
    devices = [DeviceReport(name="plc1", state="lost", since=iso(begin), reason="no answer")]
    message = composer.status(begin, devices=devices, outbox=12, degraded=["store full"])
    told = read(message)
    assert (told["online"], told["outbox"], told["degraded"]) == (True, 12, ["store full"])
    assert told["devices"][0]["name"] == "plc1"
    assert message.topic == composer.status_topic
    assert message.retain
    assert read(composer.status(begin, online=False, clean=True))["clean"] is True


def test_the_numbers_of_states_grow_beyond_those_of_earlier_starts(composer, machine, begin):
    """State and status count in memory, above what any earlier start can have given."""
    first = [read(composer.state("press-3", MachineState.IDLE, (), (), None, begin))["seq"] for _ in range(3)]
    assert first == [3 * 10**9 + 1, 3 * 10**9 + 2, 3 * 10**9 + 3]
    later = Composer("plant-1", "gw-1", [machine], version="0.1.0", started=begin, start=4)
    assert read(later.state("press-3", MachineState.IDLE, (), (), None, begin))["seq"] > first[-1]


def test_what_a_reload_takes_away_still_has_its_last_words(composer, event, machine, begin):
    """A machine that moved or went is told of on its old topics until they are taken back."""
    old = composer.bases()["press-3"]
    assert composer.configure([]) == {old}
    assert composer.alarm(event("cleared", "normal"), 1)[1].topic.startswith(old)
    gone = composer.retire(old, ["spindle_temp.hi"], begin)
    assert [m.topic for m in gone] == [f"{old}/state", f"{old}/alarm/spindle_temp.hi"]
    assert all(m.retain and not m.payload for m in gone)
    assert composer.configure([machine]) == frozenset()


def test_two_machines_on_one_topic_are_refused(composer):
    """Retained messages of two machines must not overwrite one another."""
    with pytest.raises(ConfigError, match="share"):
        composer.configure([Machine("a", area="-"), Machine("a", area="")])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    number=st.none() | st.floats(),
    confidence=st.floats(),
    text=st.text(st.characters(codec=None), max_size=20),
)
def test_whatever_an_alarm_holds_its_message_is_valid(composer, event, number, confidence, text):
    """NaN, infinity and text that is no text become JSON that fits the schema."""
    odd = event(value=number, limit=number, confidence=confidence, text=text, evidence=(text,))
    for message in composer.alarm(odd, 1):
        read(message)


def test_a_standing_alarm_is_told_again_as_of_its_last_transition(composer, event, begin):
    """The repetition has the time of the transition and is retained; a normal one empties the topic."""
    found = event("acknowledged", "acknowledged", acknowledged_by="anna", acknowledged_at=begin)
    told = read(composer.standing(found.definition, found.state, 9))
    assert (told["time"], told["seq"], told["alarm"]["since"]) == (iso(begin), 9, iso(begin))
    definition = AlarmDef("t.hi", "press-3", "hi")
    assert composer.standing(definition, AlarmState(definition.key), 9).payload == b""


@pytest.mark.parametrize(("high", "told"), [(9.0, 9.0), (math.inf, None)])
def test_the_time_left_is_told_by_the_schema(composer, begin, high, told):
    """Index and time left of a verdict are in the message and fit its schema; what may never come is null."""
    verdict = replace(health(begin), index=61.0, remaining=Remaining(1.0, 4.0, high, 0.8, "wiener"))
    message = read(composer.state("press-3", MachineState.IDLE, (), [verdict], None, begin))
    jsonschema.validate(message, SCHEMAS["state"])
    found = message["health"]["vibration"]
    assert found["index"] == 61.0
    assert found["remaining"] == {"low": 1.0, "middle": 4.0, "high": told, "confidence": 0.8, "model": "wiener"}

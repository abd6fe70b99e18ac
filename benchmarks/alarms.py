"""The alarm engine, and an alarm as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from measure import cpu_each, in_turns
from rows import Row, cheaper, plain

from shoptwin.alarms.bench import step_rates
from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Annunciation, EventKind, Priority
from shoptwin.domain.machine import Machine
from shoptwin.domain.tag import Role, Tag
from shoptwin.domain.timing import SECOND, parse_time
from shoptwin.publish.composer import Composer

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGIN = parse_time("2026-11-22T06:00:00Z")


def rows(*, quick: bool) -> Iterable[Row]:
    """Return rates of the engine, and what a message costs."""
    rates = step_rates(20_000 if quick else 100_000)
    yield plain("alarms: steps of the engine", rates.mixed, "1/CPU s", "over an alarm's whole life")
    yield plain("alarms: steps that change nothing", rates.quiet, "1/CPU s")
    yield plain("alarms: new values of a standing alarm", rates.standing, "1/CPU s")
    yield _encoded(200 if quick else 1000)


def _encoded(times: int) -> Row:
    tag = Tag("press-3-spindle-temp", "spindle_temp", "press-3", Role.TEMPERATURE, "degC")
    machine = Machine("press-3", (tag,), area="hall-2", line="line-a")
    composer = Composer("plant-1", "gw-1", [machine], version="0", started=BEGIN)
    advice = ("Check the fan", "Check the load", "Compare with the other bearing")
    definition = AlarmDef("spindle_temp.hi", "press-3", "hi", Priority.HIGH, tag.id, "degC", advice=advice)
    state = AlarmState(
        definition.key, Annunciation.UNACKNOWLEDGED, condition=True, occurrence="o-1", raised_at=BEGIN - SECOND,
        value=83.5, limit=80.0, worst=84.0, text="spindle_temp 83.5 degC is above hi 80 degC",
    )  # fmt: skip
    event = AlarmEvent(EventKind.RAISED, definition, state, BEGIN)
    payload = msgspec.json.decode(composer.alarm(event, 1)[1].payload)
    mine, other = in_turns(
        lambda: cpu_each(lambda: msgspec.json.encode(payload), 10 * times),
        lambda: cpu_each(lambda: json.dumps(payload).encode(), 10 * times),
    )
    (both,) = in_turns(lambda: cpu_each(lambda: composer.alarm(event, 1), times))
    note = f"json.dumps; composing event and alarm of a transition takes {both:.0f} us"
    return cheaper("alarms: an alarm's payload as JSON", mine, "us CPU", baseline=other, against=note)

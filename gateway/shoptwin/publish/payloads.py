"""What the messages say. The JSON Schemas in `schemas/` are made of these types; the reference page is tested on them.

A float that is NaN or infinite is null in JSON; a 64-bit counter is a JSON integer and loses no digit. Times are ISO
8601 UTC with milliseconds. Fields may be added within a version of a schema; a reader must skip those it does not know.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

# msgspec evaluates the annotations of a Struct, so these are needed at run time.
from shoptwin.domain.alarm import Annunciation, EventKind, Priority
from shoptwin.domain.assessment import Verdict
from shoptwin.domain.machine import MachineState

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Share = Annotated[float, Meta(ge=0, le=1)]
Value = bool | int | float | str | None


class _Message(Struct, kw_only=True, frozen=True, omit_defaults=False):
    """What every message has."""

    schema: str
    id: Annotated[str, Meta(description="Unique; a message that is sent again keeps it.")]
    seq: Annotated[int, Meta(ge=0, description="Grows by one a message of this machine and stream.")]
    time: Annotated[Time, Meta(description="When what is told happened.")]
    site: str
    gateway: str


class _Placed(_Message, kw_only=True, frozen=True):
    """What every message of a machine has; null where an alarm or event is the gateway's own."""

    area: str | None
    line: str | None
    machine: str | None


class Acknowledgement(Struct, kw_only=True, frozen=True):
    """Who has seen an alarm, and when."""

    by: str
    at: Time


class AlarmFacts(Struct, kw_only=True, frozen=True):
    """One alarm as it stands."""

    id: Annotated[str, Meta(description="`<tag>.<condition>`, stable: bind a point of the SCADA to it.")]
    occurrence: Annotated[str, Meta(description="Unique to this time that the alarm was raised.")]
    state: Annunciation
    active: Annotated[bool, Meta(description="Whether the condition stands, acknowledged or not.")]
    test: Annotated[bool, Meta(description="A check of the way to the SCADA; nothing is wrong with the machine.")]
    priority: Priority
    condition: str
    tag: str | None
    value: float | None
    limit: float | None
    unit: str
    text: str
    since: Annotated[Time | None, Meta(description="When it came into this state.")]
    raised_at: Time | None
    cleared_at: Time | None
    acknowledged: Acknowledgement | None
    suppressed: Annotated[str | None, Meta(description="Why the alarm is not announced, null where it is.")]
    confidence: Share
    evidence: tuple[str, ...]
    advice: Annotated[tuple[str, ...], Meta(description="What to check next, in order.")]


class AlarmMessage(_Placed, kw_only=True, frozen=True):
    """Topic `alarm/<id>`, retained while the alarm stands or is not acknowledged; then an empty payload."""

    schema: Literal["shoptwin.alarm/1"] = "shoptwin.alarm/1"
    alarm: AlarmFacts


class AlarmEventMessage(_Placed, kw_only=True, frozen=True, tag_field="type", tag="alarm"):
    """Topic `event`: an alarm went from one state to another."""

    schema: Literal["shoptwin.event/1"] = "shoptwin.event/1"
    kind: EventKind
    by: str
    reason: str
    alarm: AlarmFacts


class StateEventMessage(_Placed, kw_only=True, frozen=True, tag_field="type", tag="machine-state"):
    """Topic `event`: the machine went from one state to another."""

    schema: Literal["shoptwin.event/1"] = "shoptwin.event/1"
    before: MachineState
    after: MachineState


class MaintenanceEventMessage(_Placed, kw_only=True, frozen=True, tag_field="type", tag="maintenance"):
    """Topic `event`: maintenance of the machine began or ended."""

    schema: Literal["shoptwin.event/1"] = "shoptwin.event/1"
    kind: Literal["began", "ended"]
    until: Annotated[Time | None, Meta(description="When it ends by itself; null while the key switch holds it.")]
    by: str
    reason: str


EventMessage = AlarmEventMessage | StateEventMessage | MaintenanceEventMessage


class TagReading(Struct, kw_only=True, frozen=True):
    """A tag now."""

    value: Annotated[Value, Meta(description="null where there is none: Bad quality, or a waveform.")]
    unit: str
    quality: Annotated[str, Meta(description="An OPC UA StatusCode by name: Good, BadNotConnected …")]
    time: Annotated[Time | None, Meta(description="When the device says that it was so.")]


class RemainingReading(Struct, kw_only=True, frozen=True):
    """How long until a machine has to be repaired, as an interval."""

    low: Annotated[float, Meta(ge=0, description="s")]
    middle: Annotated[float, Meta(ge=0, description="s")]
    high: Annotated[float | None, Meta(description="s; null where the trend may never get there.")]
    confidence: Annotated[Share, Meta(description="Chance that the truth lies between `low` and `high`.")]
    model: str


class HypothesisReading(Struct, kw_only=True, frozen=True):
    """What may be behind what moved."""

    fault: Annotated[str, Meta(description="A word of docs/reference/diagnosis.md.")]
    support: Annotated[Share, Meta(description="How much of what that fault would show is seen.")]
    grounds: Annotated[tuple[str, ...], Meta(description="What is seen, the strongest first.")]
    tags: Annotated[tuple[str, ...], Meta(description="Names of the tags that it is seen on.")]


class HealthReading(Struct, kw_only=True, frozen=True):
    """The verdict on one indicator of a machine."""

    state: Verdict
    score: Annotated[float | None, Meta(description="1.0 is the threshold; larger is worse.")]
    alarm: bool
    progress: Annotated[Share, Meta(description="How much of the learning is done.")]
    confidence: Share
    time: Time
    input_age: Annotated[float, Meta(ge=0, description="Age of the oldest value used, s.")]
    model: str
    evidence: tuple[str, ...]
    since: Annotated[Time | None, Meta(description="When what moved began to; null where nothing has.")]
    hypotheses: Annotated[tuple[HypothesisReading, ...], Meta(description="The best supported first.")]
    note: str
    index: Annotated[float | None, Meta(description="Health index, 100 (as learned) to 0; null: cannot be told.")]
    remaining: Annotated[RemainingReading | None, Meta(description="null where there is no trend to tell it by.")]


class MaintenanceReading(Struct, kw_only=True, frozen=True):
    """A maintenance window that is open."""

    since: Time
    until: Time | None
    by: str
    reason: str


class StateMessage(_Placed, kw_only=True, frozen=True):
    """Topic `state`, retained: the machine now."""

    schema: Literal["shoptwin.state/1"] = "shoptwin.state/1"
    state: MachineState
    tags: dict[str, TagReading]
    health: Annotated[dict[str, HealthReading], Meta(description="By indicator: vibration, process, health.")]
    maintenance: MaintenanceReading | None


class TagFigures(Struct, kw_only=True, frozen=True):
    """One tag over an interval; the figures leave out Bad values, and are null where there were no others."""

    unit: str
    count: Annotated[int, Meta(ge=0, description="Samples received, Bad ones too.")]
    good: Annotated[Share, Meta(description="Share of them that were Good.")]
    min: float | None
    mean: float | None
    max: float | None
    last: float | None


class SummaryMessage(_Placed, kw_only=True, frozen=True):
    """Topic `summary`: the figures of a minute or an hour."""

    schema: Literal["shoptwin.summary/1"] = "shoptwin.summary/1"
    start: Time
    stop: Time
    seconds: Annotated[float, Meta(ge=0, description="Length of the interval.")]
    tags: dict[str, TagFigures]
    states: Annotated[dict[MachineState, float], Meta(description="Seconds in each state.")]
    health: dict[str, HealthReading]


class DeviceReport(Struct, kw_only=True, frozen=True):
    """One device as the gateway sees it."""

    name: str
    state: Annotated[str, Meta(description="`connected`, `lost`, `connecting`, `refused` …")]
    since: Time | None
    reason: str


class StatusMessage(_Message, kw_only=True, frozen=True):
    """Topic `status` of a gateway, retained; the broker says `online: false` when it loses the gateway."""

    schema: Literal["shoptwin.status/1"] = "shoptwin.status/1"
    online: bool
    clean: Annotated[bool, Meta(description="Whether an offline gateway said goodbye, or was lost.")]
    version: str
    started: Time
    devices: tuple[DeviceReport, ...]
    outbox: Annotated[int, Meta(ge=0, description="Messages that wait.")]
    degraded: Annotated[tuple[str, ...], Meta(description="What does not work as it should, in words.")]


MESSAGES: dict[str, type[Struct] | object] = {
    "alarm": AlarmMessage,
    "event": EventMessage,
    "state": StateMessage,
    "summary": SummaryMessage,
    "status": StatusMessage,
}
"""Schema by name: each is shipped as `schemas/<name>.json`."""

encode = msgspec.json.Encoder().encode

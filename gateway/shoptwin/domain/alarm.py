"""Alarms by ISA-18.2 / IEC 62682: what goes into the engine, the state it keeps, and the events that come out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Priority(StrEnum):
    """How urgent a response is, the most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Annunciation(StrEnum):
    """The states of the standard's diagram that an alarm takes part in here."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned-unacknowledged"

    @property
    def active(self) -> bool:
        """Whether the alarm stands, acknowledged or not."""
        return self in {Annunciation.UNACKNOWLEDGED, Annunciation.ACKNOWLEDGED}


@dataclass(frozen=True, slots=True)
class AlarmDef:
    """One alarm that can occur. `id` is stable (`<tag>.<condition>`), so that a SCADA can bind a point to it."""

    id: str
    machine: str | None
    """None for an alarm of the gateway itself."""
    condition: str
    """`hihi`, `hi`, `lo`, `lolo`, `zone-c`, `zone-d`, `health`, `not-connected`, `store-full` …"""
    priority: Priority = Priority.MEDIUM
    tag: str | None = None
    unit: str = ""
    on_delay: int = 0
    off_delay: int = 0
    advice: tuple[str, ...] = ()
    """What to check next, in order."""
    by_cause: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What to check instead where the cause is known: the code of an error, and what it asks for."""

    def advised(self, cause: str) -> tuple[str, ...]:
        """Return what to check next of an alarm with this cause."""
        return next((checks for code, checks in self.by_cause if code == cause), self.advice)

    @property
    def key(self) -> str:
        """The id beside the machine's name: unique in the whole gateway, and what states and commands name."""
        return f"{self.machine or '_gateway'}/{self.id}"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is found true of the process now. `active` None: it cannot be told (Bad data), so nothing changes."""

    alarm: str
    """The `key` of the alarm, as in every type below."""
    active: bool | None
    time: int
    value: float | None = None
    limit: float | None = None
    text: str = ""
    confidence: float = 1.0
    evidence: tuple[str, ...] = ()
    cause: str = ""
    """The code of the error that it is from, where it is from one."""


class Action(StrEnum):
    """What a person, or a rule, does to an alarm."""

    ACKNOWLEDGE = "acknowledge"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Command:
    """An action on an alarm: by whom, why."""

    alarm: str
    action: Action
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: delays may have run out."""


@dataclass(frozen=True, slots=True)
class AlarmState:
    """All that is kept of one alarm. Times are ns UTC, 0 for none; survives a restart as it is."""

    alarm: str
    annunciation: Annunciation = Annunciation.NORMAL
    condition: bool = False
    """What the condition last said, before delays."""
    pending_since: int = 0
    """When the condition changed to something that a delay still holds back."""
    occurrence: str = ""
    """The id of this occurrence, new each time the alarm is raised."""
    raised_at: int = 0
    cleared_at: int = 0
    acknowledged_at: int = 0
    acknowledged_by: str = ""
    suppressed_by: str = ""
    """Why the alarm is not announced (`maintenance`), empty where it is."""
    value: float | None = None
    limit: float | None = None
    text: str = ""
    confidence: float = 1.0
    evidence: tuple[str, ...] = ()
    worst: float | None = None
    """The value that was furthest beyond the limit in this occurrence."""
    due: int = 0
    """When the delay that holds the condition back runs out, by the gateway's clock; 0 where none runs."""
    paused: int = 0
    """How long that delay has stood still so far, because the data was Bad (ns)."""
    held_since: int = 0
    """Since when it cannot be told whether the condition is true (Bad data); 0 where it can."""
    cause: str = ""
    """The code of the error that the condition is from (`not-trusted`), where it is from one."""


class EventKind(StrEnum):
    """What happened to an alarm."""

    RAISED = "raised"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One transition, with all that its reader needs. `state` is the alarm after it."""

    kind: EventKind
    definition: AlarmDef
    state: AlarmState
    time: int
    by: str = ""
    reason: str = ""

"""The states of an alarm and what leads from one to another, as data: engine and docs both follow it.

After the state diagram of ISA-18.2-2016 / IEC 62682, without shelving and out of service.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from shoptwin.domain.alarm import AlarmState, Annunciation, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPPRESSED = "suppressed"
"""How a state is called while `suppressed_by` is not empty; its annunciation is then `normal`."""


class Trigger(StrEnum):
    """What an alarm reacts to."""

    HELD = "condition true for the on-delay"
    GONE = "condition false for the off-delay"
    ACKNOWLEDGE = "acknowledge"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    TEST = "test"


class Transition(NamedTuple):
    """What a trigger does in a state."""

    after: str
    event: EventKind


_NORMAL, _UNACKNOWLEDGED, _ACKNOWLEDGED, _RETURNED = Annunciation
STATES = (*(state.value for state in Annunciation), SUPPRESSED)

TRANSITIONS: Mapping[tuple[str, Trigger], Transition] = {
    (_NORMAL, Trigger.HELD): Transition(_UNACKNOWLEDGED, EventKind.RAISED),
    (_RETURNED, Trigger.HELD): Transition(_UNACKNOWLEDGED, EventKind.RAISED),
    (_UNACKNOWLEDGED, Trigger.GONE): Transition(_RETURNED, EventKind.CLEARED),
    (_ACKNOWLEDGED, Trigger.GONE): Transition(_NORMAL, EventKind.CLEARED),
    (_UNACKNOWLEDGED, Trigger.ACKNOWLEDGE): Transition(_ACKNOWLEDGED, EventKind.ACKNOWLEDGED),
    (_RETURNED, Trigger.ACKNOWLEDGE): Transition(_NORMAL, EventKind.ACKNOWLEDGED),
    **{(state, Trigger.SUPPRESS): Transition(SUPPRESSED, EventKind.SUPPRESSED) for state in Annunciation},
    (SUPPRESSED, Trigger.UNSUPPRESS): Transition(_NORMAL, EventKind.UNSUPPRESSED),
    **{(state, Trigger.TEST): Transition(state, EventKind.TEST) for state in STATES},
}
"""What is not in here changes nothing and announces nothing."""


def shown(state: AlarmState) -> str:
    """Name the state as people see it: one of STATES."""
    return SUPPRESSED if state.suppressed_by else state.annunciation.value


def markdown() -> str:
    """Draw the table: one row a state, one column a trigger; in each cell the event and the state after it."""

    def cell(state: str, trigger: Trigger) -> str:
        step = TRANSITIONS.get((state, trigger))
        if step is None:
            return "-"
        return f"**{step.event.value}**" + (f" → {step.after}" if step.after != state else "")

    rows = [["state", *(trigger.value for trigger in Trigger)], ["---"] * (len(Trigger) + 1)]
    rows += [[state, *(cell(state, trigger) for trigger in Trigger)] for state in STATES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"

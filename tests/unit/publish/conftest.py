"""A composer with one machine, and its alarm in any state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Annunciation, EventKind, Priority
from shoptwin.domain.machine import Machine
from shoptwin.domain.tag import Role, Tag
from shoptwin.domain.timing import SECOND, parse_time
from shoptwin.publish.composer import Composer

if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN = parse_time("2026-11-22T06:00:00Z")
TAGS = (
    Tag("id-1", "spindle_temp", "press-3", Role.TEMPERATURE, "degC"),
    Tag("id-2", "parts", "press-3", Role.COUNT),
    Tag("id-3", "burst", "press-3", Role.WAVEFORM, "mm/s"),
)


@pytest.fixture
def begin() -> int:
    """When everything here happens, ns UTC."""
    return BEGIN


@pytest.fixture
def machine() -> Machine:
    """The one machine."""
    return Machine("press-3", TAGS, area="hall-2", line="line-a")


@pytest.fixture
def composer(machine: Machine) -> Composer:
    """The composer of a gateway with that machine, at its third start."""
    return Composer("plant-1", "gw-1", [machine], version="0.1.0", started=BEGIN, start=3)


@pytest.fixture
def event() -> Callable[..., AlarmEvent]:
    """Give a factory of alarm events: `event("raised", "unacknowledged", machine=None, value=…)`."""

    def make(
        kind: str = "raised", annunciation: str = "unacknowledged", *, machine: str | None = "press-3", **state: Any
    ) -> AlarmEvent:
        definition = AlarmDef(
            "spindle_temp.hi", machine, "hi", Priority.HIGH, "id-1", "degC", advice=("Check the fan", "Check the load")
        )
        defaults: dict[str, Any] = {
            "occurrence": "o-1",
            "raised_at": BEGIN - SECOND,
            "value": 83.5,
            "limit": 80.0,
            "text": "Spindle at 83.5 °C",
        }
        full = AlarmState(definition.key, Annunciation(annunciation), **(defaults | state))
        return AlarmEvent(EventKind(kind), definition, full, BEGIN, by="anna", reason="seen")

    return make

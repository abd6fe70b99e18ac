"""Machines, their place in the plant (ISA-95) and the states they are in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin.domain.kinematics import Bearing, Gear
    from shoptwin.domain.tag import Tag


class MachineState(StrEnum):
    """What a machine is doing, as the twin sees it; `unknown` where no tag tells."""

    OFF = "off"
    IDLE = "idle"
    PRODUCING = "producing"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Learning:
    """When a machine's normal operation is learned. Everything before `until` (ns UTC) is normal, where it is given.

    Otherwise learning ends once `span` nanoseconds of good data have been seen.
    """

    until: int | None = None
    span: int = 7 * 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class StateRule:
    """How the state is told from power, in the tag's unit: at or below `off`, below `idle`, else producing."""

    off: float | None = None
    idle: float | None = None
    values: dict[str, MachineState] = field(default_factory=dict)
    """What each value of a tag with the role `state` means: {"0": off, "3": producing}."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. An absent level of the hierarchy is `-`, never empty."""

    name: str
    tags: tuple[Tag, ...] = ()
    area: str = "-"
    line: str = "-"
    iso20816: str | None = None
    false_alarms_per_month: float = 1.0
    learning: Learning = Learning()
    state: StateRule = StateRule()
    maintenance_tag: str | None = None
    """Name of a tag of this machine that is true while the key switch is on maintenance."""
    bearings: tuple[Bearing, ...] = ()
    gears: tuple[Gear, ...] = ()

    def tag(self, name: str) -> Tag:
        """Return the tag of this name; KeyError where there is none."""
        for tag in self.tags:
            if tag.name == name:
                return tag
        raise KeyError(name)

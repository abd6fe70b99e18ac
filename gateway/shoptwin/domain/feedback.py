"""What people say of alarms, and what follows for thresholds: marks, exceedances, moves. Times are ns UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Regime: TypeAlias = tuple[tuple[str, float], ...]
"""What the machine was asked to do: (context, its value at the nearest learned level) each; empty where none tells."""


class Mark(StrEnum):
    """What somebody found of one occurrence of an alarm."""

    TRUE = "true"
    FALSE = "false"
    MAINTENANCE_DONE = "maintenance-done"


@dataclass(frozen=True, slots=True)
class AlarmMark:
    """One mark. A later one of the same occurrence counts instead, and both are kept."""

    time: int
    alarm: str
    """The key of the alarm."""
    occurrence: str
    mark: Mark
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Exceedance:
    """Why an indicator's alarm was raised: in which regime, and how far beyond the threshold."""

    machine: str
    indicator: str
    time: int
    regime: Regime
    level: float
    """The threshold, as a multiple of the learned one, at which it would not have been raised: as many rows as raising
    takes all reached it."""


class MoveKind(StrEnum):
    """Why a threshold moved."""

    FALSE = "false"
    """A false alarm raised it."""
    TRUE = "true"
    """A true alarm took a part of that back."""
    WITHDRAWN = "withdrawn"
    """Another mark of the same occurrence undid what the one before had moved."""
    RESET = "reset"
    """Somebody put all thresholds of the indicator back to what was learned."""
    RELEARN = "relearn"
    """The indicator was learned anew."""

    @property
    def ends(self) -> bool:
        """Whether nothing from before it counts any more."""
        return self in {MoveKind.RESET, MoveKind.RELEARN}


@dataclass(frozen=True, slots=True)
class ThresholdMove:
    """One move of the threshold of one indicator in one regime."""

    time: int
    machine: str
    indicator: str
    kind: MoveKind
    by: str
    regime: Regime = ()
    step: float = 0.0
    """By how much, as a natural logarithm; moves add up."""
    factor: float = 1.0
    """What the threshold was after it, as a multiple of the learned one."""
    occurrence: str = ""
    """The alarm whose mark moved it."""

"""Figures over an interval of time: what a summary message and a rollup hold (ISO 22400 for the times in states)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin.domain.machine import MachineState


@dataclass(frozen=True, slots=True)
class TagSummary:
    """One tag over an interval. The figures are of the values that were not Bad; NaN where there were none."""

    tag: str
    unit: str
    count: int
    """Samples received, Bad ones too."""
    good: float
    """Share of them that were Good, 0 to 1."""
    minimum: float
    mean: float
    maximum: float
    last: float


@dataclass(frozen=True, slots=True)
class MachineSummary:
    """One machine from `start` to `stop` (ns UTC)."""

    machine: str
    start: int
    stop: int
    tags: tuple[TagSummary, ...] = ()
    states: dict[MachineState, int] = field(default_factory=dict)
    """Nanoseconds spent in each state."""

"""The thresholds of all tags as one array: what LimitJudge compares with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.alarms.iso20816 import DEADBAND, SOURCE, velocity_limits, zone_limits
from shoptwin.domain.tag import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag, TagTable

LEVELS = ("hi", "hihi", "lo", "lolo", "zone-c", "zone-d")
"""The conditions, one row each; of one sample the milder is told before the worse."""
SIGN: NDArray[np.float64] = np.array([1.0, 1.0, -1.0, -1.0, 1.0, 1.0])
"""By row: 1 where a value above the threshold is beyond it, -1 where one below it is."""


def conditions(machine: Machine, tag: Tag) -> dict[str, float]:
    """Return the thresholds of a tag by condition, in the tag's unit: its own limits, or else the zones of ISO 20816-3.

    Raises:
        ConfigError: the machine's ISO class does not exist.
    """
    own = {level.value: tag.limits.get(level) for level in Level}
    return {level: value for level, value in own.items() if value is not None} | dict(zone_limits(machine, tag))


def all_limits(machine: Machine) -> tuple[tuple[str, str, float], ...]:
    """Return (tag, condition, threshold) of all tags of a machine, in the tag's unit.

    Of a waveform of acceleration on a machine with an ISO class it is of the RMS velocity, in its unit times seconds.

    Raises:
        ConfigError: the machine's ISO class does not exist.
    """
    found = [(tag.name, name, value) for tag in machine.tags for name, value in conditions(machine, tag).items()]
    found += [(tag.name, name, value) for tag in machine.tags for name, value in velocity_limits(machine, tag).items()]
    return tuple(found)


def key(tag: Tag, condition: str) -> str:
    """Return the key of a tag's alarm."""
    return f"{tag.machine}/{tag.name}.{condition}"


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """Thresholds over all indices of a TagTable; NaN where there is none."""

    enter: NDArray[np.float64]
    """[level, tag], times SIGN: beyond it (greater) the condition becomes true."""
    leave: NDArray[np.float64]
    """[level, tag], times SIGN: at or below it the condition becomes false; lower than `enter` by the deadband."""
    names: tuple[str, ...]
    """By tag: what its keys are made of, to tell a tag that changed from one that stayed."""
    sources: tuple[str, ...]
    """By tag: where its thresholds come from."""

    @classmethod
    def of(cls, table: TagTable, machines: Iterable[Machine]) -> Thresholds:
        """Build them from the configuration."""
        enter = np.full((len(LEVELS), len(table)), np.nan)
        leave = enter.copy()
        names, sources = [""] * len(table), [""] * len(table)
        owners = {machine.name: machine for machine in machines}
        for index, tag in table:
            found = conditions(owners[tag.machine], tag) if tag.machine in owners else {}
            names[index] = key(tag, "")
            sources[index] = tag.limits.source if tag.limits else SOURCE
            for level, threshold in found.items():
                row = LEVELS.index(level)
                deadband = threshold * DEADBAND if level.startswith("zone") else abs(tag.limits.deadband)
                enter[row, index] = threshold * SIGN[row]
                leave[row, index] = threshold * SIGN[row] - deadband
        return cls(enter, leave, tuple(names), tuple(sources))

    def same(self, other: Thresholds) -> NDArray[np.bool_]:
        """Tell, per tag that both know, whether its thresholds and its name are the same in both."""
        n = min(len(self.names), len(other.names))
        ours, theirs = np.stack([self.enter, self.leave])[..., :n], np.stack([other.enter, other.leave])[..., :n]
        equal = ((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))).all(axis=(0, 1))
        renamed = np.array([a != b for a, b in zip(self.names[:n], other.names[:n], strict=True)], bool)
        same: NDArray[np.bool_] = equal & ~renamed
        return same

"""What a machine is doing, told from a state tag, else from power and parts counted (ISO 22400-2 time model).

- A tag with the role `state` decides alone where its values have a meaning: by `StateRule.values`, or because the
  value is a state's own name. A value that the rule does not name is `unknown`; without any rule the others decide.
- Else power against its thresholds: at or below `off` is off, below `idle` is idle, else producing. Without `off`,
  no power at all (<= 0) is off. Without any threshold power above 0 tells nothing, and the count must.
- Else the count: it went up within the last few cycle times -> producing, else idle. Cycle times are learned from the
  count itself. A counter that is reset or wraps around is understood.
- Power and count together: parts that come out prove `producing`, whatever the power (off, once they came out three
  times in a row: a sensor that is stuck must not silence a machine); power that says producing while
  no part has come for much longer than a cycle is `down`: the standard's delay time, malfunction-caused and unplanned,
  as distinct from idle time in which the machine is not asked to work. Before a cycle has been seen it is never said,
  and time at idle or off does not count towards it.
- Where the tag that would decide is Bad, or has not been heard of yet, the state is `unknown`, not the last one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import Role
from shoptwin.domain.timing import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from shoptwin.domain.machine import Machine, StateRule
    from shoptwin.domain.tag import TagTable
    from shoptwin.twin.columns import Columns

PRODUCING_CYCLES = 3
"""A machine still produces when its last part is at most this many cycle times ago."""
DOWN_CYCLES = 10
"""With power on and no part for this many cycle times it is down …"""
DOWN_AT_LEAST = 2 * MINUTE
"""… but not before this."""
PROOFS = 3
"""Times in a row that parts came out of a machine whose power says off, from which that is not believed any more."""
FIRST_PATIENCE = MINUTE
"""How long a part counts as proof before the first cycle time is known."""
_PATIENCE = (10 * SECOND, HOUR)
_LONGEST_STEP = MINUTE
_CYCLES_KEPT = 15
_WORDS = (1 << 16, 1 << 31, 1 << 32)
_NEAR = 1000


def from_value(value: object, rule: StateRule) -> MachineState:
    """Return what a value of the state tag means: 3, 3.0 and "3" are the same, as are True, "true" and 1."""
    for text in _texts(value):
        if text in rule.values:
            return rule.values[text]
    try:
        return MachineState(str(value).strip().lower())
    except ValueError:
        return MachineState.UNKNOWN


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (str(value).lower(), str(value), str(int(value)))
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)), str(value))
    return (str(value), str(value).strip())


def from_power(value: float, rule: StateRule) -> MachineState:
    """Return what power alone tells; `unknown` above 0 where there are no thresholds."""
    if value <= (0.0 if rule.off is None else rule.off):
        return MachineState.OFF
    if rule.idle is not None and value < rule.idle:
        return MachineState.IDLE
    return MachineState.UNKNOWN if rule.off is None and rule.idle is None else MachineState.PRODUCING


def parts_between(before: float, after: float) -> float:
    """Return how many parts a counter went up by: over a wrap of a 16 or 32 bit word, and after a reset, too."""
    if after >= before:
        return after - before
    for word in _WORDS:
        if before < word and (around := word - before + after) <= _NEAR:
            return around
    return max(0.0, after)


class Counting:
    """Watches one counter: how long its last part is ago, and how long a cycle takes."""

    def __init__(self) -> None:
        self.cycle: float | None = None
        """The usual time between two parts in ns, None before two have been seen."""
        self._count: float | None = None
        self._now = 0
        self._since_part: int | None = None
        """None where it is not known, because no part has been seen or the counter was lost since."""
        self._worked = 0
        """How long the machine has worked since its last part."""
        self._cycles: deque[float] = deque(maxlen=_CYCLES_KEPT)
        self._despite = 0
        """Times that parts came out while power said off, since it last said otherwise."""

    def see(self, count: float, now: int, *, working: bool = True, off: bool = False) -> None:
        """Take note of the counter at `now`; called often, also when it stands still.

        `working`: power is on, and not idle; `off`: power says that the machine is off.
        """
        # Time is added up in steps of bounded length, so that a step of the box's clock is not taken for a standstill.
        step = min(max(0, now - self._now), _LONGEST_STEP) if self._now else 0
        self._now = now
        if self._since_part is not None:
            self._since_part += step
        self._worked = self._worked + step if working else 0
        self._despite = self._despite if off else 0
        if self._count is not None and (parts := parts_between(self._count, count)) > 0:
            if self._since_part is not None:
                self._cycles.append(self._since_part / parts)
                self.cycle = float(np.median(self._cycles))
            self._since_part = self._worked = 0
            self._despite += off
        self._count = count

    def lost(self) -> None:
        """Take note that the counter cannot be read: what comes next says nothing about a cycle."""
        self._since_part = None
        self._worked = 0

    def producing(self) -> bool:
        """Tell whether the last part is recent."""
        if self._since_part is None:
            return False
        least, most = _PATIENCE
        patience = FIRST_PATIENCE if self.cycle is None else min(most, max(least, PRODUCING_CYCLES * self.cycle))
        return self._since_part <= patience

    def refutes(self) -> bool:
        """Tell whether parts come out although power says that nothing works."""
        return self._despite >= PROOFS and self.producing()

    def stalled(self) -> bool:
        """Tell whether parts ought to have come and have not, for long."""
        return self.cycle is not None and self._worked > max(DOWN_AT_LEAST, DOWN_CYCLES * self.cycle)


class StateDetector:
    """Tells the state of one machine from its live values. `tags` are the indices that it looks at."""

    def __init__(self, machine: Machine, table: TagTable) -> None:
        self._rule = machine.state
        self._state_tag = self._power = self._count = None
        for index in table.of_machine(machine.name):
            role = table[index].role
            if role is Role.STATE and self._state_tag is None:
                self._state_tag = index
            elif role is Role.POWER and self._power is None:
                self._power = index
            elif role is Role.COUNT and self._count is None:
                self._count = index
        self._counting = Counting()

    @property
    def tags(self) -> tuple[int, ...]:
        """The indices of the tags that the state is told from."""
        return tuple(tag for tag in (self._state_tag, self._power, self._count) if tag is not None)

    def same_as(self, other: StateDetector) -> bool:
        """Tell whether both look at the same tags by the same rule."""
        return (self._rule, self.tags) == (other._rule, other.tags)

    def detect(self, columns: Columns, now: int) -> MachineState:
        """Return the state at `now`, ns UTC of the gateway's clock."""
        power = None if self._power is None else _number(columns, self._power)
        told = MachineState.UNKNOWN if power is None else from_power(power, self._rule)
        counted = self._watch_count(columns, now, told)
        if self._state_tag is not None:
            value = columns.exact(self._state_tag)
            state = MachineState.UNKNOWN if value is None else from_value(value, self._rule)
            if self._rule.values or value is None or state is not MachineState.UNKNOWN:
                return state
        if self._power is not None:
            return MachineState.UNKNOWN if power is None else self._with_count(told, counted=counted)
        if not counted:
            return MachineState.UNKNOWN
        return MachineState.PRODUCING if self._counting.producing() else MachineState.IDLE

    def _watch_count(self, columns: Columns, now: int, told: MachineState) -> bool:
        """Keep up with the counter; tell whether there is one that can be read."""
        count = None if self._count is None else _number(columns, self._count)
        if count is None:
            self._counting.lost()
            return False
        off = told is MachineState.OFF
        self._counting.see(count, now, working=told is not MachineState.IDLE and not off, off=off)
        return True

    def _with_count(self, told: MachineState, *, counted: bool) -> MachineState:
        """Return what power (`told`) and count tell together."""
        if not counted:
            return told
        if told is MachineState.OFF:
            return MachineState.PRODUCING if self._counting.refutes() else told
        if told is MachineState.PRODUCING:
            return MachineState.DOWN if self._counting.stalled() else told
        return MachineState.PRODUCING if self._counting.producing() else MachineState.IDLE


def _number(columns: Columns, tag: int) -> float | None:
    """Return a value as a number, None where it is Bad or not one."""
    value = columns.value.item(tag)
    return None if value != value else value  # noqa: PLR0124 - NaN alone is not itself

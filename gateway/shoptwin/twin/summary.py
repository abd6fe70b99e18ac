"""Figures per machine over a minute or an hour: of each tag, and the time in each state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.kpi import MachineSummary, TagSummary
from shoptwin.domain.machine import MachineState
from shoptwin.domain.quality import is_good

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag, TagTable
    from shoptwin.domain.twin import StateChange, TwinDelta


@dataclass(slots=True)
class _Times:
    """How long one machine has been in each state so far; `since` is 0 until the clock has first been told."""

    state: MachineState = MachineState.UNKNOWN
    since: int = 0
    spent: dict[MachineState, int] = field(default_factory=dict)

    def until(self, now: int) -> None:
        """Put the time up to `now` down to the present state; a clock that was set back adds nothing."""
        if self.since and now > self.since:
            self.spent[self.state] = self.spent.get(self.state, 0) + now - self.since
        self.since = now


class _Columns:
    """Sums of the interval that runs, one slot a tag."""

    def __init__(self, size: int) -> None:
        self.count = np.zeros(size, np.int64)
        self.good = np.zeros(size, np.int64)
        self.usable = np.zeros(size, np.int64)
        self.total = np.zeros(size)
        self.minimum = np.full(size, np.inf)
        self.maximum = np.full(size, -np.inf)
        self.last = np.full(size, np.nan)

    def resized(self, size: int) -> _Columns:
        """Return the columns for a table of another size, with what they hold."""
        new = _Columns(size)
        kept = min(size, len(self.count))
        for name in ("count", "good", "usable", "total", "minimum", "maximum", "last"):
            getattr(new, name)[:kept] = getattr(self, name)[:kept]
        return new

    def summary(self, index: int, tag: Tag) -> TagSummary:
        """Return the figures of one tag."""
        count, usable = int(self.count[index]), int(self.usable[index])
        good = int(self.good[index]) / count if count else 0.0
        if not usable:
            return TagSummary(tag.id, tag.unit, count, good, np.nan, np.nan, np.nan, np.nan)
        low, high = float(self.minimum[index]), float(self.maximum[index])
        mean = min(high, max(low, float(self.total[index]) / usable))  # rounding must not carry it out of its range
        return TagSummary(tag.id, tag.unit, count, good, low, mean, high, float(self.last[index]))


class Summaries:
    """Figures of all machines over intervals of `span` ns, which begin at whole multiples of it (UTC).

    A sample counts in the interval in which it arrives: the clocks of PLCs may be hours off, and what is late is not
    lost. The mean is that of the samples. Times in states are by the gateway's clock.
    """

    def __init__(self, table: TagTable, machines: Sequence[Machine], span: int) -> None:
        self.span = span
        self._start = 0
        self._columns = _Columns(0)
        self._times: dict[str, _Times] = {}
        self.configure(table, machines)

    def configure(self, table: TagTable, machines: Sequence[Machine]) -> None:
        """Take up a configuration; what has been summed of tags and machines that stay is kept."""
        self._tags = {m.name: [(i, table[i]) for i in table.of_machine(m.name)] for m in machines}
        self._columns = self._columns.resized(len(table))
        self._times = {m.name: self._times.get(m.name, _Times()) for m in machines}

    def add(self, delta: TwinDelta) -> None:
        """Take in what was new in a batch, and the changes of state that came with it."""
        tag, columns = delta.tag, self._columns
        size = len(columns.count)
        usable = ~np.isnan(delta.values)
        columns.count += np.bincount(tag, minlength=size)
        columns.good += np.bincount(tag[is_good(delta.status)], minlength=size)
        tag, values = tag[usable], delta.values[usable]
        columns.usable += np.bincount(tag, minlength=size)
        np.add.at(columns.total, tag, values)
        np.minimum.at(columns.minimum, tag, values)
        np.maximum.at(columns.maximum, tag, values)
        columns.last[tag] = values
        for change in delta.states:
            self.add_state(change)

    def add_state(self, change: StateChange) -> None:
        """Take in a change of state that did not come with a delta."""
        if (times := self._times.get(change.machine)) is not None:
            times.until(change.time)
            times.state = change.after

    def due(self, now: int) -> tuple[MachineSummary, ...]:
        """Return the figures of all machines once the interval is over, and begin the next; nothing before that.

        Ask at least once a second. An interval in which nobody asked (the box slept, its clock was set) is not made up.
        """
        start = now - now % self.span
        if start == self._start:
            return ()
        stop, begun = self._start + self.span, self._start
        self._start = start
        if start < begun or not begun:  # the first time, or the clock was set back: go on collecting
            for times in self._times.values():
                times.since = now
            return ()
        summaries = tuple(self._close(name, begun, stop, now) for name in self._tags)
        self._columns = _Columns(len(self._columns.count))
        return summaries

    def _close(self, machine: str, start: int, stop: int, now: int) -> MachineSummary:
        times = self._times[machine]
        times.until(stop)
        spent, times.spent = times.spent, {}
        if now - stop < self.span:
            times.until(now)
        else:
            times.since = now
        figures = tuple(self._columns.summary(index, tag) for index, tag in self._tags[machine])
        return MachineSummary(machine, start, stop, figures, spent)

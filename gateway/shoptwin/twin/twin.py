"""The twin: what is known of every machine now. Bookkeeping on arrays over all tags; no I/O, no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.assessment import Window
from shoptwin.domain.batch import Waveform
from shoptwin.domain.machine import MachineState
from shoptwin.domain.quality import StatusCode, is_good
from shoptwin.domain.timing import SECOND
from shoptwin.domain.twin import LiveValue, StateChange, TwinDelta
from shoptwin.twin.columns import KIND_NUMBER, Columns, numbers
from shoptwin.twin.rows import Rows, but, equal, follow
from shoptwin.twin.states import StateDetector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import TagTable

BEHIND = SECOND
"""A sample that is older than the live one by more than this may be of a clock that was set back …"""
BEHIND_BATCHES = 3
"""… and is taken for it when this many batches in a row have nothing newer."""
_BAD = np.uint32(StatusCode.BAD)
_CODE = np.uint32(0xFFFF_0000)
_LOST = tuple(
    np.uint32(code)
    for code in (StatusCode.BAD_NOT_CONNECTED, StatusCode.BAD_TIMEOUT, StatusCode.BAD_COMMUNICATION_ERROR)
)


@dataclass(slots=True)
class _MachineSlot:
    """What the twin keeps of one machine."""

    tags: NDArray[np.int32]
    detector: StateDetector
    state: MachineState = MachineState.UNKNOWN


class Twin:
    """The latest value of every tag, by arrays; and the state of each machine.

    Which samples are new is told by source time, so long as it is the device's clock that gave both. Hence:
    - what the gateway stamped itself (source time = receive time), and what says that the device is lost, is always
      newest, and after it whatever the device sends is new;
    - the same time and the same value again is no new sample but a confirmation: the value was received just now;
    - a clock that was set back does not silence its tags: after BEHIND_BATCHES batches with nothing newer than BEHIND
      before the live time, its new time line is taken up.
    """

    def __init__(self, table: TagTable, machines: Sequence[Machine]) -> None:
        self.maintenance: set[str] = set()
        """Names of the machines that are in maintenance, told to whoever gets their windows."""
        self._columns = Columns(0)
        self._machines: dict[str, _MachineSlot] = {}
        self._changes: list[StateChange] = []
        self.configure(table, machines)

    def configure(self, table: TagTable, machines: Sequence[Machine]) -> None:
        """Take up a configuration; tags and machines that stay keep their state."""
        self._columns = self._columns.resized(table)
        size = len(table)
        self._last_row = np.zeros(size, np.int64)
        names = dict.fromkeys([machine.name for machine in machines] + [tag.machine for _, tag in table])
        self._names = tuple(names)
        number = {name: i for i, name in enumerate(names)}
        self._machine_of = np.zeros(size, np.int32)
        for index, tag in table:
            self._machine_of[index] = number[tag.machine]
        before, self._machines = self._machines, {}
        self._decides = np.zeros(size, np.bool_)
        for machine in machines:
            slot = _MachineSlot(
                np.asarray(table.of_machine(machine.name), np.int32), StateDetector(machine, table)
            )  # fmt: skip
            if (old := before.get(machine.name)) is not None:
                slot.state = old.state
                if old.detector.same_as(slot.detector):
                    slot.detector = old.detector
            self._machines[machine.name] = slot
            self._decides[list(slot.detector.tags)] = True

    def apply(self, batch: SampleBatch) -> TwinDelta:
        """Take in a batch; return the samples of it that were new. Tags that are not in the table are ignored."""
        rows = self._rows(batch)
        forced, new, confirmed = self._judge(rows, batch)
        columns, tag = self._columns, rows.tag[new]
        # Where a tag occurs more than once the last assignment stands, which is the newest sample.
        columns.value[tag] = rows.value[new]
        columns.bits[tag] = rows.bits[new]
        columns.kind[tag] = KIND_NUMBER[batch.kind]
        columns.status[tag] = rows.status[new]
        columns.source_time[tag] = rows.time[new]
        columns.open[tag] = forced[new]
        columns.behind[tag] = 0
        heard = rows.tag[new | confirmed]
        columns.receive_time[heard] = batch.receive_time
        columns.fresh[heard] = True
        if not batch.kind.numeric:
            self._keep_objects(batch.values, rows, new)
        elif columns.objects:
            for index in tag.tolist():
                columns.objects.pop(index, None)
        return TwinDelta(
            tag, rows.value[new], rows.status[new], rows.time[new],
            self._named(self._machine_of[tag]), self._states_after(heard, batch.receive_time),
            but(confirmed, rows.index, len(batch)),
        )  # fmt: skip

    def snapshot(self) -> TwinDelta:
        """Return all that is live, as if it had just come: for those who must judge it by other rules."""
        columns = self._columns
        tag = np.flatnonzero(columns.tag_known & (columns.receive_time > 0)).astype(np.int32)
        return TwinDelta(tag, columns.value[tag], columns.status[tag], columns.source_time[tag])

    def _rows(self, batch: SampleBatch) -> Rows:
        tag, time = batch.tag, batch.source_time
        inside = (tag >= 0) & (tag < len(self._last_row))
        inside[inside] = self._columns.tag_known[tag[inside]]
        index = np.flatnonzero(inside)
        tag, time = tag[index], time[index]
        here = np.arange(len(index))
        self._last_row[tag] = here
        repeated = bool((self._last_row[tag] != here).any())
        if repeated:
            order = np.lexsort((time, tag))
            index, tag, time = index[order], tag[order], time[order]
        status = batch.status[index]
        value, bits = numbers(batch.kind, batch.values[index], status & _BAD != 0)
        return Rows(tag, value, bits, status, time, index, repeated)

    def _judge(self, rows: Rows, batch: SampleBatch) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Tell per row whether it is newest whatever its time, whether it is new, and whether it only confirms."""
        columns, tag = self._columns, rows.tag
        live = columns.source_time[tag]
        forced = rows.time == batch.receive_time
        if (rows.status & _BAD).any():
            code = rows.status & _CODE
            for lost in _LOST:
                forced |= code == lost
        current = (rows.time >= live) | forced | self._takes_any(rows, live, forced)
        known = (
            (rows.time == live)
            & (rows.status == columns.status[tag])
            & (rows.bits == columns.bits[tag])
            & (columns.kind[tag] == KIND_NUMBER[batch.kind])
            & equal(rows.value, columns.value[tag])
        )
        if rows.repeated:
            follow(rows, forced, current, known)
        return forced, current & ~known, current & known

    def _takes_any(self, rows: Rows, live: NDArray[np.int64], forced: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell per row whether its tag takes whatever comes: it waits, was lost, or its device's clock was set back."""
        columns, tag = self._columns, rows.tag
        late = ~columns.open[tag] & (rows.time < live)
        if not late.any():
            return columns.open[tag]
        behind = ~columns.open[tag] & ~forced & (rows.time < live - BEHIND)
        if rows.repeated:  # the last row of a tag is its newest
            behind[:-1] &= tag[1:] != tag[:-1]
        columns.behind[tag[behind]] += 1
        columns.open[tag] |= columns.behind[tag] >= BEHIND_BATCHES
        return columns.open[tag]

    def _keep_objects(self, values: NDArray[Any], rows: Rows, new: NDArray[np.bool_]) -> None:
        """Keep strings and waveforms, which no array of numbers holds."""
        objects = self._columns.objects
        bad = rows.status & _BAD != 0
        for i in np.flatnonzero(new).tolist():
            if bad[i]:
                objects.pop(int(rows.tag[i]), None)
            else:
                objects[int(rows.tag[i])] = values[rows.index[i]]

    def _named(self, machines: NDArray[np.int32]) -> frozenset[str]:
        hit = np.zeros(len(self._names), np.bool_)
        hit[machines] = True
        return frozenset(self._names[i] for i in np.flatnonzero(hit))

    def _states_after(self, heard: NDArray[np.int32], now: int) -> tuple[StateChange, ...]:
        """Look at the state of each machine of which a deciding tag was heard; return what has changed."""
        for name in self._named(self._machine_of[heard[self._decides[heard]]]):
            self._detect(name, now)
        changes, self._changes = tuple(self._changes), []
        return changes

    def _detect(self, machine: str, now: int) -> MachineState:
        slot = self._machines[machine]
        state = slot.detector.detect(self._columns, now)
        if state is not slot.state:
            self._changes.append(StateChange(machine, slot.state, state, now))
            slot.state = state
        return state

    def tick(self, now: int) -> tuple[StateChange, ...]:
        """Look at states that change by time alone (no part for long), at least once a second where devices send.

        A change that `window` came upon is returned here or in the next delta, whichever is first.
        """
        for name in self._machines:
            self._detect(name, now)
        changes, self._changes = tuple(self._changes), []
        return changes

    def window(self, machine: str, now: int) -> Window:
        """Return all that is known of a machine as of `now`, and begin a new collection of its fresh tags.

        Raises:
            KeyError: there is no such machine.
        """
        tags, columns = self._machines[machine].tags, self._columns
        fresh = self.fresh(machine)
        columns.fresh[tags] = False
        return Window(
            machine=machine,
            now=now,
            state=self._detect(machine, now),
            tag=tags.copy(),
            values=columns.value[tags],
            status=columns.status[tags],
            source_time=columns.source_time[tags],
            receive_time=columns.receive_time[tags],
            waveforms=self._waveforms(tags) if columns.objects else {},
            fresh=fresh,
            maintenance=machine in self.maintenance,
        )

    def _waveforms(self, tags: NDArray[np.int32]) -> dict[int, Waveform]:
        objects = self._columns.objects
        good = is_good(self._columns.status[tags])
        return {
            tag: objects[tag]
            for tag, is_so in zip(tags.tolist(), good, strict=True)
            if is_so and isinstance(objects.get(tag), Waveform)
        }

    def fresh(self, machine: str) -> frozenset[int]:
        """Return the tags of a machine that were heard of since its last window. Raises KeyError as `window`."""
        tags = self._machines[machine].tags
        return frozenset(tags[self._columns.fresh[tags]].tolist())

    def state(self, machine: str) -> MachineState:
        """Return what a machine is doing. Raises KeyError as `window`."""
        return self._machines[machine].state

    def live(self, tag: int) -> LiveValue:
        """Return a tag as it is now; `tag` is an index of the table. Raises IndexError where there is none."""
        columns = self._columns
        return LiveValue(
            tag,
            columns.exact(tag),
            int(columns.status[tag]),
            int(columns.source_time[tag]),
            int(columns.receive_time[tag]),
        )

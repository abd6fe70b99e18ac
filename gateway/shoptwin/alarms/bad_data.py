"""Tags without data: `<tag>.bad` is true while a tag is Bad although its device is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shoptwin.alarms.thresholds import key
from shoptwin.domain.alarm import Condition
from shoptwin.domain.quality import StatusCode, is_bad, name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.domain.tag import TagTable
    from shoptwin.domain.twin import TwinDelta

BAD = "bad"
_FALSE, _TRUE, _UNKNOWN, _UNTOLD = 0, 1, 2, 3
_NOTHING_YET = (StatusCode.BAD_NOT_CONNECTED, StatusCode.BAD_WAITING_FOR_INITIAL_DATA)
"""Codes that speak of the connection, whatever is known of the device."""
_NO_ANSWER = (StatusCode.BAD_TIMEOUT, StatusCode.BAD_COMMUNICATION_ERROR)
"""Codes that speak of it while a part of the device does not answer."""


class BadData:
    """Judges quality. Of a lost device's tags nothing can be told: its own alarm says it once for all of them.

    So it is with those that nobody answers for while a part of their device is lost.
    """

    def __init__(self, table: TagTable) -> None:
        self._lost: set[str] = set()
        self._partly: set[str] = set()
        self._setup(table)

    def configure(self, table: TagTable) -> None:
        """Take on another configuration; a tag that keeps its name is remembered."""
        names, told, unanswered = self._names, self._told, self._unanswered
        self._setup(table)
        for index in range(min(len(names), len(self._names))):
            if names[index] == self._names[index]:
                self._told[index], self._unanswered[index] = told[index], unanswered[index]

    def device(self, device: str, connected: bool, now: int) -> tuple[Condition, ...]:
        """Take note that a device is connected or not; return what can no longer be told because of it."""
        if connected:
            self._lost.discard(device)
        else:
            self._lost.add(device)
        mine = self._of(device)
        self._unreachable[mine] = not connected
        return () if connected else self._doubt(mine, now)

    def parts(self, device: str, *, lost: bool, now: int) -> tuple[Condition, ...]:
        """Take note that a part of a device does not answer, or that all do; return what can no longer be told."""
        if lost == (device in self._partly):
            return ()
        self._partly ^= {device}
        mine = self._of(device)
        self._doubtful[mine] = lost
        return self._doubt(mine & self._unanswered, now) if lost else ()

    def _of(self, device: str) -> NDArray[np.bool_]:
        return np.array([tag == device for tag in self._devices], bool)

    def _doubt(self, which: NDArray[np.bool_], now: int) -> tuple[Condition, ...]:
        """Take back what was told of these tags."""
        doubtful = np.flatnonzero(which & (self._told == _TRUE))
        self._told[doubtful] = _UNKNOWN
        return tuple(self._condition(int(i), _UNKNOWN, now, StatusCode.BAD_NOT_CONNECTED) for i in doubtful)

    def judge(self, delta: TwinDelta) -> tuple[Condition, ...]:
        """Return what changed; the last sample of a tag counts, since the alarm is of bad data that lasts."""
        if not len(delta.tag):
            return ()
        bad = is_bad(delta.status)
        if not bad.any() and not self._told[delta.tag].any():  # the usual batch: all is well and was well
            return ()
        tag, at = np.unique(delta.tag[::-1], return_index=True)
        at = len(delta.tag) - 1 - at
        unanswered = self._unanswered[tag] = np.isin(delta.status[at], _NO_ANSWER)
        silent = self._unreachable[tag] | np.isin(delta.status[at], _NOTHING_YET) | (self._doubtful[tag] & unanswered)
        told = np.where(bad[at], np.where(silent, _UNKNOWN, _TRUE), _FALSE).astype(np.uint8)
        changed = np.flatnonzero((told != self._told[tag]) & self._known[tag])
        self._told[tag] = told
        return tuple(
            self._condition(int(tag[i]), int(told[i]), int(delta.time[at[i]]), int(delta.status[at[i]]))
            for i in changed
        )

    def _setup(self, table: TagTable) -> None:
        self._table = table
        self._names, self._devices = [""] * len(table), [""] * len(table)
        for index, tag in table:
            self._names[index], self._devices[index] = key(tag, BAD), tag.device
        self._known = np.array([bool(n) for n in self._names], bool)
        self._unreachable = np.array([device in self._lost for device in self._devices], bool)
        self._doubtful = np.array([device in self._partly for device in self._devices], bool)
        self._unanswered = np.zeros(len(table), bool)
        self._told = np.full(len(table), _UNTOLD, np.uint8)

    def _condition(self, index: int, told: int, time: int, status: int) -> Condition:
        what = self._table[index].name
        if told == _FALSE:
            return Condition(self._names[index], False, time, text=f"{what} has good data again")
        active = True if told == _TRUE else None
        return Condition(self._names[index], active, time, text=f"{what} has no usable value: {name(status)}")

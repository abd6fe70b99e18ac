"""Which of samples, minutes, hours and days answers a question, and putting it together at the seams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.timing import DAY, HOUR, MINUTE, SECOND
from shoptwin.store import history, rollups
from shoptwin.store.sums import Sums

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from shoptwin.store.recorded import Recorded

_STEPS = (
    *(seconds * SECOND for seconds in (1, 2, 5, 10, 15, 30)), *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 4, 6, 12)), *(days * DAY for days in (1, 2, 7, 14, 28)),
)  # fmt: skip


def step_for(span: int, points: int) -> int:
    """Return the step (ns) that people would take to see `span` ns in at most so many buckets, one more at the edge."""
    least = -(-span // max(points, 1))
    return next((step for step in _STEPS if step >= least), -(-least // _STEPS[-1]) * _STEPS[-1])


def told(tx: sqlite3.Connection, tag: int, start: int, stop: int, step: int) -> Sums:
    """Return a tag's sums over buckets of `step` ns, of all from `start` on and before `stop` (ns UTC).

    Raises:
        DamagedError: a chunk that is needed is damaged.
    """
    length = max((each for each in rollups.TABLES if step % each == 0), default=0)
    if not length or not history.filled(tx):
        return _sampled(tx, tag, start, stop, step)
    kept = _above(history.begins(tx, tag), length)
    begin = _above(start, length) if start >= kept else start // length * length
    # Hours and days are the quicker to read; a minute's row costs more than its samples do.
    end = stop // length * length if length >= HOUR and stop > kept else min(kept, stop)
    if begin >= end:
        return _sampled(tx, tag, start, stop, step)
    rows = rollups.read(tx, tag, begin, end, length)
    parts = [rows.coarser(step // length), _sums(history.waiting(tx, tag, begin, end), step)]
    parts += [_sampled(tx, tag, *edge, step) for edge in ((start, begin), (end, stop)) if edge[0] < edge[1]]
    return Sums.joined(parts)


def _above(time: int, length: int) -> int:
    return -(-time // length) * length


def _sampled(tx: sqlite3.Connection, tag: int, start: int, stop: int, step: int) -> Sums:
    return Sums.joined([_sums(parts, step) for parts in history.stretches(tx, tag, start, stop, arrival=False)])


def _sums(parts: Sequence[Recorded], step: int) -> Sums:
    return Sums.joined([Sums.of(part.tag, part.time, part.values, part.status, step) for part in parts])

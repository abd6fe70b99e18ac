"""Figures of each minute, hour and day of a tag, as plain rows: made when samples are folded, kept longer than they.

A row of a bucket is made whole bit by bit: a fold ends within a minute, and what a device tells belatedly comes days
later. Whichever comes first, the row is that of all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.timing import DAY, HOUR, MINUTE
from shoptwin.store.dropped import Gone
from shoptwin.store.sums import Sums, numbers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sqlite_utils import Database

    from shoptwin.store.recorded import Recorded

TABLES = {MINUTE: "minutes", HOUR: "hours", DAY: "days"}
"""By the length of a bucket, ns; buckets begin at whole multiples of it since 1970 UTC."""
AT_ONCE = 30_000
"""Samples that are summed at once, of some of the tags: 3 MB."""
_MILLISECOND = 1_000_000
_EARLIEST = -(2**63) + DAY
"""A time before it is none, and the bucket that it would lie in has no beginning."""
_TABLE = """
CREATE TABLE {} (
  time INTEGER NOT NULL, tag INTEGER NOT NULL, count INTEGER NOT NULL, good INTEGER NOT NULL, usable INTEGER NOT NULL,
  mean REAL, minimum REAL, maximum REAL, last REAL, last_ms INTEGER NOT NULL, PRIMARY KEY (time, tag)
) WITHOUT ROWID"""
_ADD = """
INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (time, tag) DO UPDATE SET
  count = count + excluded.count, good = good + excluded.good, usable = usable + excluded.usable,
  mean = CASE WHEN usable = 0 THEN excluded.mean WHEN excluded.usable = 0 THEN mean
    ELSE (mean * usable + excluded.mean * excluded.usable) / (usable + excluded.usable) END,
  minimum = min(coalesce(minimum, excluded.minimum), coalesce(excluded.minimum, minimum)),
  maximum = max(coalesce(maximum, excluded.maximum), coalesce(excluded.maximum, maximum)),
  last = CASE WHEN excluded.usable > 0 AND excluded.last_ms >= last_ms THEN excluded.last ELSE last END,
  last_ms = max(last_ms, excluded.last_ms)"""
_READ = """
WITH RECURSIVE bucket(time) AS (
  SELECT min(time) FROM {0} WHERE time >= :start
  UNION ALL SELECT (SELECT min(time) FROM {0} WHERE time > bucket.time) FROM bucket WHERE bucket.time < :stop)
SELECT time, count, good, usable, mean, minimum, maximum, last, last_ms
FROM bucket CROSS JOIN {0} USING (time) WHERE tag = :tag AND time < :stop"""
"""From one bucket in the file to the next: those between may be many, where some clock was years off."""
_NONE_MS = -1


def create(db: Database) -> None:
    """Create the tables; a part of a migration."""
    for table in TABLES.values():
        db.execute(_TABLE.format(table))


def add(tx: sqlite3.Connection, parts: Sequence[Recorded]) -> None:
    """Add samples, in any order, to the figures of their minutes, hours and days."""
    if not parts:
        return
    tag, time, status = (np.concatenate([getattr(part, name) for part in parts]) for name in ("tag", "time", "status"))
    values = np.concatenate([numbers(part.values) for part in parts])
    real = time >= _EARLIEST
    if not real.all():
        tag, time, status, values = (column[real] for column in (tag, time, status, values))
    slices = -(-len(tag) // AT_ONCE)
    for i in range(slices):
        some = slice(None) if slices == 1 else tag % slices == i
        sums = Sums.of(tag[some], time[some], values[some], status[some], MINUTE)
        for length, table in TABLES.items():
            _write(tx, table, length, sums if length == MINUTE else sums.coarser(length // MINUTE))


def read(tx: sqlite3.Connection, tag: int, start: int, stop: int, length: int) -> Sums:
    """Return the sums of a tag's buckets of that length (a key of TABLES) that begin from `start` on, before `stop`."""
    wanted = {"start": max(start, -(2**63)), "stop": min(stop, 2**63 - 1), "tag": tag}
    rows = tx.execute(_READ.format(TABLES[length]), wanted).fetchall()
    if not rows:
        return Sums.nothing()
    time, count, good, usable, mean, minimum, maximum, last_value, ms = zip(*rows, strict=True)
    whole = [np.array(column, np.int64) for column in (time, count, good, usable, ms)]
    real = [np.array(column, np.float64) for column in (mean, minimum, maximum, last_value)]
    some = whole[3] > 0
    return Sums(
        np.full(len(rows), tag), whole[0] // length, whole[1], whole[2], whole[3],
        np.where(some, real[0] * whole[3], 0.0), np.where(some, real[1], np.inf), np.where(some, real[2], -np.inf),
        real[3], whole[0] + whole[4] * _MILLISECOND,
    )  # fmt: skip


def expire(tx: sqlite3.Connection, step: int, earliest: int, cutoff: int, at_once: int) -> Gone:
    """Delete the first buckets from `earliest` on before `cutoff` (ns UTC), about so many rows; return what went."""
    table = TABLES[step]
    sql = f"SELECT time FROM {table} WHERE time >= ? AND time <= ? ORDER BY time LIMIT 1 OFFSET ?"  # noqa: S608 - our own names
    first = tx.execute(sql, (earliest, cutoff - step, 0)).fetchone()
    if first is None:
        return Gone()
    until = tx.execute(sql, (earliest, cutoff - step, at_once)).fetchone()
    last = cutoff - step if until is None else until[0]
    return Gone(rollups=tx.execute(f"DELETE FROM {table} WHERE time >= ? AND time <= ?", (first[0], last)).rowcount)  # noqa: S608 - as above


def _write(tx: sqlite3.Connection, table: str, length: int, sums: Sums) -> None:
    time = sums.bucket * length
    ms = np.where(sums.usable > 0, (sums.newest - time) // _MILLISECOND, _NONE_MS)
    columns = (time, sums.tag, sums.count, sums.good, sums.usable, *sums.figures(), ms)
    order = np.lexsort((sums.tag, time))  # as the rows lie: pages are written once
    tx.executemany(_ADD.format(table), zip(*(column[order].tolist() for column in columns), strict=True))

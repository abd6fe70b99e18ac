"""Samples of files of before, which were rows of a table, into chunks: used once, when such a file is opened."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.text import sound
from shoptwin.store import history
from shoptwin.store.chunk import fold
from shoptwin.store.recorded import KINDS, Recorded, without

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_ROWS = "SELECT tag, time, value, status, kind, server, received, backfill FROM samples ORDER BY rowid"
_TAG, _TIME, _VALUE, _STATUS, _KIND, _SERVER, _RECEIVED, _PAST = range(8)
Row = tuple[Any, ...]
_AT_ONCE = 30_000
"""Rows, which are 15 MB as rows are."""


def fold_rows(tx: sqlite3.Connection) -> None:
    """Write every row of `samples` as part of a chunk, in the order in which they came: retention goes by that."""
    usual, tx.text_factory = tx.text_factory, lambda raw: raw.decode("utf-8", "replace")
    try:
        rows = tx.execute(_ROWS)
        while some := rows.fetchmany(_AT_ONCE):
            some.sort(key=lambda row: row[_TAG])
            runs = (list(run) for _, run in groupby(some, key=lambda row: (row[_TAG], row[_KIND], row[_PAST])))
            history.insert(tx, fold([_recorded(run) for run in runs]))
    finally:
        tx.text_factory = usual


def _recorded(rows: Sequence[Row]) -> Recorded:
    """Return rows of one tag and kind as columns."""
    n, tag, kind = len(rows), rows[0][_TAG], KINDS[rows[0][_KIND]]
    kind = ValueKind.F8 if kind is ValueKind.WAVEFORM else kind
    time, received = (np.fromiter((row[at] for row in rows), np.int64, n) for at in (_TIME, _RECEIVED))
    server = np.fromiter((0 if row[_SERVER] is None else row[_TIME] + row[_SERVER] for row in rows), np.int64, n)
    status = np.fromiter((row[_STATUS] for row in rows), np.uint32, n)
    values = np.empty(n, kind.dtype)
    values[:] = [_value(row[_VALUE], kind) for row in rows]
    values = without(kind, values, is_bad(status))
    past = bool(rows[0][_PAST])
    return Recorded(kind, np.full(n, tag, np.int64), time, server, time + received, status, values, past)


def _value(value: Any, kind: ValueKind) -> Any:  # noqa: ANN401 - whatever SQLite returned
    """Return a value as its kind has it; SQLite has no unsigned numbers, and kept NaN as NULL."""
    if kind is ValueKind.STR:
        # Bytes are what the first files hold of a text that has half a surrogate pair.
        return _text(value) if isinstance(value, bytes) else value
    if value is None:
        return np.nan if kind in {ValueKind.F4, ValueKind.F8} else 0
    return value & 0xFFFF_FFFF_FFFF_FFFF if kind is ValueKind.U8 else value


def _text(raw: bytes) -> str:
    try:
        return sound(raw.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")

"""Between columns in memory and rows in `twin.db`, exactly: what is read is what was taken in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.text import sound
from shoptwin.store.samples_schema import KIND_NUMBER, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch

_NUMERIC = {KIND_NUMBER[kind] for kind in KINDS if kind.numeric}
_FLOATS = {KIND_NUMBER[ValueKind.F4], KIND_NUMBER[ValueKind.F8]}


def sample_rows(batch: SampleBatch, numbers: NDArray[np.int64]) -> list[tuple[Any, ...]]:
    """Return rows (tag, time, value, status, kind, server, received); of waveforms only that one was Bad.

    `numbers` maps a batch's tag index to the number in the file. `server` and `received` are ns after `time`.
    """
    if batch.kind is ValueKind.WAVEFORM:
        batch = select(batch, is_bad(batch.status))
    n = len(batch)
    kind = KIND_NUMBER[batch.kind]
    times = batch.source_time
    server = (batch.server_time - times).tolist()
    for i in np.flatnonzero(batch.server_time == 0).tolist():
        server[i] = None
    received = (np.int64(batch.receive_time) - times).tolist()
    tags, statuses = numbers[batch.tag].tolist(), batch.status.tolist()
    return list(zip(tags, times.tolist(), _values(batch), statuses, [kind] * n, server, received, strict=True))


def select(batch: SampleBatch, rows: NDArray[Any]) -> SampleBatch:
    """Return some rows of a batch, by a mask or by indices."""
    return replace(
        batch,
        tag=batch.tag[rows],
        values=batch.values[rows],
        status=batch.status[rows],
        source_time=batch.source_time[rows],
        server_time=batch.server_time[rows],
    )


def _values(batch: SampleBatch) -> list[Any]:
    """Return values as SQLite keeps them: whole numbers of 64 bits, reals, texts; None where Bad."""
    if batch.kind is ValueKind.STR:
        values: list[Any] = [None if value is None else sound(str(value)) for value in batch.values]
    elif batch.kind is ValueKind.U8:  # SQLite has no unsigned numbers: the same 64 bits, signed
        values = batch.values.astype(np.uint64).view(np.int64).tolist()
    elif batch.kind is ValueKind.BOOL:
        values = batch.values.astype(np.int64).tolist()
    else:
        values = batch.values.tolist()  # NaN becomes NULL by itself
    for i in np.flatnonzero(is_bad(batch.status)).tolist():
        values[i] = None
    return values


def columns(rows: Sequence[tuple[int, Any, int, int]]) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.uint32]]:
    """Return (time, values, status) of rows (time, value, status, kind).

    The dtype of values is that of the one kind that they have. Of several kinds of numbers it is float64 if all are
    floats, else object, as for texts. Where there is no value stands NaN, 0 or None.
    """
    time = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    status = np.fromiter((row[2] for row in rows), np.uint32, len(rows))
    kinds = {row[3] for row in rows if row[1] is not None}
    if not kinds or kinds <= _FLOATS:
        dtype = "f4" if kinds == {KIND_NUMBER[ValueKind.F4]} else "f8"
        numbers = (np.nan if row[1] is None else row[1] for row in rows)
        return time, np.fromiter(numbers, dtype, len(rows)), status
    if len(kinds) == 1 and kinds <= _NUMERIC:
        kind = KINDS[kinds.pop()]
        whole = np.fromiter((row[1] or 0 for row in rows), np.int64, len(rows))
        return time, whole.view(np.uint64) if kind is ValueKind.U8 else whole.astype(kind.dtype), status
    values = np.empty(len(rows), object)
    for i, (_, value, _, kind_number) in enumerate(rows):
        values[i] = None if value is None else _exact(value, KINDS[kind_number])
    return time, values, status


def _exact(value: Any, kind: ValueKind) -> object:  # noqa: ANN401 - whatever SQLite returned
    if kind is ValueKind.STR:
        # Bytes are what files of before hold of a text that has half a surrogate pair.
        return sound(value.decode("utf-8", "surrogatepass")) if isinstance(value, bytes) else value
    if kind is ValueKind.U8:
        return value & 0xFFFF_FFFF_FFFF_FFFF
    return bool(value) if kind is ValueKind.BOOL else value


def waveform_rows(batch: SampleBatch, numbers: NDArray[np.int64]) -> Iterable[tuple[Any, ...]]:
    """Yield rows (tag, time, status, server, received, rate, scale, type, samples) of those that are not Bad."""
    bad = is_bad(batch.status)
    for i, waveform in enumerate(batch.values):
        if bad[i] or not isinstance(waveform, Waveform):
            continue
        form = "i2" if waveform.samples.dtype == np.int16 else "f4"
        time, server = int(batch.source_time[i]), int(batch.server_time[i])
        yield (
            int(numbers[batch.tag[i]]), time, int(batch.status[i]), server - time if server else None,
            batch.receive_time - time, waveform.rate, waveform.scale, form,
            np.ascontiguousarray(waveform.samples, f"<{form}").tobytes(),
        )  # fmt: skip


def waveform(rate: float, scale: float, form: str, samples: bytes) -> Waveform:
    """Return a waveform from its row."""
    return Waveform(np.frombuffer(samples, f"<{form}").astype(form), rate, scale)

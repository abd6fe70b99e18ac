"""The state of every tag in arrays, one slot a tag, in the order of the TagTable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import ValueKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin.domain.tag import TagTable

KINDS = tuple(ValueKind)
KIND_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
_WHOLE = {ValueKind.I8, ValueKind.U8}


class Columns:
    """What is known of each tag now. All arrays have the length of the table; a hole in it has `tag_known` False."""

    def __init__(self, size: int) -> None:
        self.value = np.full(size, np.nan)
        """As float64; NaN where Bad, a string or a waveform."""
        self.bits = np.zeros(size, np.int64)
        """Integers exactly (unsigned ones as the same 64 bits); of a string its hash."""
        self.kind = np.zeros(size, np.uint8)
        self.status = np.full(size, StatusCode.BAD_WAITING_FOR_INITIAL_DATA, np.uint32)
        self.source_time = np.zeros(size, np.int64)
        self.receive_time = np.zeros(size, np.int64)
        self.open = np.ones(size, np.bool_)
        """Whatever the device sends next is new: nothing has come yet, or the live time is not by its clock."""
        self.behind = np.zeros(size, np.uint8)
        """How many batches in a row came with times from well before the live one."""
        self.fresh = np.zeros(size, np.bool_)
        self.tag_known = np.zeros(size, np.bool_)
        self.objects: dict[int, Any] = {}
        """Strings and waveforms, by tag; only those that are not Bad."""

    def resized(self, table: TagTable) -> Columns:
        """Return the columns for a table that was replaced: what stays keeps its state, what went is forgotten."""
        grown = Columns(len(table))
        grown.tag_known[[index for index, _ in table]] = True
        size = min(len(self.value), len(table))
        stays = np.flatnonzero(self.tag_known[:size] & grown.tag_known[:size])
        for name in ("value", "bits", "kind", "status", "source_time", "receive_time", "open", "behind", "fresh"):
            getattr(grown, name)[stays] = getattr(self, name)[stays]
        kept = set(stays.tolist())
        grown.objects = {tag: value for tag, value in self.objects.items() if tag in kept}
        return grown

    def exact(self, tag: int) -> Any:  # noqa: ANN401 - whatever type the device sent
        """Return the value in the type that the device sent, None where it is Bad."""
        if self.status[tag] & np.uint32(StatusCode.BAD):
            return None
        kind = KINDS[self.kind[tag]]
        if kind in _WHOLE:
            whole = int(self.bits[tag])
            return whole & 0xFFFF_FFFF_FFFF_FFFF if kind is ValueKind.U8 else whole
        if kind is ValueKind.BOOL:
            return bool(self.value[tag])
        return float(self.value[tag]) if kind.numeric else self.objects.get(tag)


def numbers(kind: ValueKind, values: NDArray[Any], bad: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return values as float64 [n], NaN where Bad or not a number, and the bits of integers and strings, int64 [n]."""
    bits = np.zeros(len(values), np.int64)
    if not kind.numeric:
        if kind is ValueKind.STR:
            bits[:] = [0 if none else hash(str(value)) for value, none in zip(values, bad.tolist(), strict=True)]
        return np.full(len(values), np.nan), bits
    values = np.ascontiguousarray(values, kind.dtype)
    if kind in _WHOLE:
        bits = np.where(bad, 0, values.view(np.int64))
    value = values.astype(np.float64)
    value[bad] = np.nan
    return value, bits

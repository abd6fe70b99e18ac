"""What a driver's message says of tags, row by row, and the batches that are made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shoptwin.sdk import SampleBatch, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin.sdk import ValueKind
    from shoptwin_mqtt.values import Value, Wish


class Life:
    """A sign of life that tags share: a part of Sparkplug tells what has changed alone, and so speaks for the rest."""

    __slots__ = ("heard", "silenced")

    def __init__(self) -> None:
        self.heard = float("-inf")
        """When there was one, on the loop's clock."""
        self.silenced: list[Want] = []
        """Tags of which silence has been told: what they said last holds again with the next sign."""

    def end(self) -> None:
        """Know of no life any more."""
        self.heard, self.silenced = float("-inf"), []


class Want:
    """One tag that is waited for."""

    __slots__ = ("deadline", "due", "group", "heard", "last", "life", "stale", "sure", "tag", "wish")

    def __init__(self, tag: int, group: str, wish: Wish, stale: float) -> None:
        self.tag = tag
        self.group = group
        self.wish = wish
        self.stale = stale
        """Seconds of silence after which there is no value any more."""
        self.heard = False
        """Whether anything has come."""
        self.deadline = float("inf")
        """When silence is too long, on the loop's clock."""
        self.due = float("inf")
        """When it will be looked at for that."""
        self.life: Life | None = None
        """What speaks for it while it says nothing itself; None: nothing does."""
        self.last: Value | None = None
        """What it said last, where `life` may speak for that; a waveform is of its own moment alone."""
        self.sure = False
        """Whether `last` came live, and nothing that came after it is known to be lost."""

    def unsure(self, time: int = 0) -> list[Row]:
        """Return what makes a last value, Good until now, one that may have changed; nothing where it is not Good."""
        self.sure = False
        if self.last is None or self.last.status != StatusCode.GOOD:
            return []
        self.last = self.last._replace(status=StatusCode.UNCERTAIN_LAST_USABLE_VALUE)
        return [Row(self, self.last, time)]


class Row(NamedTuple):
    """What a message says of one tag."""

    want: Want
    value: Value
    time: int = 0
    """ns UTC, 0 where the payload does not say."""
    past: bool = False
    """Whether it is told as history, which says nothing of now."""


def batches(rows: Iterable[Row]) -> list[SampleBatch]:
    """Return rows as batches, one a group and kind; what is said of one tag keeps its order."""
    done: list[SampleBatch] = []
    columns: dict[tuple[str, ValueKind], list[Row]] = {}
    kinds: dict[int, ValueKind] = {}
    for row in rows:
        tag, kind = row.want.tag, row.value.kind
        if kinds.setdefault(tag, kind) is not kind:
            # A value and, after it, what says that there is none: batches of two kinds would lose which came last.
            done += _batches(columns)
            columns, kinds = {}, {tag: kind}
        columns.setdefault((row.want.group, kind), []).append(row)
    return done + _batches(columns)


def _batches(columns: dict[tuple[str, ValueKind], list[Row]]) -> list[SampleBatch]:
    return [
        SampleBatch.of(
            group,
            kind,
            [row.want.tag for row in rows],
            [row.value.value for row in rows],
            status=[row.value.status for row in rows],
            source_time=np.array([row.time for row in rows], np.int64),
        )
        for (group, kind), rows in columns.items()
    ]

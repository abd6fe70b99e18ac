"""Sensors that do not tell what the machine does: stuck, cut off, sampled otherwise, come loose, replaced.

A model that is given such values finds them normal, or finds the machine at fault. What is usual of each sensor is
learned with the baseline (manifest, `sensors`; see `learn/sensors.py`); here it is held against what comes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.assess.names import CLIPPED, RATE, STATE, Name
from shoptwin.assess.plain import array, plain
from shoptwin.domain.tag import Role
from shoptwin.domain.timing import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from shoptwin.assess.features import Observed
    from shoptwin.assess.learned import Learned
    from shoptwin.assess.track import Judged

    Array = NDArray[np.float64]

GAP = 5.0
"""Usual intervals without a row that are not counted as time in which a value was held."""
_TOO_EARLY = 0.5
"""Of the usual interval."""
RATE_OFF = 0.05
"""Share by which a rate may differ from the learned one before its bands are others; they are 1.7 times as wide."""
CUT_OFF = 0.01
"""Share of a burst's samples at its highest or lowest value, three in a row at least, beyond what was learned."""
_SNAPSHOTS = 5
_ALIKE = 0.25
"""How unlike bands may have grown, as a share of the middle one, to be one gain: a fault shows in some the more."""
_UNMOVED = 0.8
"""Score below which the other tags have not moved."""
_AT_ONCE = 0.7
"""Share of a change of level that comes from one row to the next in a step."""
_STEP = 10.0
"""Usual differences between two rows that a step is at least."""


class Kind(StrEnum):
    """What is wrong with a sensor."""

    STUCK = "stuck"
    """It holds a value for longer than ever, while others move."""
    FROZEN = "frozen"
    """Most or all hold theirs: the machine rests, or the device repeats old values."""
    CLIPPED = "clipped"
    RATE = "rate"
    """It is sampled at another rate than was learned."""
    QUIET = "quiet"
    """It measures less in all bands than ever: it came loose, was moved, or the machine idles."""
    MOVED = "moved"
    """It alone stepped, or all its bands by the same factor: it was replaced or moved, rather than the machine ill."""


ABSTAINS = frozenset({Kind.FROZEN, Kind.RATE, Kind.QUIET})
"""What makes a verdict impossible; the others are worth an alarm, but for MOVED, which only explains one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one sensor."""

    tag: str
    kind: Kind
    since: int
    """ns UTC"""
    words: str


@dataclass(slots=True, eq=False)
class SensorWatch:
    """What is remembered of the sensors of one indicator of one machine, with `names` as its rows have them."""

    names: tuple[str, ...]
    found: tuple[Finding, ...] = ()
    """What was wrong when it was last asked."""
    _last: Array = field(init=False)
    _since: NDArray[np.int64] = field(init=False)
    """Since when each column has held its value, ns UTC; times without rows are taken out."""
    _there: NDArray[np.bool_] = field(init=False)
    _cut: dict[str, deque[float]] = field(default_factory=dict)
    _begun: dict[tuple[str, Kind], int] = field(default_factory=dict)
    _time: int = 0
    _source: int = 0
    _pace: float = 0.0

    def __post_init__(self) -> None:
        self._last = np.full(len(self.names), np.nan)
        self._since = np.zeros(len(self.names), np.int64)
        self._there = np.zeros(len(self.names), np.bool_)

    @property
    def standing(self) -> frozenset[tuple[str, Kind]]:
        """What was wrong with which sensor when it was last asked."""
        return frozenset((finding.tag, finding.kind) for finding in self.found)

    def dump(self) -> dict[str, Any]:
        """Return what must outlast a restart, in what JSON can write."""
        return {
            "last": plain(self._last), "since": self._since.tolist(), "time": self._time, "pace": self._pace,
            "cut": {tag: list(shares) for tag, shares in self._cut.items()},
            "begun": [[tag, kind.value, since] for (tag, kind), since in self._begun.items()],
        }  # fmt: skip

    def load(self, told: Mapping[str, Any]) -> None:
        """Take over what was dumped, all or nothing.

        Raises:
            KeyError, TypeError, ValueError: it was not.
        """
        last, since = (
            array(told["last"], self._last.shape),
            np.array(told["since"], np.int64).reshape(self._since.shape),
        )
        begun = {(str(tag), Kind(kind)): int(began) for tag, kind, began in told["begun"]}
        cut = {str(tag): deque(map(float, shares), maxlen=_SNAPSHOTS) for tag, shares in told["cut"].items()}
        time, pace = int(told["time"]), float(told["pace"])
        self._last, self._since, self._begun, self._cut, self._time, self._pace = last, since, begun, cut, time, pace

    def repeats(self, now: int, source: int) -> bool:
        """Tell whether a row, whose newest value is of `source` (ns UTC), only tells the one before once more.

        A device that is asked less often than it has news may well give the same values with the same times; a row
        that is too early besides was sent twice, and counted twice it would look like certainty.
        """
        again = 0 < source <= self._source and now - self._time < _TOO_EARLY * self._pace
        self._source = max(source, self._source)
        return again

    def observe(self, now: int, x: Array) -> None:
        """Take note of a row [names] of the running machine."""
        elapsed = now - self._time if self._time else 0
        self._pace = self._pace + (elapsed - self._pace) / 4 if self._pace else float(elapsed)
        away = np.isnan(x) | (elapsed > GAP * self._pace)  # a time without a value is no time in which it was held
        self._since[away & (self._since > 0)] += elapsed
        self._time, self._there = now, ~np.isnan(x)
        new = ~np.isnan(x) & (x != self._last)
        self._since[new], self._last[new] = now, x[new]
        for i, name in enumerate(self.names):
            if name.endswith(f":{CLIPPED}") and not np.isnan(x[i]):
                self._cut.setdefault(Name.parse(name).tag, deque(maxlen=_SNAPSHOTS)).append(float(x[i]))

    def screen(self, row: Observed, learned: Learned | None) -> Observed:
        """Return a row without the waveforms that are sampled at another rate than was learned, and say so."""
        rates: Mapping[str, float] = _usual(learned).get("rates", {})
        wrong = {}
        for i, text in enumerate(self.names):
            if text.endswith(f":{RATE}") and (tag := Name.parse(text).tag) in rates and not np.isnan(row.values[i]):
                rate, known = float(row.values[i]), rates[tag]
                if abs(rate - known) > RATE_OFF * known:
                    wrong[tag] = f"is sampled at {rate:.6g} Hz, learned at {known:.6g} Hz: its bands cannot be compared"
        if not wrong:
            return row
        values = row.values.copy()
        values[[text != STATE and Name.parse(text).tag in wrong for text in self.names]] = np.nan
        return replace(row, values=values, missing=row.missing | wrong)

    def findings(
        self, now: int, learned: Learned, judged: Judged | None, recent: Sequence[tuple[int, Array]]
    ) -> tuple[Finding, ...]:
        """Return what is wrong with which sensors now; `recent` are the latest rows [names] with their times."""
        usual = _usual(learned)
        found = [*self._held(now, usual.get("held", {})), *self._clipped(usual.get("clipped", {}))]
        if judged is not None and learned.manifest["kind"] == "vibration":
            found += _bands(learned, judged, usual.get("quiet", {}))
        elif judged is not None:
            found += self._stepped(learned, judged, recent)
        self._begun = {(f[0], f[1]): self._begun.get((f[0], f[1]), f[2] or now) for f in found}
        self.found = tuple(Finding(tag, kind, self._begun[tag, kind], words) for tag, kind, _, words in found)
        return self.found

    def _held(self, now: int, held: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Kind, int, str]]:
        """Tell which values are held for longer than they may be."""
        told = [(i, held[name]) for i, name in enumerate(self.names) if name in held and self._there[i]]
        still = [(i, usual) for i, usual in told if now - self._since[i] > usual["limit"]]
        inside = [(i, u) for i, u in still if u["low"] < self._last[i] < u["high"]]
        if not inside:
            return []
        kind = Kind.STUCK if 2 * len(still) <= len(told) else Kind.FROZEN
        if kind is Kind.FROZEN and len(inside) < len(still):
            return []  # some are at an end of their range, where machines rest
        out = []
        for i, usual in inside:
            name, lasted = Name.parse(self.names[i]), format_duration(int(now - self._since[i]))
            what = "burst" if name.role is Role.WAVEFORM else "value"
            why = (
                "is its sensor stuck?" if kind is Kind.STUCK else "does the machine rest, or the device repeat itself?"
            )
            words = (
                f"{name.tag} has given the very same {what} for {lasted}, "
                f"{format_duration(int(usual['longest']))} at most while learning: {why}"
            )
            out.append((name.tag, kind, int(self._since[i]), words))
        return out

    def _clipped(self, usual: Mapping[str, float]) -> list[tuple[str, Kind, int, str]]:
        out = []
        for tag, shares in self._cut.items():
            share = float(np.median(shares))
            if tag in usual and len(shares) == _SNAPSHOTS and share > usual[tag] + CUT_OFF:
                words = f"{tag} is cut off in {share:.0%} of its samples: beyond its range, or broken"
                out.append((tag, Kind.CLIPPED, 0, words))
        return out

    def _stepped(
        self, learned: Learned, judged: Judged, recent: Sequence[tuple[int, Array]]
    ) -> list[tuple[str, Kind, int, str]]:
        """Tell whether the one tag that is off normal got there from one row to the next."""
        evidence: list[str] = learned.manifest["evidence"]
        at = int(judged.ratio.argmax())
        others = np.delete(judged.ratio, at)
        if judged.ratio[at] < 1 or not len(others) or others.max() > _UNMOVED or evidence[at] not in self.names:
            return []
        name = Name.parse(evidence[at])
        since = self._begun.get((name.tag, Kind.MOVED), 0)
        since = since or _step(recent, self.names.index(evidence[at]))
        words = f"{name.tag} stepped at once, and nothing else did: was its sensor replaced or moved?"
        return [(name.tag, Kind.MOVED, since, words)] if since else []


def cut_off(samples: NDArray[Any]) -> float:
    """Return the share of samples that lie at the highest or lowest value, three or more in a row."""
    if len(samples) < 3 or samples.min() == samples.max():  # noqa: PLR2004 - three in a row
        return 0.0
    share = 0.0
    for end in (samples.max(), samples.min()):
        there = samples == end
        run = there[:-2] & there[1:-1] & there[2:]
        share += float((run.sum() + 2 * (run.any())) / len(samples))
    return share


def _step(recent: Sequence[tuple[int, Array]], column: int) -> int:
    """Return when the latest rows of a column stepped from one level to another, 0 where they did not."""
    told = [(time, float(x[column])) for time, x in recent if not np.isnan(x[column])]
    if len(told) < 2 * _SNAPSHOTS:
        return 0
    values = np.array([value for _, value in told])
    at = int(np.abs(np.diff(values)).argmax()) + 1
    step = abs(float(values[at] - values[at - 1]))
    moved = abs(float(np.median(values[at:]) - np.median(values[:at])))
    usual = float(np.median(np.abs(np.diff(values))))
    return told[at][0] if step >= _AT_ONCE * moved > 0 and moved >= _STEP * usual else 0


def _bands(learned: Learned, judged: Judged, quiet: Mapping[str, float]) -> list[tuple[str, Kind, int, str]]:
    """Tell which waveforms have lost, or gained, by the same factor in all bands."""
    channels: dict[str, list[float]] = {}
    for text, off in zip(learned.manifest["evidence"], judged.lean.tolist(), strict=True):
        channels.setdefault(Name.parse(text).tag, []).append(off)
    out = []
    for tag, off in channels.items():
        if (limit := quiet.get(tag)) is None or not np.isfinite(off).all():
            continue
        middle, factor = float(np.median(off)), float(np.exp(abs(np.median(off)) / 2))
        if middle < -limit:
            words = f"{tag} measures {factor:.1f} times less than normal: is it loose, or does the machine idle?"
            out.append((tag, Kind.QUIET, 0, words))
        elif middle > limit and np.std(off) < _ALIKE * middle:
            words = f"all bands of {tag} grew by the same factor, {factor:.1f}: was its sensor replaced or moved?"
            out.append((tag, Kind.MOVED, 0, words))
    return out


def _usual(learned: Learned | None) -> Mapping[str, Any]:
    """Return what is usual of the sensors; nothing where it was learned before that was kept."""
    return {} if learned is None else learned.manifest.get("sensors", {})

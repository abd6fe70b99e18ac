"""What stands behind a verdict: hypotheses on the machine and its sensors, and since when the first of them showed.

Keeps a little state for each track, made anew with each baseline; verdicts are the baseline's and stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shoptwin.assess import diagnosis, suspects
from shoptwin.assess.against import Against
from shoptwin.assess.names import Name
from shoptwin.assess.sensors import Kind
from shoptwin.domain.assessment import Hypothesis, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin.assess.against import Moved
    from shoptwin.assess.features import Observed
    from shoptwin.assess.learned import Learned
    from shoptwin.assess.track import Track
    from shoptwin.domain.assessment import Assessment

BORNE_OUT = diagnosis.NAMED | suspects.NAMED
"""Faults that are told as hypotheses; of the others the grounds are told alone."""
_FOUND = {Kind.STUCK: "sensor-stuck", Kind.CLIPPED: "sensor-clipped"}
"""What the watch over the sensors has found, by the word of a fault."""
_SURE = 0.9
_MOST = 3
"""Hypotheses that are told."""


@dataclass(slots=True, eq=False)
class _Case:
    """One track's baseline, and the latest rows against it."""

    learned: Learned
    against: Against
    suspects: suspects.Suspects | None


class Diagnostician:
    """Belongs to the worker thread, as the tracks do."""

    def __init__(self) -> None:
        self._cases: dict[tuple[str, str], _Case] = {}
        self._abnormal: dict[tuple[str, str], bool] = {}

    def consider(self, track: Track, row: Observed, verdict: Assessment) -> Assessment:
        """Return the verdict on a row with what may be behind it; the row counts as one of the machine running."""
        case = self._case(track)
        if case is None:
            return verdict
        case.against.take(verdict.time, row.values)
        moved = case.against.moved()
        if case.suspects is None:
            found, quiet = list(diagnosis.vibration(_channels(moved))), []
        else:
            case.suspects.take(row.values[case.against.at])
            found, quiet = [], list(case.suspects.hypotheses())
        quiet += [
            Hypothesis(_FOUND[f.kind], _SURE, (f.words,), (f.tag,)) for f in track.watch.found if f.kind in _FOUND
        ]
        # Whichever indicator has seen it: a grown level of vibration is told by what its spectrum has grown by.
        self._abnormal[track.machine, track.indicator] = verdict.alarm or verdict.state is Verdict.ABNORMAL
        abnormal = any(is_so for (machine, _), is_so in self._abnormal.items() if machine == track.machine)
        told = _named([*(found if abnormal else ()), *quiet])
        if not abnormal and not told:
            return verdict
        begun = [verdict.since, case.against.since(case.against.names) if abnormal else 0]
        since = min((time for time in begun if time), default=0)
        kept = _grounds([*found, *quiet]) if abnormal else ()
        return replace(verdict, hypotheses=told, since=since, evidence=(*verdict.evidence, *kept))

    def forget(self, track: Track) -> None:
        """Let what comes next be the first row: the machine stood still, or was worked on."""
        for kept in (self._cases, self._abnormal):
            kept.pop((track.machine, track.indicator), None)

    def _case(self, track: Track) -> _Case | None:
        learned, key = track.learned, (track.machine, track.indicator)
        if learned is None or not learned.manifest.get("reference"):
            return None
        case = self._cases.get(key)
        if case is None or case.learned is not learned:
            reference = learned.manifest["reference"]
            against = Against(reference, track.names)
            watched = suspects.Suspects(reference, against) if track.indicator == "process" else None
            case = self._cases[key] = _Case(learned, against, watched)
        return case


def _channels(moved: dict[str, Moved]) -> dict[str, dict[str, Moved]]:
    """Return figures by tag and feature."""
    channels: dict[str, dict[str, Moved]] = {}
    for name, one in moved.items():
        parsed = Name.parse(name)
        channels.setdefault(parsed.tag, {})[parsed.feature] = one
    return channels


def _named(found: Iterable[Hypothesis]) -> tuple[Hypothesis, ...]:
    """Return the hypotheses that are told: of faults that held-out machines bear out."""
    return diagnosis.ranked(h for h in found if h.fault in BORNE_OUT)[:_MOST]


def _grounds(found: Iterable[Hypothesis]) -> tuple[str, ...]:
    """Return what is seen of faults that are not named."""
    worth = diagnosis.ranked(h for h in found if h.fault not in BORNE_OUT)
    return tuple(ground for h in worth for ground in h.grounds)

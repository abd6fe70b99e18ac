"""From what a baseline said of a row to an Assessment: the verdict, how sure, in which words, or why it abstains."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from shoptwin.assess import words
from shoptwin.assess.diagnostician import Diagnostician
from shoptwin.assess.features import STALE_INTERVALS
from shoptwin.assess.remarks import remarks
from shoptwin.assess.sensors import ABSTAINS, Kind
from shoptwin.domain.assessment import Assessment, Verdict
from shoptwin.domain.machine import MachineState
from shoptwin.domain.timing import MINUTE, format_duration

if TYPE_CHECKING:
    from shoptwin.assess.features import Features, Observed
    from shoptwin.assess.layout import Layout
    from shoptwin.assess.track import Judged, Track
    from shoptwin.domain.assessment import Window

_MAINTENANCE = "in maintenance: not judged"
_ROWS_FOR_HALF = 50.0
"""Rows learned from at which a verdict is half as sure as one can be."""


class Verdicts:
    """Builds assessments, with what may be behind them; has the way to the feature models' names."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._diagnostician = Diagnostician()

    def of(self, track: Track, layout: Layout, window: Window, row: Observed, progress: float) -> Assessment:
        """Judge one observed row."""
        blank = Assessment(
            track.machine, track.indicator, window.now, Verdict.LEARNING, 0.0,
            input_age=max(window.now - row.oldest, 0), progress=progress, alarm=track.alarm,
        )  # fmt: skip
        if track.learned is not None:
            learned = track.learned
            blank = replace(blank, model=f"{learned.id}@{learned.version}", sha256=learned.sha256, progress=1.0)
        lacking = "; ".join(f"{tag} {why}" for tag, why in row.missing.items())
        if (abstained := self._abstained(blank, track, window, row, lacking)) is not None:
            self._diagnostician.forget(track)
            return abstained
        judged = track.judge(window.now, row.values)
        if judged is None:
            return self._unlearned(blank, track, lacking)
        blank = replace(blank, alarm=track.alarm)
        if judged.state is Verdict.UNKNOWN_REGIME and track.learned is not None:
            self._diagnostician.forget(track)
            where = words.outside(judged.beyond) or words.apart(track.learned)
            note = f"{where}: no verdict on health here; {track.unknown.told(track.learned.manifest['rows'])}"
            return replace(blank, state=judged.state, score=judged.score, note=note)
        verdict = with_sensors(self._judged(blank, track, layout, judged, lacking), track, judged)
        return self._diagnostician.consider(track, row, verdict)

    def _abstained(
        self, blank: Assessment, track: Track, window: Window, row: Observed, lacking: str
    ) -> Assessment | None:
        """Return the verdict where there is nothing to ask the baseline."""
        if window.maintenance:
            return replace(blank, state=Verdict.NO_DATA, note=_MAINTENANCE)
        if window.state is MachineState.OFF and track.learned is None:
            return replace(blank, note=f"learning, {blank.progress:.0%}; the machine is off: nothing to learn from")
        if window.state is MachineState.OFF:
            return replace(blank, state=Verdict.UNKNOWN_REGIME, note="the machine is off: not judged")
        if needed := track.lacking(row.values):
            return replace(blank, state=Verdict.NO_DATA, note=f"needs {words.plain(needed)}: {lacking}")
        return None

    def unchanged(self, track: Track, window: Window, progress: float) -> Assessment:
        """Return the latest verdict while an indicator has no news; after too long there is no data."""
        latest, now = track.latest, window.now
        if window.maintenance:
            blank = latest or Assessment(track.machine, track.indicator, now, Verdict.NO_DATA, 0.0, progress=progress)
            return replace(blank, time=now, state=Verdict.NO_DATA, score=0.0, evidence=(), note=_MAINTENANCE,
                           hypotheses=(), since=0)  # fmt: skip
        if latest is None:
            note = f"{track.indicator}: nothing was received yet"
            return Assessment(track.machine, track.indicator, now, Verdict.LEARNING, 0.0, progress=progress, note=note)
        age = now - latest.time
        pace = track.pace()
        if age > max(STALE_INTERVALS * pace, MINUTE):
            note = f"nothing new for {format_duration(age)}"
            return replace(latest, time=now, state=Verdict.NO_DATA, input_age=latest.input_age + age, note=note)
        return replace(latest, time=now, input_age=latest.input_age + age)

    def _unlearned(self, blank: Assessment, track: Track, lacking: str) -> Assessment:
        if lacking and not track.rows:
            return replace(blank, state=Verdict.NO_DATA, note=lacking)
        note = f"learning, {blank.progress:.0%}"
        if track.learned is not None:
            note = "learned; the first rows to judge are being gathered"
        elif blank.progress >= 1:
            note = track.problem or "learned enough: the baseline is being made"
        return replace(blank, note=f"{note}; {lacking}" if lacking else note)

    def _judged(self, blank: Assessment, track: Track, layout: Layout, judged: Judged, lacking: str) -> Assessment:
        learned = track.learned
        if learned is None:
            return blank
        tags = {tag.name: tag for tag in layout.tags.values()}
        note = remarks(track, lacking)
        if judged.state is Verdict.NO_DATA:
            return replace(blank, state=judged.state, note=f"too little to judge by: {lacking}")
        if track.indicator == "vibration" and self._features.waves is not None:
            rates = {layout.tags[t].name: r for t, r in self._features.rates.items() if t in layout.tags}
            evidence = words.vibration(judged, learned, self._features.waves, rates)
        else:
            evidence = words.process(judged, learned, tags)
        return replace(
            blank, state=judged.state, score=judged.score, note=note, evidence=evidence,
            confidence=_confidence(judged, learned.manifest["rows"]),
        )  # fmt: skip


def with_sensors(verdict: Assessment, track: Track, judged: Judged) -> Assessment:
    """Return a verdict with what is wrong with the sensors: then it is not normal, whatever their values look like.

    A sensor that is stuck or cut off is worth an alarm, as its limits are blind too. Where it cannot be told whether
    the machine or the sensor is another, there is no verdict; what other sensors find abnormal stays so.
    """
    found = track.watch.findings(verdict.time, track.learned, judged, track.recent) if track.learned else ()
    if not found:
        return verdict
    words = tuple(finding.words for finding in found)
    since = min(finding.since for finding in found)
    if any(f.kind not in ABSTAINS and f.kind is not Kind.MOVED for f in found):
        state, alarm = Verdict.ABNORMAL, True
    elif verdict.state is Verdict.NORMAL and any(f.kind in ABSTAINS for f in found):
        note = "; ".join([*([verdict.note] if verdict.note else []), *words])
        return replace(verdict, state=Verdict.NO_DATA, note=note, since=since)
    else:
        state, alarm = verdict.state, verdict.alarm
    score = max(verdict.score, 1.0) if state is Verdict.ABNORMAL else verdict.score
    evidence = (*words, *verdict.evidence) if alarm and not verdict.alarm else (*verdict.evidence, *words)
    return replace(verdict, state=state, alarm=alarm, score=score, evidence=evidence, since=verdict.since or since)


def _confidence(judged: Judged, rows: int) -> float:
    """Return how sure a verdict is: by how much was learned, how much of it is seen, and how far from the threshold."""
    clear = min(abs(math.log(max(judged.score, 1e-3))) / math.log(2), 1.0)
    return round(rows / (rows + _ROWS_FOR_HALF) * judged.known * (0.5 + 0.5 * clear), 3)

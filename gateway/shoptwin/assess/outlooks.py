"""The outlooks of all indicators, kept beside what was learned: `<learned>/<machine>/<indicator>.outlook.json`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from shoptwin.assess.learned import folder, write_atomically
from shoptwin.assess.outlook import Outlook
from shoptwin.domain.assessment import Verdict
from shoptwin.domain.timing import MINUTE

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.assess.track import Judged, Track
    from shoptwin.domain.assessment import Assessment

KEEP_EVERY = 10 * MINUTE
"""Least time between two writes of one file: a memory card wears, and what is lost is a fiftieth of the history."""
JUDGED = frozenset({Verdict.NORMAL, Verdict.ABNORMAL})


class Outlooks:
    """One a track; belongs to the worker thread, as the tracks do."""

    def __init__(self, learned: Path) -> None:
        self._folder = learned
        self._outlooks: dict[tuple[str, str], Outlook] = {}
        self._seen: dict[tuple[str, str], Judged | None] = {}
        self._kept: dict[tuple[str, str], int] = {}

    def of(self, track: Track, verdict: Assessment) -> Assessment:
        """Return the verdict with health index and remaining life; neither is told of what was not judged."""
        if verdict.state not in JUDGED or track.learned is None:
            return unknown(verdict)
        key = track.machine, track.indicator
        outlook = self._outlook(track, track.learned.version)
        if track.judged is not self._seen.get(key):  # where values are held, a block's judgement stands for many rows
            self._seen[key] = track.judged
            if outlook.add(verdict.time, verdict.score) and verdict.time - self._kept.get(key, 0) >= KEEP_EVERY:
                self._kept[key] = verdict.time
                self._keep(track, outlook)
        return replace(verdict, index=outlook.index, remaining=outlook.remaining(verdict.time))

    def look(self, track: Track, *, maintenance: bool) -> None:
        """Begin anew where a machine is in maintenance: what it was like before tells nothing of what it is after."""
        version = track.learned.version if track.learned else ""
        if maintenance and self._outlook(track, version).history.began:
            outlook = self._outlooks[track.machine, track.indicator] = Outlook(version)
            self._keep(track, outlook)

    def _outlook(self, track: Track, version: str) -> Outlook:
        """Return the track's: what is on disk after a restart, a new one where the baseline is another."""
        key = track.machine, track.indicator
        found = self._outlooks.get(key)
        if found is None:
            with suppress(OSError, ValueError, KeyError, TypeError):  # none yet, or damaged: the history begins anew
                found = Outlook.load(json.loads(self._path(track).read_text("utf-8")))
        if found is None or found.version != version:
            found = Outlook(version)
            self._kept.pop(key, None)
        self._outlooks[key] = found
        return found

    def _keep(self, track: Track, outlook: Outlook) -> None:
        try:
            write_atomically(self._path(track), json.dumps(outlook.dump()).encode())
        except OSError as e:
            track.problem = f"{self._folder} cannot be written ({e.strerror}): after a restart the trend is told anew"

    def _path(self, track: Track) -> Path:
        return folder(self._folder, track.machine) / f"{track.indicator}.outlook.json"


def unknown(verdict: Assessment) -> Assessment:
    """Return a verdict that says neither index nor remaining life."""
    return replace(verdict, index=None, remaining=None)


def told(verdict: Assessment) -> Assessment:
    """Return a verdict without what it said of the outlook when it was judged, where it no longer is."""
    return verdict if verdict.state in JUDGED else unknown(verdict)

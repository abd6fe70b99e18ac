"""What an indicator knows beside its baseline, kept over restarts: `<learned>/<machine>/<indicator>.memory.json`.

Without it a restart would begin the averages anew, so that a slow drift clears and is raised again hours later, a stuck
sensor is well until it has been stuck for as long again, and a regime is counted from nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shoptwin.assess.learned import folder, write_atomically
from shoptwin.assess.plain import array, plain
from shoptwin.assess.unknown import Unknown
from shoptwin.domain.timing import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from shoptwin.assess.track import Track

KEEP_EVERY = 10 * MINUTE
"""Time between two writes of one file, where nothing is raised or clears: a memory card wears."""


class Memories:
    """Of all indicators; belongs to the worker thread, as the tracks do."""

    def __init__(self, learned: Path) -> None:
        self._folder = learned
        self._kept: dict[tuple[str, str], tuple[int, object]] = {}

    def recall(self, track: Track) -> None:
        """Let a new track go on where the one before a restart was, if it has the same baseline and tags."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # none yet, or damaged: it begins anew
            told = json.loads(self._path(track).read_text("utf-8"))
            if told["version"] == track.pointer.version and tuple(told["names"]) == track.names:
                _load(track, told)

    def keep(self, tracks: Iterable[Track], now: int, *, every: int = KEEP_EVERY) -> None:
        """Write what has to be kept: after `every` ns, and at once where an alarm or a finding came or went."""
        for track in tracks:
            key, stands = (track.machine, track.indicator), (track.alarm, track.watch.standing)
            last, before = self._kept.get(key, (0, None))
            if track.running is None or (abs(now - last) < every and stands == before):
                continue
            self._kept[key] = now, stands
            try:
                write_atomically(self._path(track), json.dumps(_dump(track)).encode())
            except OSError as e:
                track.problem = f"{self._folder} cannot be written ({e.strerror}): after a restart averages begin anew"

    def _path(self, track: Track) -> Path:
        return folder(self._folder, track.machine) / f"{track.indicator}.memory.json"


def _dump(track: Track) -> dict[str, Any]:
    state = track.running[1] if track.running else {}
    return {
        "version": track.pointer.version, "names": list(track.names),
        "state": {name: plain(values) for name, values in state.items()},
        "against": track.against, "since": track.since,
        "sensors": track.watch.dump(), "unknown": track.unknown.dump(),
    }  # fmt: skip


def _load(track: Track, told: dict[str, Any]) -> None:
    """Take over what was dumped, all or nothing. Raises KeyError, TypeError, ValueError."""
    if track.running is None:
        return
    learned, before, at = track.running
    state = {name: array(told["state"][name], values.shape) for name, values in before.items()}
    against, since, unknown = int(told["against"]), int(told["since"]), Unknown.load(told["unknown"])
    track.watch.load(told["sensors"])
    track.running, track.against, track.since, track.unknown = (learned, state, at), against, since, unknown

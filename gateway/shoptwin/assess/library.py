"""What was learned, on disk, and what of it each track judges by: put into use, begun anew, gone back to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from shoptwin.assess import learned as files
from shoptwin.assess.learned import Pointer
from shoptwin.assess.versions import earlier, listing, use
from shoptwin.domain.errors import ModelError, ModelRejected

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.assess.shelf import ModelShelf
    from shoptwin.assess.track import Track
    from shoptwin.assess.versions import Version


class Library:
    """The folder of learned baselines; belongs to the worker thread, as the tracks do."""

    def __init__(self, folder: Path, models: ModelShelf | None) -> None:
        self._folder = folder
        self._models = models

    def pointer(self, machine: str, indicator: str) -> Pointer:
        """Return what of an indicator is in use."""
        return files.read_pointer(self._folder, machine, indicator)

    def adopt(self, track: Track) -> None:
        """Let a track judge by what is in use on disk, in one step.

        Raises:
            ModelRejected: hash, shape or inputs are wrong; what the track judged by before stays.
        """
        pointer = self.pointer(track.machine, track.indicator)
        if pointer.since < track.pointer.since:  # learned from what has been forgotten while it was
            self.point(track, track.pointer)
            return
        if track.learned is not None and track.learned.version == pointer.version:
            return
        if self._models is None or self._models.unavailable:
            return
        try:
            baseline = files.load(self._folder, track.machine, track.indicator)
            if baseline is not None and (strange := set(baseline.names) - set(track.names)):
                raise ModelRejected(
                    f"what was learned of {track.machine} needs {', '.join(sorted(strange))}",
                    "The tags have changed: learning starts anew",
                )
        except ModelError as e:
            track.problem, track.tried = str(e), 0
            raise
        track.swap(baseline)
        track.pointer = pointer

    def point(self, track: Track, pointer: Pointer) -> None:
        """Keep from when a track is learned from; a disk that does not take it stops neither learning nor judging."""
        track.pointer = pointer
        try:
            files.write_pointer(self._folder, track.machine, track.indicator, pointer)
        except OSError as e:
            track.problem = f"{self._folder} cannot be written ({e.strerror}): after a restart learning begins anew"

    def forget(self, track: Track, since: int) -> None:
        """Start a track anew: nothing from before `since` (ns UTC) is learned from. Kept across restarts."""
        track.swap(None)
        track.recent = deque(maxlen=track.recent.maxlen)
        track.rows, track.tried, track.first, track.alarm, track.against = 0, 0, since, False, 0
        track.latest, track.problem = None, ""
        self.point(track, Pointer("", since))

    def versions(self, track: Track) -> list[Version]:
        """Return the baselines of a track that are on disk, oldest first."""
        return listing(self._folder, track.machine, track.indicator)

    def roll_back(self, track: Track, version: str = "") -> None:
        """Let a track judge by another baseline that is on disk, the one before where none is named.

        Raises:
            ModelError: there is none, it cannot be used, or the disk does not take it: what was in use stays in use.
        """
        before, problem = self.pointer(track.machine, track.indicator), track.problem
        try:
            wanted = version or earlier(self._folder, track.machine, track.indicator)
            use(self._folder, track.machine, track.indicator, wanted)
            self.adopt(track)
        except OSError as e:
            raise ModelError(f"{self._folder} cannot be written ({e.strerror})", "Look at the disk") from e
        except ModelError:
            self.point(track, before)
            track.problem = problem
            raise

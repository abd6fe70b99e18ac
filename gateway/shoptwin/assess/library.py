"""What was learned, on disk, and what of it each track judges by: put into use, begun anew, gone back to.

The daemon alone says what is in use; the learning process only adds versions.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from shoptwin.assess import learned as files
from shoptwin.assess.learned import Pointer
from shoptwin.assess.versions import check, earlier, listing
from shoptwin.domain.errors import ModelRejected

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.assess.learned import Learned
    from shoptwin.assess.shelf import ModelShelf
    from shoptwin.assess.track import Track
    from shoptwin.assess.versions import Version


class Library:
    """The folder of learned baselines; belongs to the worker thread, as the tracks do."""

    def __init__(self, folder: Path, models: ModelShelf | None) -> None:
        self._folder = folder
        self._models = models

    def resume(self, track: Track) -> None:
        """Let a new track go on where the one before a restart was.

        Raises:
            ModelRejected: what was in use cannot be used: it is learned anew.
        """
        track.pointer = files.read_pointer(self._folder, track.machine, track.indicator)
        if track.pointer.version and self._models is not None and not self._models.unavailable:
            track.swap(self._load(track, track.pointer.version))

    def use(self, track: Track, version: str, *, chosen: bool = False) -> None:
        """Let a track judge by a version on disk from now on, in one step; `chosen`: somebody asked for just this one.

        Raises:
            ModelRejected: it cannot be used; what the track judged by before stays.
        """
        track.swap(self._load(track, version))
        self.point(track, Pointer(version, track.pointer.since, chosen))

    def adopt(self, track: Track, version: str) -> bool:
        """Use what was newly learned; not where learning has begun anew, or somebody went back, since it was asked for.

        Raises:
            ModelRejected: it cannot be used; what the track judged by before stays.
        """
        if track.pointer != track.asked:
            return False
        self.use(track, version)
        return True

    def point(self, track: Track, pointer: Pointer) -> None:
        """Keep what a track judges by and learns from; a disk that does not take it stops neither."""
        track.pointer = pointer
        try:
            files.write_pointer(self._folder, track.machine, track.indicator, pointer)
        except OSError as e:
            track.problem = f"{self._folder} cannot be written ({e.strerror}): after a restart it is as it was before"

    def forget(self, track: Track, since: int) -> None:
        """Start a track anew: nothing from before `since` (ns UTC) is learned from. Kept across restarts."""
        track.swap(None)
        track.recent = deque(maxlen=track.recent.maxlen)
        track.rows, track.tried, track.first, track.alarm, track.against = 0, 0, since, False, 0
        track.latest, track.problem = None, ""
        self.point(track, Pointer("", since, before=track.pointer.version or track.pointer.before))

    def versions(self, track: Track) -> list[Version]:
        """Return the baselines of a track that are on disk, oldest first."""
        return listing(self._folder, track.machine, track.indicator, track.pointer.version)

    def roll_back(self, track: Track, version: str = "") -> None:
        """Let a track judge by another baseline that is on disk, the one before where none is named.

        Raises:
            ModelError: there is none, or it cannot be used: what was in use stays in use.
        """
        place = self._folder, track.machine, track.indicator
        self.use(track, check(*place, version) if version else earlier(*place, track.pointer), chosen=True)

    def _load(self, track: Track, version: str) -> Learned:
        baseline = files.load(self._folder, track.machine, track.indicator, version)
        if strange := set(baseline.names) - set(track.names):
            raise ModelRejected(
                f"what was learned of {track.machine} needs {', '.join(sorted(strange))}",
                "The tags have changed since it was learned: learning starts anew",
            )
        return baseline

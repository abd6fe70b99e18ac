"""A recording: rows of scalars and waveforms in order of time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.errors import RecordingError
from shoptwin.recording.scalars import Table, read_table
from shoptwin.recording.waveforms import WaveColumn, WaveFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from shoptwin.domain.batch import Waveform

_SAME = 10**6
"""Two times are the same when less than this apart, in ns: text has milliseconds, float64 seconds microseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """All that was measured at one time (ns UTC). `scalars` is float64 [k] in the order of `Recording.scalars`."""

    time: int
    scalars: NDArray[np.float64]
    waves: dict[str, Waveform]


class Recording:
    """A recording that has been opened: what it holds is known and checked, its samples are read on iteration.

    A file that is cut off gives every row before the cut, then `rows()` raises; `problem` tells it beforehand.
    """

    def __init__(self, path: Path, table: Table | None, waves: WaveFile | None) -> None:
        self.path = path
        self._table = table
        self._waves = waves
        self.scalars: tuple[str, ...] = table.names if table else ()
        """Names of the scalar tags, in the order of `Row.scalars`."""
        self.waves: dict[str, WaveColumn] = {c.name: c for c in waves.columns} if waves else {}
        """Waveform tags by name, with rate and scale."""
        self.problem: RecordingError | None = table.problem if table else None
        """What `rows()` will raise after the last row that can be read, as far as opening can tell."""
        self.time: NDArray[np.int64] = _times(self, table, waves)
        """Times of all rows, ns UTC, increasing."""

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Open the recording in the directory `path`.

        Raises:
            RecordingError: nothing of it can be read, or its two files contradict each other. Names file, line,
                column and cure.
        """
        if not path.is_dir():
            raise RecordingError(f"{path}: there is no such directory", "A recording is a directory")
        csv, npz = path / "scalars.csv", path / "waveforms.npz"
        if not csv.exists() and not npz.exists():
            raise RecordingError(
                f"{path}: neither scalars.csv nor waveforms.npz is there", "A recording has one of them or both"
            )
        return cls(path, read_table(csv) if csv.exists() else None, WaveFile(npz) if npz.exists() else None)

    def __len__(self) -> int:
        """Count the rows that can be read."""
        return len(self.time)

    @property
    def start(self) -> int:
        """Time of the first row, ns UTC."""
        return int(self.time[0])

    @property
    def end(self) -> int:
        """Time of the last row that can be read, ns UTC."""
        return int(self.time[-1])

    def rows(self) -> Iterator[Row]:
        """Yield all rows in order of time; may be called again, and starts anew.

        Raises:
            RecordingError: after the last row that can be read, where the recording is cut off or damaged.
        """
        values = self._table.values if self._table else repeat(np.empty(0))
        waves = self._waves.rows() if self._waves else repeat({})
        for time, scalars, bursts in zip(self.time.tolist(), values, waves, strict=False):
            yield Row(time, scalars, bursts)
        if self.problem is not None:
            raise self.problem


def _times(recording: Recording, table: Table | None, waves: WaveFile | None) -> NDArray[np.int64]:
    """Return the times of the rows, and check that the two files share them."""
    if table is not None and not len(table.time):
        hint = "Each further line is time,<value>,<value>,... with an empty cell where a value is missing"
        raise table.problem or RecordingError(f"{recording.path / 'scalars.csv'}: there are no rows", hint)
    if table is None or waves is None:
        return table.time if table is not None else waves.time  # type: ignore[union-attr]
    both = set(table.names) & recording.waves.keys()
    if both:
        raise RecordingError(f"{recording.path}: {min(both)} is in both files", "Give each tag a name of its own")
    n = min(len(table.time), len(waves.time))
    apart = np.flatnonzero(np.abs(table.time[:n] - waves.time[:n]) >= _SAME)
    if len(apart):
        row = int(apart[0])
        raise RecordingError(
            f"{recording.path}: line {row + 2} of scalars.csv and snapshot {row + 1} of waveforms.npz differ in time",
            "Where both files exist they share their times: leave cells empty, or split the recording in two",
        )
    if len(table.time) != len(waves.time) and recording.problem is None:
        recording.problem = RecordingError(
            f"{recording.path}: scalars.csv has {len(table.time)} rows, waveforms.npz {len(waves.time)}",
            "One of the files is cut off: copy it again",
        )
    return table.time[:n]

"""`waveforms.npz`: bursts of samples, streamed snapshot by snapshot, so that memory holds one row and not the file."""

from __future__ import annotations

import math
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_AGAIN = "The file is cut off or damaged: copy it again"
_LAYOUT = "It holds time [n], and per tag <tag> [n, samples], <tag>.rate and <tag>.scale, as numpy.savez writes them"
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError)


@dataclass(frozen=True, slots=True)
class WaveColumn:
    """One tag's waveforms: sampling rate in Hz, engineering units per count, samples a snapshot."""

    name: str
    rate: float
    scale: float
    samples: int
    dtype: str


class WaveFile:
    """A `waveforms.npz`. Opening reads the times, rates and scales and the shapes of the rest, no samples."""

    def __init__(self, path: Path) -> None:
        """Open and check.

        Raises:
            RecordingError: not a zip file, cut off, or not laid out as it should be.
        """
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._read(archive)
        except FileNotFoundError as e:
            raise RecordingError(f"{path}: there is no such file", "Check the path") from e
        except _UNREADABLE as e:
            raise RecordingError(f"{path}: cannot be read: {e}", _AGAIN) from e

    def _read(self, archive: zipfile.ZipFile) -> None:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        if "time" not in names:
            raise RecordingError(f"{self.path}: there is no array 'time'", _LAYOUT)
        self.time = _nanoseconds(self.path, _small(archive, "time"))
        self.columns = tuple(
            self._column(archive, name, names)
            for name in (n.removesuffix(".npy") for n in archive.namelist())
            if name != "time" and not _property(name, names)
        )
        if not self.columns:
            raise RecordingError(f"{self.path}: there is no waveform beside 'time'", _LAYOUT)

    def _column(self, archive: zipfile.ZipFile, name: str, names: set[str]) -> WaveColumn:
        with archive.open(f"{name}.npy") as stream:
            shape, fortran, dtype = _npy_header(stream)
        if len(shape) != 2 or shape[0] != len(self.time) or fortran or dtype.str not in {"<i2", "<f4", "<f8"}:  # noqa: PLR2004 - rows and samples
            raise RecordingError(
                f"{self.path}: {name} is {dtype} {list(shape)}, not int16 or float32 [{len(self.time)}, samples]",
                _LAYOUT,
            )
        if f"{name}.rate" not in names:
            raise RecordingError(f"{self.path}: there is no {name}.rate, the sampling rate in Hz", _LAYOUT)
        rate = float(_small(archive, f"{name}.rate"))
        scale = float(_small(archive, f"{name}.scale")) if f"{name}.scale" in names else 1.0
        if not (math.isfinite(rate) and rate > 0 and math.isfinite(scale)):
            raise RecordingError(f"{self.path}: {name} has the rate {rate} and the scale {scale}", _LAYOUT)
        return WaveColumn(name, rate, scale, shape[1], dtype.str)

    def rows(self) -> Iterator[dict[str, Waveform]]:
        """Yield the waveforms of each snapshot by tag, in order of time.

        Raises:
            RecordingError: the file is damaged further on; the snapshots before have been yielded.
        """
        with ExitStack() as stack:
            try:
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                streams = [stack.enter_context(archive.open(f"{c.name}.npy")) for c in self.columns]
                for stream in streams:
                    _npy_header(stream)
            except _UNREADABLE as e:
                raise RecordingError(f"{self.path}: cannot be read: {e}", _AGAIN) from e
            for row in range(len(self.time)):
                try:
                    waves = {c.name: _burst(c, stream) for c, stream in zip(self.columns, streams, strict=True)}
                except _UNREADABLE as e:
                    raise RecordingError(f"{self.path}: snapshot {row + 1} cannot be read: {e}", _AGAIN) from e
                yield waves


def _property(name: str, names: set[str]) -> bool:
    """Tell whether an array is the rate or scale of another."""
    tag, _, what = name.rpartition(".")
    return what in {"rate", "scale"} and tag in names


def _npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read what stands before the samples: shape, order and type. Never unpickles."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


def _small(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one whole array; never unpickles."""
    with archive.open(f"{name}.npy") as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def _burst(column: WaveColumn, stream: IO[bytes]) -> Waveform:
    """Read the next snapshot of one tag."""
    dtype = np.dtype(column.dtype)
    size = column.samples * dtype.itemsize
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"{column.name} ends early")
    samples = np.frombuffer(data, dtype)
    if dtype.itemsize == 8:  # noqa: PLR2004 - float64 is more than any converter has
        samples = samples.astype(np.float32)
    return Waveform(samples, column.rate, column.scale)


def _nanoseconds(path: Path, seconds: NDArray[Any]) -> NDArray[np.int64]:
    """Convert epoch seconds to ns, exact to the microsecond, which is what a float64 holds of them."""
    if seconds.ndim != 1 or not len(seconds) or seconds.dtype.kind not in "fiu" or not np.isfinite(seconds).all():
        raise RecordingError(f"{path}: 'time' is {seconds.dtype} {list(seconds.shape)}, not seconds [n]", _LAYOUT)
    times = np.round(np.asarray(seconds, np.float64) * 1e6).astype(np.int64) * 1000
    late = np.flatnonzero(np.diff(times) <= 0)
    if len(late):
        hint = "Sort the snapshots by time and leave each time once"
        raise RecordingError(f"{path}: the time of snapshot {late[0] + 2} is not after the one before", hint)
    return times

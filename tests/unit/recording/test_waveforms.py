from __future__ import annotations

import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shoptwin.domain.errors import RecordingError
from shoptwin.domain.timing import iso
from shoptwin.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = 1_600_000_000 * 10**9


def test_waveforms_keep_their_counts_rate_and_scale(npz: Callable[..., Path]) -> None:
    """Samples come as they are stored, and `physical()` is counts times scale."""
    recording = Recording.open(npz())
    rows = list(recording.rows())
    assert recording.waves["acc"].rate == 25600.0
    assert recording.waves["acc"].samples == 16
    assert [row.time - START for row in rows] == [i * 10**9 for i in range(5)]
    assert rows[2].waves["acc"].samples.dtype == np.int16
    np.testing.assert_array_equal(rows[2].waves["acc"].physical(), np.arange(32, 48) * 0.5)
    assert rows[0].scalars.shape == (0,)


def test_both_files_are_merged_by_their_shared_times(npz: Callable[..., Path], csv: Callable[[str], Path]) -> None:
    """A row has the scalars and the waveforms of its time."""
    csv("time,load\n" + "".join(f"{iso(START + i * 10**9)},{i}\n" for i in range(5)))
    rows = list(Recording.open(npz()).rows())
    assert [float(row.scalars[0]) for row in rows] == [0, 1, 2, 3, 4]
    assert [int(row.waves["acc"].samples[0]) for row in rows] == [0, 16, 32, 48, 64]


def test_a_shorter_file_ends_the_recording_with_an_error(npz: Callable[..., Path], csv: Callable[[str], Path]) -> None:
    """The rows that both files have are given, then the error says which is short."""
    csv("time,load\n" + "".join(f"{iso(START + i * 10**9)},{i}\n" for i in range(3)))
    rows = Recording.open(npz()).rows()
    assert [next(rows).time for _ in range(3)] == [START + i * 10**9 for i in range(3)]
    with pytest.raises(RecordingError, match=r"scalars.csv has 3 rows, waveforms.npz 5"):
        next(rows)


def test_files_that_do_not_share_their_times_are_refused(npz: Callable[..., Path], csv: Callable[[str], Path]) -> None:
    """The error names the line and the snapshot."""
    csv("time,load\n" + "".join(f"{iso(START + i * 2 * 10**9)},{i}\n" for i in range(5)))
    with pytest.raises(RecordingError, match=r"line 3 of scalars.csv and snapshot 2"):
        Recording.open(npz())


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"time": None}, "no array 'time'"),
        ({"time": np.zeros(5)}, "snapshot 2 is not after"),
        ({"time": np.full(5, np.nan)}, "not seconds"),
        ({"acc": None, "acc.rate": None, "acc.scale": None}, "no waveform"),
        ({"acc": np.zeros((4, 16), np.int16)}, r"\[4, 16\], not int16 or float32 \[5, samples\]"),
        ({"acc": np.zeros((5, 16), complex)}, "complex128"),
        ({"acc.rate": None}, r"no acc.rate"),
        ({"acc.rate": 0.0}, "the rate 0.0"),
        ({"acc": np.array([object()] * 5)}, "acc is object"),
    ],
)
def test_a_wrong_layout_is_refused(npz: Callable[..., Path], other: dict[str, object], says: str) -> None:
    """Opening checks names, shapes and types, and never unpickles."""
    with pytest.raises(RecordingError, match=says) as caught:
        Recording.open(npz(**other))
    assert caught.value.hint


def test_a_truncated_npz_is_refused_with_a_cure(npz: Callable[..., Path]) -> None:
    """A file that lost its end is no zip file: the error says to copy it again."""
    file = npz() / "waveforms.npz"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(RecordingError, match=r"waveforms.npz: cannot be read") as caught:
        Recording.open(file.parent)
    assert "copy it again" in caught.value.hint


def test_snapshots_before_damage_are_given(tmp_path: Path) -> None:
    """Damage inside a compressed array ends the recording where it is, with an error that counts the snapshots."""
    noise = np.random.default_rng(1).integers(-9999, 9999, (200, 2560)).astype(np.int16)
    np.savez_compressed(tmp_path / "waveforms.npz", time=1e9 + np.arange(200), acc=noise, **{"acc.rate": 25600.0})
    with zipfile.ZipFile(tmp_path / "waveforms.npz") as archive:
        middle = archive.getinfo("acc.npy").header_offset + archive.getinfo("acc.npy").compress_size // 2
    data = bytearray((tmp_path / "waveforms.npz").read_bytes())
    data[middle : middle + 2000] = b"\xff" * 2000
    (tmp_path / "waveforms.npz").write_bytes(data)
    taken: list[np.ndarray] = []
    with pytest.raises(RecordingError, match=r"snapshot \d+ cannot be read"):
        taken.extend(row.waves["acc"].samples for row in Recording.open(tmp_path).rows())
    assert 50 < len(taken) < 150
    np.testing.assert_array_equal(taken[:-1], noise[: len(taken) - 1])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_memory_holds_a_snapshot_and_not_the_file(tmp_path: Path, save: Callable[..., None]) -> None:
    """Reading 20 MB of samples takes less than 2 MB."""
    samples = np.zeros((4000, 2560), np.int16)
    save(tmp_path / "waveforms.npz", time=1e9 + np.arange(4000), acc=samples, **{"acc.rate": 25600.0})
    del samples
    tracemalloc.start()
    assert sum(1 for _ in Recording.open(tmp_path).rows()) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def test_float64_samples_become_float32(npz: Callable[..., Path]) -> None:
    """A Waveform is int16 or float32."""
    first = next(Recording.open(npz(acc=np.ones((5, 16)))).rows())
    assert first.waves["acc"].samples.dtype == np.float32

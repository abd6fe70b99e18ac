"""Recordings made by hand, in a directory of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], Path]:
    """Write a scalars.csv and return its recording's directory."""

    def write(text: str) -> Path:
        (tmp_path / "scalars.csv").write_bytes(text.encode())
        return tmp_path

    return write


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Write a waveforms.npz of 5 snapshots a second apart, some arrays replaced, and return its directory."""

    def write(**other: object) -> Path:
        acc = np.arange(5 * 16, dtype=np.int16).reshape(5, 16)
        arrays = {"time": 1_600_000_000.0 + np.arange(5), "acc": acc, "acc.rate": 25600.0, "acc.scale": 0.5} | other
        np.savez(tmp_path / "waveforms.npz", **{k: v for k, v in arrays.items() if v is not None})
        return tmp_path

    return write

"""Writing a baseline: a new version beside the old ones, put into use by the pointer, which is replaced in one step."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from shoptwin.assess.learned import Pointer, folder, read_pointer, write_atomically, write_pointer
from shoptwin.domain.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.learn.baseline import Baseline

KEPT = 10
"""Versions that stay on disk, so that each can be gone back to."""


def save(learned: Path, machine: str, baseline: Baseline, asked_until: int) -> str:
    """Write a baseline as the next version, put it into use, and return the version.

    Raises:
        OSError: the folder cannot be written; what was in use stays in use.
    """
    indicator = baseline.settings.indicator
    place = folder(learned, machine)
    place.mkdir(parents=True, exist_ok=True)
    version = str(max(versions(learned, machine, indicator), default=0) + 1)
    model = baseline.to_onnx()
    manifest = baseline.manifest() | {
        "machine": machine, "indicator": indicator, "version": version, "asked_until": asked_until,
        "sha256": hashlib.sha256(model).hexdigest(),
    }  # fmt: skip
    write_atomically(place / f"{indicator}-{version}.onnx", model)
    write_atomically(place / f"{indicator}-{version}.json", json.dumps(manifest, indent=1).encode())
    use(learned, machine, indicator, version)
    for old in versions(learned, machine, indicator)[:-KEPT]:
        for suffix in (".onnx", ".json"):
            (place / f"{indicator}-{old}{suffix}").unlink(missing_ok=True)
    return version


def versions(learned: Path, machine: str, indicator: str) -> list[int]:
    """Return the versions on disk, oldest first."""
    stems = (p.stem.removeprefix(f"{indicator}-") for p in folder(learned, machine).glob(f"{indicator}-*.onnx"))
    return sorted(int(stem) for stem in stems if stem.isdigit())


def use(learned: Path, machine: str, indicator: str, version: str) -> None:
    """Point at a version: the newest, or an older one to go back to.

    Raises:
        ModelError: there is no such version.
    """
    if not version.isdigit() or int(version) not in versions(learned, machine, indicator):
        raise ModelError(f"there is no version {version} of {indicator} of {machine}", "Ask for one that is on disk")
    since = read_pointer(learned, machine, indicator).since
    write_pointer(learned, machine, indicator, Pointer(version, since))

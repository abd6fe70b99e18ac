"""Writing a baseline: a new version beside the old ones, put into use by the pointer, which is replaced in one step."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from shoptwin.assess.learned import Pointer, folder, read_pointer, write_atomically, write_pointer
from shoptwin.assess.versions import versions
from shoptwin.domain.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.learn.baseline import Baseline

KEPT = 10
"""Versions that stay on disk, so that each can be gone back to."""


def save(learned: Path, machine: str, baseline: Baseline, asked_until: int, since: int | None = None) -> str:
    """Write a baseline that was learned from `since` on as the next version, put it into use, and return the version.

    Raises:
        ModelError: learning has begun anew meanwhile, from a later time. OSError: the folder cannot be written. In both
            cases what was in use stays in use.
    """
    indicator = baseline.settings.indicator
    begun = read_pointer(learned, machine, indicator).since
    if since is not None and begun > since:
        raise ModelError(f"learning {indicator} of {machine} has begun anew meanwhile", "It goes on from there")
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
    write_pointer(learned, machine, indicator, Pointer(version, begun if since is None else since))
    for old in versions(learned, machine, indicator)[:-KEPT]:
        for suffix in (".onnx", ".json"):
            (place / f"{indicator}-{old}{suffix}").unlink(missing_ok=True)
    return version

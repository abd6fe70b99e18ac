"""Writing a baseline: a new version beside the old ones; the daemon puts it into use."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from shoptwin.assess.learned import folder, write_atomically
from shoptwin.assess.versions import versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shoptwin.assess.progress import LearnRequest
    from shoptwin.learn.baseline import Baseline
    from shoptwin.learn.doubts import Doubt
    from shoptwin.learn.extend import Before

KEPT = 10
"""Versions that stay on disk, so that each can be gone back to."""


def save(learned: Path, request: LearnRequest, baseline: Baseline, before: Before, doubts: Sequence[Doubt] = ()) -> str:
    """Write a baseline as the next version and return the version; the daemon says whether it is used.

    Raises:
        OSError: the folder cannot be written.
    """
    machine, indicator = request.machine, request.indicator
    place = folder(learned, machine)
    place.mkdir(parents=True, exist_ok=True)
    version = str(max(versions(learned, machine, indicator), default=0) + 1)
    model = baseline.to_onnx()
    manifest = baseline.manifest() | {
        "machine": machine, "indicator": indicator, "version": version, "asked_until": request.until,
        "sha256": hashlib.sha256(model).hexdigest(), "doubts": [asdict(doubt) for doubt in doubts],
    } | before.manifest(baseline, request.latest)  # fmt: skip
    write_atomically(place / f"{indicator}-{version}.onnx", model)
    write_atomically(place / f"{indicator}-{version}.json", json.dumps(manifest, indent=1).encode())
    for old in versions(learned, machine, indicator)[:-KEPT]:
        for suffix in (".onnx", ".json"):
            (place / f"{indicator}-{old}{suffix}").unlink(missing_ok=True)
    return version

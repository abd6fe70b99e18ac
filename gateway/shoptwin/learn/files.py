"""Writing a baseline: a new version beside the old ones; the daemon puts it into use.

The manifest is written last: a version is there once it has one. What an interrupted run leaves is no version, and goes
with the next one. A lock keeps two processes that learn the same from taking the same number.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from shoptwin.assess.learned import folder, write_atomically
from shoptwin.assess.versions import versions
from shoptwin.learn.graph import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shoptwin.assess.progress import LearnRequest
    from shoptwin.learn.baseline import Baseline
    from shoptwin.learn.doubts import Doubt
    from shoptwin.learn.extend import Before

KEPT = 10
"""Versions that stay on disk, so that each can be gone back to."""


def save(
    learned: Path, request: LearnRequest, baseline: Baseline, before: Before, *, doubts: Sequence[Doubt] = (),
    fingerprint: str = "",
) -> str:  # fmt: skip
    """Write a baseline as the next version and return the version; the daemon says whether it is used.

    `fingerprint` is of all that it follows from, see `known`.

    Raises:
        OSError: the folder cannot be written.
    """
    machine, indicator = request.machine, request.indicator
    place, model = folder(learned, machine), baseline.to_onnx()
    structure, arrays = opened(model)
    with _alone(place, indicator):
        _clean(learned, machine, indicator)
        version = str(max(versions(learned, machine, indicator), default=0) + 1)
        manifest = baseline.manifest() | {
            "machine": machine, "indicator": indicator, "version": version, "asked_until": request.until,
            "sha256": hashlib.sha256(model).hexdigest(), "fingerprint": fingerprint,
            "structure": structure, "arrays": arrays,
            "doubts": [asdict(doubt) for doubt in doubts],
        } | before.manifest(baseline, request.latest)  # fmt: skip
        write_atomically(place / f"{indicator}-{version}.onnx", model)
        write_atomically(place / f"{indicator}-{version}.json", json.dumps(manifest, indent=1).encode())
        for old in versions(learned, machine, indicator)[:-KEPT]:
            for suffix in (".json", ".onnx"):
                (place / f"{indicator}-{old}{suffix}").unlink(missing_ok=True)
    return version


def known(learned: Path, machine: str, indicator: str, fingerprint: str) -> str:
    """Return the version that was learned from just the same, whole on disk; empty where there is none."""
    for version in reversed(versions(learned, machine, indicator)):
        stem = folder(learned, machine) / f"{indicator}-{version}"
        try:
            manifest = json.loads(stem.with_suffix(".json").read_text("utf-8"))
            if manifest["fingerprint"] == fingerprint:
                model = stem.with_suffix(".onnx").read_bytes()
                return str(version) if hashlib.sha256(model).hexdigest() == manifest["sha256"] else ""
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of an older release, or damaged: it is learned again
    return ""


def _clean(learned: Path, machine: str, indicator: str) -> None:
    """Remove what an interrupted run left; called by the only one that writes."""
    place, whole = folder(learned, machine), versions(learned, machine, indicator)
    for left in place.glob(f".{indicator}-*.new"):
        left.unlink(missing_ok=True)
    for model in place.glob(f"{indicator}-*.onnx"):
        number = model.stem.removeprefix(f"{indicator}-")
        if number.isdigit() and int(number) not in whole:
            model.unlink(missing_ok=True)


@contextmanager
def _alone(place: Path, indicator: str) -> Iterator[None]:
    """Wait until nobody else writes this indicator's versions, in whichever process."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / f".{indicator}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, or its process dies
        yield

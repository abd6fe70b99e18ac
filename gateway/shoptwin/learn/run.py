"""Answering a request to learn: the same steps in the learning process, and inline in a replay."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from shoptwin import __version__
from shoptwin.learn.baseline import Settings, fit
from shoptwin.learn.doubts import doubted
from shoptwin.learn.extend import read_before
from shoptwin.learn.files import known, save

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.assess.progress import LearnRequest
    from shoptwin.learn.baseline import EvidenceLike


def run(request: LearnRequest, evidence: EvidenceLike, learned: Path) -> str:
    """Fit what was asked for, keep it on disk, and return its version: the old one where the same was learned before.

    Raises:
        ModelError: there is too little evidence. OSError: the folder cannot be written.
    """
    before, mark = read_before(learned, request), fingerprint(request, evidence)
    before.check(evidence)
    if version := known(learned, request.machine, request.indicator, mark):
        return version
    baseline = fit(before.accept(evidence), Settings(request.indicator, request.false_alarms_per_month))
    return save(learned, request, baseline, before, doubts=doubted(evidence, request), fingerprint=mark)


def fingerprint(request: LearnRequest, evidence: EvidenceLike) -> str:
    """Return a hash of all that a baseline follows from: the release, what was asked for, and every row."""
    asked = (__version__, asdict(request), list(evidence.names), list(evidence.state))
    digest = hashlib.sha256(json.dumps(asked).encode())
    digest.update(np.ascontiguousarray(evidence.time, "<i8").tobytes())
    digest.update(np.ascontiguousarray(evidence.values, "<f4").tobytes())
    return digest.hexdigest()

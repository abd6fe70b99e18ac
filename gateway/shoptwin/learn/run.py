"""Answering a request to learn: the same steps in the learning process, and inline in a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.learn.baseline import Settings, fit
from shoptwin.learn.doubts import doubted
from shoptwin.learn.extend import read_before
from shoptwin.learn.files import save

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.assess.progress import LearnRequest
    from shoptwin.learn.baseline import EvidenceLike


def run(request: LearnRequest, evidence: EvidenceLike, learned: Path) -> str:
    """Fit what was asked for, keep it on disk, and return the new version.

    Raises:
        ModelError: there is too little evidence. OSError: the folder cannot be written.
    """
    before = read_before(learned, request)
    baseline = fit(before.accept(evidence), Settings(request.indicator, request.false_alarms_per_month))
    return save(learned, request, baseline, before, doubted(evidence, request))

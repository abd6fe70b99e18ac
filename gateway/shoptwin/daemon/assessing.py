"""Windows to the worker thread and verdicts back; one machine whose assessment breaks does not stop the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from shoptwin.domain.assessment import Assessment, Judgement, Verdict
from shoptwin.domain.timing import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.domain.assessment import Window
    from shoptwin.pipeline import Pipeline
    from shoptwin.runtime.executor import Worker
    from shoptwin.runtime.supervise import Progress

EVERY = SECOND // 5
"""Nanoseconds of the clock between two looks for windows that are due …"""
LEAST = 0.005
"""… and at least so many real seconds: a scaled clock brings the data as much faster."""

log = structlog.get_logger(__name__)


class Assessing:
    """Runs the pipeline's assessor in the worker thread."""

    def __init__(self, pipeline: Pipeline, worker: Worker, progress: Progress) -> None:
        self.failed: dict[str, str] = {}
        """Machine -> why its assessment broke; empty where all goes well."""
        self._pipeline = pipeline
        self._worker = worker
        self._progress = progress

    async def run(self) -> None:
        """Assess what is due, until cancelled; the loop goes on meanwhile."""
        pause = max(LEAST, self._pipeline.clock.real(EVERY))
        while True:
            self._progress.expect("assess", 60)
            await asyncio.sleep(pause)
            if windows := self._pipeline.windows():
                self._pipeline.conclude(await self._worker.run(lambda found=windows: self._assess(found)))  # type: ignore[misc]

    def _assess(self, windows: Sequence[Window]) -> Judgement:
        """Assess all at once; where that breaks, each machine alone, to find which one it is."""
        assessor = self._pipeline.assessor
        try:
            judgement = assessor.assess(windows)
        except Exception as error:  # noqa: BLE001 - boundary (DESIGN §3): one machine's assessment
            if len(windows) == 1:
                return self._broken(windows[0], error)
            parts = [self._assess([window]) for window in windows]
            return Judgement(
                tuple(a for part in parts for a in part.assessments),
                tuple(o for part in parts for o in part.observations),
            )
        for window in windows:
            self.failed.pop(window.machine, None)
        return judgement

    def _broken(self, window: Window, error: Exception) -> Judgement:
        machine, why = window.machine, f"{type(error).__name__}: {error}"
        if machine not in self.failed:
            log.error("a machine cannot be assessed; its limits go on", machine=machine, exc_info=error)
        self.failed[machine] = why
        note = "the assessment failed; the limits go on"
        return Judgement((Assessment(machine, "health", window.now, Verdict.NO_DATA, 0.0, note=note),))

"""Windows to the worker thread and verdicts back; one machine whose assessment breaks does not stop the others."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from shoptwin.domain.timing import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shoptwin.domain.assessment import Judgement, Window
    from shoptwin.domain.feedback import Exceedance
    from shoptwin.pipeline import Pipeline
    from shoptwin.runtime.executor import Worker
    from shoptwin.runtime.supervise import Progress

EVERY = SECOND // 5
"""Nanoseconds of the clock between two looks for windows that are due …"""
LEAST = 0.005
"""… and at least so many real seconds: a scaled clock brings the data as much faster."""

ENDS_WITHIN = 1.0
"""Seconds, of the five in which the daemon ends."""

log = structlog.get_logger(__name__)


class Assessing:
    """Runs the pipeline's assessor in the worker thread."""

    def __init__(
        self, pipeline: Pipeline, worker: Worker, progress: Progress,
        exceeded: Callable[[Sequence[Exceedance]], None],
    ) -> None:  # fmt: skip
        self.failed: dict[str, str] = {}
        """Machine -> why its assessment broke; empty where all goes well."""
        self._pipeline = pipeline
        self._worker = worker
        self._progress = progress
        self._exceeded = exceeded

    async def run(self) -> None:
        """Assess what is due, until cancelled; the loop goes on meanwhile."""
        pause = max(LEAST, self._pipeline.clock.real(EVERY))
        while True:
            self._progress.expect("assess", 60)
            await asyncio.sleep(pause)
            async with self._worker.turn:
                if windows := self._pipeline.windows():
                    await self._assess(windows)

    async def _assess(self, windows: Sequence[Window]) -> None:
        judgement, exceedances = await self._worker.run(lambda: self._judge(windows))
        broken = dict(judgement.broken)
        for machine in broken.keys() - self.failed.keys():
            log.error("a machine cannot be assessed; its limits go on", machine=machine, exc_info=broken[machine])
        looked_at = {window.machine for window in windows}
        kept = {m: why for m, why in self.failed.items() if m not in looked_at and m in self._pipeline.machines}
        self.failed = kept | {m: f"{type(error).__name__}: {error}" for m, error in broken.items()}
        self._exceeded(exceedances)
        self._pipeline.conclude(judgement)

    def _judge(self, windows: Sequence[Window]) -> tuple[Judgement, Sequence[Exceedance]]:
        assessor = self._pipeline.assessor
        judgement = assessor.assess(windows)
        assessor.keep(self._pipeline.clock.now())
        return judgement, assessor.allowances.exceeded()

    async def end(self) -> None:
        """Keep what the next start goes on with, unless the worker has other things to do: then what was kept last."""
        pipeline = self._pipeline
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                await self._worker.run(lambda: pipeline.assessor.keep(pipeline.clock.now(), every=0))

"""Learning, in a process of its own at low priority, one at a time; what it learned is put into use when it is done."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from shoptwin.alarms.thresholds import all_limits
from shoptwin.domain.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.assess.progress import LearnRequest
    from shoptwin.pipeline import Pipeline
    from shoptwin.runtime.executor import Worker
    from shoptwin.runtime.supervise import Progress
    from shoptwin.store.samples import SampleStore

LOOK_EVERY = 1.0
AT_MOST = 600.0
"""Real seconds: how often it is asked what to learn, and how long one learning may take."""
TOO_LITTLE = 3
"""Exit code of the learning process when the evidence does not suffice yet: not a failure, it is asked again later."""

log = structlog.get_logger(__name__)


class Learner:
    """Starts `python -m shoptwin.learn` for what the assessor asks."""

    def __init__(
        self, pipeline: Pipeline, samples: SampleStore, worker: Worker, progress: Progress, state: Path
    ) -> None:
        self.problem = ""
        """Why the last learning failed; empty where it did not."""
        self._pipeline = pipeline
        self._samples = samples
        self._worker = worker
        self._progress = progress
        self._twin = state / "twin.db"
        self._learned = state / "learned"

    async def run(self) -> None:
        """Learn what is asked for, until cancelled."""
        assessor, clock = self._pipeline.assessor, self._pipeline.clock
        while True:
            self._progress.expect("learn", AT_MOST + 60)
            async with self._worker.turn:
                requests = await self._worker.run(lambda: assessor.requests(clock.now()))
            for request in requests:
                self._progress.expect("learn", AT_MOST + 60)
                await self._learn(request)
            await asyncio.sleep(LOOK_EVERY)

    async def _learn(self, request: LearnRequest) -> None:
        await asyncio.to_thread(self._samples.flush)
        machine = next((m for m in self._pipeline.configured if m.name == request.machine), None)
        limits = () if machine is None else all_limits(machine)
        code, told = await self._process(replace(request, limits=limits))
        if code == TOO_LITTLE:
            log.info("not enough to learn from yet", machine=request.machine, indicator=request.indicator, why=told)
            async with self._worker.turn:
                await self._worker.run(lambda: self._pipeline.assessor.declined(request, told))
        elif code:
            self.problem = f"{request.machine} ({request.indicator}): {told or f'the process ended with {code}'}"
        else:
            await self._adopt(request, told)

    async def _adopt(self, request: LearnRequest, version: str) -> None:
        try:
            async with self._worker.turn:
                used = await self._worker.run(lambda: self._pipeline.assessor.adopt(request, version))
        except ModelError as error:
            self.problem = str(error)
        else:
            self.problem = ""
            log.info("learned", machine=request.machine, indicator=request.indicator, version=version, used=used)

    async def _process(self, request: LearnRequest) -> tuple[int, str]:
        """Run the process; return its exit code and the last line that it wrote."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "shoptwin.learn", *request.arguments(self._twin, self._learned),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(AT_MOST):
                output, _ = await process.communicate()
        except TimeoutError:
            return 1, f"it took more than {AT_MOST:g} s and was ended"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        lines = output.decode(errors="replace").strip().splitlines()
        return process.returncode or 0, lines[-1] if lines else ""

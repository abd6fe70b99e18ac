"""Learning many machines: each a job that is pickled whole, run by whatever Executor there is.

Local processes, threads, or a cluster's workers that see the same files: nothing here knows which.
"""

from __future__ import annotations

import os
import resource
import time
from concurrent.futures import BrokenExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.domain.errors import ModelError, ShoptwinError
from shoptwin.learn.evidence import gather
from shoptwin.learn.extend import read_before
from shoptwin.learn.run import run
from shoptwin.store.sample_reader import SampleReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor
    from pathlib import Path

    from shoptwin.assess.progress import LearnRequest

NICE = 19
"""The loop, the drivers and the alarms go before learning, always; the disk's share follows the processor's."""
MOST_MEMORY = 512 * 2**20
"""Bytes of data at which a learning process fails rather than the box; it needs less than half of them."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that learning one indicator of one machine takes."""

    twin: Path
    """twin.db, which is only read"""
    learned: Path
    request: LearnRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job."""

    job: Job
    version: str = ""
    """The version on disk; empty where nothing was learned."""
    rows: int = 0
    seconds: float = 0.0
    problem: str = ""
    """Why nothing was learned."""
    early: bool = False
    """The evidence does not suffice yet: no failure, ask again later."""


def learn(job: Job) -> Outcome:
    """Do a job: all that is foreseen to go wrong comes back as its outcome, so that it can cross a process."""
    began, request = time.monotonic(), job.request
    try:
        evidence = gather(SampleReader(job.twin), request, read_before(job.learned, request))
        version = run(request, evidence, job.learned)
    except ModelError as error:
        return Outcome(job, problem=str(error), early=True)
    except (ShoptwinError, OSError) as error:
        return Outcome(job, problem=str(error))
    except MemoryError:
        return Outcome(job, problem=f"learning {request.machine} takes more than {MOST_MEMORY >> 20} MB")
    return Outcome(job, version, len(evidence), time.monotonic() - began)


def learn_all(jobs: Iterable[Job], executor: Executor, done: Callable[[Outcome], None] | None = None) -> list[Outcome]:
    """Do jobs on an executor and return their outcomes in the order of the jobs; `done` hears of each as it ends.

    One that fails, or whose worker dies, stops no other. What is learned already is not learned again, so that a run
    which was interrupted is simply started anew.
    """
    waiting = {executor.submit(learn, job): (i, job) for i, job in enumerate(jobs)}
    found: dict[int, Outcome] = {}
    for future in as_completed(waiting):
        i, job = waiting[future]
        try:
            found[i] = future.result()
        except BrokenExecutor as error:
            found[i] = Outcome(job, problem=f"its process ended: {error}")
        if done is not None:
            done(found[i])
    return [found[i] for i in sorted(found)]


def stand_back() -> None:
    """Make this process one that learns: behind all others, and within its memory. The start of each worker."""
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(ValueError, OSError):  # a lower limit holds already
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, hard))

"""Tasks that are kept running: named, retried with backoff, logged once per transition, watched for progress."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from shoptwin.domain.errors import NotConnected, PublishError, StoreFull, Timeout
from shoptwin.domain.timing import SECOND, format_duration
from shoptwin.runtime.backoff import Backoff
from shoptwin.runtime.cancelling import cancelled, pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RETRYABLE = (NotConnected, Timeout, PublishError, StoreFull)
"""Errors that pass by themselves. Anything else is for the boundaries of DESIGN §3, or ends the process."""

log = structlog.get_logger(__name__)


class Progress:
    """Which tasks have said when they will next be heard of; systemd's watchdog is petted only while none is late."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due: dict[str, float] = {}

    def expect(self, task: str, within: float) -> None:
        """Promise that `task` reports again within so many real seconds."""
        self._due[task] = self._now() + within

    def forget(self, task: str) -> None:
        """Stop watching a task that has ended."""
        self._due.pop(task, None)

    def late(self) -> list[str]:
        """Return the tasks that have broken their promise."""
        now = self._now()
        return [task for task, due in self._due.items() if due < now]


class Attempt:
    """What the body of a supervised task is given: its way to say that it is well and that it makes progress."""

    def __init__(self, name: str, progress: Progress, backoff: Backoff, steady: float = 0.0) -> None:
        self.name = name
        self._steady = steady
        self._well_since: float | None = None
        self._progress = progress
        self._backoff = backoff
        self.lost_at: float | None = None

    def up(self) -> None:
        """Tell, as often as you like, that the task does its work.

        Once it has done so for the steady time, the backoff starts over, and a loss that was logged is logged as over:
        what answers once and dies again is not back.
        """
        now = time.monotonic()
        self._well_since = now if self._well_since is None else self._well_since
        if now - self._well_since < self._steady:
            return
        self._backoff.succeeded()
        if self.lost_at is not None:
            log.info("back", task=self.name, after=format_duration(round((self._well_since - self.lost_at) * SECOND)))
            self.lost_at = None

    def expect(self, within: float) -> None:
        """Promise to report again within so many real seconds."""
        self._progress.expect(self.name, within)

    def failed(self, error: Exception) -> float:
        """Count a failed run, log it if it is the first in a row, and return the seconds to wait.

        Where it is known when it is worth a try, that is when: a wait of our own on top would only add to it.
        """
        self._well_since = None
        if self.lost_at is None:
            self.lost_at = time.monotonic()
            log.warning("lost", task=self.name, reason=str(error))
        wait = self._backoff.failed()
        known = error.again_in if isinstance(error, Timeout) else None
        return wait if known is None else known


async def supervise(
    name: str,
    body: Callable[[Attempt], Awaitable[None]],
    *,
    progress: Progress,
    backoff: Backoff | None = None,
    steady: float = 0.0,
    failed: Callable[[Exception], None] = lambda _: None,
) -> None:
    """Run `body` until it returns, again after each retryable error; any other error goes up.

    `failed` is told of every failed run before the wait, for those who must mark data as Bad. `steady`: real seconds
    for which a run must say that it is well before its backoff starts over.
    """
    attempt = Attempt(name, progress, backoff or Backoff(), steady)
    try:
        while True:
            try:
                await _run(body, attempt)
            except RETRYABLE as error:
                wait = attempt.failed(error)
                failed(error)
                attempt.expect(wait + 30)
                await pause(wait)
            else:
                return
    finally:
        progress.forget(name)


async def _run(body: Callable[[Attempt], Awaitable[None]], attempt: Attempt) -> None:
    """Run the body once; a cancellation that nobody has asked for is a loss."""
    try:
        await body(attempt)
    except asyncio.CancelledError:
        if cancelled():
            raise
        raise NotConnected(f"{attempt.name} was let go while it waited", "it is tried again") from None

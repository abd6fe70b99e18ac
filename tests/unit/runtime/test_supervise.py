"""Supervised tasks."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from shoptwin.domain.errors import ConfigError, NotConnected, Timeout
from shoptwin.runtime.backoff import Backoff
from shoptwin.runtime.supervise import Attempt, Progress, supervise


async def test_a_retryable_error_is_retried_and_logged_once_per_transition() -> None:
    """Three failures in a row make one 'lost' line, and the recovery one 'back' line."""
    runs = 0

    async def body(attempt: Attempt) -> None:
        nonlocal runs
        runs += 1
        if runs <= 3:
            raise NotConnected("no route")
        attempt.up()

    failures: list[Exception] = []
    with capture_logs() as logs:
        await supervise("device plc1", body, progress=Progress(), backoff=Backoff(0.001), failed=failures.append)
    assert runs == 4
    assert len(failures) == 3
    assert [entry["event"] for entry in logs] == ["lost", "back"]


async def test_a_driver_that_knows_when_to_try_again() -> None:
    """Where an error says when it is worth a try, that is waited for, and not the backoff on top."""
    runs = 0

    async def body(attempt: Attempt) -> None:
        nonlocal runs
        runs += 1
        if runs <= 3:
            raise Timeout("no answer", again_in=0.01)
        attempt.up()

    backoff = Backoff(600.0, 600.0)
    async with asyncio.timeout(30):
        await supervise("device plc1", body, progress=Progress(), backoff=backoff)
    assert runs == 4


async def test_an_error_that_will_not_pass_goes_up() -> None:
    """An error outside the retryable ones ends the task at once."""

    async def body(_: Attempt) -> None:
        raise ConfigError("wrong")

    with pytest.raises(ConfigError):
        await supervise("x", body, progress=Progress())


def test_backoff_stays_between_its_floor_and_its_ceiling_and_starts_over() -> None:
    """Delays grow to the ceiling with full jitter, never below a tenth of it, and a success starts over."""
    backoff = Backoff(1.0, 8.0)
    for n in range(50):
        ceiling = min(8.0, 2.0**n)
        assert ceiling / 10 <= backoff.failed() <= ceiling
    backoff.succeeded()
    assert backoff.failed() <= 1.0


def test_progress_names_the_task_that_broke_its_promise() -> None:
    """A task that has not reported within its promised time is late until it reports or is forgotten."""
    now = 0.0
    progress = Progress(now=lambda: now)
    progress.expect("device plc1", 5)
    progress.expect("publisher", 60)
    now = 10.0
    assert progress.late() == ["device plc1"]
    progress.expect("device plc1", 5)
    assert progress.late() == []
    now = 100.0
    progress.forget("device plc1")
    assert progress.late() == ["publisher"]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_cancellation_that_was_left_behind_ends_nothing(waits: bool) -> None:
    """A time-out that ran out as it was no longer needed, or a library that cancels its own, is a loss like any."""
    runs = 0

    async def body(attempt: Attempt) -> None:
        nonlocal runs
        runs += 1
        if runs <= 3:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            task.uncancel()  # as asyncio.timeout does; before Python 3.13 the next wait is cancelled all the same
            if waits:
                await asyncio.sleep(0)
            raise NotConnected("no route")
        attempt.up()

    await supervise("device plc1", body, progress=Progress(), backoff=Backoff(0.001))
    assert runs == 4


async def test_a_cancellation_that_is_meant_ends_the_task() -> None:
    """Whoever cancels a supervised task has it ended, in its body and in the wait before the next run."""

    async def fails(_: Attempt) -> None:
        raise NotConnected("no route")

    async def waits(_: Attempt) -> None:
        await asyncio.Event().wait()

    for body in (fails, waits):
        task = asyncio.create_task(supervise("x", body, progress=Progress(), backoff=Backoff(600.0, 600.0)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

"""Clocks, systemd's notify protocol and logs."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog

from shoptwin.domain.timing import HOUR, SECOND, parse_time
from shoptwin.runtime import logs
from shoptwin.runtime.clock import ScaledClock, SystemClock, clock_problem
from shoptwin.runtime.executor import Worker
from shoptwin.runtime.notify import notify, watchdog_interval


def test_a_scaled_clock_shows_its_epoch_at_its_origin_and_runs_at_its_rate() -> None:
    """At rate 3600 a second of the wall is an hour, counted from the epoch."""
    epoch = parse_time("2013-12-02T21:15:00Z")
    clock = ScaledClock(3600.0, epoch, time.time_ns() - 2 * SECOND)
    assert abs(clock.now() - (epoch + 2 * HOUR)) < 0.2 * HOUR
    assert clock.real(HOUR) == pytest.approx(1.0)


def test_a_clock_in_1970_is_named_as_the_problem_and_a_set_one_is_not() -> None:
    """A wall clock that was never set since the start is told from one that was."""

    class Unset(SystemClock):
        def now(self) -> int:
            return 5 * SECOND

    assert "1970" in (clock_problem(Unset()) or "")
    assert clock_problem(SystemClock()) is None


def test_notify_speaks_to_the_socket_that_systemd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state arrives as one datagram, and without a socket nothing is sent."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert notify("READY=1") is False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert notify("READY=1") is True
        assert systemd.recv(100) == b"READY=1"


def test_the_watchdog_is_petted_at_half_its_time_and_only_by_the_process_it_watches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """WATCHDOG_USEC gives the interval, unless WATCHDOG_PID names another process."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_interval() == 15.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_interval() is None


def test_secrets_never_reach_a_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The value of a key that could hold a secret is blanked."""
    level, handlers = logging.root.level, logging.root.handlers[:]
    try:
        logs.configure("json")
        structlog.get_logger("test").info("connecting", mqtt_password="hunter2", user="gw")
        line = json.loads(capsys.readouterr().err.splitlines()[-1])
    finally:
        structlog.reset_defaults()
        logging.root.setLevel(level)
        logging.root.handlers[:] = handlers
    assert line["mqtt_password"] == "***"
    assert line["user"] == "gw"


async def test_the_worker_does_its_work_in_order_in_one_thread_and_hands_errors_back() -> None:
    """Results come back in order, and what the work raises is raised to the one who asked."""
    worker = Worker()
    try:
        assert await worker.run(lambda: 6 * 7) == 42
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
    finally:
        worker.close()


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    """With standard error on a full disk, or on a pipe that nobody reads, logging loses its lines and no more."""
    code = (
        "import structlog; from shoptwin.runtime import logs; logs.configure('json');"
        "[structlog.get_logger('t').info('x' * 5000) for _ in range(200)]; print('alive')"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stderr=full, stdout=subprocess.PIPE, check=False)
    assert done.stdout == b"alive\n"
    assert done.returncode == 0
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stderr=write, stdout=subprocess.PIPE, check=False)
    os.close(write)
    assert done.stdout == b"alive\n"
    assert done.returncode == 0

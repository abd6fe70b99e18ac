"""What holds for every test, the drivers' own too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator

# How long an example takes says nothing on a box that others use too; what hangs is ended by the test's own time-out.
settings.register_profile("shoptwin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shoptwin")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test in CI, where every server and recording is there: a skip would hide a missing one.

    Rules of the driver contract that do not apply to a driver say so, and stay skipped.
    """
    report = yield
    if report.skipped and os.environ.get("CI") and "does not apply: " not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped where CI is set: {report.longrepr}"
    return report

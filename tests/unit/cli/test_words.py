"""The words in which health and time left are told."""

from __future__ import annotations

import math

import pytest

from shoptwin.cli.words import outlook
from shoptwin.daemon.told import remaining
from shoptwin.domain.assessment import Remaining

DAY, HOUR = 86_400.0, 3600.0


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (Remaining(5 * DAY, 8 * DAY, 12.2 * DAY, 0.8, "wiener"), "61 · 5 to 12 days left (80 %)"),
        (Remaining(0.0, 3 * HOUR, 30 * HOUR, 0.8, "wiener"), "61 · 0 to 30 h left (80 %)"),
        (Remaining(20.0, 60.0, 90.0, 0.9, "exponential"), "61 · 0 to 2 min left (90 %)"),
        (Remaining(3 * HOUR, 9 * HOUR, math.inf, 0.8, "wiener"), "61 · more than 3 h left (80 %)"),
        (None, "61"),
    ],
)
def test_an_interval_is_told_in_one_unit(left: Remaining | None, said: str) -> None:
    """Both ends are in the largest unit that fits the longer one, by way of REST; without an end it says so."""
    assert outlook({"health": {"index": 61.0, "remaining": remaining(left)}}) == said


def test_without_an_index_nothing_is_said() -> None:
    """A machine that cannot be told about, or that has no health yet, has no words."""
    assert outlook({"health": None}) is None
    assert outlook({"health": {"index": None, "remaining": None}}) is None

"""The budget of false alarms."""

from __future__ import annotations

import pytest

from shoptwin.domain.timing import HOUR, SECOND
from shoptwin.learn.budget import TAIL, Budget


@pytest.mark.parametrize(("pace", "chance"), [(SECOND, 6 / (30 * 86_400)), (15 * 60 * SECOND, TAIL), (HOUR, TAIL)])
def test_the_more_rows_a_month_holds_the_less_likely_is_each(pace, chance):
    """A run of six rows a second may come once in a month of them; slow rows have the largest chance there is."""
    assert Budget(1.0, pace).tail(6) == pytest.approx(chance)


def test_twice_the_false_alarms_are_twice_the_chance():
    """What a user bears scales the chance, and never beyond what a limit can be told for."""
    assert Budget(2.0, HOUR).tail(6) == pytest.approx(2 * TAIL)
    assert Budget(1e6, HOUR).tail(6) == 1e-2
    assert Budget(1e-9, SECOND).tail(6) == 1e-9

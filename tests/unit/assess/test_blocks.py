"""Rows that repeat one another are gathered, and none counts while a change settles."""

from __future__ import annotations

import numpy as np

from shoptwin.assess.blocks import Blocks, Rhythm
from shoptwin.assess.words import outside
from shoptwin.domain.timing import SECOND


def _gathered(rhythm, rows, times=None):
    blocks = Blocks(rhythm, 1)
    times = range(len(rows)) if times is None else times
    made = [blocks.add((1 + t) * SECOND, np.array(r, float)) for t, r in zip(times, rows, strict=True)]
    return [None if m is None else m.tolist() for m in made]


def test_plain_rows_pass_as_they_are():
    """Without a rhythm every row is judged by itself."""
    assert _gathered(Rhythm(pace=SECOND), [(1, 2), (3, 2)]) == [[1, 2], [3, 2]]


def test_rows_are_averaged_and_holes_are_left_out():
    """A block is the mean of what is there; what is missing in all of its rows is missing."""
    rhythm = Rhythm(2, 0, SECOND)
    made = _gathered(rhythm, [(1, 2), (3, 2), (np.nan, 2), (5, 2)])
    assert made == [None, [2, 2], None, [5, 2]]


def test_a_change_of_state_a_step_and_a_gap_settle():
    """After each of them as many rows are left out as the slowest tag needs to be told anew."""
    rhythm = Rhythm(1, 2, SECOND, 0, ((0, 10.0),))
    calm = [(1, 2)] * 3
    assert [m is None for m in _gathered(rhythm, [*calm, (1, 3), (1, 3), (1, 3)])] == [False] * 3 + [True] * 2 + [False]
    assert [m is None for m in _gathered(rhythm, [*calm, (20, 2), (20, 2), (20, 2)])][3:] == [True, True, False]
    late = _gathered(rhythm, [(1, 2)] * 6, [0, 1, 2, 60, 61, 62])
    assert [m is None for m in late][3:] == [True, True, False]


def test_what_lies_outside_never_reads_as_inside():
    """A note gives as many digits as the difference takes."""
    assert outside({"speed:speed:value": (1495.21, 1477.0, 1495.2)}) == (
        "speed 1495.21 was not learned (known: 1477 to 1495.2)"
    )

"""How units that fall silent are treated: pure bookkeeping."""

from __future__ import annotations

from shoptwin_modbus.line import ALIVE, LONGEST_REST, Units


def test_a_dead_unit_rests_ever_longer():
    """After three silent turns a unit rests, twice as long each time, up to a minute."""
    units, now, rests = Units(), 0.0, []
    for turn in range(12):
        units.answered(1, now)
        units.silent(2, now)
        if turn < 2:
            assert not units.rests(2, now)
            continue
        before = now
        while units.rests(2, now):
            units.answered(1, now)
            now += 0.5
        rests.append(now - before)
    assert rests[:4] == [1, 2, 4, 8]
    assert max(rests) == LONGEST_REST


def test_one_answer_ends_it():
    """A unit that answers is as good as new."""
    units = Units()
    units.answered(1, 0.0)
    for _ in range(5):
        units.silent(2, 0.0)
    assert units.rests(2, 0.5)
    units.answered(2, 0.5)
    assert not units.rests(2, 0.5)
    assert units.failures(2) == 0
    units.silent(2, 1.0)
    assert not units.rests(2, 1.0)


def test_alone_nothing_rests():
    """A unit without living neighbours is asked each time: the runtime paces that, and no one else waits for it."""
    units = Units()
    for _ in range(9):
        units.silent(2, 0.0)
    assert not units.rests(2, 0.0)
    units.answered(1, 0.0)
    assert units.rests(2, 0.0)
    assert not units.rests(2, ALIVE + 1)

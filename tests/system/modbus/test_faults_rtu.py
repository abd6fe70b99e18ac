"""Faults on lines, whose frames carry a CRC but do not say what they answer: of single bytes, whole frames, and time.

Nothing comes later than the driver is told that it can: `timeout` plus `turnaround` after a request, `frame_gap` after
a reply. What lies beyond is at the end.

That the rig sees a wrong value when there is one was tried by breaking the driver: with the CRC not checked, and with
no silence after a time-out, `test_some_faults` fails in some of its faults each; without the request of another length
that brings a unit into step again, `test_overdue_replies`.
"""

from __future__ import annotations

import random

import pytest

from shoptwin.testing.faults import Fault, Link, Way, every

LINKS = pytest.mark.parametrize("link", [Link.RTU, Link.RTU_TCP])


@LINKS
async def test_some_faults(rig, check, link):
    """Whatever happens to bytes, no wrong value is Good, and all data flow again within one backoff."""
    outcomes = await rig.run_all(every(link, range(3)))
    check(outcomes)


@LINKS
async def test_faults_in_a_row(rig, check, link):
    """The same holds on one connection to which one thing after another happens."""
    faults = every(link, range(1000, 1001))
    random.Random(str(link)).shuffle(faults)
    outcomes = await rig.run_all(faults, in_a_row=5)
    check(outcomes)


@LINKS
async def test_two_devices_on_one_line(rig, check, link):
    """The same holds of two devices that share a line."""
    outcomes = await rig.run_all(every(link, range(2000, 2001)), devices=2)
    check(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@LINKS
async def test_thousands_of_faults(rig, check, tell, link):
    """The same holds for thousands of faults, a fifth of them in a row."""
    outcomes = await rig.run_all(every(link, range(85)))
    faults = every(link, range(1000, 1021))
    random.Random(str(link)).shuffle(faults)
    outcomes += await rig.run_all(faults, in_a_row=20)
    tell(outcomes)
    check(outcomes)


@LINKS
async def test_overdue_replies(rig, check, link):
    """A reply that is later than declared, when the next request is out, is not taken for the answer to that one."""
    outcomes = await rig.run_all([Fault(link, Way.REPLY, "overdue", seed) for seed in range(12)])
    check(outcomes)


@LINKS
@pytest.mark.parametrize("kind", ["forged", "twin"])
async def test_what_no_client_can_tell(rig, link, kind):
    """A right CRC over wrong data, or a second copy of a reply when the next request is out, is taken: so it is known.

    The second copy costs one poll at most: the true reply that follows it brings the unit into step again.
    """
    outcomes = await rig.run_all([Fault(link, Way.REPLY, kind, seed) for seed in range(12)])
    assert any(outcome.wrong for outcome in outcomes)
    assert not any(outcome.stuck for outcome in outcomes)

"""Faults on Modbus TCP, which has no checksum: of whole frames, headers, lengths and ids, cuts and delays.

That the rig sees a wrong value when there is one was tried by breaking the driver: with the transaction not checked,
with transactions that start over on a new connection, and with waveforms whose sequence number is not looked at again,
`test_some_faults` fails in some of its faults each.
"""

from __future__ import annotations

import random

import pytest

from shoptwin.testing.faults import Fault, Link, Way, beyond, every

LINKS = pytest.mark.parametrize("link", [Link.TCP, Link.PIPELINED])


@LINKS
async def test_some_faults(rig, check, link):
    """Whatever happens to frames, no wrong value is Good, and all data flow again within one backoff."""
    outcomes = await rig.run_all(every(link, range(3)))
    check(outcomes)


@LINKS
async def test_faults_in_a_row(rig, check, link):
    """The same holds on one connection to which one thing after another happens."""
    faults = every(link, range(1000, 1001))
    random.Random(str(link)).shuffle(faults)
    outcomes = await rig.run_all(faults, in_a_row=8)
    check(outcomes)


@LINKS
async def test_two_devices_at_one_url(rig, check, link):
    """The same holds of two devices behind one gateway, to one of which it may hand what the other has asked for."""
    outcomes = await rig.run_all(every(link, range(2000, 2002)), devices=2)
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
async def test_what_no_client_can_tell(rig, link):
    """A damaged payload is taken for what was read, as Modbus TCP has no checksum; so the rig does see wrong values."""
    for kind in beyond(link):
        outcomes = await rig.run_all([Fault(link, Way.REPLY, kind, seed) for seed in range(8)])
        assert any(outcome.wrong for outcome in outcomes)

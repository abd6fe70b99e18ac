"""Faults on Modbus TCP, which has no checksum: of whole frames, headers, lengths and ids, cuts and delays."""

from __future__ import annotations

import pytest

from shoptwin.testing.faults import Link, every


@pytest.mark.parametrize("link", [Link.TCP, Link.PIPELINED])
async def test_no_wrong_value_and_data_flow_again(rig, link):
    """Whatever happens to frames, no wrong value is Good, and all data flow again within one backoff."""
    outcomes = await rig.run_all(every(link, range(3)))
    assert not [str(outcome) for outcome in outcomes if outcome.wrong or outcome.stuck]

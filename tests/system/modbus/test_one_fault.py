"""One seeded fault, by its name: `make faults ARGS="--fault tcp/reply/late/7"`."""

from __future__ import annotations

import sys


async def test_named_fault(rig, named_fault, capsys):
    """The fault that was named on the command line happens alone, and what went over the wire is shown."""
    [outcome] = await rig.run([named_fault])
    with capsys.disabled():
        sys.stdout.write(f"\n{outcome}\n")
    assert not outcome.wrong
    assert not outcome.stuck

"""Faults between the OPC UA driver, run as the daemon runs it, and node-opcua: on the wire, and of the server."""

from __future__ import annotations

import pytest

from shoptwin.testing.faults.opcua import AT_THE_SERVER, ON_THE_WIRE, Round

LANES = (
    ("subscribe", "none"), ("poll", "none"), ("subscribe", "Basic256Sha256"), ("poll", "none"), ("subscribe", "none"),
    ("poll", "Basic256Sha256"),
)  # fmt: skip
"""Mode and security; two thirds without any, where nothing but the driver itself finds what is wrong."""


def _check(outcomes):
    """Fail with all that went wrong, which an assertion would cut."""
    if failed := "\n".join(str(outcome) for outcome in outcomes if outcome.failed):
        pytest.fail(failed, pytrace=False)


def _drawn(mode, security, seeds):
    """Return a round for each seed: one in twelve at the server, which takes seconds to start, the rest on the wire."""
    rounds = []
    for seed in seeds:
        kinds, number = (AT_THE_SERVER, seed // 12) if seed % 12 == 11 else (ON_THE_WIRE, seed)
        rounds.append(Round(mode, security, kinds[number % len(kinds)], seed))
    return rounds


def _lanes(count, each):
    return [_drawn(*LANES[i % len(LANES)], range(i * each, (i + 1) * each)) for i in range(count)]


@pytest.mark.timeout(180)
async def test_some_rounds(happen, tell):
    """Whatever happens, no wrong value is Good, sessions do not pile up, and data flow again within one backoff."""
    outcomes = await happen(*_lanes(5, 8))
    tell(outcomes)
    _check(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_thousand_rounds(happen, tell):
    """The same holds for a thousand rounds."""
    outcomes = await happen(*_lanes(10, 100))
    tell(outcomes)
    _check(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_minutes_of_silence(happen, tell):
    """A server that is stopped for longer than it keeps sessions is found again, with one session and no other left."""
    lanes = (("subscribe", "none"), ("poll", "none"), ("subscribe", "Basic256Sha256"))
    outcomes = await happen(*([Round(*lane, "freeze", seed)] for seed, lane in enumerate(lanes)))
    tell(outcomes)
    _check(outcomes)
    assert [outcome.left for outcome in outcomes] == [1, 1, 1]


async def test_named_round(happen, named_round, tell):
    """The round that was named on the command line happens alone."""
    outcomes = await happen([named_round])
    tell(outcomes)
    _check(outcomes)


@pytest.mark.parametrize("name", ["", "poll/none/nothing/1", "poll/none/cut"])
def test_names(name):
    """A round is what its name says, and what is none is refused."""
    assert str(Round.parse("poll/none/cut/12")) == "poll/none/cut/12"
    with pytest.raises(ValueError, match="is none"):
        Round.parse(name)

"""The judge of the fault tests sees what it is there for: the driver is broken on purpose, in three ways at a time."""

from __future__ import annotations

from collections import deque

import pytest

from shoptwin.testing.faults.opcua import Round
from shoptwin.testing.faults.opcua_truth import COUNT, GENERATION, OpcUaTruth
from shoptwin_opcua.reading.subscription import Subscription
from shoptwin_opcua.session.sessions import Sessions
from shoptwin_opcua.subscribed import SubscribedConnection


@pytest.fixture
def broken(monkeypatch):
    """Break the driver: two handles are mixed up, the last values are kept over a reconnect, sessions are left."""
    last = deque(maxlen=20)
    batches, item = SubscribedConnection.batches, Subscription._item

    async def kept(self, groups):
        for batch in tuple(last):
            yield batch
        async for batch in batches(self, groups):
            last.append(batch)
            yield batch

    def mixed(self, one, filter_):
        request = item(self, one, filter_)
        parameters = request.RequestedParameters
        parameters.ClientHandle = {0: 6, 6: 0}.get(parameters.ClientHandle, parameters.ClientHandle)
        return request

    async def left(*_):
        pass

    monkeypatch.setattr(SubscribedConnection, "batches", kept)
    monkeypatch.setattr(Subscription, "_item", mixed)
    monkeypatch.setattr(Sessions, "_clear", left)
    monkeypatch.setattr(Sessions, "close", left)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("broken")
async def test_what_is_broken_is_found(happen):
    """Values of another node, values from before a reconnect, and sessions that pile up are each found."""
    rounds = [Round("subscribe", "none", "hole", 1), *(Round("subscribe", "none", "cut", seed) for seed in range(4))]
    outcomes = await happen(rounds)
    wrong = [text for outcome in outcomes for text in outcome.wrong]
    assert any("t0" in text and "another value" in text for text in wrong)
    assert any("at least" in text for text in outcomes[0].wrong)
    assert max(outcome.sessions for outcome in outcomes) > 2


def test_truth():
    """What the server says is right, and what it did not say of this variable at this time is told as wrong."""
    truth = OpcUaTruth.now()
    at = truth.since - 1000 * GENERATION
    truth = OpcUaTruth(at)
    time = at + 900 * GENERATION
    right = {0: 57600.5, 1: 57601, 2: (256 << 32) + 57602, 3: "3:900"}
    for n, value in right.items():
        assert not truth.judge(n, value, 0, time, 800)
        assert not truth.judge(n, value, 0x480, time, 800), "a queue that ran over"
        assert "another value" in truth.judge(n + 6, value, 0, time, 800)
        assert "another value" in truth.judge(n, value, 0, time + GENERATION, 800)
        assert "at least" in truth.judge(n, value, 0, time, 901)
        assert "never gave" in truth.judge(n, value, 0, time + 1, 800)
        assert "where it was" in truth.judge(n, value, 0x40000000, time, 800)
    assert "at most" in truth.judge(1, 64 * 9000 + 1, 0, at + 9000 * GENERATION, 0)
    moods = {truth.status(5, g) for g in range(5)}
    assert {hex(mood) for mood in moods} == {"0x0", "0x808c0000", "0x40900000"}
    assert truth.status(COUNT - 2, 0) == 0

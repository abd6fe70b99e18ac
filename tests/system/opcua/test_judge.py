"""The judge of the fault tests sees what it is there for: the driver is broken on purpose."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.tag import ValueKind
from shoptwin.testing.faults.opcua import Round
from shoptwin.testing.faults.opcua_truth import COUNT, FAST, GENERATION, SLOT, OpcUaTruth
from shoptwin_opcua.reading.book import Book
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
        parameters.ClientHandle = {18: 21, 21: 18}.get(parameters.ClientHandle, parameters.ClientHandle)
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
    assert any("t18" in text and "another value" in text for text in wrong)
    assert any("at least" in text for text in outcomes[0].wrong)
    assert max(outcome.sessions for outcome in outcomes) > 2


@pytest.fixture
def forgetful(monkeypatch):
    """Break the driver: what it is told first after a read is taken for the same if it has the same time.

    And let it dawdle between the read and what follows, so that it is found in a few rounds instead of a hundred.
    """
    watch = Subscription.watch

    async def dawdling(self, items):
        await asyncio.sleep(0.1)
        await watch(self, items)

    def dropped(self, values, handles, fresh):
        for index, row in enumerate(values.in_rows()):
            handle = handles[index]
            if fresh[index] >= 0 and self.lines["repeats"][handle]:
                self.lines["repeats"][handle] = False
                last = self.last(handle)
                if last is not None and last[2:4] == row[2:4]:
                    fresh[index] = -1

    monkeypatch.setattr(Book, "_drop_repeats", dropped)
    monkeypatch.setattr(Subscription, "watch", dawdling)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("forgetful")
async def test_a_lost_last_change_is_found(happen):
    """A change that is lost of a variable that stays as it is from then on is found, though nothing wrong was told."""
    lanes = [[Round("subscribe", "none", "cut", 1000 * lane + seed) for seed in range(6)] for lane in range(4)]
    outcomes = await happen(*lanes)
    assert any("stays at change" in outcome.stuck for outcome in outcomes)
    assert not any(outcome.wrong for outcome in outcomes)


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
    assert truth.status(FAST - 2, 0) == 0


@given(st.integers(FAST, COUNT - 1), st.integers(0, 10**6))
def test_truth_that_stays(n, ms):
    """What changes rarely is right from one change to the next, by its value and its time in whole seconds."""
    truth = OpcUaTruth(OpcUaTruth.now().since - 2_000_000 * 10**6)
    at = truth.since + ms * 10**6
    change, oldest = truth.changes(n, at), ms * 10**6 // GENERATION
    came, next_ = truth.moment(n, change), truth.moment(n, change + 1)
    assert came <= at < next_
    assert change == truth.changes(n, came) == truth.changes(n, next_ - 1)
    value = {0: 1024 * change + n + 0.5, 1: 1024 * change + n, 2: f"{n}:{change}"}[n % 3]
    time = came // 10**9 * 10**9
    assert not truth.judge(n, value, 0, time, oldest)
    assert "another value" in truth.judge(n + 3 if n + 3 < COUNT else n - 3, value, 0, time, oldest)
    assert "another value" in truth.judge(n, value, 0, time, (next_ - truth.since) // GENERATION + 1)
    assert "never gave" in truth.judge(n, value, 0, time + 10**9, oldest)
    assert "was Good" in truth.judge(n, value, 0x80000000, time, oldest)
    assert next_ - came < 10**9 or change % 2 == 0
    assert next_ - came > SLOT // 3 or change % 2 == 1 or not change


async def test_what_stays_wrong_is_told(judge):
    """A variable that stays at an old value is named once it should be known better, and no other is."""
    truth = OpcUaTruth(OpcUaTruth.now().since - 20 * SLOT - 3 * SLOT // 4)  # when nothing changes for a while
    judge = judge(truth)
    took = truth.changes(FAST)

    def tell(change):
        for n in range(FAST, COUNT):
            c = change if n == FAST else truth.changes(n)
            value = {0: 1024 * c + n + 0.5, 1: 1024 * c + n, 2: f"{n}:{c}"}[n % 3]
            kind = {0: ValueKind.F8, 1: ValueKind.I8, 2: ValueKind.STR}[n % 3]
            judge.take(SampleBatch.of("g", kind, [n], [value], source_time=[truth.moment(n, c) // 10**9 * 10**9]))

    tell(took - 1)
    assert await judge.settles(0.1) == f"t{FAST} stays at change {took - 1}, and is at {took}"
    tell(took)
    assert await judge.settles(0.1) == ""
    assert not judge.outcome.wrong

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.publish.dispatch import Dispatcher


def message(topic, n=0, payload=b"{}"):
    return OutboxMessage(f"{topic}-{n}", topic, MessageClass.EVENT, topic, payload, 1, False, n)


class Outbox:
    """An outbox in memory, and the broker's side of what left it."""

    def __init__(self, window=4):
        self.rows = {}
        self.last = 0
        self.mid = 0
        self.flying = {}
        self.dispatcher = Dispatcher(self.read, retry=60)
        self.dispatcher.connected(window)

    def add(self, topic):
        self.last += 1
        self.rows[self.last] = message(topic, self.last)
        return self.last

    def read(self, after, limit):
        return [(seq, m) for seq, m in sorted(self.rows.items()) if seq > after][:limit]

    def send(self, now=0.0):
        sent = []
        while (outgoing := self.dispatcher.next(now)) is not None:
            self.mid += 1
            self.flying[self.mid] = outgoing
            self.dispatcher.sent(self.mid, outgoing, now)
            sent.append(outgoing.message.time)
        return sent

    def answer(self, refuses=(), now=0.0):
        """Answer everything under way, in order; return what was taken."""
        taken = []
        for mid, outgoing in list(self.flying.items()):
            del self.flying[mid]
            if outgoing.message.topic in refuses:
                self.dispatcher.refuse(mid, "no", now)
            else:
                self.dispatcher.acknowledge(mid)
                taken.append(outgoing.message)
        return taken

    def delete(self):
        done = self.dispatcher.done()
        for seq in done:
            self.rows.pop(seq, None)
        self.dispatcher.deleted(done)


def test_no_more_than_the_window_is_under_way_and_in_order():
    """Messages leave in the order of the outbox, as many at a time as the broker takes."""
    box = Outbox(window=3)
    for _ in range(5):
        box.add("a")
    assert box.send() == [1, 2, 3]
    assert box.send() == []
    box.answer()
    assert box.send() == [4, 5]


def test_a_refused_topic_waits_while_the_others_flow():
    """A refusal holds back the later messages of its own topic, those under way too, and no others."""
    box = Outbox(window=10)
    for topic in "abab":
        box.add(topic)
    box.send()
    assert [m.time for m in box.answer(refuses="a")] == [2, 4]
    box.add("a")
    box.add("b")
    assert box.send(1) == [6]
    assert box.dispatcher.refused["a"].reason == "no"
    assert box.dispatcher.retry_at == 60
    box.answer()
    box.delete()
    assert sorted(box.rows) == [1, 3, 5]


def test_after_a_refusal_the_oldest_is_tried_alone_and_then_all_in_order():
    """When its time has come the refused message goes first; what is taken goes on from there."""
    box = Outbox(window=10)
    for _ in range(4):
        box.add("a")
    box.send()
    box.answer(refuses="a")
    assert box.send(59) == []
    assert box.send(60) == [1]
    box.answer(refuses="a", now=60)
    assert box.send(119) == []
    assert box.send(120) == [1]
    box.answer(now=120)
    assert not box.dispatcher.refused
    assert box.send(120) == [2, 3, 4]
    box.answer()
    box.delete()
    assert not box.rows


def test_a_message_under_way_behind_a_refused_one_is_sent_again():
    """The broker refused the first and took the second: the second goes again after the first, so the last is last."""
    box = Outbox()
    box.add("a")
    box.add("a")
    box.send()
    first, second = box.flying
    box.dispatcher.refuse(first, "quota", 0)
    box.dispatcher.acknowledge(second)
    box.flying.clear()
    assert box.dispatcher.done() == []
    assert box.send(60) == [1]
    box.answer()
    assert box.send(60) == [2]


def test_two_topics_that_come_back_together_both_go_on_from_where_they_were():
    """Reading the outbox again for one topic does not skip what is being read again for the other."""
    box = Outbox(window=2)
    box.add("a")
    box.send()
    box.answer(refuses="a")
    for topic in "aab":
        box.add(topic)
    assert box.send() == [4]
    box.answer(refuses="b")
    assert box.send(60) == [1, 4]
    first, second = box.flying
    box.dispatcher.acknowledge(first)
    assert box.send(60) == [2]
    box.dispatcher.acknowledge(second)
    assert box.send(60) == [3]


def test_a_long_backlog_of_a_refused_topic_is_passed_over_in_portions():
    """The loop is not held up by ten thousand messages that nobody may have; `more` says to ask again."""
    box = Outbox()
    box.add("a")
    box.send()
    box.answer(refuses="a")
    for _ in range(1000):
        box.add("a")
    last = box.add("b")
    assert box.send() == []
    assert box.dispatcher.more
    assert box.send() + box.send() == [last]
    assert not box.dispatcher.more


def test_only_the_newest_state_is_sent_and_one_at_a_time():
    """What was overtaken before it could leave is never sent; the next one waits for the answer to the first."""
    d = Dispatcher(lambda _after, _limit: ())
    d.connected(20)
    for n in range(3):
        d.latest(message("state", n))
    first = d.next(0)
    assert first.message.time == 2
    d.sent(1, first, 0)
    d.latest(message("state", 3))
    d.latest(message("state", 4))
    assert d.next(0) is None
    d.acknowledge(1)
    assert d.next(0).message.time == 4


def test_a_new_connection_is_told_the_latest_of_every_topic_the_first_one_first():
    """What the broker has may be gone: all states go again, the status before them."""
    d = Dispatcher(lambda _after, _limit: ())
    d.connected(20)
    for topic in ("state-1", "status", "state-2"):
        d.latest(message(topic))
    for mid in range(3):
        d.sent(mid, d.next(0), 0)
        d.acknowledge(mid)
    d.connected(20, first="status")
    assert [d.next(0).message.topic for _ in range(3)] == ["status", "state-1", "state-2"]


def test_a_refused_state_is_tried_again_with_the_newest():
    """A retry of a state sends what is true then, not what was refused."""
    d = Dispatcher(lambda _after, _limit: ())
    d.connected(20)
    d.latest(message("state", 1))
    d.sent(1, d.next(0), 0)
    d.refuse(1, "no", 0)
    d.latest(message("state", 2))
    assert d.next(59) is None
    assert d.next(60).message.time == 2


def test_a_retired_state_is_forgotten_once_the_broker_has_emptied_it():
    """An empty payload takes a retained state back, and is not repeated at the next connect."""
    d = Dispatcher(lambda _after, _limit: ())
    d.connected(20)
    d.latest(message("state", 1, b""))
    d.sent(1, d.next(0), 0)
    d.acknowledge(1)
    d.connected(20)
    assert d.next(0) is None


class Crowd(RuleBasedStateMachine):
    """Three topics, a broker that refuses now this and now that, and a connection that breaks at any moment."""

    def __init__(self):
        super().__init__()
        self.box = Outbox(window=3)
        self.got = []
        self.refuses = frozenset()
        self.now = 0.0

    @rule(topic=st.sampled_from("abc"), count=st.integers(1, 4))
    def add(self, topic, count):
        for _ in range(count):
            self.box.add(topic)

    @rule()
    def send(self):
        self.box.send(self.now)

    @rule()
    def answer(self):
        self.got += self.box.answer(self.refuses, self.now)

    @rule(reached=st.integers(0, 3))
    def lose(self, reached):
        """Some of what was under way had reached the broker, and nobody knows."""
        flying = [outgoing.message for outgoing in self.box.flying.values()][:reached]
        self.got += [m for m in flying if m.topic not in self.refuses]
        self.box.flying.clear()
        self.box.dispatcher.connected(3)

    @rule(refuses=st.frozensets(st.sampled_from("abc")))
    def change_rights(self, refuses):
        self.refuses = refuses

    @rule()
    def wait(self):
        self.now += 61

    @rule()
    def delete(self):
        self.box.delete()

    @invariant()
    def the_window_is_kept(self):
        assert self.box.dispatcher.inflight <= 3

    @invariant()
    def what_was_not_taken_is_still_there(self):
        taken = {m.time for m in self.got}
        assert all(n in taken or n in self.box.rows for n in range(1, self.box.last + 1))

    def teardown(self):
        """Once the broker takes everything, everything arrives, and in each topic none before its predecessor."""
        self.refuses = frozenset()
        for _ in range(self.box.last + 3):
            self.send()
            self.answer()
            self.delete()
            self.now += 61
        assert not self.box.rows
        assert self.box.dispatcher.idle
        for topic in "abc":
            came = [m.time for m in self.got if m.topic == topic]
            assert list(dict.fromkeys(came)) == sorted(set(came))
            assert came[-1:] == sorted(came)[-1:], "the newest is not the last"
        assert len({m.time for m in self.got}) == self.box.last


TestCrowd = Crowd.TestCase

"""What outlives a connection, and how lost messages are counted; without a server."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import StatusCode
from shoptwin.testing import group_of
from shoptwin_opcua import plugin
from shoptwin_opcua.address import parse
from shoptwin_opcua.reading.subscription import Subscription
from shoptwin_opcua.space.memory import Memory
from shoptwin_opcua.space.services import Server

_URIS = st.lists(st.text("abc", max_size=3), max_size=5).map(lambda uris: ("http://opcfoundation.org/UA/", *uris))


@given(st.text() | st.binary().map(repr))
def test_what_cannot_be_understood_is_as_good_as_nothing(text):
    """Any text may be recalled."""
    memory = Memory()
    memory.recall(text)
    assert memory.index(parse("i=1"), ()) == (0, StatusCode.GOOD)


@given(st.lists(_URIS, max_size=5), st.integers(1, 6))
def test_an_index_means_one_uri_for_ever(servers, index):
    """However namespaces change between connections, an index leads to the URI that it led to at first, or nowhere."""
    first, memory = None, Memory()
    for namespaces in servers:
        found, status = memory.index(parse(f"ns={index};i=1"), namespaces)
        there = namespaces[index] if index < len(namespaces) else ""
        first = first or there
        assert (found == index) == bool(there and there == first) == (status is StatusCode.GOOD)
        assert (index in memory.moved) == (status is StatusCode.BAD_CONFIGURATION_ERROR) or not there
        text, memory = memory.news(), replace(memory)
        if text is not None:
            memory = Memory()
            memory.recall(text)
            assert memory.news() is None


@given(st.lists(st.sampled_from(["data", "keep-alive", "lost"]), max_size=40), st.integers(1, 2**32 - 1))
def test_lost_messages_are_missed(story, first):
    """Each message that was lost is missed when the next one comes, once, also where the numbers begin anew."""
    subscription = Subscription(None, Server(), plugin.Settings(url="opc.tcp://h"), group_of(plugin, ["i=1"]))
    subscription._next = number = first
    lost, missed = [], []
    for event in story:
        subscription._unheard = 0  # that a server is not believed for ever is another matter
        if event == "keep-alive":
            missed += subscription.missed(number, keep_alive=True)
            continue
        if event == "lost":
            lost.append(number)
        else:
            missed += subscription.missed(number, keep_alive=False)
        number = 1 if number == 2**32 - 1 else number + 1
    assert set(missed) <= set(lost)
    assert len(missed) == len(set(missed))
    if 2**32 - 1 not in range(first, first + 40) and story[-1:] not in (["lost"], []):
        assert missed == lost


def test_a_server_that_counts_otherwise_is_not_believed():
    """Numbers that leave out others time after time cost a few questions, and then a read of all now and then."""
    subscription = Subscription(None, Server(), plugin.Settings(url="opc.tcp://h"), group_of(plugin, ["i=1"]))
    asked, reads = 0, 0
    for now, number in enumerate(range(2, 100, 2)):
        missed = subscription.missed(number, keep_alive=False)
        assert len(missed) == 1
        asked += len(subscription.again(missed))
        reads += subscription.again(missed) != missed and subscription.read_instead(now)
    assert (asked, reads) == (3, 5)


def test_more_than_can_be_asked_for_again():
    """Where many messages were lost at once none is asked for, and all is read instead."""
    subscription = Subscription(None, Server(), plugin.Settings(url="opc.tcp://h"), group_of(plugin, ["i=1"]))
    missed = subscription.missed(52, keep_alive=False)
    assert missed == range(1, 52)
    assert subscription.again(missed) == range(0)
    assert subscription.read_instead(0.0)

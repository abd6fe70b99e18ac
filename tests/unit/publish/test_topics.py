from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoptwin.domain.machine import Machine
from shoptwin.publish import topics

TEXT = st.text(st.characters(codec=None), max_size=12)


def test_each_kind_of_message_has_its_topic():
    """The tree is the contract with the SCADA: site, area, line, machine, and beside them the gateways."""
    base = topics.of_machine("plant-1", Machine("press-3", area="hall-2", line="line-a"))
    assert topics.state(base) == "shoptwin/v1/plant-1/hall-2/line-a/press-3/state"
    assert topics.alarm(base, "t.hi") == "shoptwin/v1/plant-1/hall-2/line-a/press-3/alarm/t.hi"
    assert topics.event(base) == "shoptwin/v1/plant-1/hall-2/line-a/press-3/event"
    assert topics.summary(base) == "shoptwin/v1/plant-1/hall-2/line-a/press-3/summary"
    assert topics.status(topics.of_gateway("plant-1", "gw")) == "shoptwin/v1/plant-1/_gateway/gw/status"


def test_an_absent_level_is_a_dash_and_a_wildcard_is_escaped():
    """No level is empty, and nothing in a name can change what the topic means."""
    base = topics.of_machine("", Machine("a/b+c#", area="_gateway"))
    assert base == "shoptwin/v1/-/%5Fgateway/-/a%2Fb%2Bc%23"


@given(TEXT)
def test_a_level_is_always_fit_for_mqtt(text):
    """Whatever a name holds, its level is one level, not empty, valid UTF-8, without wildcards and controls."""
    level = topics.level(text)
    assert level
    assert not set(level) & set("+#/\0")
    assert level.encode("utf-8").decode() == level


@given(TEXT, TEXT)
def test_two_names_never_share_a_level(one, other):
    """Escaping keeps different names apart; the empty name is the dash."""
    assert (topics.level(one) == topics.level(other)) == ((one or "-") == (other or "-"))

"""Births, deaths, aliases and sequence numbers of an edge node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import StatusCode
from shoptwin_mqtt.edge import EdgeNode
from shoptwin_mqtt.protobuf import MalformedError
from shoptwin_mqtt.rows import Want
from shoptwin_mqtt.sparkplug import decode
from shoptwin_mqtt.values import Wish

GOOD, GONE, UNKNOWN = StatusCode.GOOD, StatusCode.BAD_NOT_CONNECTED, StatusCode.BAD_NODE_ID_UNKNOWN
SPEED = {"name": "Speed", "alias": 7, "datatype": 3}


class Node(EdgeNode):
    """A node whose tags 1 and 2 are metrics of a device, and 3 one of its own."""

    def __init__(self, payload):
        super().__init__("g", "n")
        for device, metric, tag in (("d", "Speed", 1), ("d", "Temp", 2), ("", "Up", 3)):
            self.want(device, metric, Want(tag, "group", Wish(), 60.0))
        self._payload = payload

    def hear(self, kind, device="", *metrics, retained=False, kept=False, **more):
        """Return what a message says: value and status by tag."""
        data = self._payload(*metrics, **more).SerializeToString()
        told = decode(data)
        rows = self.certificate(device, told) if kept else self.take(kind, device, told, retained=retained, now=1.0)
        for row in rows:  # as the feed notes it
            row.want.last, row.want.sure = row.value, row.value.status == StatusCode.GOOD and not retained
        return {
            row.want.tag: (row.value.value if row.value.status < StatusCode.BAD else None, row.value.status)
            for row in rows
        }

    def bear(self, session=0):
        self.hear(
            "NBIRTH",
            "",
            {"name": "bdSeq", "long_value": session},
            {"name": "Up", "datatype": 4, "long_value": 1},
            seq=0,
        )
        return self.hear(
            "DBIRTH", "d", SPEED | {"int_value": 100}, {"name": "Temp", "datatype": 9, "float_value": 21.5}, seq=1
        )


@pytest.fixture
def node(payload):
    return Node(payload)


def test_births_name_values_and_aliases(node):
    """A birth gives the first values, and data by alias are known from then on."""
    assert node.bear() == {1: (100, GOOD), 2: (21.5, GOOD)}
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 2**32 - 5}, seq=2) == {1: (-5, GOOD)}
    assert node.hear("NDATA", "", {"name": "Up", "long_value": 2}, seq=3) == {3: (2, GOOD)}
    assert node.alive() == {"g/n": True, "g/n/d": True}
    assert not node.troubles


def test_a_metric_that_no_birth_names(node):
    """A tag whose metric is not in the birth does not exist, and its neighbours do."""
    assert node.hear("DBIRTH", "d", SPEED | {"int_value": 1}, seq=0) == {1: (1, GOOD), 2: (None, UNKNOWN)}


def test_data_before_a_birth(node):
    """Before the first birth an alias means nothing, an integer has no sign, and what says all by itself is taken."""
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 1}, seq=5) == {}
    assert node.hear("DDATA", "d", {"name": "Speed", "int_value": 1}, seq=6) == {}
    assert node.hear("DDATA", "d", {"name": "Temp", "float_value": 1.5}, seq=7) == {2: (1.5, GOOD)}
    assert node.troubles == {"unknown alias": 1, "unknown type": 1}


def test_births_that_the_broker_kept(node):
    """A kept birth gives names and types but no life, and none in the place of a birth that was heard."""
    told = SPEED | {"int_value": 3}
    assert node.hear("DBIRTH", "d", told, kept=True) == {1: (3, GOOD)}
    assert node.alive() == {}
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 4}, seq=200) == {1: (4, GOOD)}
    node.bear()
    assert node.hear("DBIRTH", "d", {"name": "Other", "alias": 7, "datatype": 3}, kept=True) == {}
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 5}, seq=2) == {1: (5, GOOD)}


def test_death_of_a_node(node):
    """When a node dies all that is behind it is gone, and data do not bring it back: a birth does."""
    node.bear(session=4)
    assert node.hear("NDEATH", "", {"name": "bdSeq", "long_value": 4}) == dict.fromkeys((1, 2, 3), (None, GONE))
    assert node.alive() == {"g/n": False, "g/n/d": False}
    assert node.hear("DDATA", "d", {"name": "Temp", "float_value": 1.5}, seq=2) == {}
    assert node.troubles == {"data after death": 1}
    assert node.bear(session=5) == {1: (100, GOOD), 2: (21.5, GOOD)}
    assert node.alive() == {"g/n": True, "g/n/d": True}


def test_death_of_another_session(node):
    """The will of a session before the last birth does not count."""
    node.bear(session=4)
    assert node.hear("NDEATH", "", {"name": "bdSeq", "long_value": 3}) == {}
    assert node.alive() == {"g/n": True, "g/n/d": True}


def test_death_of_a_device(node):
    """When a device dies its tags are gone, and those of the node are not."""
    node.bear()
    assert node.hear("DDEATH", "d", seq=2) == {1: (None, GONE), 2: (None, GONE)}
    assert node.alive() == {"g/n": True, "g/n/d": False}
    assert node.hear("NDATA", "", {"name": "Up", "long_value": 2}, seq=3) == {3: (2, GOOD)}


def test_a_rebirth_makes_old_aliases_void(node):
    """After a node's birth an alias of its device means nothing until that is born too."""
    node.bear()
    node.hear("NBIRTH", "", {"name": "bdSeq", "long_value": 0}, seq=0)
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 1}, seq=1) == {}
    assert node.hear("DBIRTH", "d", {"name": "Temp", "alias": 7, "datatype": 9, "float_value": 9.0}, seq=2)[2] == (
        9.0,
        GOOD,
    )
    assert node.hear("DDATA", "d", {"alias": 7, "float_value": 8.0}, seq=3) == {2: (8.0, GOOD)}


def test_a_gap_makes_aliases_doubtful(node):
    """After a gap what comes by alias is Uncertain until the next birth, what comes by name is not."""
    node.bear()
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 1}, seq=3) == {1: (1, StatusCode.UNCERTAIN)}
    assert node.hear("DDATA", "d", {"name": "Temp", "float_value": 2.0}, seq=4) == {2: (2.0, GOOD)}
    assert node.troubles == {"sequence gap": 1}
    node.hear("DBIRTH", "d", SPEED | {"int_value": 1}, seq=5)
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 1}, seq=6) == {1: (1, GOOD)}


def test_what_comes_twice_is_no_gap(node):
    """A message that comes twice, as QoS 1 allows, makes nothing doubtful."""
    node.bear()
    for _ in range(2):
        assert node.hear("DDATA", "d", {"alias": 7, "int_value": 1}, seq=2) == {1: (1, GOOD)}
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 2}, seq=3) == {1: (2, GOOD)}
    assert not node.troubles


@pytest.mark.parametrize(("kept", "alive"), [(6, True), (5, False)])
def test_a_death_before_the_kept_birth(node, kept, alive):
    """A death that is heard before the kept birth counts only where it is of that session."""
    node.hear("NDEATH", "", {"name": "bdSeq", "long_value": 5})
    told = ({"name": "bdSeq", "long_value": kept}, {"name": "Up", "datatype": 4, "long_value": 1})
    assert node.hear("NBIRTH", "", *told, kept=True) == ({3: (1, GOOD)} if alive else {})
    assert node.hear("NDATA", "", {"name": "Up", "long_value": 2}, seq=9) == ({3: (2, GOOD)} if alive else {})


def test_no_gap_where_not_all_can_be_heard(node):
    """Where the broker refuses one of its topics the sequence of a node says nothing."""
    assert {want.tag for want in node.refused("spBv1.0/g/NDATA/n")} == {3}
    assert {want.tag for want in node.refused("spBv1.0/g/DDATA/n/+")} == {1, 2}
    assert node.refused("spBv1.0/g/NDEATH/n") == []
    node.bear()
    assert node.hear("DDATA", "d", {"alias": 7, "int_value": 1}, seq=9) == {1: (1, GOOD)}


def test_other_devices_count(node):
    """Messages of devices that nobody asks for belong to the sequence, which wraps at 256."""
    node.bear()
    for seq in range(2, 600):
        node.hear("DDATA", "other", {"name": "x", "int_value": 1}, seq=seq % 256)
    assert not node.troubles


def test_commands_are_not_data(payload):
    """What other hosts command a node is not subscribed to."""
    topics = Node(payload).filters()
    assert {topic.split("/")[2] for topic in topics if topic.startswith("spB")} == {
        "NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH",
    }  # fmt: skip


def test_history(node):
    """What is told as history bears the mark of it."""
    node.bear()
    data = node._payload({"alias": 7, "int_value": 1, "is_historical": True, "timestamp": 1_700_000_000_000}, seq=2)
    [row] = node.take("DDATA", "d", decode(data.SerializeToString()), retained=False, now=1.0)
    assert row.past
    assert row.time == 1_700_000_000_000_000_000


@given(messages=st.lists(st.tuples(
    st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "DCMD"]),
    st.sampled_from(["", "d", "e"]),
    st.booleans(), st.binary(max_size=12) | st.integers(0, 3).map(lambda seq: bytes([0x18, seq])),
), max_size=12))  # fmt: skip
def test_any_order_does_no_harm(payload, messages):
    """Whatever comes in whatever order, the outcome is rows of known tags or MalformedError."""
    node = Node(payload)
    for kind, device, retained, data in messages:
        try:
            told = decode(data)
            assert {row.want.tag for row in node.take(kind, device, told, retained=retained, now=1.0)} <= {1, 2, 3}
        except MalformedError:
            continue

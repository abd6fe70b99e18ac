"""Limits: what a server tells, what is found out, and what is read where it cannot be subscribed to."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import NotConnected, StatusCode
from shoptwin.testing.streams import take, values
from shoptwin.testing.watch_opcua import OpcUaWatch
from shoptwin_opcua.errors import refused
from shoptwin_opcua.reading import feed, record
from shoptwin_opcua.space.limits import ASKED, READ, Limits, of_server
from shoptwin_opcua.space.references import references
from shoptwin_opcua.space.services import Server, in_chunks
from shoptwin_opcua.wire.decode import Row

TOLD = st.one_of(
    st.none(), st.integers(-5, 2000), st.floats(allow_nan=True), st.text(max_size=3), st.booleans(),
    st.just(2**32 - 1),
)  # fmt: skip


@given(st.lists(st.tuples(TOLD, st.sampled_from([0, int(StatusCode.BAD)])), max_size=len(ASKED)), st.integers(0, 600))
def test_whatever_a_server_says_there_are_limits_to_work_with(told, batch):
    """Limits are at least one and at most the usual, and no larger than what was said, whatever else was said."""
    rows = [Row(7, value, status, 0, 0) for value, status in told]
    limits = of_server(rows, batch)
    for name in ("read", "items", "browse", "history", "points"):
        assert 1 <= getattr(limits, name) <= READ
        assert isinstance(getattr(limits, name), int)
    assert 1 <= limits.read <= (batch or READ)
    for (name, _), row in zip(ASKED, rows, strict=False):
        if row.status == 0 and type(row.value) is int and row.value > 0 and name != "sampling":
            assert 0 < getattr(limits, name) <= row.value
    assert 0 <= limits.sampling < float("inf")
    assert 0 <= limits.publishing < float("inf")
    str(limits)


@given(st.integers(0, 60), st.integers(1, 70), st.integers(1, 70), st.sampled_from(["BadTooManyOperations",
       "BadResponseTooLarge", "BadRequestTooLarge", "BadEncodingLimitsExceeded", "BadTcpMessageTooLarge"]))  # fmt: skip
def test_what_is_too_much_is_halved(count, bears, told, code):
    """A server that bears less than it says answers everything in the end, in order, each item once."""
    asked: list[int] = []

    async def ask(part):
        if len(part) > bears:
            raise refused("opc.tcp://plc", getattr(ua.StatusCodes, code))
        asked.extend(part)
        return [-item for item in part]

    limits = Limits(browse=told)
    found = asyncio.run(in_chunks(range(count), limits, "browse", ask))
    assert found == [-item for item in range(count)]
    assert asked == list(range(count))
    assert limits.browse <= told


@pytest.mark.parametrize("size", [10, 100])
async def test_no_service_is_asked_for_more_than_the_server_takes(serve, connected, names, size):
    """With limits of ten and of a hundred in every service, values, notifications and a whole folder come."""
    server = serve(nodes=250, max_nodes_per_read=size, max_items_per_call=size, max_nodes_per_browse=size,
                   max_browse_points=2, references_per_node=7, period=50)  # fmt: skip
    for mode in ("poll", "subscribe"):
        async with connected(server, mode=mode) as connection:
            found = await values(connection, names(*(f"n{i}" for i in range(250))))
            assert all(found[i].good for i in range(250))
            assert f"{size} a read" in connection.talk().notes["limits"]
    async with connected(server) as connection:
        below = await connection.browse("nsu=urn:shoptwin:test;s=Machine")
        assert {f"n{i}" for i in range(250)} <= {candidate.name for candidate in below}


async def test_continuation_points_are_few(serve, connected):
    """Nodes that each need a continuation point are browsed within those that the server has."""
    server = serve(nodes=30, max_browse_points=1, references_per_node=5)
    async with connected(server) as connection:
        machine = ua.NodeId("Machine", connection._server.namespaces.index("urn:shoptwin:test"))
        found = await references(connection._channel, connection._server, [machine] * 6, 47)
    assert len({len(each) for each in found}) == 1
    assert len(found[0]) > 30


async def test_continuation_points_are_fewer_than_told(serve, connected):
    """Where the server does not tell how few they are, that is found out, and every node is browsed whole."""
    server = serve(nodes=30, max_browse_points=3, references_per_node=5, untold=True)
    async with connected(server) as connection:
        machine = ua.NodeId("Machine", connection._server.namespaces.index("urn:shoptwin:test"))
        assert "continuation points" not in connection.talk().notes.get("limits", "")
        found = await references(connection._channel, connection._server, [machine] * 20, 47)
    assert len({len(each) for each in found}) == 1
    assert len(found[0]) > 30
    assert connection._server.limits.points == 3


async def test_no_continuation_point_at_all():
    """A node for which the server has no continuation point is an error that says what to do, and not an empty one."""

    class Channel:
        url = "opc.tcp://plc"

        async def call(self, request, _):
            none = ua.StatusCode(ua.StatusCodes.BadNoContinuationPoints)
            return ua.BrowseResponse(Results=[ua.BrowseResult(none) for _ in request.Parameters.NodesToBrowse])

    with pytest.raises(NotConnected, match="cannot tell all that ns=2;i=0 has") as error:
        await references(Channel(), Server(), [ua.NodeId(n, 2) for n in range(5)], 47)
    assert "close other clients" in error.value.hint


async def test_a_group_without_room_is_read(serve, connected, names):
    """Where the server has one subscription left, the first group is subscribed to and the others are read."""
    server = serve(max_subscriptions=1)
    groups = [names("Double", name="a"), names("Int32", name="b", first=5, period=0.2)]
    async with (
        OpcUaWatch(server.port) as watch,
        connected(server, url=f"opc.tcp://127.0.0.1:{watch.port}") as connection,
    ):
        stream = connection.batches(groups)
        first = await take(stream, lambda found: {0, 5} <= set(found))
        assert (first[0][0].value, first[5][0].value) == (21.25, -70_000)
        assert "BadTooManySubscriptions" in connection.talk().notes["reading"]
        reads = watch.services["Read"]
        began = time.monotonic()
        server.do("set", name="Double", type="Double", value=5.5)
        server.do("set", name="Int32", type="Int32", value=11)
        await take(stream, lambda found: 0 in found and found[0][-1].value == 5.5)
        await take(stream, lambda found: 5 in found and found[5][-1].value == 11)
        await take(stream, lambda found: len(found.get(5, ())) >= 5)
        took = time.monotonic() - began
        assert watch.services["Read"] - reads <= took / 0.2 + 2
        assert server.do("counts")["subscriptions"] == 1
        assert not watch.outside


async def test_items_without_room_leave_nothing_behind(serve, connected, names, monkeypatch):
    """A server that can watch fewer nodes than a group has is read, keeps no half subscription, and is asked again."""
    monkeypatch.setattr(feed, "AGAIN", 0.5)
    server = serve(nodes=20, max_monitored=10, own="room")
    async with connected(server) as connection:
        stream = connection.batches([names(*(f"n{i}" for i in range(20)), period=0.1)])
        await take(stream, lambda found: all(len(found.get(i, ())) > 10 for i in range(20)))
        assert "BadTooManyMonitoredItems" in connection.talk().notes["reading"]
        assert server.do("counts")["subscriptions"] == 0


async def test_what_is_refused_once_is_offered_again(serve, connected, names, monkeypatch):
    """When another client gives its place back, the group that was read is subscribed to, without a value lost."""
    monkeypatch.setattr(feed, "AGAIN", 0.5)
    server = serve(nodes=20, max_monitored=10, own="room")
    async with connected(server, mode="subscribe") as other:
        await take(other.batches([names(*(f"n{i}" for i in range(9)))]), lambda found: len(found) == 9)
        async with connected(server) as connection:
            stream = connection.batches([names("Int32", "Double")])
            await take(stream, lambda found: len(found.get(0, ())) > 5)
            assert connection.talk().notes["reading"]
            await other.aclose()
            await take(stream, lambda _: "reading" not in connection.talk().notes)
            server.do("set", name="Int32", type="Int32", value=77)
            await take(stream, lambda found: 0 in found and found[0][-1].value == 77)
            assert server.do("counts")["subscriptions"] == 1


async def test_what_was_read_is_no_gap(serve, connected, names, monkeypatch):
    """A group that was read until it was subscribed to has its gap there, and not from the connection's start on."""
    monkeypatch.setattr(feed, "AGAIN", 0.5)
    server = serve(nodes=20, max_monitored=10, own="gap", history=1000, period=20)
    told, since = [], 0

    async def listen(stream, connection, until):
        nonlocal since
        async with asyncio.timeout(30):
            async for batch in stream:
                told.extend(batch.source_time.tolist() if batch.backfill else ())
                since = json.loads(connection.memory() or "{}").get("since", since)
                if until(connection.talk().notes):
                    return

    async with connected(server, mode="subscribe") as other:
        await take(other.batches([names(*(f"n{i}" for i in range(9)))]), lambda found: len(found) == 9)
        async with connected(server, history_max="10m", memory='{"since": 1}') as connection:
            stream = connection.batches([names("n0", "n1")])
            await listen(stream, connection, lambda notes: since > 1 and "reading" in notes)
            assert told
            await asyncio.sleep(2 * record.MARGIN / 1e9)
            told.clear()
            freed = time.time_ns()
            await other.aclose()
            await listen(stream, connection, lambda notes: "reading" not in notes)
            await listen(stream, connection, lambda _: since > freed + record.MARGIN)
    assert told
    assert min(told) > freed - 1.5 * record.MARGIN


async def test_a_subscription_that_was_ordered_is_not_read(serve, connected, names):
    """With `mode = "subscribe"` a server without room is an error that says what to do."""
    server = serve(max_subscriptions=1)
    async with connected(server, mode="subscribe") as connection:
        stream = connection.batches([names("Double", name="a"), names("Int32", name="b", first=5)])
        with pytest.raises(NotConnected, match="BadTooManySubscriptions"):
            await take(stream, lambda found: 99 in found)


async def test_more_nodes_than_one_subscription_holds(serve, connected, names):
    """A group of more nodes than a subscription may watch is watched by several, and nothing is read."""
    server = serve(nodes=25, max_monitored_per_subscription=10, own="several")
    async with connected(server, mode="subscribe") as connection:
        stream = connection.batches([names(*(f"n{i}" for i in range(25)))])
        await take(stream, lambda found: all(len(found.get(i, ())) >= 2 for i in range(25)))
        assert server.do("counts")["subscriptions"] == 3
        assert "reading" not in connection.talk().notes


async def test_a_profile_is_recognised_and_told(serve, connected, names):
    """What the server says of itself leads to its profile, whose limits hold from then on, and which is told."""
    server = serve(nodes=250, product="SIMATIC S7-1200", period=50)
    async with (
        OpcUaWatch(server.port) as watch,
        connected(server, url=f"opc.tcp://127.0.0.1:{watch.port}") as connection,
    ):
        assert connection.talk().notes["profile"] == "s7-1200, recognised"
        assert connection._server.limits.read == 100
        found = await values(connection, names(*(f"n{i}" for i in range(250))))
        assert len(found) == 250
        assert watch.services["CreateMonitoredItems"] == 3
    async with connected(server, profile="codesys") as connection:
        assert connection.talk().notes["profile"] == "codesys, as configured"


async def test_more_nodes_than_the_server_watches(serve, connected, names):
    """Where the server has fewer monitored items than the device has nodes to watch, that is told with both figures."""
    async with connected(serve(), profile="s7-1200") as connection:
        connection.batches([names(*(f"n{i}" for i in range(600))), names(*(f"n{i}" for i in range(400)), first=600)])
        assert "monitored items" not in connection.talk().notes
        parts = [f"Motor#Field{i}" for i in range(9)]  # one item for all of them
        connection.batches([names(*(f"n{i}" for i in range(1000)), *parts)])
        told = connection.talk().notes["monitored items"]
        assert "1001 nodes" in told
        assert "1000" in told


async def test_too_many_sessions_of_a_known_kind(serve, connected):
    """Where no session is left, the hint says how many such a server has, as soon as it was connected to once."""
    server = serve(max_sessions=1, product="SIMATIC S7-1200", own="known")
    async with connected(server) as connection:
        memory = connection.memory()
        with pytest.raises(NotConnected, match="BadTooManySessions") as error:
            async with connected(server, memory=memory):
                pass
        assert "10 for all its clients together (profile s7-1200)" in error.value.hint
        with pytest.raises(NotConnected, match="BadTooManySessions") as error:
            async with connected(server):
                pass
        assert "profile" not in error.value.hint


async def test_a_deadband_is_the_servers(serve, connected, names):
    """With `server_deadband` small changes are not sent; nodes that know none, like texts, are watched without."""
    server = serve(own="filters")
    async with connected(server, mode="subscribe", server_deadband="2") as connection:
        stream = connection.batches([names("Double", "String", "Boolean")])
        await take(stream, lambda found: len(found) == 3)
        await asyncio.sleep(0.3)
        for value in (21.5, 22.0, 25.0):
            server.do("set", name="Double", type="Double", value=value)
            await asyncio.sleep(0.25)
        server.do("set", name="String", type="String", value="neu")
        found = await take(stream, lambda found: 1 in found and found[1][-1].value == "neu")
        assert [reading.value for reading in found.get(0, ())] == [25.0]


async def test_the_newest_are_discarded_where_it_is_said(serve, connected, names):
    """A queue that is too short loses its oldest values, or its newest where `discard` says so; and it is told."""
    server = serve(own="filters")
    kept = {}
    for discard in ("oldest", "newest"):
        server.do("set", name="Double", type="Double", value=0)
        settings = {"mode": "subscribe", "queue": 2, "sampling": "0s", "discard": discard}
        async with connected(server, **settings) as connection:
            stream = connection.batches([names("Double", period=2.0)])
            await take(stream, lambda found: 0 in found)
            server.do("set", name="Double", type="Double", value=100)
            await take(stream, lambda found: found[0][-1].value == 100)  # it has just been published
            for value in range(1, 6):
                server.do("set", name="Double", type="Double", value=value)
                await asyncio.sleep(0.05)
            found = await take(stream, lambda found: 0 in found and found[0][-1].value == 5)
            kept[discard] = [reading.value for reading in found[0]]
            assert "raise queue" in connection.talk().notes["overflow"]
    # What the server was not quick enough to sample is in neither.
    assert len(kept["oldest"]) == len(kept["newest"]) == 2
    assert kept["oldest"][0] > kept["newest"][0]

"""Against node-opcua, when something goes wrong: nodes and servers that go and come, and sessions left behind."""

from __future__ import annotations

import asyncio
import time

import pytest
from asyncua import ua

from shoptwin.sdk import Hole, NotConnected, StatusCode, Timeout
from shoptwin.testing import group_of
from shoptwin.testing.streams import lost, stream, take, values
from shoptwin_opcua import plugin
from shoptwin_opcua.space import vigil


@pytest.fixture(params=["poll", "subscribe"])
def mode(request):
    """Give each mode."""
    return request.param


async def lost_stream(batches, seconds=8):
    """Take batches until the stream ends; return None and why."""
    async with asyncio.timeout(seconds):
        try:
            async for _ in batches:
                pass
        except (NotConnected, Timeout) as error:
            return None, error
    raise AssertionError


async def test_a_node_that_vanishes_is_bad_alone_and_comes_back(serve, connected, names, mode):
    """A node that is deleted is Bad, its neighbours go on, and it is Good again when it is there again."""
    server = serve(own="vanishing", nodes=2, period=100)
    ghost = f"Ghost {mode}"
    server.do("add", name=ghost, type="Double", value=1.0)
    group = names(ghost, "n0")
    async with connected(server, mode=mode, refresh="300ms") as connection:
        batches = stream(connection, group)
        await take(batches, lambda found: len(found) == 2 and found[0][0].good)
        before = connection._feed._watched._items[0].monitored if mode == "subscribe" else 0
        server.do("remove", name=ghost)
        found = await take(batches, lambda found: 0 in found and not found[0][-1].good and 1 in found)
        assert found[0][-1].status in {StatusCode.BAD_NODE_ID_UNKNOWN, StatusCode.BAD_NODE_ID_INVALID}
        assert found[1][-1].good
        server.do("add", name=ghost, type="Double", value=2.0)
        await take(batches, lambda found: 0 in found and found[0][-1].good)
        server.do("set", name=ghost, type="Double", value=3.0)
        await take(batches, lambda found: 0 in found and found[0][-1].value == 3.0)
        assert mode == "poll" or connection._feed._watched._items[0].monitored not in {0, before}, "it is watched"


async def test_a_watch_that_died_without_a_word_is_made_anew(serve, connected, names):
    """A node whose value changes while the server says nothing of it is found out, read, and watched anew."""
    server = serve(own="changing")
    async with connected(server, refresh="300ms") as connection:
        batches = connection.batches([names("Int32")])
        await take(batches, lambda found: 0 in found)
        item = connection._feed._watched._items[0]
        mode = ua.SetMonitoringModeParameters(item.subscription.id, ua.MonitoringMode.Disabled, [item.monitored])
        deaf = ua.SetMonitoringModeRequest(Parameters=mode)
        await connection._channel.call(deaf, ua.SetMonitoringModeResponse)
        before = item.monitored
        server.do("set", name="Int32", type="Int32", value=5)
        await take(batches, lambda found: found[0][-1].value == 5)
        server.do("set", name="Int32", type="Int32", value=6)
        await take(batches, lambda found: found[0][-1].value == 6)
        assert item.monitored not in {0, before}


async def test_a_namespace_that_moves_is_found_again(serve, connected, names):
    """After a restart with other namespaces before it, an address by URI leads to the same node."""
    server = serve(own="faults")
    assert server.ready["namespace"] == 2
    server.start(namespaces=3)
    assert server.ready["namespace"] == 5
    for mode in ("poll", "subscribe"):
        async with connected(server, mode=mode) as connection:
            assert (await values(connection, names("Double")))[0].value == 21.25


async def test_an_index_that_means_something_else_is_no_value(serve, connected, mode):
    """After a restart with other namespaces, what stands behind an address by index is never given as its value."""
    server = serve(own="faults")
    server.start(namespaces=0)
    group = group_of(plugin, ["ns=2;s=Double", "nsu=urn:shoptwin:test;s=Double", "i=2259"], period=10**8)
    async with connected(server, mode=mode) as connection:
        assert (await values(connection, group))[0].value == 21.25
        memory = connection.memory()
    server.start(namespaces=3)
    async with connected(server, mode=mode, memory=memory) as connection:
        found = await values(connection, group)
        assert found[0].status == StatusCode.BAD_CONFIGURATION_ERROR
        assert (found[1].value, found[2].value) == (21.25, 0)
        talk = connection.talk()
        assert talk.holes == (Hole("ns=2;s=Double", StatusCode.BAD_CONFIGURATION_ERROR),)
        assert "urn:shoptwin:test is ns=5 now" in talk.notes["namespace 2"]
    server.start(namespaces=0)
    async with connected(server, mode=mode, memory=memory) as connection:
        assert (await values(connection, group))[0].value == 21.25


async def test_namespaces_that_change_under_a_session_end_it(serve, connected, names, mode, monkeypatch):
    """Where other namespaces stand where there were some, or the server was started anew, it is connected anew."""
    monkeypatch.setattr(vigil, "EVERY", 0.2)
    server = serve(own=f"renamed {mode}")
    async with connected(server, mode=mode) as connection:
        await values(connection, names("Double"))
        server.do("namespace", uri="urn:another")
        _, error = await lost(connection, names("Double"), 8)
        assert "namespaces" in str(error)


async def test_how_it_goes_is_told(serve, connected, names, mode):
    """Requests, bytes, refusals by name and what is missing are told, and what a server lets us not read."""
    async with connected(serve(), mode=mode) as connection:
        await values(connection, names("Double", "Nowhere"))
        with pytest.raises(NotConnected):
            await connection._channel.call(ua.QueryFirstRequest(), ua.QueryFirstResponse)
        talk = connection.talk()
    assert talk.requests > 3
    assert talk.bytes_sent > 500
    assert talk.bytes_received > 500
    assert talk.exceptions == {"BadServiceUnsupported": 1}
    assert talk.holes == (Hole("nsu=urn:shoptwin:test;s=Nowhere", StatusCode.BAD_NODE_ID_UNKNOWN),)


async def test_an_empty_server_heals(serve, connected, names, mode):
    """From a server that has not built its nodes yet all is Bad, and Good as soon as they are there."""
    server = serve(own="empty", empty=True)
    async with connected(server, mode=mode, refresh="300ms") as connection:
        group = names(f"Late {mode}")
        batches = stream(connection, group)
        found = await take(batches, lambda found: 0 in found)
        assert found[0][0].status == StatusCode.BAD_NODE_ID_UNKNOWN
        server.do("add", name=f"Late {mode}", type="Double", value=5.0)
        found = await take(batches, lambda found: found[0][-1].good)
        assert found[0][-1].value == 5.0


async def test_a_server_of_another_kind_is_waited_for(serve, connected, mode):
    """A namespace that no one knows makes its tag Bad alone."""
    group = group_of(plugin, ["nsu=urn:nobody;s=A", "i=2259"], period=10**8)
    async with connected(serve(), mode=mode) as connection:
        found = await values(connection, group)
    assert found[0].status == StatusCode.BAD_NODE_ID_UNKNOWN
    assert found[1].value == 0


async def test_killed_server_is_not_connected(serve, connected, names, mode):
    """Kill -9 of the server is told within a second, closing is quick, and a new connection works after a restart."""
    server = serve(own="faults")
    async with connected(server, mode=mode) as connection:
        end = asyncio.create_task(lost(connection, names("Double"), 10))
        await asyncio.sleep(0.5)
        server.kill()
        assert (await end)[0] < 2
        began = time.monotonic()
    assert time.monotonic() - began < 2
    server.start()
    async with connected(server, mode=mode) as connection:
        assert (await values(connection, names("Double")))[0].value == 21.25


async def test_stopped_server_is_not_connected(serve, connected, names, mode):
    """A server that is stopped in its tracks is told within keep-alive and timeout, and closing does not hang."""
    server = serve(own="faults")
    async with connected(server, mode=mode, timeout="1s", keep_alive="500ms") as connection:
        end = asyncio.create_task(lost(connection, names("Double"), 10))
        await asyncio.sleep(0.5)
        server.pause()
        try:
            assert (await end)[0] < 5
            began = time.monotonic()
            await connection.aclose()
            assert time.monotonic() - began < 2.5
        finally:
            server.resume()


async def test_idle_subscription_is_kept_alive(serve, connected, names):
    """Where nothing changes nothing is sent, and that alone is no loss; the session outlives its own time-out."""
    server = serve(own="changing")
    async with connected(server, keep_alive="200ms", refresh="10m") as connection:
        batches = connection.batches([names("Double")])
        await take(batches, lambda found: 0 in found)
        with pytest.raises(TimeoutError):
            await take(batches, lambda _found: True, seconds=3)
        server.do("set", name="Double", type="Double", value=1.0)
        await take(batches, lambda found: found[0][-1].value == 1.0)


async def test_a_subscription_that_the_server_drops_is_made_anew(serve, connected, names):
    """When the server gives a subscription up, another is made in the same session; what changed meanwhile is read."""
    server = serve(own="changing")
    async with connected(server) as connection:
        batches = connection.batches([names("Double")])
        await take(batches, lambda found: 0 in found)
        created = server.do("counts")["created"]
        server.do("drop")
        server.do("set", name="Double", type="Double", value=7.0)
        await take(batches, lambda found: found[0][-1].value == 7.0)
        server.do("set", name="Double", type="Double", value=8.0)
        await take(batches, lambda found: found[0][-1].value == 8.0)
        assert server.do("counts")["created"] == created
        assert connection.talk().parts == {"subscription 0.1 s": True}
        server.do("drop")
        _, error = await lost_stream(batches)
        assert "ended" in str(error) or "BadNoSubscription" in str(error), "again and again: it is connected anew"


async def test_a_silent_subscription_is_made_anew(serve, connected, names):
    """One that says nothing beyond its keep-alive, in a session that answers, is thrown away and made anew."""
    server = serve(own="changing")
    async with connected(server, keep_alive="300ms", timeout="1s") as connection:
        batches = connection.batches([names("Double")])
        await take(batches, lambda found: 0 in found)
        created = server.do("counts")
        server.do("mute")
        server.do("set", name="Double", type="Double", value=17.0)
        await take(batches, lambda found: found[0][-1].value == 17.0)
        server.do("set", name="Double", type="Double", value=18.0)
        await take(batches, lambda found: found[0][-1].value == 18.0)
        after = server.do("counts")
        assert (after["created"], after["subscriptions"]) == (created["created"], 1)


@pytest.mark.parametrize("kept", [True, False])
async def test_a_notification_that_was_lost_is_asked_for_again(serve, connected, names, kept):
    """A message that never came is missed by its number and published again; where it is gone the nodes are read."""
    server = serve(own="changing")
    async with connected(server, keep_alive="5s") as connection:
        batches = connection.batches([names("Double", "Int32")])
        await take(batches, lambda found: len(found) == 2)
        await asyncio.sleep(0.5)  # what the server tells first, which was read already
        server.do("swallow", keep=kept)
        server.do("set", name="Double", type="Double", value=30.0 + kept)
        await asyncio.sleep(0.5)
        server.do("set", name="Int32", type="Int32", value=40 + kept)
        found = await take(batches, lambda found: {0, 1} <= found.keys())
        assert (found[0][0].value, found[1][-1].value) == (30.0 + kept, 40 + kept)
        assert kept == ("notifications" not in connection.talk().notes)
        assert "subscriptions" not in connection.talk().notes


async def test_sessions_do_not_pile_up(serve, connected, names, mode):
    """Ten connections one after another leave no session, no subscription and no socket behind."""
    server = serve(max_sessions=2)
    for _ in range(10):
        async with connected(server, mode=mode) as connection:
            await values(connection, names("Double"))
    counts = server.do("counts")
    assert (counts["sessions"], counts["subscriptions"]) == (0, 0)


async def test_a_full_server_is_waited_for(serve, connected):
    """A server without a free session is NotConnected with a cure, and lets us in when one is free."""
    server = serve(max_sessions=2)
    async with connected(server), connected(server):
        with pytest.raises(NotConnected, match="BadTooManySessions") as caught:
            async with connected(server):
                pass
        assert "session" in caught.value.hint
    async with connected(server):
        pass


async def test_closed_connection_is_not_connected(serve, connected, names, mode):
    """After `aclose` nothing is read, and that is an error of its own, not of Python."""
    async with connected(serve(), mode=mode) as connection:
        await connection.aclose()
        await connection.aclose()
        _, error = await lost(connection, names("Double"), 5)
        assert error.hint

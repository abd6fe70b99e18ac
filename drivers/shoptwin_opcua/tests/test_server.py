"""Against node-opcua: values, times, status codes, limits, nodes that go and come, servers that go and come."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from shoptwin.sdk import BadAddress, NotConnected, StatusCode, Timeout, ValueKind
from shoptwin.testing import group_of, readings
from shoptwin.testing.watch_opcua import OpcUaWatch
from shoptwin_opcua import plugin

STAMP = 1_577_934_245_678_000_000
"""What the server stamps its odd nodes with: 2020-01-02 03:04:05.678 UTC."""


async def take(stream, until, seconds=8.0):
    """Take batches until `until(readings)` holds; return the readings of each tag."""
    got = []
    async with asyncio.timeout(seconds):
        async for batch in stream:
            got.append(batch)
            if until(found := readings(got)):
                return found
    raise AssertionError("the stream ended")


async def values(connection, group):
    """Return the first reading of each tag in either mode."""
    if hasattr(connection, "read"):
        found = readings(await connection.read(group))
    else:
        found = await take(connection.batches([group]), lambda found: len(found) == len(group.points))
    return {tag: each[0] for tag, each in found.items()}


@pytest.fixture(params=["poll", "subscribe"])
def mode(request):
    """Give each mode."""
    return request.param


async def test_values_come_as_they_are(serve, connected, names, mode):
    """Values of every type come exact, 64-bit integers too, each with its kind."""
    wanted = {"Float": (ValueKind.F4, 1.5), "Int64": (ValueKind.I8, 2**63 - 1), "UInt64": (ValueKind.U8, 2**64 - 2),
              "Boolean": (ValueKind.BOOL, True), "LocalizedText": (ValueKind.STR, "bereit"),
              "DateTime": (ValueKind.STR, "2020-01-02T03:04:05.678Z")}  # fmt: skip
    async with connected(serve(), mode=mode) as connection:
        found = await values(connection, names(*wanted))
    assert [(reading.kind, reading.value) for _, reading in sorted(found.items())] == list(wanted.values())
    assert all(reading.good for reading in found.values())


async def test_status_and_times_come_as_they_are(serve, connected, names, mode):
    """Bad and Uncertain, and the time at the source, are those of the server; what is no number is Bad."""
    async with connected(serve(), mode=mode) as connection:
        found = await values(connection, names("Uncertain", "Broken", "Null", "NaN", "Matrix", "Nowhere"))
    assert (found[0].value, found[0].status) == (3.5, StatusCode.UNCERTAIN_LAST_USABLE_VALUE)
    assert found[1].status == StatusCode.BAD_SENSOR_FAILURE
    assert found[2].status == StatusCode.BAD_NO_DATA
    assert found[3].status == StatusCode.BAD_OUT_OF_RANGE
    assert found[4].status == StatusCode.BAD_TYPE_MISMATCH
    assert found[5].status == StatusCode.BAD_NODE_ID_UNKNOWN
    assert {found[0].source_time, found[1].source_time, found[2].source_time} == {STAMP}


async def test_server_time_is_told(serve, connected, names):
    """Beside the source's time stands the server's, which is now."""
    before = time.time_ns()
    async with connected(serve(), mode="poll") as connection:
        (batch,) = await connection.read(names("Stamped"))
    assert batch.source_time.tolist() == [STAMP]
    assert abs(int(batch.server_time[0]) - before) < 60e9


async def test_waveforms(serve, connected, names, mode):
    """An array is a waveform at the rate that a property tells; without one it is refused, unless the tag tells it."""
    addresses = [f"nsu=urn:shoptwin:test;s={name}" for name in ("Wave", "Bare")]
    async with connected(serve(), mode=mode) as connection:
        found = await values(connection, group_of(plugin, addresses, kinds=dict.fromkeys(addresses, "waveform")))
        assert found[0].value.rate == 25_600
        assert np.allclose(found[0].value.samples, np.arange(2560) / 10)
        assert found[1].status == StatusCode.BAD_CONFIGURATION_ERROR
    points = tuple(
        type(point)(point.tag, point.address, point.kind, 1000.0) for point in group_of(plugin, addresses).points
    )
    async with connected(serve(), mode=mode) as connection:
        found = await values(connection, type(names())("g", "d", 10**8, points))
        assert [found[tag].value.rate for tag in (0, 1)] == [1000, 1000]
        assert found[1].value.samples.tolist() == [1, -2, 3]
        assert found[1].value.samples.dtype == np.int16


async def test_small_servers_are_not_overrun(serve, connected, names, mode):
    """A server that takes ten nodes at a time gives all fifty, by its limits, or by those of the configuration."""
    server = serve(nodes=50, max_nodes_per_read=10, max_items_per_call=10)
    group = names(*(f"n{i}" for i in range(50)))
    async with OpcUaWatch(server.port) as watch:
        url = f"opc.tcp://127.0.0.1:{watch.port}"
        for batch, reads in ((0, 5), (5, 10)):
            before = watch.services["Read"]
            async with connected(server, mode=mode, url=url, batch=batch) as connection:
                found = await values(connection, group)
            assert [int(found[i].value) for i in range(50)] == list(range(50))
            assert watch.services["Read"] - before >= reads
        assert not watch.outside


async def test_a_limit_that_is_not_told_is_found(serve, connected, names, mode, monkeypatch):
    """A server that refuses what it says it takes is asked for less, until it answers."""
    server = serve(nodes=50, max_nodes_per_read=10, max_items_per_call=10)

    async def no_limits(_channel, _most):
        from shoptwin_opcua.services import Limits, Server  # noqa: PLC0415 - asyncua only where it is used

        return Server(Limits(), ("", "", "urn:shoptwin:test"))

    monkeypatch.setattr("shoptwin_opcua.connection.ask_server", no_limits)
    async with connected(server, mode=mode) as connection:
        found = await values(connection, names(*(f"n{i}" for i in range(50))))
        assert sum(reading.good for reading in found.values()) == 50
        assert connection._server.limits.read <= 10


async def test_changes_are_sent(serve, connected, names):
    """What changes comes by itself, once, with its time, while what does not is given once at the start."""
    server = serve(own="changes")
    async with connected(server) as connection:
        stream = connection.batches([names("Double", "Int32")])
        await take(stream, lambda found: len(found) == 2)
        server.do("set", name="Double", type="Double", value=77.5)
        found = await take(stream, lambda found: found[0][-1].value == 77.5)
        assert 1 not in found
        server.do("set", name="Double", type="Double", value=0, status="BadSensorFailure")
        found = await take(stream, lambda found: not found[0][-1].good)
        assert found[0][-1].status == StatusCode.BAD_SENSOR_FAILURE


async def test_several_groups_share_a_session(serve, connected, names):
    """Each group has its own pace and name, in one session."""
    server = serve(nodes=50, max_nodes_per_read=10, max_items_per_call=10, period=50)
    groups = [names("n0", "n1", name="fast"), names("n2", name="slow", period=1.0, first=9)]
    async with connected(server) as connection:
        count = {"fast": 0, "slow": 0}
        async with asyncio.timeout(10):
            async for batch in connection.batches(groups):
                assert set(batch.tag.tolist()) <= ({0, 1} if batch.group == "fast" else {9})
                count[batch.group] += 1
                if count["slow"] == 4:
                    break
        assert count["fast"] > 10
        assert server.do("counts")["subscriptions"] == 2
    assert server.do("counts") | {"created": 0, "channels": 0} == {
        "sessions": 0, "subscriptions": 0, "created": 0, "channels": 0,
    }  # fmt: skip


async def test_values_between_two_publications_are_kept(serve, connected, names):
    """Sampled faster than published, every change within an interval arrives, in order."""
    server = serve(nodes=50, max_nodes_per_read=10, max_items_per_call=10, period=50)
    async with connected(server, sampling="50ms", publishing="1s") as connection:
        found = await take(connection.batches([names("n5")]), lambda found: len(found[0]) > 25)
    times = [reading.source_time for reading in found[0]]
    assert times == sorted(times)
    assert np.median(np.diff(times)) < 0.2e9


async def test_a_node_that_vanishes_is_bad_alone_and_comes_back(serve, connected, names, mode):
    """A node that is deleted is Bad, its neighbours go on, and it is Good again when it is there again."""
    server = serve(own="vanishing", nodes=2, period=100)
    ghost = f"Ghost {mode}"
    server.do("add", name=ghost, type="Double", value=1.0)
    group = names(ghost, "n0")
    async with connected(server, mode=mode, refresh="300ms") as connection:
        stream = connection.batches([group]) if mode == "subscribe" else polls(connection, group)
        await take(stream, lambda found: len(found) == 2 and found[0][0].good)
        server.do("remove", name=ghost)
        found = await take(stream, lambda found: 0 in found and not found[0][-1].good and 1 in found)
        assert found[0][-1].status in {StatusCode.BAD_NODE_ID_UNKNOWN, StatusCode.BAD_NODE_ID_INVALID}
        assert found[1][-1].good
        server.do("add", name=ghost, type="Double", value=2.0)
        await take(stream, lambda found: 0 in found and found[0][-1].good)
        server.do("set", name=ghost, type="Double", value=3.0)
        await take(stream, lambda found: 0 in found and found[0][-1].value == 3.0)


async def polls(connection, group):
    """Yield batches as the runtime would."""
    while True:
        for batch in await connection.read(group):
            yield batch
        await asyncio.sleep(0.05)


async def test_a_namespace_that_moves_is_found_again(serve, connected, names, mode):
    """After a restart with other namespaces before it, an address by URI leads to the same node."""
    server = serve(own="moving")
    assert server.ready["namespace"] == 2
    server.start(namespaces=3)
    try:
        assert server.ready["namespace"] == 5
        async with connected(server, mode=mode) as connection:
            assert (await values(connection, names("Double")))[0].value == 21.25
    finally:
        server.start(namespaces=0)


async def test_an_empty_server_heals(serve, connected, names, mode):
    """From a server that has not built its nodes yet all is Bad, and Good as soon as they are there."""
    server = serve(own="empty", empty=True).start()
    async with connected(server, mode=mode, refresh="300ms") as connection:
        group = names("Late")
        stream = connection.batches([group]) if mode == "subscribe" else polls(connection, group)
        found = await take(stream, lambda found: 0 in found)
        assert found[0][0].status == StatusCode.BAD_NODE_ID_UNKNOWN
        server.do("add", name="Late", type="Double", value=5.0)
        found = await take(stream, lambda found: found[0][-1].good)
        assert found[0][-1].value == 5.0


async def test_a_server_of_another_kind_is_waited_for(serve, connected, mode):
    """A namespace that no one knows makes its tag Bad alone."""
    group = group_of(plugin, ["nsu=urn:nobody;s=A", "i=2259"], period=10**8)
    async with connected(serve(), mode=mode) as connection:
        found = await values(connection, group)
    assert found[0].status == StatusCode.BAD_NODE_ID_UNKNOWN
    assert found[1].value == 0


async def within(seconds, doing):
    """Return what comes of it, in time."""
    async with asyncio.timeout(seconds):
        return await doing


async def ends(connection, group):
    """Read on until it raises; return the error and the seconds it took."""
    began = time.monotonic()
    with pytest.raises((NotConnected, Timeout)) as caught:
        async for _ in connection.batches([group]) if hasattr(connection, "batches") else polls(connection, group):
            pass
    assert caught.value.message
    assert caught.value.hint
    return time.monotonic() - began


async def test_killed_server_is_not_connected(serve, connected, names, mode):
    """Kill -9 of the server is told within a second, closing is quick, and a new connection works after a restart."""
    server = serve(own="killed")
    async with connected(server, mode=mode) as connection:
        end = asyncio.create_task(ends(connection, names("Double")))
        await asyncio.sleep(0.5)
        server.kill()
        assert await within(5, end) < 2
        began = time.monotonic()
    assert time.monotonic() - began < 2
    server.start()
    async with connected(server, mode=mode) as connection:
        assert (await values(connection, names("Double")))[0].value == 21.25


async def test_stopped_server_is_not_connected(serve, connected, names, mode):
    """A server that is stopped in its tracks is told within keep-alive and timeout, and closing does not hang."""
    server = serve(own="stopped")
    async with connected(server, mode=mode, timeout="1s", keep_alive="500ms") as connection:
        end = asyncio.create_task(ends(connection, names("Double")))
        await asyncio.sleep(0.5)
        server.pause()
        try:
            assert await within(10, end) < 5
            began = time.monotonic()
            await connection.aclose()
            assert time.monotonic() - began < 2.5
        finally:
            server.resume()


async def test_idle_subscription_is_kept_alive(serve, connected, names):
    """Where nothing changes nothing is sent, and that alone is no loss; the session outlives its own time-out."""
    server = serve(own="idle")
    async with connected(server, keep_alive="200ms", refresh="10m") as connection:
        stream = connection.batches([names("Double")])
        await take(stream, lambda found: 0 in found)
        with pytest.raises(TimeoutError):
            await take(stream, lambda _found: True, seconds=3)
        server.do("set", name="Double", type="Double", value=1.0)
        await take(stream, lambda found: found[0][-1].value == 1.0)


async def test_a_subscription_that_the_server_drops_is_told(serve, connected, names):
    """When the server gives a subscription up, the stream ends with NotConnected, never silently."""
    server = serve(own="dropped")
    async with connected(server) as connection:
        end = asyncio.create_task(ends(connection, names("Double")))
        await asyncio.sleep(0.5)
        server.do("drop")
        assert await within(10, end) < 8


async def test_sessions_do_not_pile_up(serve, connected, names, mode):
    """Ten connections one after another leave no session, no subscription and no socket behind."""
    server = serve(own="piling", max_sessions=2)
    for _ in range(10):
        async with connected(server, mode=mode) as connection:
            await values(connection, names("Double"))
    counts = server.do("counts")
    assert (counts["sessions"], counts["subscriptions"]) == (0, 0)


async def test_a_full_server_is_waited_for(serve, connected):
    """A server without a free session is NotConnected with a cure, and lets us in when one is free."""
    server = serve(own="full", max_sessions=1)
    async with connected(server):
        with pytest.raises(NotConnected, match="BadTooManySessions") as caught:
            async with connected(server):
                pass
        assert "session" in caught.value.hint
    async with connected(server):
        pass


async def test_browse(serve, connected):
    """Browsing lists nodes with type and value now, by addresses that outlive a re-index; large folders too."""
    server = serve(nodes=50, max_nodes_per_read=10, max_items_per_call=10, period=50)
    async with connected(server) as connection:
        top = {candidate.name: candidate for candidate in await connection.browse()}
        assert not top["Machine"].is_value
        below = {candidate.name: candidate for candidate in await connection.browse(top["Machine"].address)}
        assert below["Float"].address == "nsu=urn:shoptwin:test;s=Float"
        assert (below["Float"].kind, below["Float"].sample) == (ValueKind.F4, "1.5")
        assert below["Speed"].unit == "mm/s"
        assert below["Wave"].kind is ValueKind.WAVEFORM
        assert below["Broken"].sample == "BadSensorFailure"
        assert len(below) > 60
        with pytest.raises(BadAddress):
            await connection.browse("nsu=urn:shoptwin:test;s=Nowhere")


async def test_closed_connection_is_not_connected(serve, connected, names, mode):
    """After `aclose` nothing is read, and that is an error of its own, not of Python."""
    async with connected(serve(), mode=mode) as connection:
        await connection.aclose()
        await connection.aclose()
        await ends(connection, names("Double"))

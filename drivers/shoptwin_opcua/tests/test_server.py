"""Against node-opcua: values, times, status codes, limits, subscriptions, browsing."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from shoptwin.sdk import BadAddress, StatusCode, ValueKind
from shoptwin.testing import group_of
from shoptwin.testing.streams import take, values
from shoptwin.testing.watch_opcua import OpcUaWatch
from shoptwin_opcua import plugin

STAMP = 1_577_934_245_678_000_000
"""What the server stamps its odd nodes with: 2020-01-02 03:04:05.678 UTC."""


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
        from shoptwin_opcua.space.limits import Limits  # noqa: PLC0415 - asyncua only where it is used
        from shoptwin_opcua.space.services import Server  # noqa: PLC0415

        return Server(Limits(), ("", "", "urn:shoptwin:test"))

    monkeypatch.setattr("shoptwin_opcua.connection.ask_server", no_limits)
    async with connected(server, mode=mode) as connection:
        found = await values(connection, names(*(f"n{i}" for i in range(50))))
        assert sum(reading.good for reading in found.values()) == 50
        assert connection._server.limits.read <= 10


async def test_changes_are_sent(serve, connected, names):
    """What changes comes by itself, once, with its time, while what does not is given once at the start."""
    server = serve(own="changing")
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

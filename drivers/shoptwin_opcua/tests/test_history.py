"""What a server has kept of an outage is read after it, and told belatedly."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import Server, ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import StatusCode
from shoptwin.testing import free_port
from shoptwin.testing.streams import stream
from shoptwin_opcua.reading import history


@pytest.fixture(params=["poll", "subscribe"])
def mode(request):
    """Give each mode."""
    return request.param


def past(batches):
    """Return (tag, source time, value, status) of what was told belatedly."""
    told = [batch for batch in batches if batch.backfill]
    return [
        row
        for batch in told
        for row in zip(
            batch.tag.tolist(), batch.source_time.tolist(), batch.values.tolist(), batch.status.tolist(), strict=True
        )
    ]


async def listen(connection, group, until, seconds=30.0):
    """Take batches until `until(batches, memory)` holds; return them and what the connection has to remember."""
    batches, memory = [], None
    async with asyncio.timeout(seconds):
        async for batch in stream(connection, group):
            batches.append(batch)
            memory = connection.memory() or memory
            if until(batches, memory):
                return batches, memory
    raise AssertionError


async def test_an_outage_is_filled(serve, connected, names, mode):
    """After an outage every value of it comes, once, as the server has it, marked, and no live one is marked."""
    server = serve(own="history", history=1000, nodes=3, period=20)
    group = names("Double", "n1", "Wave", "Float")
    async with connected(server, mode=mode) as connection:
        _, memory = await listen(connection, group, lambda _batches, memory: memory is not None and '"since"' in memory)
    made = [server.do("set", name="Double", type="Double", value=100.0 + i) for i in range(2500 // 25)]
    server.do("set", name="Double", type="Double", value=0, status="BadSensorFailure")
    await asyncio.sleep(2.5)
    async with connected(server, mode=mode, memory=memory) as connection:
        assert connection.memory() is None
    async with connected(server, mode=mode, memory=memory) as connection:
        found, later = await listen(
            connection, group, lambda batches, memory: len(past(batches)) > len(made) and memory is not None
        )
    first = min(
        int(batch.source_time[batch.tag == 1].min()) for batch in found if not batch.backfill and 1 in batch.tag
    )
    rows = past(found)
    assert {tag for tag, *_ in rows} == {0, 1}
    doubles = [(value, status) for tag, _, value, status in rows if tag == 0]
    good = [value for value, status in doubles if not status]
    assert [value for value in good if value >= 100] == [100.0 + i for i in range(len(made))]
    assert StatusCode.BAD_SENSOR_FAILURE in {status for _, status in doubles}
    times = [time for tag, time, *_ in rows if tag == 1]
    assert times == sorted(set(times)), "each once, in order"
    steps = np.diff(times)
    assert steps.max() < 0.5e9, "without a hole"
    assert max(times) >= first - 0.5e9, "up to what is live"
    assert later > memory


async def test_history_can_be_left_alone(serve, connected, names):
    """With history = "off" none is asked for, and nothing is to be remembered of it."""
    server = serve(own="history", history=1000, nodes=3, period=20)
    async with connected(server, mode="poll", history="off", memory='{"since": 1}') as connection:
        for _ in range(20):
            assert not past(await connection.read(names("n1")))
            await asyncio.sleep(0.05)
        assert connection.memory() is None


async def test_a_long_outage_is_filled_in_parts(serve, connected, names, monkeypatch):
    """Of many values a part is asked for at a time, and no more than the rate that is allowed."""
    monkeypatch.setattr(history, "_PER_NODE", 7)
    monkeypatch.setattr(history, "RATE", 200)
    server = serve(own="history", history=1000, nodes=3, period=20)
    for i in range(150):
        server.do("set", name="Int32", type="Int32", value=i)
    await asyncio.sleep(0.05)
    async with connected(server, mode="poll", history_max="10m", memory='{"since": 1}') as connection:
        loop = asyncio.get_running_loop()
        began = loop.time()
        found, _ = await listen(connection, names("Int32"), lambda batches, _: len(past(batches)) >= 150)
        assert loop.time() - began > 0.5
        assert [value for *_, value, _ in past(found)][-150:] == list(range(150))
        assert "values of outages" in connection.talk().notes["history"]


@asynccontextmanager
async def asyncua_server(port):
    """Give asyncua's own server, with one node whose history is kept in memory."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:shoptwin:test")
    node = await server.nodes.objects.add_variable(ua.NodeId("Kept", index), "Kept", 1.0)
    async with server:
        await server.historize_node_data_change(node, period=None, count=1000)
        yield node


async def test_another_server_too(connected, names):
    """A server that others wrote, asyncua's, gives its history as well."""
    port = free_port()

    class There:
        url = f"opc.tcp://127.0.0.1:{port}"

    stamps = [1_577_934_245_000_000_000 + i * 10**9 for i in range(5)]
    async with asyncua_server(port) as node:
        for i, stamp in enumerate(stamps):
            at = datetime.fromtimestamp(stamp / 1e9, UTC)
            await node.write_value(ua.DataValue(ua.Variant(10.0 + i), SourceTimestamp=at, ServerTimestamp=at))
        await asyncio.sleep(0.3)
        memory = '{"since": 1577934245000000000}'
        async with connected(There, mode="poll", history_max="400000h", memory=memory) as connection:
            found, _ = await listen(connection, names("Kept"), lambda batches, _: len(past(batches)) >= 4)
    written = [row for row in past(found) if row[1] <= stamps[-1]]
    assert written == [(0, stamp, 10.0 + i, 0) for i, stamp in enumerate(stamps)][1:]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.none() | st.binary(min_size=1), st.lists(st.integers(0, 99)))))
def test_answers_are_decoded(nodes):
    """What asyncua encodes as an answer is decoded to the same; what breaks off is a ValueError."""
    encoded = struct.pack("<i", len(nodes))
    for status, point, values in nodes:
        data = ua.HistoryData([ua.DataValue(ua.Variant(value, ua.VariantType.Int32)) for value in values])
        encoded += struct_to_binary(ua.HistoryReadResult(ua.StatusCode(status), point, data))
    found = history.results(encoded + struct.pack("<i", -1))
    assert [(r.status, r.point, [row.value for row in r.rows]) for r in found] == nodes
    for cut in range(0, len(encoded), 7):
        with pytest.raises(ValueError, match="breaks off"):
            history.results(encoded[:cut])

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

from shoptwin.sdk import NotConnected, StatusCode
from shoptwin.testing import free_port
from shoptwin.testing.streams import stream
from shoptwin_opcua import plugin
from shoptwin_opcua.reading import history
from shoptwin_opcua.space import services
from shoptwin_opcua.space.resolve import Target
from shoptwin_opcua.wire.decode import Row


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


@pytest.mark.parametrize("points", [1, 5])
async def test_few_continuation_points(serve, connected, names, monkeypatch, points):
    """Where the server has few continuation points every node's history comes whole, and none is left open."""
    monkeypatch.setattr(history, "_PER_NODE", 10)
    server = serve(own="few", history=1000, nodes=12, period=20, max_history_points=points)
    nodes = range(12)
    await asyncio.sleep(1.5)
    async with connected(server, mode="poll", history_max="10m", memory='{"since": 1}') as connection:

        def whole(batches, memory):
            return memory is not None and '"since": 1}' not in memory and bool(past(batches))

        found, _ = await listen(connection, names(*(f"n{i}" for i in nodes)), whole)
        assert "given up" not in connection.talk().notes["history"]
        assert server.do("points")["points"] == 0
    for node in nodes:
        ticks = [round((value - node) * 1000) for tag, _, value, _ in past(found) if tag == node]
        assert len(ticks) > 30
        assert np.diff(ticks).tolist() == [1] * (len(ticks) - 1), "each once, in order, without a hole"


@asynccontextmanager
async def asyncua_server(port, *names):
    """Give asyncua's own server, with nodes whose history is kept in memory."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:shoptwin:test")
    nodes = [await server.nodes.objects.add_variable(ua.NodeId(name, index), name, 1.0) for name in names]
    async with server:
        for node in nodes:
            await server.historize_node_data_change(node, period=None, count=1000)
        yield nodes


async def write(node, stamps):
    """Give a node a value a time: 0, 1, 2 and so on."""
    for i, stamp in enumerate(stamps):
        at = datetime.fromtimestamp(stamp / 1e9, UTC)
        await node.write_value(ua.DataValue(ua.Variant(float(i)), SourceTimestamp=at, ServerTimestamp=at))
        await asyncio.sleep(0)  # it keeps what it is told in tasks


def there(port):
    """Give what `connected` takes for a server."""

    class There:
        url = f"opc.tcp://127.0.0.1:{port}"

    return There


SINCE = 1_577_934_245_000_000_000
LONG_AGO = {"memory": f'{{"since": {SINCE}}}', "history_max": "400000h"}


async def test_another_server_too(connected, names):
    """A server that others wrote, asyncua's, gives its history as well."""
    stamps = [SINCE + i * 10**9 for i in range(5)]
    async with asyncua_server(port := free_port(), "Kept") as (node,):
        await write(node, stamps)
        await asyncio.sleep(0.3)
        async with connected(there(port), mode="poll", **LONG_AGO) as connection:
            found, _ = await listen(connection, names("Kept"), lambda batches, _: len(past(batches)) >= 4)
    written = [row for row in past(found) if row[1] <= stamps[-1]]
    assert written == [(0, stamp, float(i), 0) for i, stamp in enumerate(stamps)][1:]


async def test_a_server_that_cuts_off_without_a_word(connected, names, monkeypatch):
    """Nodes of different pace come whole, each value once, from a server that cuts off and gives no continuation."""
    monkeypatch.setattr(history, "_PER_NODE", 10)
    paces = {"Fast": 10**7, "Slow": 10**9, "Short": 10**10}
    counts = {"Fast": 35, "Slow": 25, "Short": 4}
    async with asyncua_server(port := free_port(), *paces) as nodes:
        for node, (name, pace) in zip(nodes, paces.items(), strict=True):
            await write(node, [SINCE + (i + 1) * pace for i in range(counts[name])])
        await asyncio.sleep(0.3)
        async with connected(there(port), mode="poll", **LONG_AGO) as connection:

            def whole(_batches, memory):
                return memory is not None and str(SINCE) not in memory

            found, _ = await listen(connection, names(*paces), whole)
    rows = past(found)
    for tag, name in enumerate(paces):
        values = [value for of, time, value, _ in rows if of == tag and time < SINCE + 10**12]
        assert values == [float(i) for i in range(counts[name])], name


class Scripted:
    """A channel whose answers are told before: those of one request after another, or an error."""

    url = "opc.tcp://plc"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def raw(self, request, _decode):
        """Answer a HistoryRead."""
        parameters = request.Parameters
        nodes = [(node.NodeId.Identifier, node.ContinuationPoint) for node in parameters.NodesToRead]
        self.asked.append((nodes, parameters.ReleaseContinuationPoints))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def fill(monkeypatch, channel, nodes):
    """Fill a gap of so many nodes; return the values of each, the notes, and whether any is said to have a history."""
    monkeypatch.setattr(history, "_AGAIN", 0)
    monkeypatch.setattr(history, "_PER_NODE", 2)
    server = services.Server()

    async def kept(self, targets):
        self._kept |= {target.tag: True for target in targets}
        return list(targets)

    monkeypatch.setattr(history.History, "_with_history", kept)
    reader = history.History(channel, server, 10**6)
    addresses = [plugin.parse_address(f"ns=2;i={n}") for n in range(nodes)]
    targets = [
        Target(n, address, None, ua.NodeId(n, 2), None, structures=server.structures)
        for n, address in enumerate(addresses)
    ]
    reader.fill("g", targets, 1, 1000)
    told = {n: [] for n in range(nodes)}
    while reader.busy:
        for batch in reader.take():
            for tag, value in zip(batch.tag.tolist(), batch.values.tolist(), strict=True):
                told[tag].append(value)
        await asyncio.sleep(0)
    return told, server.notes.get("history", ""), reader.used


def answer(*values, point=None, status="Good"):
    """Return what a server tells of one node: values, each at the time of the same number."""
    rows = [Row(11, float(value), 0, value, value) for value in values]
    return history.Result(getattr(ua.StatusCodes, status), point, rows)


async def test_what_cannot_be_read_is_told(monkeypatch):
    """A node that is refused although it is asked for alone is given up, and told; so are those refused otherwise."""
    none = answer(status="BadNoContinuationPoints")
    channel = Scripted([none, answer(2), answer(status="BadHistoryOperationUnsupported")], [none])
    told, notes, _ = await fill(monkeypatch, channel, 3)
    assert told == {0: [], 1: [2.0], 2: []}
    assert "1 values of outages were read" in notes
    assert "given up for 1 nodes: BadNoContinuationPoints" in notes
    assert "given up for 1 nodes: BadHistoryOperationUnsupported" in notes


async def test_no_data_is_no_error(monkeypatch):
    """A server that says of a node as a whole that it has no data there is asked for its history again next time."""
    told, notes, used = await fill(monkeypatch, Scripted([answer(status="BadNoData")]), 1)
    assert (told, notes, used) == ({0: []}, "", True)


async def test_a_continuation_point_that_was_taken_away(monkeypatch):
    """Where a server needs a continuation point for another request it is read on from the last value that came."""
    channel = Scripted(
        [answer(2, 3, point=b"a")],
        [answer(status="BadContinuationPointInvalid")],
        [answer(3, 4, point=b"b")],
        [answer(5)],
    )
    told, notes, _ = await fill(monkeypatch, channel, 1)
    assert told == {0: [2.0, 3.0, 4.0, 5.0]}
    assert [nodes for nodes, _ in channel.asked] == [[(0, None)], [(0, b"a")], [(0, None)], [(0, b"b")]]
    assert "given up" not in notes


async def test_a_server_that_does_not_answer(monkeypatch):
    """What is interrupted is gone on with where it was; in the end it is given up, told, and its points released."""
    lost = NotConnected("lost opc.tcp://plc", "it is asked again")
    channel = Scripted([answer(2, 3, point=b"a"), answer(7)], lost, [answer(4, 5, point=b"b")], lost, lost, [answer()])
    told, notes, _ = await fill(monkeypatch, channel, 2)
    assert told == {0: [2.0, 3.0, 4.0, 5.0], 1: [7.0]}
    assert "given up for 1 nodes: lost opc.tcp://plc" in notes
    assert channel.asked[-1] == ([(0, b"b")], True)
    assert [release for _, release in channel.asked[:-1]] == [False] * 5


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

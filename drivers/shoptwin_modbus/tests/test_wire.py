"""The wire over TCP: several requests under way, what drops a connection, what is counted, and identification."""

from __future__ import annotations

import asyncio
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import Timeout
from shoptwin_modbus.addresses.address import Table
from shoptwin_modbus.planning import Block
from shoptwin_modbus.target import Target, Timing
from shoptwin_modbus.wire.counters import Counters
from shoptwin_modbus.wire.identification import identify, parse
from shoptwin_modbus.wire.replies import Garbled, HungUp, Refused
from shoptwin_modbus.wire.transactions import Transactions
from shoptwin_modbus.wire.wire import Wire


def block(start=0, size=1, unit=1, table=Table.HOLDING):
    """Return a block."""
    return Block(unit, table, start, start + size, 0, 1)


def right(request, *words):
    """Return the right reply to a request over TCP."""
    data = struct.pack(f">{len(words)}H", *words)
    return request[:4] + struct.pack(">H", len(data) + 3) + request[6:8] + bytes([len(data)]) + data


def words(*values):
    """Return registers as bytes."""
    return struct.pack(f">{len(values)}H", *values)


@pytest.fixture
async def tcp(scripted):
    """Return a Modbus TCP server and a wire to it that takes four requests at once."""
    peer = await scripted()
    wire = Wire(Target("tcp", "127.0.0.1", peer.port), Transactions(), 4)
    yield peer, wire
    wire.close()


def under_way(wire, *blocks, timeout=2.0):
    """Start requests."""
    return [asyncio.ensure_future(wire.ask(each, Timing(timeout))) for each in blocks]


async def test_replies_in_any_order(tcp):
    """Of several requests under way each gets its own reply, whatever their order; no more go out than allowed."""
    peer, wire = tcp
    asking = under_way(wire, *(block(10 * i) for i in range(6)))
    requests = [await peer.request() for _ in range(4)]
    await asyncio.sleep(0.05)
    assert peer.heard.empty()
    for request in reversed(requests):
        peer.send(right(request, int.from_bytes(request[8:10], "big")))
    for request in [await peer.request() for _ in range(2)]:
        peer.send(right(request, int.from_bytes(request[8:10], "big")))
    assert await asyncio.gather(*asking) == [words(10 * i) for i in range(6)]
    assert peer.connections == 1


@pytest.mark.parametrize("bit", range(16))
async def test_damaged_transaction_hits_no_other_request(tcp, bit):
    """A reply whose transaction is damaged is nobody's: its request times out, the others keep theirs."""
    peer, wire = tcp
    asking = under_way(wire, *(block(10 * i) for i in range(4)), timeout=0.2)
    requests = [await peer.request() for _ in range(4)]
    damaged = (int.from_bytes(requests[1][:2], "big") ^ 1 << bit).to_bytes(2, "big")
    for i, request in enumerate(requests):
        peer.send(right(damaged + request[2:] if i == 1 else request, i))
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found.pop(1), Timeout)
    assert found == [words(i) for i in (0, 2, 3)]
    assert wire.counters.garbled == 1
    [again] = under_way(wire, block(5))
    peer_request = await peer.request()
    peer.send(right(peer_request, 5))
    assert await again == words(5)
    assert peer.connections == 2


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda frame: frame[:2] + b"\x00\x01" + frame[4:], id="protocol"),
        pytest.param(lambda frame: frame[:4] + b"\x01\x05" + frame[6:], id="length beyond the longest"),
        pytest.param(lambda frame: frame[:4] + b"\x00\x01" + frame[6:], id="length of nothing"),
        pytest.param(lambda frame: frame[:4] + b"\x00\x04" + frame[6:], id="length too short"),
        pytest.param(lambda frame: frame[:4] + b"\x00\x07" + frame[6:] + b"\0\0", id="length too long"),
    ],
)
async def test_stream_out_of_step_is_left(tcp, damage):
    """Where it cannot be told where the next frame begins, nothing more is decoded and a new connection is made."""
    peer, wire = tcp
    asking = under_way(wire, *(block(10 * i) for i in range(3)))
    requests = [await peer.request() for _ in range(3)]
    peer.send(damage(right(requests[0], 0)), right(requests[1], 1), right(requests[2], 2))
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in found] == [Garbled] * 3
    [again] = under_way(wire, block(7))
    peer.send(right(await peer.request(), 7))
    assert await again == words(7)
    assert peer.connections == 2


async def test_time_out_lets_the_others_finish(tcp):
    """After a time-out no further request uses the connection; those under way still get their replies on it."""
    peer, wire = tcp
    [late] = under_way(wire, block(0), timeout=0.1)
    requests = [await peer.request()]
    patient = under_way(wire, block(10), block(20))
    requests += [await peer.request() for _ in range(2)]
    with pytest.raises(Timeout):
        await late
    [further] = under_way(wire, block(30))
    await asyncio.sleep(0.05)
    assert peer.heard.empty()
    peer.send(right(requests[0], 0), right(requests[1], 1), right(requests[2], 2))
    assert await asyncio.gather(*patient) == [words(1), words(2)]
    peer.send(right(await peer.request(), 3))
    assert await further == words(3)
    assert peer.connections == 2
    assert wire.counters.timeouts == 1


async def test_old_replies_on_a_new_connection(scripted):
    """A gateway that hands replies to the last connection to the new one: they are nobody's, and ours is taken."""
    peer, numbers = await scripted(), Transactions()
    wire = Wire(Target("tcp", "127.0.0.1", peer.port), numbers)
    [first] = under_way(wire, block(0), timeout=0.1)
    old = await peer.request()
    with pytest.raises(Timeout):
        await first
    successor = Wire(wire.target, numbers)
    [second] = under_way(successor, block(0))
    new = await peer.request()
    assert new[:2] != old[:2]
    peer.send(right(old, 1), right(new, 2))
    assert await second == words(2)
    assert successor.counters.garbled == 1
    successor.close()
    wire.close()


async def test_peer_that_hangs_up(tcp):
    """When the peer closes, what is under way is NotConnected at once, and the next request dials anew."""
    peer, wire = tcp
    asking = under_way(wire, block(0), block(1))
    await peer.request()
    await peer.request()
    peer.hang_up()
    assert [type(each) for each in await asyncio.gather(*asking, return_exceptions=True)] == [HungUp] * 2
    [again] = under_way(wire, block(2))
    peer.send(right(await peer.request(), 2))
    assert await again == words(2)


async def test_counters(tcp):
    """Requests, bytes and refusals by code are counted, for each device where it brings its own counters."""
    peer, wire = tcp
    own = Counters()
    asking = asyncio.ensure_future(wire.ask(block(0, 2), Timing(2), None, own))
    peer.send(right(await peer.request(), 1, 2))
    await asking
    assert own == Counters(requests=1, bytes_sent=12, bytes_received=13, held=own.held)
    assert 0 < own.held < 2
    asking = asyncio.ensure_future(wire.ask(block(0, 2), Timing(2), None, own))
    request = await peer.request()
    peer.send(request[:4] + b"\x00\x03\x01\x83\x02")
    with pytest.raises(Refused):
        await asking
    assert own == Counters(requests=2, bytes_sent=24, bytes_received=22, exceptions={2: 1}, held=own.held)
    assert wire.counters == Counters()


async def test_pause_between_requests(tcp):
    """A device that wants a pause between its requests has it."""
    peer, wire = tcp
    clock, sent = asyncio.get_running_loop().time, []
    asking = [asyncio.ensure_future(wire.ask(block(i), Timing(2, pause=0.1))) for i in range(3)]
    for _ in asking:
        request = await peer.request()
        sent.append(clock())
        peer.send(right(request, 0))
    await asyncio.gather(*asking)
    assert all(0.08 < b - a < 0.2 for a, b in itertools.pairwise(sent))


@pytest.fixture
async def described(port):
    """Return the port of pymodbus's server, with an identity of basic, regular and own objects."""
    identity = ModbusDeviceIdentification(
        info={0: "Acme", 1: "PM-7", 2: "1.4", 3: "http://acme.example", 4: "Meter", 5: "Seven", 6: "Line 3"}
    )
    device = SimDevice(1, simdata=SimData(0, values=[1, 2, 3], datatype=DataType.REGISTERS))
    server = ModbusTcpServer(device, address=("127.0.0.1", port), identity=identity)
    await server.serve_forever(background=True)
    yield port
    await server.shutdown()


async def test_identification(described):
    """Device identification is read in full: basic and regular objects."""
    wire = Wire(Target("tcp", "127.0.0.1", described))
    found = await wire.identify(1, Timing(1))
    assert found == {0: "Acme", 1: "PM-7", 2: "1.4", 3: "http://acme.example", 4: "Meter", 5: "Seven", 6: "Line 3"}
    assert await wire.ask(block(0, 3), Timing(1)) == words(1, 2, 3)
    wire.close()


async def test_identification_that_is_not_served(foreign):
    """A device without identification refuses, and its registers are read as before."""
    wire = Wire(Target("tcp", foreign.host, foreign.port))
    with pytest.raises(Refused):
        await wire.identify(1, Timing(1))
    assert await wire.ask(block(), Timing(1)) == words(0)
    wire.close()


async def test_identification_of_a_foreign_server(port):
    """Extended objects, the maker's own, are read where a device has them (pyModbusTCP's server)."""
    theirs = pytest.importorskip("pyModbusTCP.server", reason="pyModbusTCP is not installed (pip install pyModbusTCP)")
    identity = theirs.DeviceIdentification(b"Acme", b"PM-7", b"1.4", objects_id={0x80: b"Line 3"})
    server = theirs.ModbusServer("127.0.0.1", port, no_block=True, device_id=identity)
    await asyncio.to_thread(server.start)
    wire = Wire(Target("tcp", "127.0.0.1", port))
    found = await wire.identify(1, Timing(1))
    wire.close()
    await asyncio.to_thread(server.stop)
    assert {key: text for key, text in found.items() if text} == {0: "Acme", 1: "PM-7", 2: "1.4", 0x80: "Line 3"}


async def test_identification_in_pages():
    """Objects that do not fit in one reply come in several; a device that serves none of a category ends it there."""
    asked = []

    async def ask(request):
        category, first = request.pdu[2:]
        asked.append((category, first))
        if category == 3:
            raise Refused(3)
        objects = {0: b"A", 1: b"B\0", 2: b"\xe9"} | ({3: b"D"} if category == 2 else {})
        return bytes([0x0E, category, 0x83, 0xFF if first + 1 in objects else 0, first + 1, 1, first]) + (
            bytes([len(objects[first])]) + objects[first]
        )

    assert await identify(1, ask) == {0: "A", 1: "B", 2: "é", 3: "D"}
    assert asked == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0)]


@given(st.binary(max_size=40))
def test_identification_of_any_bytes(data):
    """Whatever a device says of itself, it is text by object, or garbled."""
    try:
        page = parse(b"\x0e" + data)
    except Garbled:
        return
    assert all(isinstance(text, str) for text in page.objects.values())


async def test_the_pause_begins_with_the_reply(scripted):
    """However long a reply takes, the device has its pause behind it, even where the next request waits already."""
    peer = await scripted()
    wire = Wire(Target("tcp", "127.0.0.1", peer.port))
    clock = asyncio.get_running_loop().time
    asking = [asyncio.ensure_future(wire.ask(block(i), Timing(2, pause=0.1))) for i in range(2)]
    first = await peer.request()
    await asyncio.sleep(0.15)
    peer.send(right(first, 1))
    answered = clock()
    second = await peer.request()
    assert clock() - answered >= 0.095
    peer.send(right(second, 2))
    await asyncio.gather(*asking)
    wire.close()

"""The wire on a line: how late replies are drained, and how a unit that owes one is brought into step again."""

from __future__ import annotations

import asyncio
import struct
import time
from contextlib import AsyncExitStack

import pytest

from shoptwin.sdk import NotConnected, Timeout
from shoptwin.testing import group_of
from shoptwin_modbus.addresses.address import Table
from shoptwin_modbus.planning import Block
from shoptwin_modbus.target import ModbusSettings, Target, Timing
from shoptwin_modbus.wire.frames import sealed
from shoptwin_modbus.wire.replies import Garbled
from shoptwin_modbus.wire.wire import Wire


def block(start=0, size=1, unit=1):
    """Return a block."""
    return Block(unit, Table.HOLDING, start, start + size, 0, 1)


def words(*values):
    """Return registers as bytes."""
    return struct.pack(f">{len(values)}H", *values)


LINE = Timing(0.15, turnaround=0.1)
OTHER = block(0, 2)


@pytest.fixture
async def rtu(scripted):
    """Return a converter and a wire to it."""
    peer = await scripted(rtu=True)
    wire = Wire(Target("rtu+tcp", "127.0.0.1", peer.port))
    yield peer, wire
    wire.close()


def asked(wire, *, what=None, unlike=OTHER, timing=LINE):
    """Start a request."""
    return asyncio.ensure_future(wire.ask(what or block(), timing, unlike))


def one(value, unit=1):
    """Return a reply of one register."""
    return struct.pack(">BBBH", unit, 3, 2, value)


def two(value, unit=1):
    """Return a reply of two registers."""
    return struct.pack(">BBBHH", unit, 3, 4, value, value)


async def silent(peer, wire):
    """Let a request time out."""
    asking = asked(wire)
    await peer.request()
    with pytest.raises(Timeout):
        await asking


async def test_late_reply_within_the_turnaround(rtu):
    """A late reply is drained before the line is used again; the unit is asked for another length before it counts."""
    peer, wire = rtu
    await silent(peer, wire)
    asking = asked(wire)
    await asyncio.sleep(0.05)
    peer.send(one(111))
    request = await peer.request()
    assert request == sealed(bytes.fromhex("010300000002"))
    peer.send(two(5))
    assert (await peer.request())[:6] == bytes.fromhex("010300000001")
    peer.send(one(222))
    assert await asking == words(222)
    assert peer.connections == 1


async def test_late_reply_beyond_the_turnaround(rtu):
    """A reply that comes after all silence, to what was asked before, is passed over while the unit is out of step."""
    peer, wire = rtu
    await silent(peer, wire)
    asking = asked(wire)
    await peer.request()
    peer.send(one(111))
    await asyncio.sleep(0.02)
    peer.send(two(5))
    await peer.request()
    peer.send(one(222))
    assert await asking == words(222)


async def test_late_reply_and_the_one_asked_for_in_one_piece(rtu):
    """A late reply in one piece with that to the other length is passed over, and the latter is found behind it."""
    peer, wire = rtu
    await silent(peer, wire)
    asking = asked(wire)
    await peer.request()
    peer.send(one(111), two(5))
    await peer.request()
    peer.send(one(222))
    assert await asking == words(222)


async def test_replies_shifted_by_one_are_never_taken(rtu):
    """A unit that is one reply behind for good, as seen with slow converters, gives no value and no other's."""
    peer, wire = rtu
    await silent(peer, wire)

    async def shifted():
        owed = one(111)
        while True:
            request = await peer.heard.get()
            peer.send(owed)
            owed = two(5) if request[5] == 2 else one(111)

    shifting = asyncio.ensure_future(shifted())
    for _ in range(4):
        with pytest.raises((Timeout, Garbled)):
            await asked(wire)
    shifting.cancel()
    await asyncio.gather(shifting, return_exceptions=True)


async def test_refusal_while_out_of_step(rtu):
    """An exception to the other length may be a late one: after another silence the unit counts as in step."""
    peer, wire = rtu
    await silent(peer, wire)
    clock = asyncio.get_running_loop().time
    asking = asked(wire)
    await peer.request()
    peer.send(bytes.fromhex("018302"))
    refused = clock()
    await peer.request()
    assert clock() - refused >= LINE.turnaround - 0.005
    peer.send(one(5))
    assert await asking == words(5)


async def test_unit_that_stays_out_of_step(rtu):
    """Where the other length brings no answer, the request is a Timeout and never sent."""
    peer, wire = rtu
    await silent(peer, wire)
    for _ in range(2):
        asking = asked(wire)
        assert (await peer.request())[5] == 2
        with pytest.raises(Timeout):
            await asking
    assert peer.heard.empty()


async def test_request_that_is_another_length_itself(rtu):
    """A request that no owed reply can be taken for brings the unit into step by itself."""
    peer, wire = rtu
    await silent(peer, wire)
    asking = asked(wire, what=block(0, 3), unlike=block())
    assert (await peer.request())[5] == 3
    peer.send(one(111), struct.pack(">BBBHHH", 1, 3, 6, 1, 2, 3))
    assert await asking == words(1, 2, 3)
    asking = asked(wire)
    assert (await peer.request())[5] == 1
    peer.send(one(4))
    assert await asking == words(4)


async def test_no_other_length(rtu):
    """Without a request of another length only a longer silence helps."""
    peer, wire = rtu
    asking = asked(wire, unlike=None)
    await peer.request()
    with pytest.raises(Timeout):
        await asking
    clock = asyncio.get_running_loop().time
    failed = clock()
    asking = asked(wire, unlike=None)
    assert (await peer.request())[5] == 1
    assert clock() - failed >= 3 * LINE.turnaround - 0.01
    peer.send(one(1))
    assert await asking == words(1)


async def test_neighbours_of_a_unit_out_of_step(rtu):
    """Another unit is asked after the silence, at once for what is wanted; a late reply of the first is passed over."""
    peer, wire = rtu
    await silent(peer, wire)
    asking = asked(wire, what=block(unit=2), unlike=block(0, 2, unit=2))
    assert (await peer.request())[:1] == b"\x02"
    peer.send(one(111, unit=1))
    await asyncio.sleep(0.02)
    peer.send(one(222, unit=2))
    assert await asking == words(222)


async def test_bytes_that_nobody_asked_for(rtu):
    """A frame that comes unasked, a second reply say, puts the unit out of step; less than a frame costs a silence."""
    peer, wire = rtu
    clock = asyncio.get_running_loop().time
    for stray, wanted in ((sealed(one(111)), 2), (b"\x00", 1)):
        asking = asked(wire)
        await peer.request()
        peer.send(one(1))
        await asking
        peer.raw(stray)
        await asyncio.sleep(0.03)
        came = clock()
        asking = asked(wire)
        request = await peer.request()
        assert request[5] == wanted
        assert clock() - came >= LINE.turnaround - 0.04
        if wanted == 2:
            peer.send(two(5))
            await peer.request()
        peer.send(one(2))
        assert await asking == words(2)


async def test_converter_that_hangs_up(rtu):
    """A converter that closes is dialled anew; what its buffer hands to the new connection is not taken."""
    peer, wire = rtu
    asking = asked(wire)
    await peer.request()
    peer.hang_up()
    with pytest.raises(NotConnected):
        await asking
    asking = asked(wire)
    assert (await peer.request())[5] == 2
    assert peer.connections == 2
    peer.send(one(111), two(5))
    await peer.request()
    peer.send(one(3))
    assert await asking == words(3)


async def test_debts_outlive_a_wire(rtu):
    """A new wire to the same place does not take the late reply to the last one's request."""
    peer, wire = rtu
    debts = {}
    first = Wire(wire.target, debts=debts)
    await silent(peer, first)
    first.close()
    second = Wire(wire.target, debts=debts)
    asking = asked(second)
    assert (await peer.request())[5] == 2
    peer.send(one(111), two(5))
    await peer.request()
    peer.send(one(4))
    assert await asking == words(4)
    assert debts == {}
    second.close()


@pytest.mark.parametrize("cut", [True, False])
async def test_a_reply_to_what_was_cut_off_may_come_in_time(rtu, cut):
    """A request that was cut off, or given up, long before its time-out is owed for as long as any other is.

    Else a unit would be in step again, on a new connection, before the last moment in which that reply can come.
    """
    peer, wire = rtu
    patient = Timing(0.6, turnaround=0.1)
    asking, sent = asked(wire, timing=patient), asyncio.get_running_loop().time()
    await peer.request()
    if cut:
        peer.hang_up()
    else:
        asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    again = asked(wire, timing=patient)
    await peer.request()
    assert asyncio.get_running_loop().time() - sent >= patient.timeout + patient.turnaround - 0.01
    peer.send(two(5))
    await peer.request()
    peer.send(one(222))
    assert await again == words(222)


async def test_what_lies_in_the_port_already(rtu):
    """A box that stands still for longer than the gap looks at what has come meanwhile before it asks again."""
    peer, wire = rtu
    asking = asked(wire)
    await peer.request()

    def stand_still(_):
        peer.send(one(1))  # a second copy, at once
        time.sleep(0.02)

    asking.add_done_callback(stand_still)
    peer.send(one(1))
    assert await asking == words(1)
    again = asked(wire)
    assert (await peer.request())[5] == 2
    peer.send(two(5))
    await peer.request()
    peer.send(one(222))
    assert await again == words(222)


async def test_line_that_is_never_silent(rtu, monkeypatch):
    """A line on which something always speaks is a Timeout that says what to look for."""
    peer, wire = rtu
    monkeypatch.setattr("shoptwin_modbus.wire.rtu.CHATTER", 0.3)
    await wire.dial(LINE)

    async def chatter():
        while True:
            peer.raw(b"\x55" * 3)
            await asyncio.sleep(0.03)

    while not peer.connections:
        await asyncio.sleep(0.01)
    chattering = asyncio.ensure_future(chatter())
    with pytest.raises(Timeout, match="never silent") as caught:
        await asked(wire)
    assert "another master" in caught.value.hint
    assert peer.heard.empty()
    chattering.cancel()
    await asyncio.gather(chattering, return_exceptions=True)


async def test_one_request_at_a_time_in_turn(rtu):
    """On a line one request is under way, and they go out in the order in which they were asked."""
    peer, wire = rtu
    asking = [asked(wire, what=block(i, unit=i + 1)) for i in range(4)]
    for i in range(4):
        request = await peer.request()
        await asyncio.sleep(0.02)
        assert peer.heard.empty()
        assert request[0] == i + 1
        peer.send(one(i, unit=i + 1))
    assert await asyncio.gather(*asking) == [words(i) for i in range(4)]


async def test_silence_between_frames(rtu):
    """Between a reply and the next request there is at least the gap that is configured."""
    peer, wire = rtu
    timing = Timing(1, turnaround=0.05, frame_gap=0.06)
    clock, told = asyncio.get_running_loop().time, None
    for _ in range(3):
        asking = asked(wire, timing=timing)
        await peer.request()
        if told is not None:
            assert clock() - told >= 0.058
        told = clock()
        peer.send(one(1))
        assert await asking == words(1)


async def test_devices_behind_one_converter(scripted, plugin):
    """Devices behind one converter share its connection, as on any line, and ask one after the other."""
    peer = await scripted(rtu=True)
    url = f"rtu+tcp://127.0.0.1:{peer.port}"
    group = group_of(plugin, ["holding:0:uint16"])
    async with AsyncExitStack() as stack:
        reading = []
        for unit in (1, 2):
            device = plugin.open(ModbusSettings(url=url, unit=unit, turnaround="20ms"))
            stack.push_async_callback(device.aclose)
            await device.connect()
            reading.append(asyncio.ensure_future(device.read(group)))
        for unit in (1, 2):
            assert (await peer.request())[0] == unit
            await asyncio.sleep(0.02)
            assert peer.heard.empty()
            peer.send(one(unit, unit=unit))
        assert [batch.values.tolist() for [batch] in await asyncio.gather(*reading)] == [[1], [2]]
    assert peer.connections == 1


async def test_converter_that_went_away_without_a_word(rtu):
    """A connection over which three requests in a row bring nothing is made anew: it may know us no more."""
    peer, wire = rtu
    await wire.dial(LINE)
    for unit in range(1, 4):
        with pytest.raises(Timeout):
            await asked(wire, what=block(unit=unit), timing=Timing(0.02, turnaround=0.0))
    assert peer.connections == 1
    asking = asked(wire, what=block(unit=9))
    while (await peer.request())[0] != 9:
        pass
    assert peer.connections == 2
    peer.send(one(1, unit=9))
    assert await asking == words(1)


async def test_bytes_before_the_first_request(rtu):
    """A connection that hears something before it has asked for anything is as silent at first as any other."""
    peer, wire = rtu
    await wire.dial(LINE)
    while not peer.connections:
        await asyncio.sleep(0.01)
    peer.send(one(111))
    await asyncio.sleep(0.02)
    clock = asyncio.get_running_loop().time
    began = clock()
    asking = asked(wire)
    await peer.request()
    assert clock() - began >= LINE.turnaround - 0.01
    peer.send(one(1))
    assert await asking == words(1)


async def test_late_replies_to_what_should_bring_it_into_step(rtu):
    """A unit that was silent to other lengths, too, owes those as well: it is asked for one that it does not owe."""
    peer, wire = rtu
    asked_for = []
    for _ in range(4):
        asking = asked(wire, what=block(size=4), unlike=block(size=5), timing=Timing(0.05, turnaround=0.02))
        asked_for.append((await peer.request())[5])
        with pytest.raises(Timeout):
            await asking
    assert sorted(asked_for) == [2, 3, 4, 5]

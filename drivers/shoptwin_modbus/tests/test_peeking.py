"""Peeking at an address of unknown type, on real servers."""

from __future__ import annotations

import asyncio
import struct
import time
from contextlib import suppress
from itertools import pairwise

import pytest

from shoptwin.sdk import BadAddress, NotConnected, Peeking, Scanning, ScanWish, Timeout, Verdict
from shoptwin_modbus.target import ModbusSettings


@pytest.fixture
def brisk(monkeypatch):
    """Ask without pauses, as devices of tests can bear it."""
    monkeypatch.setattr("shoptwin_modbus.discovery.peeking.GAP", 0.0)


pytestmark = pytest.mark.usefixtures("brisk")


@pytest.fixture
async def peek(plugin):
    """Return what connects a peeker to a port; all are closed at the end."""
    opened = []

    async def peek(port, address, **settings):
        given = ModbusSettings(url=f"tcp://127.0.0.1:{port}", **{"timeout": "200ms", **settings})
        opened.append(plugin.peek(given, address))
        await opened[-1].connect()
        return opened[-1]

    yield peek
    for peeker in opened:
        await peeker.aclose()
        await peeker.aclose()


def test_the_plugin_can_both(plugin):
    """The driver offers scanning and peeking."""
    assert isinstance(plugin, Scanning)
    assert isinstance(plugin, Peeking)


async def test_a_float_that_moves(peek, foreign):
    """A float in CDAB order of pyModbusTCP's server is found out within twenty readings."""
    peeker = await peek(foreign.port, "holding:100")
    value = 63.4
    for _ in range(20):
        value += 0.013
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        foreign.data_bank.set_holding_registers(100, [low, high])
        view = await peeker.look()
    best = view.candidates[0]
    assert (best.address, best.verdict) == ("holding:100:float32:CDAB", Verdict.LIKELY)
    assert float(best.value) == pytest.approx(value, abs=1e-4)
    assert (view.readings, view.note) == (20, "")
    [here] = [cell for cell in view.cells if cell.here]
    assert (here.address, here.changed) == (100, True)
    assert {cell.address for cell in view.cells} == set(range(96, 116))


async def test_the_first_reading_says_what_would_tell_more(peek, device):
    """One reading alone says nothing for sure, and that change is what tells."""
    device.put(0, *range(1, 40))
    peeker = await peek(device.port, "holding:5:float32@1")
    view = await peeker.look()
    assert "one reading tells no type" in view.note
    assert "nothing has changed" in (await peeker.look()).note
    assert view.address == "holding:5"
    assert Verdict.LIKELY not in {c.verdict for c in view.candidates}


async def test_a_number_that_never_moves(peek, device):
    """Of types that read the same all the time the shortest is named, or the one that was asked for."""
    device.put(100, 1480, *[0] * 15)
    for asked, named in (("", "int16"), (":uint32:CDAB", "uint32:CDAB"), (":uint16", "uint16")):
        peeker = await peek(device.port, f"holding:100{asked}")
        for _ in range(12):
            view = await peeker.look()
        assert view.candidates[0].address == f"holding:100:{named}"
        assert f"holding:100:{'uint32:CDAB' if named != 'uint32:CDAB' else 'int16'}" in view.candidates[0].same


async def test_another_unit_stands_in_the_address(peek, device):
    """What goes into the configuration names the unit where it is not the device's own."""
    device.put(30, 1, 2, unit=7)
    view = await (await peek(device.port, "input:30@7")).look()
    assert view.address == "input:30@7"
    assert all(c.address.endswith("@7") for c in view.candidates)
    assert [cell.address for cell in view.cells] == [30, 31]


async def test_around_is_shown_as_far_as_it_is_served(peek, device):
    """Registers in front and behind are shown as far as the device has them, and none that must be avoided."""
    device.put(10, 1, 2, 3, 4, 5)
    assert [c.address for c in (await (await peek(device.port, "holding:12")).look()).cells] == [10, 11, 12, 13, 14]
    device.requests.clear()
    view = await (await peek(device.port, "holding:12", avoid=("holding:10-11", "holding:14"))).look()
    assert [c.address for c in view.cells] == [12, 13]
    assert all(start >= 12 and start + count <= 14 for _, _, start, count in device.requests)


async def test_a_meter_that_serves_pairs(peek, device):
    """A register that is served together with its neighbour alone can be looked at."""
    device.put(0, 0x4248, 0)
    asked = device.answer
    device.before = lambda u, f, start, n: asked(u, f, start, n) if n == 2 else bytes([f | 0x80, 3])
    view = await (await peek(device.port, "input:0")).look()
    assert view.candidates[0].address == "input:0:float32"
    assert view.candidates[0].value == "50"


async def test_silence_around_is_no_obstacle(peek, device):
    """A device that says nothing to what it does not have is still looked at."""
    device.put(5, 1, 2)

    def mute(*request):
        pdu = device.answer(*request)
        return None if pdu[0] & 0x80 else pdu

    device.before = mute
    view = await (await peek(device.port, "holding:5", timeout="50ms")).look()
    assert [c.address for c in view.cells] == [5, 6]


async def test_bits(peek, device):
    """A coil is shown as it is."""
    device.bits[1] = dict.fromkeys(range(20), False)
    peeker = await peek(device.port, "coil:3")
    assert (await peeker.look()).candidates[0].reason == "does not change"
    device.bits[1][3] = True
    view = await peeker.look()
    assert view.bits
    [best] = view.candidates
    assert (best.address, best.value, best.reason) == ("coil:3", "1", "it has changed")


async def test_an_address_that_is_not_there(peek, device):
    """An address that the device refuses is told with the cure."""
    device.put(0, 1)
    with pytest.raises(BadAddress, match="no such address") as caught:
        await peek(device.port, "holding:500")
    assert "shoptwin scan" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "cure"),
    [
        ("holding:40101", "where a manual writes 40101, try holding:100"),
        ("input:30001", "where a manual writes 30001, try input:0"),
        ("holding:30001", "shoptwin scan"),
    ],
)
async def test_a_number_of_a_manual(peek, device, address, cure):
    """A refused address that manuals count from 40001 or 30001 is told as it is to be written."""
    device.put(0, 1)
    with pytest.raises(BadAddress) as caught:
        await peek(device.port, address)
    assert cure in caught.value.hint


async def test_another_unit_behind_a_gateway(peek, device):
    """Where a gateway says that the unit does not answer, the cure is the unit and not the address."""
    device.before = lambda _, function, *__: bytes([function | 0x80, 11])
    with pytest.raises(BadAddress, match="the unit behind the gateway does not answer") as caught:
        await peek(device.port, "holding:40000")
    assert "unit 1 was asked: name the one that is meant (holding:40000@7)" in caught.value.hint
    assert "shoptwin scan" in caught.value.hint
    assert "count from 0" not in caught.value.hint


async def test_nobody_there(peek, device, port):
    """A unit that is silent is a time-out, a port where nothing listens is not connected."""
    device.silent = {1}
    with pytest.raises(Timeout):
        await peek(device.port, "holding:0", timeout="50ms")
    with pytest.raises(NotConnected):
        await peek(port, "holding:0")


async def test_a_reply_that_is_lost_costs_one_reading(peek, device):
    """After a reply that did not come the next look goes on, with all that was seen before."""
    device.put(0, 5, 6)
    peeker = await peek(device.port, "holding:0", timeout="50ms")
    await peeker.look()
    device.silent = {1}
    with pytest.raises(Timeout):
        await peeker.look()
    device.silent = set()
    assert (await peeker.look()).readings == 2


@pytest.mark.parametrize("text", ["100", "holding", "holding:70000", "nothing:5", "holding:1:float99"])
def test_addresses_that_are_none(plugin, text):
    """What is no address is refused before anything is opened."""
    with pytest.raises(BadAddress):
        plugin.peek(ModbusSettings(url="tcp://127.0.0.1"), text)


async def test_a_peek_is_paced(peek, device, monkeypatch):
    """Requests come at a pace that old devices bear, from the first on."""
    monkeypatch.setattr("shoptwin_modbus.discovery.peeking.GAP", 0.03)
    device.put(10, 1, 2)
    times = []

    def timed(*request):
        times.append(time.monotonic())
        return device.answer(*request)

    device.before = timed
    peeker = await peek(device.port, "holding:10")
    await peeker.look()
    assert len(times) > 8
    assert times[-1] - times[0] >= 0.03 * (len(times) - 1) * 0.95
    assert sorted(b - a for a, b in pairwise(times))[len(times) // 2] >= 0.02


async def test_an_address_by_its_profile(peek, device):
    """A profile's name is an address here as everywhere, with its unit or without."""
    device.floats(0, 230.5, 231.5)
    view = await (await peek(device.port, "sdm630/voltage_l1")).look()
    assert view.address == "input:0"
    device.floats(0, 230.5, unit=7)
    assert (await (await peek(device.port, "sdm630/voltage_l1@7")).look()).address == "input:0@7"


def test_a_profile_that_is_none(plugin):
    """An unknown register of a profile is told with the nearest."""
    with pytest.raises(BadAddress) as caught:
        plugin.peek(ModbusSettings(url="tcp://127.0.0.1"), "sdm630/voltage_l9")
    assert "voltage_l1" in caught.value.hint


async def test_what_is_to_be_avoided_is_not_looked_at(peek, device):
    """An address of `avoid` is refused as what it is, and nothing is asked for."""
    with pytest.raises(BadAddress, match="avoid") as caught:
        await peek(device.port, "holding:5", avoid=("holding:5",))
    assert "avoid" in caught.value.hint
    assert device.requests == []


@pytest.fixture
async def stranger():
    """Return the port of a server that answers, but in another language."""

    async def serve(reader, writer):
        with suppress(OSError):
            while await reader.read(100):
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_what_answers_in_another_language(peek, stranger):
    """Where another kind of server answers, that is said, and not that a type were wrong."""
    with pytest.raises(NotConnected, match="not in Modbus") as caught:
        await peek(stranger, "holding:0")
    assert "check the port" in caught.value.hint


async def test_a_scan_of_what_answers_in_another_language(plugin, stranger):
    """A scan says so too."""
    settings = ModbusSettings(url=f"tcp://127.0.0.1:{stranger}", timeout="200ms")
    report = await plugin.scan(settings, ScanWish(units=(1,), rate=1000), lambda _: None)
    assert report.units == ()
    assert "not in Modbus" in report.notes[-1]

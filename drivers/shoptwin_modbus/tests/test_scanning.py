"""Scanning devices that nobody knows: real servers, and devices that behave oddly."""

from __future__ import annotations

import asyncio
import os
import termios
import time
from itertools import pairwise

import pytest
from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import BadWish, NotConnected, ScanWish
from shoptwin.testing import free_port
from shoptwin_modbus.target import ModbusSettings

FAST = 1000.0


@pytest.fixture
def scan(plugin, device):
    """Return what scans the device, or another URL, and keeps every report that was told."""

    class Scanner:
        def __init__(self):
            self.told = []

        async def __call__(self, url=None, *, patience="200ms", rate=FAST, avoid=(), **wish):
            given = {"url": url or f"tcp://127.0.0.1:{device.port}", "timeout": patience, "avoid": avoid}
            return await plugin.scan(ModbusSettings(**given), ScanWish(rate=rate, **wish), self.told.append)

    return Scanner()


@pytest.fixture
def restless(monkeypatch):
    """Dial again at once, as devices of tests need no time to come back."""
    monkeypatch.setattr("shoptwin_modbus.discovery.inquiry.REST", 0.05)


def ranges(unit, table="holding"):
    return [(r.first, r.last) for r in unit.ranges if r.table == table]


async def test_ranges_and_limits_of_a_device(scan, device):
    """Ranges, the largest block, values and what moves are found, in a few hundred requests."""
    device.put(100, *range(1, 61))
    device.put(2000, *[0] * 40)
    device.largest = 32
    asked = device.answer

    def lively(unit, function, start, count):
        device.registers[1][104] = (device.registers[1][104] + 1) & 0xFFFF
        return asked(unit, function, start, count)

    device.before = lively
    report = await scan(units=(1,))
    [unit] = report.units
    assert ranges(unit) == [(100, 159), (2000, 2039)]
    assert ranges(unit, "input") == [(100, 159), (2000, 2039)]
    assert unit.largest == {"holding": 32, "input": 32}
    first, second = [r for r in unit.ranges if r.table == "holding"]
    assert (first.values[:3], first.nonzero, first.moving) == ((1, 2, 3), 60, (104,))
    assert (second.nonzero, second.moving, second.read) == (0, (), 40)
    assert unit.next == "holding:104"
    assert any("same values as holding" in note for note in unit.notes)
    assert report.finished
    assert report.requests < 600
    assert report.requests == len(device.requests) == scan.told[-1].requests + 0 or report.requests >= len(
        device.requests
    )
    assert scan.told[-1].units


async def test_only_reading_functions_are_sent(scan, device):
    """Nothing but functions 1 to 4 and 43 goes over the wire."""
    device.put(0, 1, 2, 3)
    await scan(units=(1,), tables=("holding", "coil"))
    assert {function for _, function, _, _ in device.requests} <= {1, 2, 3, 4, 43}


async def test_units_behind_a_gateway(scan, device):
    """Units that answer are told from those of which the gateway says that they are not there."""
    device.put(0, 7, unit=3)
    device.put(10, 1, 2, unit=12)

    def gateway(unit, function, start, count):
        return device.answer(unit, function, start, count) if unit in {3, 12} else bytes([function | 0x80, 11])

    device.before = gateway
    report = await scan(units=tuple(range(1, 21)), tables=("holding",))
    assert [unit.unit for unit in report.units] == [3, 12]
    assert [ranges(unit) for unit in report.units] == [[(0, 0)], [(10, 11)]]
    assert [unit.next for unit in report.units] == ["holding:0@3", "holding:10@12"]


async def test_a_device_that_ignores_the_unit(scan, device):
    """A device that answers to any number is told once, and that it is so."""
    device.before = lambda _, function, start, count: device.answer(1, function, start, count)
    device.put(0, 1, 2, 3)
    report = await scan(tables=("holding",))
    assert [unit.unit for unit in report.units] == [1]
    assert any("does not look at it" in note for note in report.notes)


async def test_a_device_that_refuses_other_units(scan, device):
    """A device with one unit that refuses all others is that one unit."""
    device.put(0, 5, 6, unit=1)
    report = await scan(tables=("holding",))
    assert [unit.unit for unit in report.units] == [1]
    assert any("exception 2" in note for note in report.notes)


async def test_nobody_answers(scan, device):
    """Where no unit answers the report says what to look at."""
    device.silent = set(range(256))
    report = await scan(units=(1, 2), patience="50ms")
    assert report.units == ()
    assert "--units" in report.notes[-1]


async def test_nothing_listens(scan, port):
    """A URL that leads nowhere is an error with its cure."""
    with pytest.raises(NotConnected) as caught:
        await scan(f"tcp://127.0.0.1:{port}")
    assert "refused" in caught.value.message


async def test_a_device_that_is_silent_where_others_refuse(scan, device, monkeypatch):
    """Silence to what does not exist is taken for a refusal, is told, and does not blow the time."""
    device.put(0, *range(1, 11))
    device.put(100, *range(1, 21))

    def mute(unit, function, start, count):
        pdu = device.answer(unit, function, start, count)
        return pdu if pdu is not None and not pdu[0] & 0x80 else None

    device.before = mute
    monkeypatch.setattr("shoptwin_modbus.discovery.inquiry.SHORTEST", 0.03)
    began = time.monotonic()
    report = await scan(units=(1,), tables=("holding",), patience="400ms", last=127, first=0, budget=60)
    [unit] = report.units
    assert ranges(unit) == [(0, 9), (100, 119)]
    assert any("says nothing" in note for note in unit.notes)
    assert time.monotonic() - began < 10  # 60 time-outs of 0.4 s would be 24 s


async def test_a_lost_reply_is_no_hole(scan, device):
    """One reply that is lost does not make an address one that does not exist."""
    device.put(0, *range(1, 101))
    lost = []

    def lossy(unit, function, start, count):
        if len(device.requests) == 6 and not lost:
            lost.append((start, count))
            return None
        return device.answer(unit, function, start, count)

    device.before = lossy
    report = await scan(units=(1,), tables=("holding",))
    assert lost
    assert ranges(report.units[0]) == [(0, 99)]
    assert not any("says nothing" in note for note in report.units[0].notes)


async def test_a_device_that_falls_silent(scan, device):
    """A unit that stops answering even what it knew is left alone, and that is told."""
    device.put(0, *range(1, 101))

    def dying(unit, function, start, count):
        return device.answer(unit, function, start, count) if len(device.requests) < 30 else None

    device.before = dying
    report = await scan(units=(1,), patience="50ms")
    assert any("stopped answering" in note for note in report.units[0].notes)
    assert len(device.requests) < 40


async def test_a_device_that_is_busy(scan, device):
    """A device that says it is busy is asked again."""
    device.put(0, *range(1, 21))

    def busy(unit, function, start, count):
        if len(device.requests) == 4:
            return bytes([function | 0x80, 6])
        return device.answer(unit, function, start, count)

    device.before = busy
    report = await scan(units=(1,), tables=("holding",))
    assert ranges(report.units[0]) == [(0, 19)]


@pytest.mark.usefixtures("restless")
async def test_a_device_that_hangs_up(scan, device):
    """A device that closes the connection on what it does not know is dialled again and charted all the same."""
    device.put(0, *range(1, 21))

    def rude(unit, function, start, count):
        pdu = device.answer(unit, function, start, count)
        if pdu is not None and pdu[0] == 0x83 and device.connections < 4:
            for writer in list(device._writers):
                writer.transport.abort()
            return None
        return pdu

    device.before = rude
    report = await scan(units=(1,), tables=("holding",))
    assert ranges(report.units[0]) == [(0, 19)]
    assert device.connections > 1


@pytest.mark.usefixtures("restless")
async def test_a_device_that_goes_away(scan, device):
    """When the device is lost in the middle, what was found is told, and that it was lost."""
    device.put(0, *range(1, 21))
    gone = []

    def going(unit, function, start, count):
        if len(device.requests) == 25:
            gone.append(asyncio.ensure_future(device.stop()))
            return None
        return device.answer(unit, function, start, count)

    device.before = going
    report = await scan(units=(1,), tables=("holding",))
    assert gone
    assert ranges(report.units[0]) == [(0, 19)]
    assert not report.finished
    assert any("refused the connection" in note for note in report.notes)


async def test_the_budget_is_kept(scan, device):
    """No more requests are sent than the budget allows, and what is open is told."""
    device.put(0, *range(500))
    report = await scan(units=(1,), tables=("holding",), budget=9)
    assert len(device.requests) <= report.requests <= 9
    assert not report.finished
    [found] = report.units[0].ranges
    assert (found.first, found.open_above, found.open_below) == (0, True, True)
    assert any("--budget" in note for note in report.notes)


async def test_the_budget_ends_the_search_for_units(scan, device):
    """A budget that does not even suffice to find the units is kept too."""
    device.put(0, 1)
    report = await scan(units=tuple(range(1, 50)), budget=3)
    assert len(device.requests) == report.requests == 3
    assert not report.finished


def chatty(function, first, last):
    """Answer a question for identification with one object, and that there is another."""
    return bytes([function, 0x0E, 1, 0x83, 0xFF if first < last else 0, first + 1, 1, first, 1, 65])


@pytest.mark.parametrize(("budget", "pages"), [(6, 5), (400, 16)], ids=["budget", "pages"])
async def test_an_identification_without_end(scan, device, budget, pages):
    """A device that tells one object at a time is heard within the budget, and for no more than a few pages."""
    told = []

    def endless(unit, function, start, count):
        if function != 43:
            return device.answer(unit, function, start, count)
        told.append(time.monotonic())
        return chatty(function, len(told) - 1, 255)

    device.put(0, 1, 2, 3)
    device.before = endless
    report = await scan(units=(1,), tables=("holding",), last=5, budget=budget, rate=50)
    assert len(device.requests) == report.requests <= budget
    assert len(told) == pages
    assert len(report.units[0].identity) == pages
    assert report.finished is (budget > 6)
    assert told[-1] - told[0] >= 0.02 * (pages - 1) * 0.95


async def test_the_rate_is_kept(scan, device):
    """Requests come no faster than declared."""
    device.put(0, *range(10))
    times = []
    asked = device.answer

    def timed(*request):
        times.append(time.monotonic())
        return asked(*request)

    device.before = timed
    await scan(units=(1,), tables=("holding",), budget=20, rate=50)
    gaps = sorted(b - a for a, b in pairwise(times))
    assert sum(gaps) >= 0.02 * len(gaps) * 0.95
    assert gaps[len(gaps) // 2] >= 0.015


def touched(device):
    """Return every (function, address) that was asked for."""
    return {(f, a) for _, f, start, count in device.requests if f != 43 for a in range(start, start + count)}


async def test_what_must_be_avoided(scan, device):
    """Addresses that the settings avoid are in no request, and what lies between them is found."""
    device.put(0, *range(40))
    report = await scan(units=(1,), avoid=("holding:0-4", "holding:10-12"), tables=("holding",))
    assert ranges(report.units[0]) == [(5, 9), (13, 39)]
    assert not touched(device) & {(3, shy) for shy in (0, 1, 2, 3, 4, 10, 11, 12)}


async def test_nothing_is_asked_for_outside_the_window(scan, device):
    """Where `avoid` covers the window of a table a unit is looked for in the next one, and never beside the window."""
    device.put(0, *range(200))
    report = await scan(units=(1,), avoid=("holding:65-80",), first=70, last=80, tables=("holding", "input"))
    assert ranges(report.units[0]) == []
    assert ranges(report.units[0], "input") == [(70, 80)]
    assert touched(device) <= {(4, address) for address in range(70, 81)}


async def test_a_table_that_is_avoided_as_a_whole(scan, device):
    """A table that must not be touched is not touched at all, not even at its last address; the others are."""
    device.put(0, *range(20))
    report = await scan(units=(1,), avoid=("holding:0-65535", "input:0-65535"), last=50)
    assert touched(device)
    assert {function for function, _ in touched(device)} <= {1, 2}
    assert [unit.unit for unit in report.units] == [1]


async def test_a_scan_that_may_ask_for_nothing(scan, device):
    """Where nothing at all may be asked for, that is said with its cure, and nothing is sent."""
    with pytest.raises(BadWish, match="avoid") as caught:
        await scan(units=(1,), avoid=("holding:0-65535",), tables=("holding",))
    assert "--tables" in caught.value.hint
    assert device.requests == []


async def test_units_that_may_be_asked_for_nothing(scan, device):
    """Units that may be asked for nothing are named, and the others are scanned."""
    device.put(0, *range(8))
    report = await scan(units=(1, 2), avoid=("holding:0-65535@2",), tables=("holding",))
    assert [unit.unit for unit in report.units] == [1]
    assert any("unit 2" in note and "avoid" in note for note in report.notes)
    assert {unit for unit, *_ in device.requests} == {1}


async def test_a_cancelled_scan_lets_go(scan, device):
    """A scan that is broken off closes its connection, and has told what it found."""
    device.put(0, *range(10))
    task = asyncio.ensure_future(scan(units=(1,), rate=100))
    while len(device.requests) < 15:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scan.told[-1].units[0].ranges
    async with asyncio.timeout(5):
        while device._writers:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "wish", [{"units": (0, 1)}, {"units": (250,)}], ids=["broadcast", "beyond"]
)  # fmt: skip
async def test_units_of_a_line(scan, wish):
    """Units that a serial line cannot have are refused before anything is opened."""
    with pytest.raises(BadWish, match="1 to 247"):
        await scan("rtu:///dev/ttyNONE", **wish)


@pytest.mark.parametrize("units", [(300,), (1, 256)])
async def test_units_over_tcp(scan, device, units):
    """Units that no frame has room for are refused before anything is asked."""
    with pytest.raises(BadWish, match=f"no unit {units[-1]} over TCP: units there are 0 to 255"):
        await scan(units=units)
    assert not device.requests


@pytest.mark.parametrize("wish", [{"parities": ("X",)}, {"bauds": (96,)}])
async def test_what_no_line_has(scan, wish):
    """A parity or a rate that no serial line has is refused before a port is opened with it."""
    with pytest.raises(BadWish, match=r"no parity|no serial line"):
        await scan("rtu:///dev/ttyNONE", **wish)


async def test_no_baud_over_tcp(scan):
    """Rates and parities are for serial ports of this box alone."""
    with pytest.raises(BadWish, match="baud"):
        await scan(bauds=(9600,))


async def test_unknown_tables(scan):
    """A table that does not exist is refused."""
    with pytest.raises(BadWish, match="no table"):
        await scan(tables=("holdings?",))


async def test_identification():
    """What a device says of itself stands in the report by the standard's names (pymodbus's server)."""
    from shoptwin_modbus.plugin import ModbusPlugin  # noqa: PLC0415

    identity = ModbusDeviceIdentification({0: "Example", 1: "EX-1", 2: "V2.1"})
    device = SimDevice(1, simdata=SimData(0, values=list(range(20)), datatype=DataType.REGISTERS))
    server = ModbusTcpServer([device], identity=identity, address=("127.0.0.1", port := free_port()))
    await server.serve_forever(background=True)
    try:
        report = await ModbusPlugin().scan(
            ModbusSettings(url=f"tcp://127.0.0.1:{port}", timeout="500ms"),
            ScanWish(rate=FAST, units=(1,), tables=("holding",)),
            lambda _: None,
        )
    finally:
        await server.shutdown()
    [unit] = report.units
    assert {key: unit.identity[key] for key in ("VendorName", "ProductCode", "MajorMinorRevision")} == {
        "VendorName": "Example", "ProductCode": "EX-1", "MajorMinorRevision": "V2.1",
    }  # fmt: skip
    assert ranges(unit) == [(0, 19)]


async def test_a_stack_that_serves_everything(scan, foreign):
    """PyModbusTCP's server, which answers for all 65,536 addresses of all tables, takes a few hundred requests."""
    foreign.data_bank.set_holding_registers(100, [17, 4])
    report = await scan(f"tcp://127.0.0.1:{foreign.port}")
    [unit] = report.units
    assert [(r.table, r.first, r.last) for r in unit.ranges] == [
        (table, 0, 65_535) for table in ("holding", "input", "coil", "discrete")
    ]
    assert all(r.sampled for r in unit.ranges)
    assert unit.next == "holding:100"
    assert report.requests < 400


@pytest.fixture
async def line(cable):
    """Serve unit 17 on a line of 9600 baud: whoever talks at another rate is not heard (a pty itself has none)."""
    device = SimDevice(17, simdata=SimData(40, values=list(range(1, 31)), datatype=DataType.REGISTERS))
    seen = set()

    def heard(sending, data):
        if not sending:
            here = os.open(cable.here, os.O_RDWR | os.O_NOCTTY)
            try:
                settings = termios.tcgetattr(here)
            finally:
                os.close(here)
            seen.add(settings[4])
            if settings[4] != termios.B9600:
                return b""
        return b"" if sending and data[0] != 17 else data

    server = ModbusSerialServer([device], port=cable.there, baudrate=9600, trace_packet=heard)
    await server.serve_forever(background=True)
    yield seen
    await server.shutdown()


async def test_a_line_of_unknown_settings(scan, line, cable):
    """Rates and parities are tried until a unit answers, and the URL that found it is told; a pty has no parity E."""
    report = await scan(
        f"rtu://{cable.here}", units=(16, 17), tables=("holding",), bauds=(19_200, 9600), parities=("E", "N"),
        patience="100ms", first=0, last=99,
    )  # fmt: skip
    [unit] = report.units
    assert (unit.unit, ranges(unit)) == (17, [(40, 69)])
    assert report.url == f"rtu://{cable.here}?baud=9600&parity=N&stop=1"
    assert unit.next == "holding:40@17"
    assert line == {termios.B19200, termios.B9600}
    assert any("cannot do this" in note for note in report.notes)
    assert scan.told[0].left > 0

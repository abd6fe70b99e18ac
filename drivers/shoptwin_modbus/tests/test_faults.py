"""Bad input: refusals, silence, replies that are none, connections that break."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

import pytest

from shoptwin.sdk import NotConnected, StatusCode, Timeout
from shoptwin.testing import group_of, readings
from shoptwin_modbus.poll import units
from shoptwin_modbus.target import ModbusSettings

GOOD = StatusCode.GOOD
TIMEOUT = StatusCode.BAD_TIMEOUT


def words(count, start=0, step=1):
    """Return the addresses of `count` int16 registers."""
    return [f"holding:{start + i * step}:int16" for i in range(count)]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (1, StatusCode.BAD_SERVICE_UNSUPPORTED),
        (2, StatusCode.BAD_NODE_ID_UNKNOWN),
        (3, StatusCode.BAD_OUT_OF_RANGE),
        (4, StatusCode.BAD_DEVICE_FAILURE),
        (5, StatusCode.BAD_COMMUNICATION_ERROR),
        (6, StatusCode.BAD_COMMUNICATION_ERROR),
        (8, StatusCode.BAD_DEVICE_FAILURE),
        (99, StatusCode.BAD_COMMUNICATION_ERROR),
    ],
)
async def test_exceptions_become_status(device, poll, code, status):
    """Each exception code has its status, and the other blocks go on."""
    device.put(0, 5)
    device.before = lambda *of: bytes([0x83, code]) if of[2] == 100 else device.answer(*of)
    for _ in range(2):
        assert await poll("holding:0:int16", "holding:100:int16") == [(5, GOOD), (0, status)]


@pytest.mark.parametrize("code", [10, 11])
async def test_gateway_says_that_a_unit_is_gone(device, poll, code):
    """When a gateway says so, that unit is asked no further in this poll, and its neighbours are read."""
    device.put(0, 5, unit=2)
    device.before = lambda *of: bytes([0x83, code]) if of[0] == 1 else device.answer(*of)
    found = await poll("holding:0:int16", "holding:100:int16", "holding:0:int16@2")
    assert found == [(0, StatusCode.BAD_COMMUNICATION_ERROR)] * 2 + [(5, GOOD)]
    assert device.requests == [(1, 3, 0, 1), (2, 3, 0, 1)]


async def test_nan_and_infinity_are_bad(device, poll):
    """NaN and Inf in a register are Bad, never a number; their neighbours stay Good."""
    device.floats(0, float("nan"), float("inf"), float("-inf"), 1.5)
    found = await poll(*(f"holding:{a}:float32" for a in (0, 2, 4, 6)))
    assert [status for _, status in found] == [StatusCode.BAD_OUT_OF_RANGE] * 3 + [GOOD]
    assert found[3][0] == 1.5


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda pdu: pdu[:1] + b"\x00", id="no registers, with success"),
        pytest.param(lambda pdu: pdu[:-2], id="shorter than it says"),
        pytest.param(lambda pdu: bytes([pdu[0], pdu[1] - 2]) + pdu[2:-2], id="one register short"),
        pytest.param(lambda pdu: pdu + b"\x00\x00", id="longer than it says"),
        pytest.param(lambda pdu: pdu[:1], id="a function and no more"),
        pytest.param(lambda pdu: b"\x04" + pdu[1:], id="another function"),
        pytest.param(lambda _: b"\x83", id="an exception without a code"),
    ],
)
async def test_wrong_length_is_never_decoded(device, poll, cut):
    """A reply of another length or function than asked for is Bad, whatever it holds, and the next block is read."""
    device.put(0, *range(10))
    device.put(200, 7)
    device.before = lambda *of: cut(device.answer(*of)) if of[2] == 0 else device.answer(*of)
    found = await poll(*words(10), "holding:200:int16")
    assert found[:10] == [(0, StatusCode.BAD_DECODING_ERROR)] * 10
    assert found[10] == (7, GOOD)


@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param(lambda adu: bytes([adu[0], adu[1] ^ 1]) + adu[2:], id="another transaction"),
        pytest.param(lambda adu: b"\x00\x00" + adu[2:], id="no transaction"),
        pytest.param(lambda adu: adu[:6] + b"\x09" + adu[7:], id="another unit"),
        pytest.param(lambda adu: adu[:2] + b"\x00\x07" + adu[4:], id="another protocol"),
        pytest.param(lambda adu: adu[:4] + b"\x00\xff" + adu[6:], id="a length beyond the end"),
        pytest.param(lambda adu: adu[:-1], id="cut off"),
    ],
)
async def test_replies_to_others_are_never_taken(device, poll, mangle):
    """A reply with another transaction, unit, protocol or length is not an answer, and the device recovers at once."""
    device.put(0, *range(10))
    device.mangle = mangle
    found = await poll(*words(10))
    assert all(status in {TIMEOUT, StatusCode.BAD_DECODING_ERROR} for _, status in found)
    device.mangle = bytes
    assert await poll(*words(10)) == [(i, GOOD) for i in range(10)]


async def test_late_reply_is_not_taken_for_the_next(device, poll):
    """A reply that comes after its time-out never becomes the value of a later request."""
    device.put(0, 11)
    device.put(100, 22)
    device.silent = {1}
    assert await poll("holding:0:int16", "holding:100:int16") == [(0, TIMEOUT)] * 2
    stale = struct.pack(">HHHBBBh", 1, 0, 5, 1, 3, 2, 999)
    device.silent = set()
    device.mangle = lambda adu: stale + adu
    found = await poll("holding:0:int16", "holding:100:int16")
    assert 999 not in [value for value, status in found if status == GOOD]


async def test_late_reply_is_not_taken_for_that_to_a_neighbour(device, plugin, settings):
    """A gateway that hands one device's late reply to the connection of another at the same URL: it is nobody's."""
    device.put(0, 11)
    device.put(500, 22)
    late = []

    def mangle(adu):
        if device.requests[-1][2] == 0:
            late.append(adu)
            return b""
        return late.pop() + adu if late else adu

    device.mangle = mangle
    one, other = plugin.open(settings), plugin.open(settings)
    await one.connect()
    await other.connect()
    assert readings(await one.read(group_of(plugin, ["holding:0:int16"])))[0][0].status == TIMEOUT
    [found] = readings(await other.read(group_of(plugin, ["holding:500:int16"])))[0]
    assert (found.value, found.status) == (22, GOOD)
    await one.aclose()
    await other.aclose()


async def test_no_reply_is_timeout(device, poll, settings):
    """A device that takes connections and says nothing is Bad at first, and then lost: Timeout with a cure."""
    device.silent = {1}
    for _ in range(2):
        assert await poll("holding:0:int16") == [(0, TIMEOUT)]
    with pytest.raises(Timeout) as caught:
        await poll("holding:0:int16")
    assert f"unit 1 at {settings.target}" in caught.value.message
    assert "timeout" in caught.value.hint


async def test_lost_device_stays_lost(device, plugin, settings, poll):
    """A device that goes on saying nothing is not shown as connected in between: each new connection raises at once."""
    device.silent = {1}
    for _ in range(2):
        await poll("holding:0:int16")
    with pytest.raises(Timeout):
        await poll("holding:0:int16")
    again = plugin.open(settings)
    await again.connect()
    with pytest.raises(Timeout):
        await again.read(group_of(plugin, ["holding:0:int16"]))
    await again.aclose()


async def test_dead_unit_costs_its_neighbours_little(device, poll):
    """Behind a gateway, a silent unit is Bad alone; after three turns it is hardly asked any more."""
    device.put(0, 5, unit=2)
    device.put(0, 6, unit=3)
    device.silent = {1}
    asked = 0
    for _ in range(12):
        device.requests.clear()
        found = await poll("holding:0:int16", "holding:0:int16@2", "holding:0:int16@3", "holding:200:int16")
        assert found == [(0, TIMEOUT), (5, GOOD), (6, GOOD), (0, TIMEOUT)]
        asked += sum(unit == 1 for unit, *_ in device.requests)
    assert asked == 3


async def test_dead_unit_in_a_group_of_its_own(device, poll):
    """A silent unit whose tags are in another group than its neighbours' is Bad, and does not lose the device."""
    device.put(0, 5, unit=2)
    device.silent = {1}
    for _ in range(8):
        assert await poll("holding:0:int16", name="dead") == [(0, TIMEOUT)]
        assert await poll("holding:0:int16@2", name="living") == [(5, GOOD)]
    await device.stop()
    with pytest.raises(NotConnected):
        await poll("holding:0:int16@2", name="living")


async def test_silence_to_one_block_leaves_the_others(device, poll):
    """A device that says nothing to what it does not know is read otherwise."""
    device.put(0, 1)
    device.put(300, 3)
    device.before = lambda *of: None if of[2] == 100 else device.answer(*of)
    for _ in range(4):
        found = await poll("holding:0:int16", "holding:100:int16", "holding:300:int16")
        assert found == [(1, GOOD), (0, TIMEOUT), (3, GOOD)]


async def test_idle_disconnect_is_no_loss(device, poll):
    """A PLC that closes idle connections is dialled again within the poll."""
    device.put(0, 5)
    assert await poll("holding:0:int16") == [(5, GOOD)]
    await device.stop()
    await device.start()
    await asyncio.sleep(0.05)
    assert await poll("holding:0:int16") == [(5, GOOD)]
    assert device.connections == 2


async def test_disconnect_within_a_request_is_told_at_once(device, plugin):
    """When the connection breaks while a reply is awaited, that is known at once, not after the time-out."""
    patient = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", timeout="9s"))
    await patient.connect()
    device.silent = {1}
    reading = asyncio.ensure_future(patient.read(group_of(plugin, ["holding:0:int16"])))
    async with asyncio.timeout(2):
        while not device.requests:
            await asyncio.sleep(0.01)
        await device.stop()
        with pytest.raises(NotConnected):
            await reading
    await patient.aclose()


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("tcp://127.0.0.1:{port}", "refused", "502"),
        ("tcp://localhost:{port}", "refused", "502"),
        ("tcp://no-such-host.invalid:502", "unknown", "spelling"),
        ("rtu:///dev/no-such-port", "does not exist", "by-id"),
        ("rtu:///dev/null", "cannot be opened", "url"),
    ],
)
async def test_unreachable_says_why(plugin, port, url, message, hint):
    """What cannot be reached says why, and what to do about it."""
    connection = plugin.open(ModbusSettings(url=url.format(port=port), timeout="2s"))
    with pytest.raises(NotConnected) as caught:
        await connection.connect()
    assert message in caught.value.message
    assert hint in caught.value.hint
    await connection.aclose()


async def test_reading_unconnected(plugin, settings):
    """Reading before `connect`, or after `aclose`, is NotConnected."""
    connection = plugin.open(settings)
    group = group_of(plugin, ["holding:0:int16"])
    with pytest.raises(NotConnected):
        await connection.read(group)
    await connection.connect()
    await connection.aclose()
    with pytest.raises(NotConnected):
        await connection.read(group)


async def test_living_units_come_first(device, poll):
    """A unit that was silent is asked after those that answered, so that it holds up nothing but itself."""
    device.put(0, 5, unit=2)
    device.silent = {1}
    await poll("holding:0:int16", "holding:0:int16@2")
    device.requests.clear()
    await poll("holding:0:int16", "holding:0:int16@2")
    assert [unit for unit, *_ in device.requests] == [2, 1]


async def test_closing_ends_a_read_that_waits(device, plugin):
    """Closing does not leave a read waiting for its time-out: it ends with NotConnected at once."""
    patient = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", timeout="9s"))
    await patient.connect()
    device.silent = {1}
    reading = asyncio.ensure_future(patient.read(group_of(plugin, ["holding:0:int16"])))
    async with asyncio.timeout(2):
        while not device.requests:
            await asyncio.sleep(0.01)
        await patient.aclose()
        with pytest.raises(NotConnected):
            await reading


async def test_one_connection_for_groups_that_are_read_together(device, poll):
    """Groups that are read at the same time after a disconnect share the new connection."""
    device.put(0, *range(10))
    await poll("holding:0:int16")
    await device.stop()
    await device.start()
    await asyncio.sleep(0.05)
    await asyncio.gather(*(poll(f"holding:{i}:int16", name=f"group {i}") for i in range(5)))
    assert device.connections == 2


def busy(device, code, times):
    """Let the device give an exception so many times before each answer."""
    asked = {}

    def answer(unit, function, start, count):
        asked[start] = asked.get(start, -1) + 1
        if asked[start] % (times + 1) < times:
            return bytes([function | 0x80, code])
        return device.answer(unit, function, start, count)

    return answer


@pytest.mark.parametrize("code", [5, 6])
async def test_a_busy_device_is_asked_again(device, connection, poll, code):
    """A device that needs a while is asked again within the poll, and its value is read; each time is counted."""
    device.put(0, 5)
    device.before = busy(device, code, times=2)
    assert await poll("holding:0:int16") == [(5, GOOD)]
    assert connection.talk().retries == 2
    assert connection.talk().exceptions == {str(code): 2}


@pytest.mark.parametrize(("retries", "requests"), [(0, 1), (1, 2), (3, 4)])
async def test_a_device_that_stays_busy_is_bad(device, plugin, retries, requests):
    """A device that is busy for good is asked as often as it is set, and then Bad for this poll; it is not lost."""
    device.before = busy(device, 6, times=999)
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", busy_retries=retries))
    await connection.connect()
    found = readings(await connection.read(group_of(plugin, ["holding:0:int16"])))
    assert found[0][0].status == StatusCode.BAD_COMMUNICATION_ERROR
    assert len(device.requests) == requests
    assert connection.talk().parts == {"unit 1": True}
    await connection.aclose()


async def test_a_busy_device_does_not_hold_up_a_fast_poll(device, plugin):
    """There is no waiting beyond the time that a poll has."""
    device.before = busy(device, 6, times=999)
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", timeout="50ms"))
    await connection.connect()
    group = group_of(plugin, ["holding:0:int16", "holding:100:int16"], period=50_000_000)
    for _ in range(3):
        await connection.read(group)
    assert len(device.requests) == 6
    await connection.aclose()


async def test_a_failing_device_is_left_alone(device, connection, poll):
    """A device that says three times that it has failed is asked less, and is back at one success."""
    device.put(0, *range(10))
    device.before = lambda *_: bytes([0x83, 4])
    addresses = [*words(10), "holding:100:int16"]
    for _ in range(6):
        assert await poll(*addresses) == [(0, StatusCode.BAD_DEVICE_FAILURE)] * 11
    assert len(device.requests) == 6
    assert connection.talk().parts == {"unit 1": False}
    device.before = None
    device.requests.clear()
    await asyncio.sleep(1.1)
    assert (await poll(*addresses))[:10] == [(i, GOOD) for i in range(10)]
    assert connection.talk().parts == {"unit 1": True}


@pytest.fixture
async def hasty(device, plugin):
    """Return what polls the device with a short time-out: a function as `poll`."""
    connection = plugin.open(ModbusSettings(url=f"tcp://127.0.0.1:{device.port}", timeout="100ms"))
    await connection.connect()

    async def poll(*addresses):
        found = readings(await connection.read(group_of(plugin, addresses)))
        return [(found[i][0].value, found[i][0].status) for i in range(len(addresses))]

    yield poll
    await connection.aclose()


async def test_a_dead_unit_is_probed_cheaply(device, hasty, monkeypatch):
    """A unit whose breaker is open costs one small request; all is read in the same poll as soon as it is answered."""
    monkeypatch.setattr(units, "PROBE_SHARE", 1)
    monkeypatch.setattr(units, "FIRST_REST", 0.1)
    device.put(0, 5, unit=2)
    device.put(0, *range(100))
    device.put(200, 7)
    addresses = [*words(100), "holding:200:int16", "holding:0:int16@2"]
    device.silent = {1}
    for _ in range(3):
        await hasty(*addresses)
    probes = []
    for rest in (0.1, 0.2):
        await asyncio.sleep(rest + 0.05)
        device.requests.clear()
        assert (await hasty(*addresses))[-1] == (5, GOOD)
        probes += [request for request in device.requests if request[0] == 1]
    assert probes == [(1, 3, 200, 1), (1, 3, 0, 100)]  # not the same again: it may be that one to which nothing is said
    device.silent = set()
    await asyncio.sleep(0.45)
    assert await hasty(*addresses) == [*((i, GOOD) for i in range(100)), (7, GOOD), (5, GOOD)]


@pytest.mark.parametrize("before", [False, True])
async def test_a_device_that_boots_is_back_at_once(device, connection, poll, before):
    """A device that refuses everything for a while is read whole a poll or two after it has come to itself."""
    device.put(0, *range(100))
    device.put(300, *range(10))
    addresses = [*words(100), *words(10, 300), "holding:200:int16"]
    if before:
        assert (await poll(*addresses))[:110] == [*((i, GOOD) for i in range(100)), *((i, GOOD) for i in range(10))]
    device.before = lambda *_: bytes([0x83, 2])
    for _ in range(4):
        assert {status for _, status in await poll(*addresses)} == {StatusCode.BAD_NODE_ID_UNKNOWN}
    assert len(connection.talk().holes) <= 5
    device.before = None
    for _ in range(2):
        found = await poll(*addresses)
    assert found[:110] == [*((i, GOOD) for i in range(100)), *((i, GOOD) for i in range(10))]
    assert [hole.address for hole in connection.talk().holes] == ["holding:200"]


async def test_silence_to_one_address_is_narrowed_down(device, hasty):
    """Where a device says nothing to an address that it does not have, the good tags of that block are read in time."""
    device.put(0, *range(20))
    device.put(100, 7)
    device.before = lambda *of: None if of[2] <= 4 < of[2] + of[3] else device.answer(*of)
    for _ in range(20):
        found = await hasty(*words(20), "holding:100:int16")
        assert found[20] == (7, GOOD) or found[20][1] == TIMEOUT
    assert found == [*((i, GOOD) if i != 4 else (0, TIMEOUT) for i in range(20)), (7, GOOD)]
    device.before = None
    assert await hasty(*words(20), "holding:100:int16") == [*((i, GOOD) for i in range(20)), (7, GOOD)]


@pytest.mark.parametrize(("good", "silent"), [(range(4), range(4, 8)), (range(2), range(2, 4)), ((), range(4))])
async def test_silence_while_a_block_is_narrowed_down(device, hasty, good, silent):
    """What was read of a refused block before the device fell silent is Good, and nothing else of it."""
    device.put(0, *range(8))

    def answer(unit, function, start, count):
        wanted = range(start, start + count)
        if not set(wanted).isdisjoint(silent):
            return None if set(wanted) <= set(silent) else bytes([0x83, 2])
        return device.answer(unit, function, start, count)

    device.before = answer
    found = await hasty(*words(8))
    assert found == [(i, GOOD) if i in good else (0, TIMEOUT) for i in range(8)]


async def test_what_speaks_another_language(plugin):
    """What answers, but never in Modbus, is lost after three polls, from then on after each, until it does."""
    speaks, serving = b"HTTP/1.1 400 Bad Request\r\n\r\n", []

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(12)
                writer.write(speaks or request[:5] + b"\x05" + request[6:8] + b"\x02\0\x07")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    settings = ModbusSettings(url=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout="2s")
    group = group_of(plugin, ["holding:0:int16"])
    for polls in (2, 0):
        connection = plugin.open(settings)
        await connection.connect()
        for _ in range(polls):
            assert readings(await connection.read(group))[0][0].status == StatusCode.BAD_DECODING_ERROR
        with pytest.raises(NotConnected, match="not in Modbus"):
            await connection.read(group)
        await connection.aclose()
    speaks = b""
    connection = plugin.open(settings)
    await connection.connect()
    assert readings(await connection.read(group))[0][0].value == 7
    await connection.aclose()
    server.close()
    await asyncio.wait(serving)

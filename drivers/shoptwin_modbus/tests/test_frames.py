"""Frames: what is sent is what pymodbus would send, and any cutting of what comes gives the same frames."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from shoptwin_modbus.addresses.address import Table
from shoptwin_modbus.planning import Block
from shoptwin_modbus.wire.frames import MbapCutter, Request, RtuCutter, crc16, identification, read, sealed, shorter
from shoptwin_modbus.wire.replies import Garbled, Refused, payload
from shoptwin_modbus.wire.transactions import STRIDE, Transactions

REQUESTS = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}

blocks = st.builds(
    lambda unit, table, start, size: Block(unit, table, start, start + size, 0, 1),
    st.integers(1, 247), st.sampled_from(Table), st.integers(0, 65_000), st.integers(1, 125),
)  # fmt: skip


def reply(request, data):
    """Return the right reply to a request, from its unit on."""
    return bytes([request.unit, request.function, len(data)]) + data


@st.composite
def exchanges(draw):
    """Draw a request and its right reply, a refusal now and then."""
    request = read(draw(blocks))
    if draw(st.integers(0, 5)) == 0:
        return request, bytes([request.unit, request.function | 0x80, draw(st.integers(1, 11))])
    return request, reply(request, draw(st.binary(min_size=request.expected, max_size=request.expected)))


@st.composite
def pieces(draw, data):
    """Draw a cutting of bytes into pieces."""
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=8)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(blocks, st.integers(0, 0xFFFF))
def test_requests_are_as_pymodbus_writes_them(block, transaction):
    """Each request is byte for byte what pymodbus sends for it, over TCP and on a line."""
    theirs = REQUESTS[block.table](dev_id=block.unit, address=block.start, count=block.size, transaction_id=transaction)
    ours = read(block)
    assert transaction.to_bytes(2, "big") + ours.mbap == FramerSocket(DecodePDU(False)).buildFrame(theirs)
    assert ours.rtu == FramerRTU(DecodePDU(False)).buildFrame(theirs)


def test_identification_is_as_pymodbus_writes_it():
    """The request for device identification is byte for byte pymodbus's."""
    theirs = ReadDeviceInformationRequest(read_code=3, object_id=5, dev_id=7)
    assert identification(7, 3, 5).rtu == FramerRTU(DecodePDU(False)).buildFrame(theirs)


@given(st.binary(max_size=300))
def test_crc_is_that_of_the_standard(data):
    """The checksum is the one that pymodbus computes."""
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@given(st.one_of(st.binary(max_size=9), st.tuples(st.integers(5, 255), st.binary(min_size=4, max_size=4))))
def test_nothing_but_reading_can_be_sent(pdu):
    """A request of any function but 1 to 4 and 43/14 cannot even be made."""
    raw = pdu if isinstance(pdu, bytes) else bytes([pdu[0]]) + pdu[1]
    reads = (len(raw) == 5 and 1 <= raw[0] <= 4) or (len(raw) == 4 and raw[:2] == b"\x2b\x0e")
    if reads:
        assert Request(1, raw, 2).pdu == raw
    else:
        with pytest.raises(AssertionError, match="only reads"):
            Request(1, raw, 2)


@pytest.mark.parametrize("function", [5, 6, 8, 15, 16, 20, 21, 22, 23, 0x2B])
def test_functions_that_write_are_refused(function):
    """No writing or diagnostic function makes a request; of function 43, device identification alone."""
    with pytest.raises(AssertionError):
        Request(1, bytes([function, 0x0D, 0, 0, 1]), None)


@given(st.data())
def test_tcp_cut_anywhere(data):
    """However a stream of Modbus TCP is cut, the same frames come out of it, and each is its request's payload."""
    drawn = data.draw(st.lists(exchanges(), min_size=1, max_size=4))
    frames = [struct.pack(">HHH", i, 0, len(body)) + body for i, (_, body) in enumerate(drawn)]
    cutter = MbapCutter()
    found = [frame for piece in data.draw(pieces(b"".join(frames))) for frame in cutter.feed(piece)]
    assert found == frames
    assert not cutter.broken
    assert cutter.rest == b""
    for (request, body), frame in zip(drawn, found, strict=True):
        if body[1] & 0x80:
            with pytest.raises(Refused):
                payload(request, frame[6], frame[7:])
        else:
            assert frame[2:9] == request.head
            assert payload(request, frame[6], frame[7:]) == body[3:]


@given(st.binary(max_size=400), st.data())
def test_tcp_garbage(garbage, data):
    """Of any bytes, frames are what their headers say, one behind the other from the first byte; then nothing more."""
    whole, cut = MbapCutter(), MbapCutter()
    frames = whole.feed(garbage)
    assert [frame for piece in data.draw(pieces(garbage)) for frame in cut.feed(piece)] == frames
    assert cut.broken == whole.broken
    assert garbage.startswith(b"".join(frames))
    for frame in frames:
        _, protocol, length = struct.unpack_from(">HHH", frame)
        assert protocol == 0
        assert length == len(frame) - 6 >= 2
    if whole.broken:
        assert whole.feed(struct.pack(">HHHBBB", 1, 0, 3, 1, 0x83, 2)) == []


@given(exchanges(), st.binary(min_size=6, max_size=6).filter(lambda head: head[2] or head[3]))
def test_tcp_behind_garbage(exchange, garbage):
    """Behind a header that cannot be right, no frame is found: where one begins cannot be told any more."""
    body = exchange[1]
    cutter = MbapCutter()
    assert cutter.feed(garbage + struct.pack(">HHH", 1, 0, len(body)) + body) == []
    assert cutter.broken


@given(exchanges(), st.integers(5, 0x7F))
def test_rtu_behind_garbage(exchange, function):
    """Behind bytes that no reply begins with, no frame is found, though its checksum be right."""
    cutter = RtuCutter()
    assert list(cutter.feed(bytes([1, 0 if function == 0x2B else function]) + sealed(exchange[1]))) == []
    assert cutter.broken


@given(st.data(), st.booleans())
def test_rtu_cut_anywhere(data, echoes):
    """However the bytes on a line are cut into pieces, the same frames come out; an echo before them is skipped."""
    drawn = data.draw(st.lists(exchanges(), min_size=1, max_size=3))
    request = drawn[0][0]
    stream = (request.rtu if echoes else b"") + b"".join(sealed(body) for _, body in drawn)
    cutter = RtuCutter(request.rtu)
    found = [frame for piece in data.draw(pieces(stream)) for frame in cutter.feed(piece)]
    assert found == [body for _, body in drawn]
    assert not cutter.broken
    assert cutter.rest == b""


@given(st.binary(max_size=300), st.data())
def test_rtu_garbage(garbage, data):
    """Of any bytes, a frame is what has a right checksum, from the first byte on, and nothing behind what is none."""
    cutter = RtuCutter()
    frames = [frame for piece in data.draw(pieces(garbage)) for frame in cutter.feed(piece)]
    assert garbage.startswith(b"".join(sealed(frame) for frame in frames))
    assert all(len(frame) >= 3 for frame in frames)


@given(exchanges(), st.data())
def test_rtu_flipped_bits(exchange, data):
    """One to three flipped bits, wherever they leave the length alone, are always noticed."""
    body = exchange[1]
    frame = sealed(body)
    at = [i for i in range(8 * len(frame)) if i // 8 not in ({1} if body[1] & 0x80 else {1, 2})]
    damaged = bytearray(frame)
    for bit in data.draw(st.sets(st.sampled_from(at), min_size=1, max_size=3)):
        damaged[bit // 8] ^= 1 << bit % 8
    cutter = RtuCutter()
    assert list(cutter.feed(bytes(damaged))) == []
    assert cutter.broken


@given(exchanges(), st.data())
def test_rtu_cut_short(exchange, data):
    """A frame that lacks its last bytes is none yet."""
    frame = sealed(exchange[1])
    cutter = RtuCutter()
    assert list(cutter.feed(frame[: data.draw(st.integers(0, len(frame) - 1))])) == []
    assert not cutter.broken


@pytest.mark.parametrize(
    "start", [pytest.param(bytes([1, f]), id=f"function {f}") for f in (0, 5, 6, 16, 23, 0x7F, 0x85, 0xFF)]
)
def test_what_no_reply_begins_with(start):
    """Bytes that no reply to what is ever asked begins with are noticed at once, not waited on."""
    cutter = RtuCutter()
    assert list(cutter.feed(start)) == []
    assert cutter.broken


def test_what_looks_like_the_echo_is_waited_on():
    """Bytes that the echo begins with are not taken for anything before it is clear that they are none."""
    request = read(Block(1, Table.HOLDING, 0x0200, 0x0201, 0, 1))
    cutter = RtuCutter(request.rtu)
    assert list(cutter.feed(request.rtu[:7])) == []
    assert not cutter.broken
    assert list(cutter.feed(bytes([request.rtu[7] ^ 1]))) == []
    assert cutter.broken


def test_identification_on_a_line():
    """A reply to device identification is as long as its objects say, however it is cut."""
    body = bytes.fromhex("01 2B 0E 01 01 00 00 02 00 03 414243 01 01 44")
    for at in range(len(body) + 2):
        cutter = RtuCutter()
        assert [*cutter.feed(sealed(body)[:at]), *cutter.feed(sealed(body)[at:])] == [body]


@pytest.mark.parametrize(
    ("pdu", "error"),
    [
        pytest.param(b"\x83\x02", Refused, id="exception"),
        pytest.param(b"\x83\x02\x00", Refused, id="exception with a byte too many"),
        pytest.param(b"\x83", Garbled, id="exception without its code"),
        pytest.param(b"\x83\x02\x00\x01", Garbled, id="a reply whose function is damaged"),
        pytest.param(b"\x84\x02", Garbled, id="exception to another function"),
        pytest.param(b"\x03\x00", Garbled, id="no registers, with success"),
        pytest.param(b"\x03\x02\x00", Garbled, id="a byte short"),
        pytest.param(b"\x03\x02\x00\x01\x00", Garbled, id="a byte more"),
        pytest.param(b"\x03\x04\x00\x01\x00\x02", Garbled, id="two registers for one"),
        pytest.param(b"\x04\x02\x00\x01", Garbled, id="another function"),
    ],
)
def test_what_is_no_payload(pdu, error):
    """A reply is a refusal, or never decoded, unless it is exactly as long as what was asked for."""
    with pytest.raises(error):
        payload(read(Block(1, Table.HOLDING, 0, 1, 0, 1)), 1, pdu)


def test_exception_that_could_be_a_reply_of_bits():
    """An exception with a byte too many is no exception where a reply of eight bits is as long."""
    with pytest.raises(Garbled):
        payload(read(Block(1, Table.COIL, 0, 8, 0, 1)), 1, b"\x81\x01\xff")


def test_another_unit_is_garbled():
    """A right reply of another unit is not decoded."""
    with pytest.raises(Garbled, match="unit 1 was asked, 2 answered"):
        payload(read(Block(1, Table.HOLDING, 0, 1, 0, 1)), 2, b"\x03\x02\x00\x01")


def test_transactions_are_far_apart():
    """Of 16 transactions in a row any two differ by four bits or more, and all 65,536 come before one comes again."""
    assert STRIDE % 2
    numbers = Transactions(last=7)
    drawn = [numbers.next() for _ in range(0x10000)]
    assert len(set(drawn)) == 0x10000
    for apart in range(1, 17):
        assert min((a ^ b).bit_count() for a, b in zip(drawn, drawn[apart:] + drawn[:apart], strict=True)) >= 4


@given(st.sampled_from(Table), st.integers(1, 125))
def test_less_of_a_request(table, count):
    """Less of a request touches nothing else, and no two replies are of one length."""
    request = read(Block(7, table, 100, 100 + count, 0, 1))
    less = list(shorter(request))
    assert len({one.expected for one in (request, *less)}) == len(less) + 1 == -(-count // (8 if table.bits else 1))
    for one in less:
        function, start, size = struct.unpack(">BHH", one.pdu)
        assert (one.unit, function, start) == (7, table.value, 100)
        assert 0 < size < count
        assert one.expected == (-(-size // 8) if table.bits else 2 * size)

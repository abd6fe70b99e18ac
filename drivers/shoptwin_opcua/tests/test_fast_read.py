"""The fast path is taken where it has been tried, and only there."""

from __future__ import annotations

import struct

import pytest
from asyncua import ua
from asyncua.ua import ua_binary

from shoptwin.sdk import NotConnected
from shoptwin_opcua.space import fast_read
from shoptwin_opcua.space.services import Limits, Reading, value_of
from shoptwin_opcua.wire.fast_request import EncodedRequest, Raw
from shoptwin_opcua.wire.paths import FAST, Paths, worst
from shoptwin_opcua.wire.values import Values


@pytest.fixture(autouse=True)
def _forget_encoders():
    """Let asyncua make its encoders anew after a test that has changed how."""
    yield
    ua_binary.create_type_serializer.cache_clear()
    ua_binary.create_dataclass_serializer.cache_clear()


def request(nodes=3):
    items = [value_of(ua.NodeId(f"n{i}", 2)) for i in range(nodes)]
    return ua.ReadRequest(
        Parameters=ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=items)
    )


class Wire:
    """A channel whose server answers 1.5 for each node."""

    url = "opc.tcp://plc:4840"

    def __init__(self, answers=3):
        self.asked = []
        self._answer = struct.pack("<i", answers) + b"\x01\x0b\0\0\0\0\0\0\xf8\x3f" * answers + b"\xff\xff\xff\xff"

    async def raw(self, request, decode, wait=None):
        assert wait is None
        self.asked.append(request)
        return decode(self._answer)


def test_an_encoded_request_is_the_same_bytes():
    """Whatever the header says, asyncua sends the same bytes for an encoded request as for its own."""
    plain = request()
    encoded = EncodedRequest.of(plain)
    assert encoded.RequestHeader is plain.RequestHeader
    plain.RequestHeader.AuthenticationToken = ua.NodeId(b"token", 1, ua.NodeIdType.ByteString)
    plain.RequestHeader.RequestHandle = 77
    plain.RequestHeader.TimeoutHint = 4000
    assert ua_binary.struct_to_binary(encoded) == ua_binary.struct_to_binary(plain)


async def test_the_first_answer_is_the_test():
    """The first answer is asked for and decoded plainly too; from the second on it is fast, with the same values."""
    wire, reading = Wire(), Reading(request().Parameters.NodesToRead)
    assert reading.path == ""
    first, second = [(await reading.values(wire, Limits()))[0] for _ in range(2)]
    assert reading.path == FAST
    assert [type(asked) for asked in wire.asked] == [ua.ReadRequest, EncodedRequest]
    assert first.in_rows() == second.in_rows()
    assert not first.blocks
    assert not second.rows


@pytest.mark.parametrize("change", ["gone", "otherwise", "raises"])
async def test_another_asyncua_is_left_to_itself(monkeypatch, change):
    """Where asyncua does not encode as it is known to, requests are its own, and the reason is told."""
    match change:
        case "gone":
            monkeypatch.delattr(ua_binary, "Primitives")
        case "otherwise":
            monkeypatch.setattr(Raw, "pack", lambda encoded: b"\0" + encoded)
            ua_binary.create_type_serializer.cache_clear()
            ua_binary.create_dataclass_serializer.cache_clear()
        case _:
            monkeypatch.setattr(ua_binary, "struct_to_binary", lambda _: {}["serializer"])
    wire, reading = Wire(), Reading(request().Parameters.NodesToRead)
    for _ in range(2):
        (values,) = await reading.values(wire, Limits())
        assert [row.value for row in values.in_rows()] == [1.5, 1.5, 1.5]
    assert reading.path.startswith("plain: asyncua")
    assert {type(asked) for asked in wire.asked} == {ua.ReadRequest}


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda _: Values(2), "otherwise"),
        (lambda data: Values.of_rows([row._replace(value=1.25) for row in plainly(data).in_rows()]), "otherwise"),
        (lambda _: {}["field"], "not decoded fast"),
    ],
)
async def test_an_answer_that_is_not_known_is_decoded_plainly(monkeypatch, broken, why):
    """Where the two do not give the same for the first answer, the plain path stays, and the reason is told."""
    monkeypatch.setattr(fast_read, "read_values", broken)
    wire, reading = Wire(), Reading(request().Parameters.NodesToRead)
    for _ in range(2):
        (values,) = await reading.values(wire, Limits())
        assert [row.value for row in values.in_rows()] == [1.5, 1.5, 1.5]
    assert reading.path.startswith("plain: the server's answer")
    assert why in reading.path


plainly = fast_read._plainly


async def test_answers_are_counted():
    """A server that answers another number of values than nodes were asked for is not believed, on both paths."""
    wire, reading = Wire(), Reading(request().Parameters.NodesToRead)
    await reading.values(wire, Limits())
    for answers, path in ((2, reading), (4, reading), (2, Reading(request().Parameters.NodesToRead))):
        with pytest.raises(NotConnected, match=f"answered {answers} of 3"):
            await path.values(Wire(answers), Limits())


def test_an_answer_without_values_is_no_test():
    """A keep-alive proves nothing: the fast path waits for an answer that holds values."""
    paths = Paths(len, len, lambda one, other: None if not one else one == other)
    assert (paths.decode(b""), paths.path) == (0, "")
    assert (paths.decode(b"x"), paths.path) == (1, FAST)
    assert worst(["", FAST, "plain: a", "plain: b"]) == "plain: a"
    assert worst([""]) == ""


@pytest.mark.parametrize("mode", ["poll", "subscribe"])
async def test_servers_are_read_fast(serve, connected, names, mode):
    """A real server is read by the fast path in both modes, which `status` shows."""
    async with connected(serve(nodes=50, max_nodes_per_read=10, max_items_per_call=10, period=50), mode=mode) as plc:
        group = names("n0", "Float", "Boolean", "String", "Wave", "Broken", "Null", "n1")
        if mode == "poll":
            first, second = [await plc.read(group), await plc.read(group)]
            assert [batch.kind for batch in first] == [batch.kind for batch in second]
            assert [batch.tag.tolist() for batch in first] == [batch.tag.tolist() for batch in second]
        else:
            stream = plc.batches([group])
            while not plc.path:
                await anext(stream)
        assert plc.talk().notes["path"] == FAST

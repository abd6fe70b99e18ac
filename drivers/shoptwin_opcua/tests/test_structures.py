"""Structures: fields by name, elements by index, whatever the layout; times that cannot be."""

from __future__ import annotations

import asyncio
import struct
import time

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.common.type_dictionary_builder import DataTypeDictionaryBuilder
from asyncua.ua.ua_binary import nodeid_to_binary
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BrowseWish, Group, Point, Role, SampleBatch, StatusCode, ValueKind, iso
from shoptwin.testing import group_of
from shoptwin.testing.streams import take, values
from shoptwin.testing.watch_opcua import OpcUaWatch
from shoptwin_opcua import plugin
from shoptwin_opcua.discovery import fields
from shoptwin_opcua.space.dictionaries import parse
from shoptwin_opcua.space.times import AHEAD, LONG_AGO, plausible
from shoptwin_opcua.wire.decode import ARRAY, EXTENSION_OBJECT, SCALARS, STRING, Body, Row
from shoptwin_opcua.wire.structures import Field, Structure, key_of, parts, pick

ENCODING = bytes((1, 2)) + (77).to_bytes(2, "little")
KEY = (2, 77)
NOW = 1_795_000_000 * 10**9
NUMBERS = {6: st.integers(-(2**31), 2**31 - 1), 11: st.floats(allow_nan=False), 1: st.booleans(), 9: st.integers(0, 9)}


def body(layout, data):
    return Row(EXTENSION_OBJECT, Body(ENCODING, data), 0, 5, 6), {KEY: layout}


def encode(type_, value):
    """Encode as Part 6 says, by other code than what is tested."""
    if type_ == STRING:
        text = value.encode()
        return struct.pack("<i", len(text)) + text
    return SCALARS[type_].pack(value)


@st.composite
def structures(draw, depth=2):
    """Draw a layout, its bytes, and (path, type, value) of each leaf."""
    masked, union = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    count = draw(st.integers(1, 5))
    chosen = draw(st.integers(0, count))
    fields, data, leaves, mask = [], b"", [], 0
    for i in range(count):
        name = f"f{i}"
        bit = len([field for field in fields if field.bit >= 0]) if masked and draw(st.booleans()) else -1
        there = chosen == i + 1 if union else bit < 0 or draw(st.booleans())
        of, inner, below = draw(structures(depth=depth - 1)) if depth and draw(st.booleans()) else (None, b"", [])
        type_ = EXTENSION_OBJECT if of else draw(st.sampled_from([*NUMBERS, STRING]))
        rank = draw(st.sampled_from([-1, 1]))
        fields.append(Field(name, type_, rank, of, bit))
        if not there:
            leaves.append(((name,), None, None))
            continue
        mask |= 1 << bit if bit >= 0 else 0
        if of:
            times = 2 if rank == 1 else 1
            data += (struct.pack("<i", 2) if rank == 1 else b"") + inner * times
            prefix = (name, 1) if rank == 1 else (name,)
            leaves += [((*prefix, *path), *rest) for path, *rest in below]
        else:
            some = draw(st.lists(NUMBERS.get(type_, st.text(max_size=3)), min_size=1, max_size=3))
            if rank == 1:
                data += struct.pack("<i", len(some)) + b"".join(encode(type_, value) for value in some)
                leaves.append(((name, len(some) - 1), type_, some[-1]))
                leaves.append(((name, len(some)), None, None))
            else:
                data += encode(type_, some[0])
                leaves.append(((name,), type_, some[0]))
    head = struct.pack("<I", chosen) if union else struct.pack("<I", mask) if masked else b""
    return Structure("s", tuple(fields), masked, union), head + data, leaves


@given(structures())
def test_every_field_is_found(drawn):
    """Each field of any layout, nested, optional, in an array or a union, is found with its type and value."""
    layout, data, leaves = drawn
    row, known = body(layout, data)
    for path, type_, value in leaves:
        found = pick(row, path, known)
        if type_ is None:
            assert (found.status, found.value) == (StatusCode.BAD_NO_DATA, None)
        else:
            assert (found.status, found.type, found.value) == (0, type_, value)
        assert found.source_time == 5


@given(structures())
def test_every_part_can_be_picked(drawn):
    """What a structure is taken apart into is what its paths lead to, optional fields that are not there included."""
    layout, data, leaves = drawn
    row, known = body(layout, data)
    found = {path: (type_, value) for path, type_, value in parts(row, known, 9)}
    for path, (_, value) in found.items():
        assert pick(row, path, known).value == value
    for path, type_, value in leaves:
        if type_ is not None:
            assert found[path] == (type_, value)
    assert len(list(parts(row, known, 0))) <= len(found)


@given(structures(), st.data())
def test_what_breaks_off_is_bad(drawn, data):
    """Bytes that are cut or changed anywhere give a value, a null where there may be one, or Bad; never an error."""
    layout, whole, leaves = drawn
    cut = whole[: data.draw(st.integers(0, len(whole)))] + data.draw(st.binary(max_size=6))
    row, known = body(layout, cut)
    list(parts(row, known, 9))
    for path, _, _ in leaves:
        found = pick(row, path, known)
        null = found.value is None and (found.type == STRING or found.type & ARRAY)
        assert null or found.value is not None or found.status & StatusCode.BAD


def test_a_path_that_leads_nowhere_says_why():
    """A field that does not exist, a layout that is not known and a scalar's element are told from one another."""
    row, known = body(Structure("s", (Field("Speed", 11),)), struct.pack("<d", 2.5))
    assert pick(row, ("Speed",), known).value == 2.5
    assert pick(row, ("speed",), known).status == StatusCode.BAD_CONFIGURATION_ERROR
    assert pick(row, ("Speed",), {}).status == StatusCode.BAD_TYPE_MISMATCH
    assert pick(row, ("Speed", 0), known).status == StatusCode.BAD_TYPE_MISMATCH
    assert pick(row._replace(status=int(StatusCode.BAD_SENSOR_FAILURE)), ("x",), known).status == (
        StatusCode.BAD_SENSOR_FAILURE
    )
    wave = Row(11 | ARRAY, np.array([1.0, 2.0]), 0, 0, 0)
    assert pick(wave, (1,), {}).value == 2.0
    assert pick(wave, (2,), {}).status == StatusCode.BAD_NO_DATA


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_nodeid_is_the_same_however_it_is_written(namespace, number):
    """The short and the long forms of a NodeId lead to the same layout."""
    long = bytes((2,)) + namespace.to_bytes(2, "little") + number.to_bytes(4, "little")
    assert key_of(long) == key_of(bytes((1, namespace)) + number.to_bytes(2, "little")) == (namespace, number)
    assert key_of(nodeid_to_binary(ua.NodeId(number, namespace))) == (namespace, number)
    text = nodeid_to_binary(ua.NodeId(f"n{number}", namespace))
    assert key_of(text)[0] == namespace


DICTIONARY = b"""<?xml version="1.0" encoding="utf-8"?>
<opc:TypeDictionary xmlns:opc="http://opcfoundation.org/BinarySchema/" xmlns:tns="urn:x" TargetNamespace="urn:x">
  <opc:EnumeratedType Name="State" LengthInBits="32"><opc:EnumeratedValue Name="Off" Value="0"/></opc:EnumeratedType>
  <opc:StructuredType Name="Axis">
    <opc:Field Name="State" TypeName="tns:State"/><opc:Field Name="Load" TypeName="opc:Double"/>
  </opc:StructuredType>
  <opc:StructuredType Name="Machine">
    <opc:Field Name="NameSpecified" TypeName="opc:Bit"/>
    <opc:Field Name="Reserved1" TypeName="opc:Bit" Length="31"/>
    <opc:Field Name="Name" TypeName="opc:String" SwitchField="NameSpecified"/>
    <opc:Field Name="NoOfAxes" TypeName="opc:Int32"/>
    <opc:Field Name="Axes" TypeName="tns:Axis" LengthField="NoOfAxes"/>
  </opc:StructuredType>
  <opc:StructuredType Name="Either">
    <opc:Field Name="SwitchField" TypeName="opc:UInt32"/>
    <opc:Field Name="A" TypeName="opc:Int32" SwitchField="SwitchField" SwitchValue="1"/>
    <opc:Field Name="B" TypeName="opc:Double" SwitchField="SwitchField" SwitchValue="2"/>
  </opc:StructuredType>
  <opc:StructuredType Name="Strange"><opc:Field Name="X" TypeName="other:Thing"/></opc:StructuredType>
</opc:TypeDictionary>"""


def test_an_old_dictionary_is_understood():
    """Arrays, optional fields, enumerations and unions of a type dictionary have the layouts that definitions have."""
    layouts = parse(DICTIONARY)
    assert set(layouts) == {"Axis", "Machine", "Either"}
    axes = struct.pack("<i", 2) + struct.pack("<id", 1, 0.5) + struct.pack("<id", 2, 0.75)
    for mask, name in ((1, struct.pack("<i", 1) + b"M"), (0, b"")):
        row, known = body(layouts["Machine"], struct.pack("<I", mask) + name + axes)
        assert pick(row, ("Axes", 1, "Load"), known).value == 0.75
        assert pick(row, ("Axes", 0, "State"), known)[:2] == (6, 1)
        assert pick(row, ("Name",), known).value == ("M" if mask else None)
    row, known = body(layouts["Either"], struct.pack("<Id", 2, 4.5))
    assert pick(row, ("B",), known).value == 4.5
    assert pick(row, ("A",), known).status == StatusCode.BAD_NO_DATA
    assert parse(b"<broken") == {}


@pytest.fixture(params=["poll", "subscribe"])
def mode(request):
    """Give each mode."""
    return request.param


async def test_a_structure_of_the_standard(serve, connected, mode):
    """Fields of ServerStatus, which every server has, come by name; one read is made for all of them."""
    server = serve()
    paths = ["BuildInfo.ProductName", "State", "CurrentTime", "BuildInfo", "Nothing"]
    group = group_of(plugin, [f"i=2256#{path}" for path in paths])
    async with (
        OpcUaWatch(server.port) as watch,
        connected(server, mode=mode, batch=1, url=f"opc.tcp://127.0.0.1:{watch.port}") as connection,
    ):
        found = await values(connection, group)
        assert found[0].value == "shoptwin test server"
        assert (found[1].value, found[1].kind) == (0, ValueKind.I8)
        assert found[2].value.startswith("20")
        assert found[3].status == StatusCode.BAD_TYPE_MISMATCH
        assert found[4].status == StatusCode.BAD_CONFIGURATION_ERROR
        if mode == "poll":
            before = watch.services["Read"]
            await connection.read(group)
            assert watch.services["Read"] == before + 1
        assert not watch.outside


async def test_elements_of_arrays(serve, connected, mode):
    """An element of an array is a number like any; one beyond its end is Bad, and so is one of what is no array."""
    nodes = ["Wave#[3]", "Bare#[1]", "Bare#[3]", "Double#[0]", "Double#[1]"]
    async with connected(serve(), mode=mode) as connection:
        found = await values(connection, group_of(plugin, [f"nsu=urn:shoptwin:test;s={node}" for node in nodes]))
    assert found[0].value == pytest.approx(0.3)
    assert (found[1].value, found[1].kind) == (-2, ValueKind.I8)
    assert found[2].status == StatusCode.BAD_NO_DATA
    assert found[3].status == found[4].status == StatusCode.BAD_TYPE_MISMATCH


async def _by_definition(server, index):
    """Add a structure with a nested one, an enumeration, an optional field and arrays."""
    state = await new_enum(server, index, "State", ["Off", "On"])
    axis, _ = await new_struct(server, index, "Axis", [
        new_struct_field("Load", ua.VariantType.Double), new_struct_field("State", state),
    ])  # fmt: skip
    motor, _ = await new_struct(server, index, "Motor", [
        new_struct_field("Name", ua.VariantType.String, optional=True),
        new_struct_field("Speed", ua.VariantType.Float),
        new_struct_field("Axes", axis, array=True),
        new_struct_field("Levels", ua.VariantType.Int16, array=True),
        new_struct_field("Main", axis),
    ])  # fmt: skip
    await server.load_data_type_definitions()
    value = ua.Motor(Speed=1500.5, Axes=[ua.Axis(0.25, ua.State.Off), ua.Axis(0.5, ua.State.On)], Levels=[4, 5, 6],
                     Main=ua.Axis(0.75, ua.State.On))  # fmt: skip
    return await server.nodes.objects.add_variable(ua.NodeId("Motor", index), "Motor", value, datatype=motor.nodeid)


async def test_a_structure_by_its_definition(asyncua_server, connected, mode):
    """Fields of a vendor's structure come by name, by what its DataTypeDefinition says, and change as it does."""
    paths = ["Speed", "Axes[1].Load", "Axes[1].State", "Main.Load", "Levels[2]", "Levels", "Name"]
    group = group_of(plugin, [f"nsu=urn:shoptwin:test;s=Motor#{path}" for path in paths])
    async with asyncua_server(_by_definition) as (there, node), connected(there, mode=mode) as connection:
        found = await values(connection, group)
        assert [found[i].value for i in range(5)] == [1500.5, 0.5, 1, 0.75, 6]
        assert found[5].status == StatusCode.BAD_CONFIGURATION_ERROR  # an array without a rate
        assert found[6].status == StatusCode.BAD_NO_DATA
        if mode == "subscribe":
            stream = connection.batches([group])
            await take(stream, lambda found: 0 in found)
            await node.write_value(ua.Motor(Name="M7", Speed=7.0))
            found = await take(stream, lambda found: 6 in found and found[6][-1].value == "M7")
            assert found[0][-1].value == 7.0


def told(found):
    """Return address, type and value now of what a walk found."""
    return {each.address.removeprefix("nsu=urn:shoptwin:test;s="): (each.kind, each.sample) for each in found}


async def test_fields_are_found(asyncua_server, connected):
    """Browsing lists the fields of a structure, nested, optional and in arrays, with addresses that can be read."""
    async with asyncua_server(_by_definition) as (there, _), connected(there, mode="poll") as connection:
        found = [each async for some in connection.walk(BrowseWish()) for each in some]
        fields = [each for each in found if each.path and each.path[-1] == "Motor"]
        assert told(fields) == {
            "Motor#Name": (ValueKind.STR, ""), "Motor#Speed": (ValueKind.F4, "1500.5"),
            "Motor#Axes[0].Load": (ValueKind.F8, "0.25"), "Motor#Axes[0].State": (ValueKind.I8, "0"),
            "Motor#Axes[1].Load": (ValueKind.F8, "0.5"), "Motor#Axes[1].State": (ValueKind.I8, "1"),
            "Motor#Levels[0]": (ValueKind.I8, "4"), "Motor#Levels[1]": (ValueKind.I8, "5"),
            "Motor#Levels[2]": (ValueKind.I8, "6"),
            "Motor#Main.Load": (ValueKind.F8, "0.75"), "Motor#Main.State": (ValueKind.I8, "1"),
        }  # fmt: skip
        assert {each.name: each.role for each in fields}["Speed"] is Role.SPEED
        whole = next(each for each in found if each.name == "Motor")
        assert (whole.kind, whole.type, whole.sample) == (None, "structure", "11 fields")
        got = await values(connection, group_of(plugin, [each.address for each in fields]))
        assert {got[n].status for n in range(len(fields))} == {0, StatusCode.BAD_NO_DATA}
        assert [each.name for each in await connection.browse() if "#" in each.address] == []
        wish = BrowseWish(wanted=lambda each: "Main" in each.address)
        some = [each.name async for some in connection.walk(wish) for each in some if each.is_value]
        assert some == ["Main.Load", "Main.State"]


async def test_fields_of_many_are_bounded(connected, serve, monkeypatch):
    """A structure of many fields is listed as far as it makes sense, and says so; one without a layout is listed."""
    monkeypatch.setattr(fields, "_MOST", 5)
    async with connected(serve(), mode="poll") as connection:
        found = [each async for some in connection.walk(BrowseWish("i=2253", depth=2)) for each in some]
    status = next(each for each in found if each.address == "i=2256")
    assert (status.type, status.sample) == ("structure", "its first 5 fields")
    below = [each for each in found if each.address.startswith("i=2256#")]
    assert [each.address for each in below] == [
        f"i=2256#{name}"
        for name in ("StartTime", "CurrentTime", "State", "BuildInfo.ProductUri", "BuildInfo.ManufacturerName")
    ]
    assert below[2].sample == "0"


async def _by_dictionary(server, index):
    """Add a structure as servers before 1.04 do: by a dictionary in XML."""
    builder = DataTypeDictionaryBuilder(server, index, "urn:shoptwin:test", "MyDictionary")
    await builder.init()
    pump = await builder.create_data_type("Pump")
    pump.add_field("Stage", ua.VariantType.Int32)
    pump.add_field("Pressures", ua.VariantType.Double, is_array=True)
    pump.add_field("Maker", ua.VariantType.String)
    await builder.set_dict_byte_string()
    await server.load_type_definitions()
    value = ua.Pump()
    value.Stage, value.Pressures, value.Maker = 3, [1.5, 2.5], "ACME"
    return await server.nodes.objects.add_variable(ua.NodeId("Pump", index), "Pump", value, datatype=pump.data_type)


async def test_a_structure_by_an_old_dictionary(asyncua_server, connected, mode):
    """Where a server tells layouts by a type dictionary alone, fields come by name too."""
    group = group_of(plugin, [f"nsu=urn:shoptwin:test;s=Pump#{path}" for path in ("Maker", "Stage", "Pressures[1]")])
    async with asyncua_server(_by_dictionary) as (there, _), connected(there, mode=mode) as connection:
        found = await values(connection, group)
        listed = [each async for some in connection.walk(BrowseWish()) for each in some]
    assert [found[i].value for i in range(3)] == ["ACME", 3, 2.5]
    assert {"Pump#Stage": (ValueKind.I8, "3"), "Pump#Maker": (ValueKind.STR, "ACME")}.items() <= told(listed).items()


TIMES = st.integers(0, 2**62) | st.integers(-2 * AHEAD, 2 * AHEAD).map(NOW.__add__) | st.just(0)


@given(
    st.lists(st.tuples(TIMES, TIMES, st.sampled_from([0, 0x40900000, 0x808C0000])),
             min_size=1, max_size=9),
    st.sampled_from([0, NOW]),
)  # fmt: skip
def test_only_what_cannot_be_is_changed(rows, clock):
    """Source times near the server's stay; others become it, and only Good turns Uncertain by it."""
    source, server, status = (list(column) for column in zip(*rows, strict=True))
    before = SampleBatch.of(
        "g", ValueKind.I8, range(len(rows)), range(len(rows)), status=status, source_time=source, server_time=server
    )
    after = plausible(before, clock)
    for i, (at, there, code) in enumerate(rows):
        known = clock or there
        possible = not at or not known or known - LONG_AGO <= at <= known + AHEAD
        assert after.source_time[i] == (at if possible else known)
        assert after.status[i] == (code if possible or code else StatusCode.UNCERTAIN)
        assert after.server_time[i] == (clock if clock and there > clock + AHEAD else there)
    assert after.values.tolist() == before.values.tolist()
    assert plausible(after, clock) is after


def test_a_server_that_stamps_each_value_alike():
    """A server whose stamps stand still while its clock runs is no reason to doubt the source's times."""
    batch = SampleBatch.of("g", ValueKind.I8, [0], [1], source_time=[NOW], server_time=[NOW - 2 * AHEAD])
    assert plausible(batch, NOW + 1) is batch
    assert plausible(batch).status.tolist() == [StatusCode.UNCERTAIN]


async def test_another_unit_is_told(serve, connected):
    """A node that measures in another unit than the configuration says is named, and its value stays what it is."""
    for unit, told in (("in/s", True), ("mm/s", False), ("", False)):
        async with connected(serve(), mode="poll") as connection:
            address = plugin.parse_address("nsu=urn:shoptwin:test;s=Speed")
            group = Group("g", "d", 10**8, (Point(0, address, unit=unit), Point(1, address)))
            batches = await connection.read(group)
            assert [value for batch in batches for value in batch.values] == [2.5, 2.5]
            assert connection.talk().notes.get("units") == (
                "nsu=urn:shoptwin:test;s=Speed is in mm/s, not in/s" if told else None
            )


async def test_times_that_cannot_be(serve, connected, names, mode):
    """A value from the future, or from 1975, is Uncertain at the server's time; one of some years ago stays."""
    server = serve(own="times")
    soon = iso(time.time_ns() + 2 * AHEAD)
    stamps = {"Double": soon, "Int32": "1975-01-01T00:00:00Z", "Float": "2024-06-01T00:00:00Z"}
    for name, stamp in stamps.items():
        server.do("set", name=name, type=name, value=7, time=stamp)
    server.do("set", name="Int16", type="Int16", value=7, time="1975-01-01T00:00:00Z", status="BadSensorFailure")
    await asyncio.sleep(0.05)
    async with connected(server, mode=mode) as connection:
        found = await values(connection, names("Double", "Int32", "Float", "Int16"))
    for tag in (0, 1):
        assert (found[tag].value, found[tag].status) == (7, StatusCode.UNCERTAIN)
        assert abs(found[tag].source_time - found[2].source_time) < 6 * 365 * 86_400 * 10**9
    assert (found[2].value, found[2].status) == (7, 0)
    assert found[2].source_time == 1_717_200_000 * 10**9
    assert found[3].status == StatusCode.BAD_SENSOR_FAILURE

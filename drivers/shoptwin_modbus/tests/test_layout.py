"""Layout: what whole blocks are decoded to, against a decoder that takes one value at a time."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.sdk import Group, Point, StatusCode
from shoptwin.testing import readings
from shoptwin_modbus.addresses.address import ModbusAddress, Table, parse_address
from shoptwin_modbus.addresses.codecs import CODECS, Order, bit_field, string
from shoptwin_modbus.planning import Reach, Span
from shoptwin_modbus.poll.layout import Layout
from shoptwin_modbus.poll.terrain import Terrain

SIZE = 60
"""Registers, and bits, of the device."""
GOOD, UNDECODED = StatusCode.GOOD, StatusCode.BAD_DECODING_ERROR
UNREAD = StatusCode.BAD_COMMUNICATION_ERROR
FORMATS = {"int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q",
           "float32": ">f", "float64": ">d"}  # fmt: skip

tables = st.sampled_from([Table.HOLDING, Table.INPUT])
types = st.one_of(
    st.sampled_from(list(CODECS.values())),
    st.integers(1, 12).map(string),
    st.tuples(st.integers(0, 15), st.integers(0, 15)).map(lambda bits: bit_field(min(bits), max(bits))),
)
addresses = st.one_of(
    st.builds(ModbusAddress, tables, st.integers(0, SIZE - 6), types, st.sampled_from(Order)),
    st.builds(ModbusAddress, tables, st.integers(0, SIZE - 1), bit=st.integers(0, 15)),
    st.builds(ModbusAddress, st.sampled_from([Table.COIL, Table.DISCRETE]), st.integers(0, SIZE - 1)),
)
worlds = st.fixed_dictionaries(
    {table: st.lists(st.integers(0, 0xFFFF), min_size=SIZE, max_size=SIZE) for table in Table}
)


def group_of(*texts: ModbusAddress, rate: float | None = None) -> Group:
    """Return a group whose tags count from 0."""
    return Group("g", "d", 10**9, tuple(Point(i, address, None, rate) for i, address in enumerate(texts)))


def reply(world, block) -> bytes:
    """Return what a device answers to a block."""
    words = world[block.table][block.start : block.stop]
    if not block.table.bits:
        return struct.pack(f">{len(words)}H", *words)
    number = sum((word & 1) << i for i, word in enumerate(words))
    return number.to_bytes(-(-len(words) // 8), "little")


def reference(world, address: ModbusAddress):  # noqa: PLR0911 - a return a type
    """Decode one value in plain Python; None where it is none."""
    words = world[address.table][address.start : address.start + address.count]
    if address.table.bits:
        return bool(words[0] & 1)
    if address.bit is not None:
        return bool(words[0] >> address.bit & 1)
    name = address.codec.name
    words = words[::-1] if address.order in {Order.CDAB, Order.DCBA} else words
    little = address.order in {Order.BADC, Order.DCBA}
    raw = b"".join(word.to_bytes(2, "little" if little else "big") for word in words)
    if name == "bool":
        return any(raw)
    if name.startswith("bits"):
        low, high = map(int, name[4:].split("-"))
        return int.from_bytes(raw) >> low & 2 ** (high - low + 1) - 1
    if name.startswith("bcd"):
        return int(raw.hex()) if raw.hex().isdecimal() else None
    if name.startswith("string"):
        return raw[: int(name[7:-1])].decode("latin-1").partition("\0")[0].rstrip(" ")
    value = struct.unpack(FORMATS[name], raw)[0]
    return value if abs(value) < float("inf") else None


def read(world, group: Group, reach: Reach):
    """Read a group as a poll does, every block answered; return (value, status) by tag."""
    layout = Layout(group, 1, reach, Terrain())
    buffer, status = layout.blank()
    for block in layout.units.get(1, ()):
        assert block.size <= reach.most(block.table)
        layout.put(buffer, status, block, reply(world, block))
    found = readings(layout.batches("g", buffer, status))
    assert all(len(each) == 1 for each in found.values())
    return {tag: (each[0].value, each[0].status) for tag, each in found.items()}


@settings(deadline=None)
@given(worlds, st.lists(addresses, max_size=40), st.integers(6, 125), st.integers(0, 20))
def test_blocks_are_decoded_as_single_values_are(world, wanted, largest, gap):
    """Whatever is asked for in whatever blocks, each value is what it is by itself, and Bad if it is none."""
    found = read(world, group_of(*wanted), Reach(largest, 16 * largest, gap))
    assert sorted(found) == list(range(len(wanted)))
    for tag, address in enumerate(wanted):
        value, status = found[tag]
        expected = reference(world, address)
        assert (status == GOOD) is (expected is not None)
        assert expected is None or value == expected


def test_one_refused_value_leaves_its_neighbours_alone():
    """A register that is no BCD number is BadDecodingError, by itself."""
    world = {Table.HOLDING: [0x1234, 0x12A4, 0x9999, 0x0001]}
    found = read(world, group_of(*(parse_address(f"holding:{i}:bcd16") for i in range(4))), Reach())
    assert found == {0: (1234, GOOD), 1: (0, UNDECODED), 2: (9999, GOOD), 3: (1, GOOD)}


def test_what_was_not_read_keeps_its_own_status():
    """Where a block did not come, its values say why, and none of them looks like a value."""
    group = group_of(parse_address("holding:0:bcd16"), parse_address("holding:1:string[4]"))
    layout = Layout(group, 1, Reach(), Terrain())
    buffer, status = layout.blank()
    buffer[:] = 0xFF
    status[:] = StatusCode.BAD_TIMEOUT
    found = readings(layout.batches("g", buffer, status))
    assert [(each.value, each.status) for [each] in found.values()] == [
        (0, StatusCode.BAD_TIMEOUT),
        (None, StatusCode.BAD_TIMEOUT),
    ]


def test_waveforms_are_not_in_a_layout():
    """A waveform is neither planned nor decoded with the rest."""
    wave = parse_address("holding:1000:int16[2048]:seq=holding:998")
    layout = Layout(group_of(wave, parse_address("holding:0:int16"), rate=1000.0), 1, Reach(), Terrain())
    assert [span.start for span in layout.spans] == [0]
    assert [column.tags.tolist() for column in layout.columns] == [[1]]


@pytest.mark.parametrize("text", ["holding:10:string[40]", "holding:10:string[250]"])
def test_a_text_longer_than_a_block_is_never_asked_for(text):
    """What one request cannot read whole is BadConfigurationError, and no request is larger than the device takes."""
    found = read({Table.HOLDING: [7] * 20}, group_of(parse_address(text), parse_address("holding:9:int16")), Reach(8))
    assert found == {0: (None, StatusCode.BAD_CONFIGURATION_ERROR), 1: (7, GOOD)}


def test_what_touches_an_address_to_avoid_is_never_asked_for():
    """A tag on an address to avoid is BadConfigurationError, even where it was a hole once; its neighbours are read."""
    shy = Span(1, Table.HOLDING, 2, 3)
    terrain = Terrain()
    terrain.dig(Span(1, Table.HOLDING, 2, 3), StatusCode.BAD_NODE_ID_UNKNOWN)
    group = group_of(*(parse_address(f"holding:{text}") for text in ("0:int16", "1:int32", "2:int16", "3:int16")))
    layout = Layout(group, 1, Reach(avoid=(shy,)), terrain)
    assert [(block.start, block.stop) for block in layout.units[1]] == [(0, 1), (3, 4)]
    assert layout.holes == ()
    _, status = layout.blank()
    refused = StatusCode.BAD_CONFIGURATION_ERROR
    assert [status[span] for column in layout.columns for span in column.spans] == [UNREAD, refused, refused, UNREAD]

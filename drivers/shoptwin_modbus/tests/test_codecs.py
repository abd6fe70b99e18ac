"""Codecs: every type in every word order, against struct; a whole block at once."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoptwin_modbus.codecs import CODECS, Bits, Codec, Numbers, Order

STRUCT = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float32": "f", "float64": "d", "bool": "H",
}  # fmt: skip


def values_of(codec: Codec):
    """Return a strategy of values that the type holds."""
    if codec.name.startswith("float"):
        return st.floats(width=codec.size * 8, allow_nan=False)
    if codec.name == "bool":
        return st.booleans()
    high = 2 ** (8 * codec.size)
    return st.integers(0, high - 1) if codec.name.startswith("u") else st.integers(-high // 2, high // 2 - 1)


numbers = st.sampled_from(list(CODECS.values())).flatmap(
    lambda codec: st.tuples(st.just(codec), st.sampled_from(Order), values_of(codec))
)


def on_the_wire(codec: Codec, order: Order, value: float) -> bytes:
    """Pack a value as a device of that order sends it, in plain Python."""
    raw = struct.pack(">" + STRUCT[codec.name], value)
    words = [raw[i : i + 2] for i in range(0, len(raw), 2)]
    if order in {Order.CDAB, Order.DCBA}:
        words.reverse()
    return b"".join(word[::-1] if order in {Order.BADC, Order.DCBA} else word for word in words)


@given(st.lists(numbers, min_size=1, max_size=30))
def test_numbers_round_trip(sent):
    """Whatever the mixture of types and orders, what was packed by hand is decoded to the very same values."""
    buffer = np.frombuffer(b"".join(on_the_wire(*each) for each in sent), np.uint8)
    starts = np.cumsum([0, *(codec.size for codec, _, _ in sent)])
    for codec in CODECS.values():
        if at := [i for i, each in enumerate(sent) if each[0] is codec]:
            column = np.empty(len(at), codec.kind.dtype)
            Numbers.of(codec, [starts[i] for i in at], [sent[i][1] for i in at], range(len(at))).put(buffer, column)
            assert column.tolist() == [sent[i][2] for i in at]


@given(st.binary(min_size=1, max_size=40), st.data())
def test_bits(raw, data):
    """A bit is true where its byte has it set."""
    at = data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 7)), min_size=1))
    column = np.empty(len(at), bool)
    Bits.of(at, range(len(at))).put(np.frombuffer(raw, np.uint8), column)
    assert column.tolist() == [bool(raw[byte] >> bit & 1) for byte, bit in at]


def test_examples_of_the_readme():
    """123456.7 stands in two registers as the README's table shows, in each order."""
    table = {"ABCD": "47F12059", "CDAB": "205947F1", "BADC": "F1475920", "DCBA": "5920F147"}
    for name, raw in table.items():
        column = np.empty(1, "f4")
        buffer = np.frombuffer(bytes.fromhex(raw), np.uint8)
        Numbers.of(CODECS["float32"], [0], [Order[name]], [0]).put(buffer, column)
        assert abs(column[0] - 123456.7) < 0.01

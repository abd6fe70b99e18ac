"""Codecs: every type in every word order, against struct; a whole block at once."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin_modbus.addresses.codecs import CODECS, Bits, Codec, Order, Values, bit_field, string

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
    if codec.name.startswith("bcd"):
        return st.integers(0, 10 ** (2 * codec.size) - 1)
    if codec.name.startswith("string"):
        letters = st.characters(min_codepoint=1, max_codepoint=255)
        return st.text(letters, max_size=int(codec.name[7:-1])).map(lambda text: text.rstrip(" "))
    high = 2 ** (8 * codec.size)
    return st.integers(0, high - 1) if codec.name.startswith("u") else st.integers(-high // 2, high // 2 - 1)


def packed(codec: Codec, value) -> bytes:
    """Pack a value big end first, in plain Python."""
    if codec.name.startswith("bcd"):
        return bytes.fromhex(f"{value:0{2 * codec.size}d}")
    if codec.name.startswith("string"):
        return value.encode("latin-1").ljust(codec.size, b" " if len(value) % 3 else b"\0")
    return struct.pack(">" + STRUCT[codec.name], value)


def on_the_wire(codec: Codec, order: Order, value) -> bytes:
    """Pack a value as a device of that order sends it."""
    raw = packed(codec, value)
    words = [raw[i : i + 2] for i in range(0, len(raw), 2)]
    if order in {Order.CDAB, Order.DCBA}:
        words.reverse()
    return b"".join(word[::-1] if order in {Order.BADC, Order.DCBA} else word for word in words)


codecs = st.sampled_from(list(CODECS.values())) | st.integers(1, 40).map(string)
sent_values = codecs.flatmap(lambda codec: st.tuples(st.just(codec), st.sampled_from(Order), values_of(codec)))


def decoded(codec: Codec, order: Order, *raw: bytes):
    """Decode values that stand one after the other; return them, and the places of those that are none."""
    buffer = np.frombuffer(b"".join(raw), np.uint8)
    column = np.empty(len(raw), codec.kind.dtype)
    starts = [codec.size * i for i in range(len(raw))]
    refused = Values.of(codec, starts, [order] * len(raw), range(len(raw))).put(buffer, column)
    return column.tolist(), None if refused is None else refused.tolist()


@settings(deadline=None)
@given(st.lists(sent_values, min_size=1, max_size=30))
def test_values_round_trip(sent):
    """Whatever the mixture of types and orders, what was packed by hand is decoded to the very same values."""
    buffer = np.frombuffer(b"".join(on_the_wire(*each) for each in sent), np.uint8)
    starts = np.cumsum([0, *(codec.size for codec, _, _ in sent)])
    for codec in {each[0] for each in sent}:
        at = [i for i, each in enumerate(sent) if each[0] == codec]
        column = np.empty(len(at), codec.kind.dtype)
        values = Values.of(codec, [starts[i] for i in at], [sent[i][1] for i in at], range(len(at)))
        assert values.put(buffer, column) is None
        assert column.tolist() == [sent[i][2] for i in at]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=20), st.sampled_from(Order))
def test_only_decimal_digits_are_bcd(raw, order):
    """A BCD value with a digit beyond 9 is refused by itself; the others are the decimal digits as one reads them."""
    inverse = np.argsort(order.indices(4))
    values, refused = decoded(CODECS["bcd32"], order, *(bytes(np.frombuffer(each, np.uint8)[inverse]) for each in raw))
    wrong = [i for i, each in enumerate(raw) if not each.hex().isdecimal()]
    assert (refused or []) == wrong
    assert all(
        value == int(each.hex()) for i, (value, each) in enumerate(zip(values, raw, strict=True)) if i not in wrong
    )


@given(st.lists(st.integers(0, 0xFFFF), min_size=1), st.integers(0, 15), st.integers(0, 15))
def test_bit_fields(words, one, other):
    """A bit field is the unsigned number that its bits are."""
    low, high = sorted((one, other))
    values, refused = decoded(bit_field(low, high), Order.ABCD, *(word.to_bytes(2) for word in words))
    assert refused is None
    assert values == [int(f"{word:016b}"[15 - high : 16 - low], 2) for word in words]


@pytest.mark.parametrize(
    ("length", "raw", "text"),
    [
        (4, b"AB\0D", "AB"),
        (4, b"AB  ", "AB"),
        (4, b"A B ", "A B"),
        (4, b"\0BCD", ""),
        (4, b"    ", ""),
        (3, b"ABCD", "ABC"),
        (4, b"20\xb0C", "20°C"),
        (4, b" A\t ", " A\t"),
        (1, b"AB", "A"),
    ],
)
def test_texts(length, raw, text):
    """A text ends at its first NUL or its last letter, is never longer than declared, and is Latin-1 beyond ASCII."""
    assert decoded(string(length), Order.ABCD, raw, raw) == ([text, text], None)


def test_texts_with_swapped_letters():
    """Order BADC puts right what a device sends with the letters swapped in pairs."""
    assert decoded(string(5), Order.BADC, b"UPPM\0 ") == (["PUMP"], None)


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
        [value], _ = decoded(CODECS["float32"], Order[name], bytes.fromhex(raw))
        assert abs(value - 123456.7) < 0.01

"""Addresses: what is understood, and what a mistake is answered with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress, ValueKind
from shoptwin_modbus.address import ModbusAddress, Table, parse_address
from shoptwin_modbus.codecs import CODECS, Order

addresses = st.one_of(
    st.builds(
        ModbusAddress,
        st.sampled_from([Table.HOLDING, Table.INPUT]),
        st.integers(0, 65532),
        st.sampled_from([codec for codec in CODECS.values() if codec.registers > 1]),
        st.sampled_from(Order),
        unit=st.none() | st.integers(0, 255),
    ),
    st.builds(ModbusAddress, st.just(Table.INPUT), st.integers(0, 65535), bit=st.integers(0, 15)),
    st.builds(ModbusAddress, st.sampled_from([Table.COIL, Table.DISCRETE]), st.integers(0, 65535)),
)


@given(addresses)
def test_round_trip(address):
    """What an address prints is parsed to the same address."""
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("holding:100:float32", " Holding : 100 : FLOAT32 : abcd "),
        ("holding:100:float64:CDAB", "holding:100:float64:GHEFCDAB"),
        ("holding:0x64:int16", "holding:100:int16"),
        ("holding:1:int16:BADC", "holding:1:int16:BA"),
        ("holding:1:int16:CDAB", "holding:1:int16"),
        ("coil:5", "coil:5:bool"),
        ("holding:100:int16@7", "holding:100:int16 @ 7"),
    ],
)
def test_spellings(text, same):
    """Different spellings of one place are one address."""
    assert parse_address(text) == parse_address(same)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("holding:1:float32", ValueKind.F4),
        ("holding:1:float64", ValueKind.F8),
        ("input:1:uint32", ValueKind.I8),
        ("input:1:uint64", ValueKind.U8),
        ("input:1:int64", ValueKind.I8),
        ("holding:1:bool", ValueKind.BOOL),
        ("holding:1:bit15", ValueKind.BOOL),
        ("discrete:1", ValueKind.BOOL),
    ],
)
def test_kinds(text, kind):
    """A type becomes the smallest kind that holds all of its values."""
    assert parse_address(text).kind is kind


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "holding:100:float32"),
        ("holding", "holding:100:float32"),
        ("holdin:1:int16", "did you mean holding?"),
        ("hr:1:int16", "did you mean holding?"),
        ("3x:1:int16", "did you mean input?"),
        ("holding:1", "add one of int16"),
        ("holding:1:float", "did you mean float32?"),
        ("holding:1:floot32", "did you mean float32?"),
        ("holding:1:REAL", "did you mean float32?"),
        ("holding:1:bit16", "bit15"),
        ("holding:1:bit3:CDAB", "leave out"),
        ("holding:1:float32:ABDC", "ABCD, CDAB, BADC, DCBA"),
        ("holding:1:float32:AB", "write ABCD"),
        ("holding:1:float32:CDAB:5", "holding:100:float32:CDAB"),
        ("holding:-1:int16", "count from 0"),
        ("holding:0b1:int16", "count from 0"),
        ("holding:65535:int32", "last register is 65535"),
        ("holding:400101:int16", "in a manual is holding:100"),
        ("input:300001:int16", "in a manual is input:0"),
        ("coil:1:int16", "write coil:1"),
        ("holding:1:int16@256", "unit from 0 to 255"),
        ("holding:1:int16@", "unit from 0 to 255"),
        ("holding:1:int16@1@2", "unit from 0 to 255"),
    ],
)
def test_mistakes_have_a_cure(text, hint):
    """A mistake is answered with the word that was meant, or with what to write."""
    with pytest.raises(BadAddress) as caught:
        parse_address(text)
    assert hint in caught.value.hint
    assert repr(text) in caught.value.message


@given(st.text(max_size=40) | st.from_regex(r"(holding|coil):[0-9x]{1,8}(:[a-z0-9]{1,8}){0,3}(@[0-9]{1,4})?"))
def test_any_text_is_parsed_or_refused(text):
    """No text brings the parser down: it is an address, or BadAddress with a hint."""
    try:
        address = parse_address(text)
    except BadAddress as error:
        assert error.hint  # noqa: PT017 - most texts are refused, some are not
    else:
        assert 0 <= address.start <= address.start + address.count - 1 <= 0xFFFF

"""Addresses: what is understood, and what a mistake is answered with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress, ValueKind
from shoptwin_modbus.addresses.address import SAMPLES, Burst, ModbusAddress, Table, parse_address
from shoptwin_modbus.addresses.codecs import CODECS, Order, bit_field, string

registers = st.sampled_from([Table.HOLDING, Table.INPUT])
units = st.none() | st.integers(0, 255)
bits = st.one_of(
    st.builds(ModbusAddress, registers, st.integers(0, 65535), bit=st.integers(0, 15)),
    st.builds(ModbusAddress, st.sampled_from([Table.COIL, Table.DISCRETE]), st.integers(0, 65535)),
)
fields = st.tuples(st.integers(0, 15), st.integers(0, 15)).map(lambda pair: bit_field(min(pair), max(pair)))
whole = st.builds(ModbusAddress, registers, st.integers(0, 65535), fields | st.just(CODECS["uint16"])) | st.builds(
    ModbusAddress, registers, st.integers(0, 65532), st.just(CODECS["uint64"]), st.sampled_from(Order)
)
addresses = st.one_of(
    st.builds(
        ModbusAddress,
        registers,
        st.integers(0, 65532),
        st.sampled_from([codec for codec in CODECS.values() if codec.registers > 1]),
        st.sampled_from(Order),
        unit=units,
    ),
    st.builds(
        ModbusAddress,
        registers,
        st.integers(0, 65411),
        st.integers(1, 250).map(string),
        st.sampled_from([Order.ABCD, Order.BADC]),
        unit=units,
    ),
    st.builds(
        ModbusAddress,
        registers,
        st.integers(0, 35536),
        st.sampled_from([CODECS[name] for name in SAMPLES if CODECS[name].registers > 1]),
        st.sampled_from(Order),
        unit=units,
        waveform=st.builds(Burst, st.integers(1, 15_000), whole, st.none() | bits | whole),
    ),
    bits,
    whole,
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
        ("holding:1:string[8]:BADC", "holding:1:STRING[8]:ba"),
        ("holding:1:int16[500]:seq=holding:0:uint16", "holding:1:int16[500] : SEQ = holding : 0"),
        ("holding:1:int16[500]:ready=input:7:bool@3", "holding:1:int16[500]:CDAB:ready=input:7@3"),
        ("holding:1:int16[500]:BADC:ready=coil:7", "holding:1:int16[500]:BA:ready=coil:7:bool"),
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
        ("holding:1:bits0-0", ValueKind.I8),
        ("holding:1:bcd32", ValueKind.I8),
        ("holding:1:string[3]", ValueKind.STR),
        ("holding:1:float32[3]", ValueKind.WAVEFORM),
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
        ("40101", "40101 in a manual is holding:100 (addresses count from 0): write holding:100:int16"),
        ("40101:float32:CDAB@7", "write holding:100:float32:CDAB"),
        ("300001", "write input:0:int16"),
        ("10008", "write discrete:7"),
        ("20001", "write table:address:type:order"),
        ("input:300001:int16", "in a manual is input:0"),
        ("coil:1:int16", "write coil:1"),
        ("holding:1:int16@256", "unit from 0 to 255"),
        ("holding:1:int16@", "unit from 0 to 255"),
        ("holding:1:int16@1@2", "unit from 0 to 255"),
        ("holding:1:string", "did you mean string[16]?"),
        ("holding:1:ASCII", "did you mean string[16]?"),
        ("holding:1:string[0]", "1 to 250"),
        ("holding:1:string[251]", "1 to 250"),
        ("holding:1:string[8]:CDAB", "write BADC"),
        ("holding:65533:string[8]", "last register is 65535"),
        ("holding:1:bcd", "did you mean bcd16?"),
        ("holding:1:int8", "did you mean bits0-7?"),
        ("holding:1:enum", "did you mean uint16?"),
        ("holding:1:bits7-4", "lower bit first"),
        ("holding:1:bits4-16", "of 0 to 15"),
        ("holding:1:bits4-7:BA", "leave out"),
        ("holding:1:int16[0]", "int16[2048]"),
        ("holding:1:uint32[9]", "Known: int16, uint16, int32, float32"),
        ("holding:65500:int16[99]", "last register is 65535"),
        ("holding:1:int16[126]", "add a number that changes"),
        ("holding:1:float32[63]:CDAB", "float32[63]:CDAB:seq=holding:998"),
        ("holding:1:int16:seq=holding:9", "int16[2048]:seq="),
        ("holding:1:int16[200]:sequence=holding:9", "did you mean seq?"),
        ("holding:1:int16[200]:seq=holding:9:seq=holding:8", "leave one"),
        ("holding:1:int16[200]:seq=holding:9:float32", "uint32"),
        ("holding:1:int16[200]:seq=coil:9", "seq=holding:998"),
        ("holding:1:int16[200]:seq=9", "write seq=holding:998"),
        ("holding:1:int16[200]:ready=", "write ready=holding:998"),
        ("holding:1:int16[200]:seq=hr:9", "did you mean holding?"),
        ("holding:1:int16[200]:ready=holding:9:string[4]", "ready=coil:5"),
        ("holding:1:int16[200]:ready=holding:9:int16[4]", "ready=coil:5"),
        ("coil:1:seq=holding:9", "int16[2048]:seq="),
    ],
)
def test_mistakes_have_a_cure(text, hint):
    """A mistake is answered with the word that was meant, or with what to write."""
    with pytest.raises(BadAddress) as caught:
        parse_address(text)
    assert hint in caught.value.hint
    assert repr(text) in caught.value.message


@given(
    st.text(max_size=40)
    | st.from_regex(r"(holding|coil):[0-9x]{1,8}(:[a-z0-9=-]{1,8}(\[[0-9]{1,4}\])?){0,4}(@[0-9]{1,4})?")
)
def test_any_text_is_parsed_or_refused(text):
    """No text brings the parser down: it is an address, or BadAddress with a hint."""
    try:
        address = parse_address(text)
    except BadAddress as error:
        assert error.hint  # noqa: PT017 - most texts are refused, some are not
    else:
        assert 0 <= address.start <= address.start + address.count - 1 <= 0xFFFF


@pytest.mark.parametrize(
    ("text", "raw", "number"),
    [
        ("int16", 0x8000, -32768),
        ("int16", -32768, -32768),
        ("int16", 9999, 9999),
        ("int16", 0xFFFF, -1),
        ("uint16", 0x8000, 32768),
        ("int32:CDAB", 0x8000_0000, -(2**31)),
        ("uint32", 0xFFFF_FFFF, 2**32 - 1),
        ("int64", 0x8000_0000_0000_0000, -(2.0**63)),
        ("float32", 9999.9, 9999.900390625),
        ("float64", 9999.9, 9999.9),
        ("bcd16", 9999, 9999),
        ("bits4-7", 15, 15),
        ("bits4-7", 15.0, 15),
    ],
)
def test_raw_patterns_as_numbers(text, raw, number):
    """What stands in the registers, written as a pattern or as a number, is told as the number that is delivered."""
    assert parse_address(f"holding:1:{text}").delivered(raw) == number


@pytest.mark.parametrize(
    ("text", "raw", "hint"),
    [
        ("int16", 0x1_0000, "-32768 to 32767"),
        ("int16", -32769, "-32768 to 32767"),
        ("int16", 0.5, "-32768 to 32767"),
        ("uint16", -1, "0 to 65535"),
        ("uint16", float("nan"), "0 to 65535"),
        ("uint16", float("inf"), "0 to 65535"),
        ("bcd16", 0x9999, "0 to 9999"),
        ("bits4-7", 16, "0 to 15"),
        ("bit3", 1, "leave out"),
        ("bool", 1, "leave out"),
        ("string[4]", 1, "leave out"),
        ("int16[4]", 1, "leave out"),
    ],
)
def test_patterns_that_never_come_are_refused(text, raw, hint):
    """A pattern that a type cannot hold, or a type that is no number, is refused with the range or the cure."""
    with pytest.raises(BadAddress) as caught:
        parse_address(f"holding:1:{text}").delivered(raw)
    assert hint in caught.value.hint

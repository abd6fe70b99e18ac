"""A tag's address: `holding:100:float32:CDAB`, `coil:7`, `input:3:bit5@12`. README.md has the table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from shoptwin.sdk import ValueKind
from shoptwin_modbus.addresses.codec_plugins import LARGEST
from shoptwin_modbus.addresses.codecs import CODECS, Codec, Order
from shoptwin_modbus.addresses.manuals import of_manual, written
from shoptwin_modbus.addresses.mistakes import EXAMPLE, refuse, unknown
from shoptwin_modbus.addresses.words import LAST_BIT, MANY, codec_of, order_of

LAST = 0xFFFF
"""The last address of each table."""
LAST_UNIT = 255


class Table(Enum):
    """The four tables of a Modbus device. Value: the function code that reads it."""

    COIL = 1
    DISCRETE = 2
    HOLDING = 3
    INPUT = 4

    bits: bool
    """Whether it holds single bits, not registers."""

    def __init__(self, function: int) -> None:
        self.bits = function in {1, 2}


TABLES = {table.name.lower(): table for table in Table}

SAMPLES = ("int16", "uint16", "int32", "float32")
"""Types of a waveform's samples."""

_BIT = re.compile(r"bit(\d{1,3})")
_BITS = re.compile(r"bits?\d[\d-]*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|\d+")
_UNIT = re.compile(r"@\s*(\d+)\s*$")


@dataclass(frozen=True, slots=True)
class Burst:
    """What makes a waveform of an address: how many samples, and what tells that all of them are of one measurement."""

    count: int
    seq: ModbusAddress | None = None
    """A number that is another one with each measurement."""
    ready: ModbusAddress | None = None
    """Not zero while the samples are complete and stand still."""


@dataclass(frozen=True, slots=True)
class ModbusAddress:
    """Where a value stands. `unit` is None for the device's own; `bit` is set for one bit of a register."""

    table: Table
    start: int
    codec: Codec | None = None
    """The type, of a waveform that of its samples; None for a single bit."""
    order: Order = Order.ABCD
    bit: int | None = None
    unit: int | None = None
    waveform: Burst | None = None

    @property
    def kind(self) -> ValueKind:
        """The kind of value that is read there."""
        if self.waveform is not None:
            return ValueKind.WAVEFORM
        return self.codec.kind if self.codec is not None else ValueKind.BOOL

    @property
    def count(self) -> int:
        """How many registers, or bits of a table of bits, it takes."""
        one = self.codec.registers if self.codec is not None else 1
        return one if self.waveform is None else one * self.waveform.count

    def delivered(self, raw: float) -> float:
        """Return the number as which a raw pattern is delivered, to compare values with: "this one means missing".

        A pattern may be written as it stands in the registers (0x8000) or as the number that it is (-32768): of a
        signed type both are -32768, of an unsigned one 0x8000 is 32768. BCD, bit fields and float64 are the number
        itself, and float32 is what is left of it in 32 bits.

        Raises:
            BadAddress: values of this type are no numbers, or never this one.
        """
        codec = self.codec
        if codec is None or self.kind in {ValueKind.BOOL, ValueKind.STR, ValueKind.WAVEFORM}:
            refuse(str(self), f"it is no number, and so never {raw:g}", "leave out the value that means missing")
        if codec.kind in {ValueKind.F4, ValueKind.F8}:
            with np.errstate(over="ignore"):  # beyond what float32 holds there is infinity, and that is Bad anyway
                return float(np.float32(raw)) if codec.kind is ValueKind.F4 else float(raw)
        number = _signed(raw, codec.limits)
        if number is None or not float(number).is_integer():
            span = f"{codec.limits[0]} to {codec.limits[1]}" if codec.limits else "whole numbers"
            refuse(str(self), f"it is never {raw:g}", f"{codec.name} is {span}")
        return float(number)

    def __str__(self) -> str:
        text = f"{self.table.name.lower()}:{self.start}"
        if self.codec is not None:
            text += f":{self.codec.name}"
        if self.waveform is not None:
            text += f"[{self.waveform.count}]"
        if self.bit is not None:
            text += f":bit{self.bit}"
        if self.order is not Order.ABCD:
            text += f":{self.order.name}"
        if self.waveform is not None:
            marks = {"seq": self.waveform.seq, "ready": self.waveform.ready}
            text += "".join(f":{name}={mark}" for name, mark in marks.items() if mark is not None)
        return text if self.unit is None else f"{text}@{self.unit}"


def parse_address(text: str) -> ModbusAddress:
    """Parse an address.

    Raises:
        BadAddress: it cannot be understood; the hint says what to write.
    """
    body, unit = split_unit(text)
    parts = [part.strip() for part in body.split(":")]
    marks = next((i for i, part in enumerate(parts) if "=" in part), len(parts))
    address = replace(_place(text, parts[:marks]), unit=unit)
    if address.waveform is not None:
        return replace(address, waveform=_marked(text, address, address.waveform, parts[marks:]))
    if parts[marks:]:
        refuse(
            text, f"{parts[marks]!r} belongs to a waveform", "write how many samples: holding:1000:int16[2048]:seq=…"
        )
    return address


def _place(text: str, parts: list[str]) -> ModbusAddress:
    """Parse table, address, type and order."""
    if parts and (meant := of_manual(parts[0])):
        whole = ":".join([meant, *(parts[1:] or ([] if TABLES[meant.partition(":")[0]].bits else ["int16"]))])
        refuse(text, "it has no table", f"{parts[0]} in a manual is {meant} (addresses count from 0): write {whole}")
    if len(parts) < 2:  # noqa: PLR2004 - table and address
        refuse(text, "it has no table and address", EXAMPLE)
    table = TABLES.get(parts[0].lower()) or unknown(text, "table", parts[0], TABLES)
    start = _start(text, table, parts[1])
    if table.bits:
        if parts[2:] not in ([], ["bool"]):
            refuse(text, f"a {parts[0].lower()} is a single bit and has no type", f"write {parts[0].lower()}:{start}")
        return ModbusAddress(table, start)
    address = _register(text, table, start, parts[2:])
    if start + address.count - 1 > LAST:
        refuse(text, f"a value of {address.count} registers does not fit there", f"the last register is {LAST}")
    return address


def _marked(text: str, address: ModbusAddress, burst: Burst, parts: list[str]) -> Burst:
    """Parse what stands behind a waveform's type: seq=holding:998 and ready=input:7:bit0."""
    marks: dict[str, list[str]] = {}
    name = ""
    for part in parts:
        if "=" not in part:
            marks[name].append(part)
            continue
        name, first = (word.strip() for word in part.split("=", 1))
        if name.lower() not in {"seq", "ready"}:
            unknown(text, "part of a waveform", name, ("seq", "ready"))
        if (name := name.lower()) in marks:
            refuse(text, f"it has {name}= twice", f"leave one of them: {address}:{name}=holding:998")
        marks[name] = [first]
    if not marks and address.count > LARGEST:
        cure = f"add a number that changes with each measurement, {address}:seq=holding:998, or a flag, …:ready=coil:5"
        what = f"{address.count} registers take several requests, between which the device may change them"
        refuse(text, what, f"{cure}, or read at most {LARGEST} registers")
    seq = _mark(text, "seq", marks.get("seq"), "uint16")
    if seq is not None and seq.kind not in {ValueKind.I8, ValueKind.U8}:
        refuse(text, f"{seq} is no whole number", "a sequence is: write seq=holding:998 or seq=holding:998:uint32")
    ready = _mark(text, "ready", marks.get("ready"), "bool")
    if ready is not None and ready.kind not in {ValueKind.BOOL, ValueKind.I8, ValueKind.U8}:
        refuse(text, f"{ready} cannot tell yes from no", "write ready=input:7:bit0, ready=coil:5 or ready=holding:7")
    return replace(burst, seq=seq, ready=ready)


def _mark(text: str, name: str, parts: list[str] | None, otherwise: str) -> ModbusAddress | None:
    """Parse one mark; a register without a type is of the type `otherwise`."""
    if parts is None:
        return None
    if len(parts) < 2:  # noqa: PLR2004 - table and address
        refuse(text, f"{name}={parts[0]} names no register", f"write {name}=holding:998")
    table = TABLES.get(parts[0].lower())
    return _place(text, [*parts, otherwise] if table and not table.bits and not parts[2:] else parts)


def _register(text: str, table: Table, start: int, rest: list[str]) -> ModbusAddress:
    if not rest:
        types = f"{', '.join(CODECS)}, string[16], bits0-7 or bit0 to bit15"
        refuse(text, "it has no type", f"add one of {types}: {text.strip()}:int16")
    word, orders = rest[0].lower(), rest[1:]
    if orders and _BITS.fullmatch(word):
        refuse(text, "bits have no word order", f"leave out {':'.join(orders)!r}")
    if found := _BIT.fullmatch(word):
        if int(found[1]) > LAST_BIT:
            refuse(text, f"a register has no {word}", "bits are bit0 (least significant) to bit15")
        return ModbusAddress(table, start, bit=int(found[1]))
    burst = None
    if (found := MANY.fullmatch(word)) and found[1] != "string":
        if found[1] not in SAMPLES:
            unknown(text, "type of samples", found[1], SAMPLES)
        if not int(found[2]):
            refuse(text, "a waveform of no samples", "write how many there are: int16[2048]")
        burst = Burst(int(found[2]))
    codec = codec_of(text, found[1] if burst and found else rest[0])
    if len(orders) > 1:
        refuse(text, f"there is too much after the word order: {':'.join(orders[1:])!r}", EXAMPLE)
    order = order_of(text, codec, orders[0]) if orders else Order.ABCD
    return ModbusAddress(table, start, codec, order, waveform=burst)


def _start(text: str, table: Table, word: str) -> int:
    if not _NUMBER.fullmatch(word):
        refuse(text, f"{word!r} is not an address", f"addresses count from 0 to {LAST}; {EXAMPLE}")
    start = int(word, 0) if word[:2] in {"0x", "0X"} else int(word)
    if start > LAST:
        hint = f"addresses count from 0 to {LAST}"
        if meant := written(start, table.name.lower()):
            hint += f"; {start} in a manual is {meant}"
        refuse(text, f"address {start} is outside every map", hint)
    return start


def split_unit(text: str) -> tuple[str, int | None]:
    """Part an address from the unit after its @. Raises BadAddress where that is none."""
    if "@" not in text:
        return text, None
    found = _UNIT.search(text)
    if found is None or int(found[1]) > LAST_UNIT or text.count("@") > 1:
        refuse(text, "the unit after @ is not one", f"end it with a unit from 0 to {LAST_UNIT}: holding:100:int16@7")
    return text[: found.start()], int(found[1])


def _signed(raw: float, limits: tuple[int, int] | None) -> float | None:
    """Return a pattern as the number that it is in two's complement, None where it is beyond the limits."""
    if limits is None:
        return raw
    low, high = limits
    number = raw - (high - low + 1) if low < 0 and high < raw <= high - low else raw
    return number if low <= number <= high else None

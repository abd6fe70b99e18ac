"""A tag's address: `holding:100:float32:CDAB`, `coil:7`, `input:3:bit5@12`. README.md has the table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from shoptwin.sdk import BadAddress, ValueKind
from shoptwin_modbus.codecs import CODECS, ORDERS, Codec, Order

if TYPE_CHECKING:
    from collections.abc import Iterable

LAST = 0xFFFF
"""The last address of each table."""
LAST_UNIT = 255

EXAMPLE = (
    "write table:address:type:order, for example holding:100:float32:CDAB, input:7:int16, holding:5:bit3 or coil:12"
)


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

SYNONYMS = {
    "hr": "holding", "holdings": "holding", "holding_register": "holding", "register": "holding", "4x": "holding",
    "ir": "input", "inputs": "input", "input_register": "input", "3x": "input",
    "coils": "coil", "co": "coil", "0x": "coil",
    "di": "discrete", "discrete_input": "discrete", "discretes": "discrete", "contact": "discrete", "1x": "discrete",
    "float": "float32", "real": "float32", "double": "float64", "lreal": "float64",
    "int": "int16", "short": "int16", "word": "uint16", "uint": "uint16",
    "dint": "int32", "long": "int32", "dword": "uint32", "udint": "uint32", "lint": "int64", "ulint": "uint64",
    "boolean": "bool", "bit": "bit0",
}  # fmt: skip
"""What other tools call it, for the hint."""

_BIT = re.compile(r"bit(\d+)")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|\d+")
_UNIT = re.compile(r"@\s*(\d+)\s*$")


@dataclass(frozen=True, slots=True)
class ModbusAddress:
    """Where a value stands. `unit` is None for the device's own; `bit` is set for one bit of a register."""

    table: Table
    start: int
    codec: Codec | None = None
    """The type; None for a single bit."""
    order: Order = Order.ABCD
    bit: int | None = None
    unit: int | None = None

    @property
    def kind(self) -> ValueKind:
        """The kind of value that is read there."""
        return self.codec.kind if self.codec is not None else ValueKind.BOOL

    @property
    def count(self) -> int:
        """How many registers, or bits of a table of bits, it takes."""
        return self.codec.registers if self.codec is not None else 1

    def __str__(self) -> str:
        text = f"{self.table.name.lower()}:{self.start}"
        if self.codec is not None:
            text += f":{self.codec.name}"
        if self.bit is not None:
            text += f":bit{self.bit}"
        if self.order is not Order.ABCD:
            text += f":{self.order.name}"
        return text if self.unit is None else f"{text}@{self.unit}"


def parse_address(text: str) -> ModbusAddress:
    """Parse an address.

    Raises:
        BadAddress: it cannot be understood; the hint says what to write.
    """
    body, unit = _split_unit(text)
    parts = [part.strip() for part in body.split(":")]
    if len(parts) < 2:  # noqa: PLR2004 - table and address
        _refuse(text, "it has no table and address", EXAMPLE)
    table = TABLES.get(parts[0].lower()) or _unknown(text, "table", parts[0], TABLES)
    start = _start(text, table, parts[1])
    if table.bits:
        if parts[2:] not in ([], ["bool"]):
            _refuse(text, f"a {parts[0].lower()} is a single bit and has no type", f"write {parts[0].lower()}:{start}")
        return ModbusAddress(table, start, unit=unit)
    address = _register(text, table, start, parts[2:], unit)
    if start + address.count - 1 > LAST:
        _refuse(text, f"a value of {address.count} registers does not fit there", f"the last register is {LAST}")
    return address


def _register(text: str, table: Table, start: int, rest: list[str], unit: int | None) -> ModbusAddress:
    if not rest:
        _refuse(text, "it has no type", f"add one of {', '.join(CODECS)} or bit0 to bit15: {text.strip()}:int16")
    word, orders = rest[0].lower(), rest[1:]
    if found := _BIT.fullmatch(word):
        if int(found[1]) > 15:  # noqa: PLR2004 - bits of a register
            _refuse(text, f"a register has no {word}", "bits are bit0 (least significant) to bit15")
        if orders:
            _refuse(text, "a bit has no word order", f"leave out {':'.join(orders)!r}")
        return ModbusAddress(table, start, bit=int(found[1]), unit=unit)
    codec = CODECS.get(word) or _unknown(text, "type", rest[0], [*CODECS, "bit0"])
    if len(orders) > 1:
        _refuse(text, f"there is too much after the word order: {':'.join(orders[1:])!r}", EXAMPLE)
    order = _order(text, codec, orders[0]) if orders else Order.ABCD
    return ModbusAddress(table, start, codec, order, unit=unit)


def _order(text: str, codec: Codec, word: str) -> Order:
    """Return the order; of one register only the swap of its bytes is left, so that equal addresses are equal."""
    order = ORDERS.get(word.upper()) or _unknown(text, "word order", word, Order.__members__)
    if len(word) not in {4, codec.size}:
        wanted = "ABCD, CDAB, BADC or DCBA"
        _refuse(text, f"{word!r} is no order of the {codec.size} bytes of {codec.name}", f"write {wanted}")
    if codec.registers > 1:
        return order
    return Order.BADC if order in {Order.BADC, Order.DCBA} else Order.ABCD


def _start(text: str, table: Table, word: str) -> int:
    if not _NUMBER.fullmatch(word):
        _refuse(text, f"{word!r} is not an address", f"addresses count from 0 to {LAST}; {EXAMPLE}")
    start = int(word, 0) if word[:2] in {"0x", "0X"} else int(word)
    if start > LAST:
        hint = f"addresses count from 0 to {LAST}"
        if table is Table.HOLDING and 400_001 <= start <= 465_536:  # noqa: PLR2004 - the manuals' six-digit numbers
            hint += f"; {start} in a manual is holding:{start - 400_001}"
        if table is Table.INPUT and 300_001 <= start <= 365_536:  # noqa: PLR2004
            hint += f"; {start} in a manual is input:{start - 300_001}"
        _refuse(text, f"address {start} is outside every map", hint)
    return start


def _split_unit(text: str) -> tuple[str, int | None]:
    if "@" not in text:
        return text, None
    found = _UNIT.search(text)
    if found is None or int(found[1]) > LAST_UNIT or text.count("@") > 1:
        _refuse(text, "the unit after @ is not one", f"end it with a unit from 0 to {LAST_UNIT}: holding:100:int16@7")
    return text[: found.start()], int(found[1])


def _unknown(text: str, what: str, word: str, known: Iterable[str]) -> NoReturn:
    names = list(known)
    near = SYNONYMS.get(word.lower())
    if near is None or near not in names:
        close = {name.lower(): name for name in names}
        near = next((close[match] for match in get_close_matches(word.lower(), close, 1, 0.5)), None)
    shown = ", ".join(names) + (" to bit15" if "bit0" in names else "")
    _refuse(text, f"{word!r} is not a {what}", f"did you mean {near}? Known: {shown}" if near else f"known: {shown}")


def _refuse(text: str, what: str, hint: str) -> NoReturn:
    raise BadAddress(f"Modbus address {text!r}: {what}", hint)

"""What a mistake in an address is answered with: the word that was meant, or what to write."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from shoptwin.sdk import BadAddress

if TYPE_CHECKING:
    from collections.abc import Iterable

EXAMPLE = (
    "write table:address:type:order, for example holding:100:float32:CDAB, input:7:int16, holding:5:bit3 or coil:12"
)

SYNONYMS = {
    "hr": "holding", "holdings": "holding", "holding_register": "holding", "register": "holding", "4x": "holding",
    "ir": "input", "inputs": "input", "input_register": "input", "3x": "input",
    "coils": "coil", "co": "coil", "0x": "coil",
    "di": "discrete", "discrete_input": "discrete", "discretes": "discrete", "contact": "discrete", "1x": "discrete",
    "float": "float32", "real": "float32", "double": "float64", "lreal": "float64",
    "int": "int16", "short": "int16", "word": "uint16", "uint": "uint16",
    "dint": "int32", "long": "int32", "dword": "uint32", "udint": "uint32", "lint": "int64", "ulint": "uint64",
    "boolean": "bool", "bit": "bit0",
    "bcd": "bcd16", "bcd4": "bcd16", "bcd8": "bcd32", "enum": "uint16", "enumeration": "uint16", "bitmask": "uint16",
    "int8": "bits0-7", "sint": "bits0-7", "sint8": "bits0-7", "uint8": "bits0-7", "usint": "bits0-7", "byte": "bits0-7",
    "char": "bits0-7", "bits": "bits0-7", "bitfield": "bits0-7",
    "str": "string[16]", "string": "string[16]", "text": "string[16]", "ascii": "string[16]", "utf8": "string[16]",
}  # fmt: skip
"""What other tools call it, for the hint."""


def unknown(text: str, what: str, word: str, known: Iterable[str]) -> NoReturn:
    """Raise BadAddress: `word` is none of the words `known`; the hint names the nearest."""
    names = list(known)
    near = SYNONYMS.get(word.lower())
    if near is None or near not in names:
        near = nearest(word, names)
    shown = ", ".join(names) + (" to bit15" if "bit0" in names else "")
    refuse(text, f"{word!r} is not a {what}", f"did you mean {near}? Known: {shown}" if near else f"known: {shown}")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was most likely meant, None where none is near."""
    close = {name.lower(): name for name in known}
    return next((close[match] for match in get_close_matches(word.lower(), close, 1, 0.5)), None)


def refuse(text: str, what: str, hint: str) -> NoReturn:
    """Raise BadAddress with what is wrong and what to do."""
    raise BadAddress(f"Modbus address {text!r}: {what}", hint)

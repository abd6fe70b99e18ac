"""Places in a device's map as people write them, `holding:100-119@7`: what must not be touched, and what is refused."""

from __future__ import annotations

import re

from shoptwin_modbus.addresses.address import LAST, LAST_UNIT, TABLES
from shoptwin_modbus.planning import Span

_PLACE = re.compile(r"\s*(\w+)\s*:\s*(\w+)\s*(?:-\s*(\w+)\s*)?(?:@\s*(\d{1,3})\s*)?")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,4}|\d{1,5}")


def parse_place(text: str, unit: int) -> Span:
    """Parse `table:first`, `table:first-last` (both belong to it) or either with `@unit`; `unit` is the device's own.

    Raises:
        ValueError: it cannot be understood; the text says what to write.
    """
    found = _PLACE.fullmatch(text)
    table = TABLES.get(found[1].lower()) if found else None
    if found is None or table is None:
        raise ValueError(f"{text!r} is no place in a device's map: write holding:100, input:7-9 or coil:0-15@3")
    first = _address(text, found[2])
    last = _address(text, found[3]) if found[3] else first
    if last < first:
        raise ValueError(f"{text!r} ends before it begins: write the lower address first")
    if found[4] and int(found[4]) > LAST_UNIT:
        raise ValueError(f"{text!r}: units count from 0 to {LAST_UNIT}")
    return Span(int(found[4]) if found[4] else unit, table, first, last + 1)


def name_place(span: Span, unit: int | None = None) -> str:
    """Return what `parse_place` understands; the unit is left out where it is `unit`, the device's own."""
    text = f"{span.table.name.lower()}:{span.start}"
    if span.stop - span.start > 1:
        text += f"-{span.stop - 1}"
    return text if span.unit == unit else f"{text}@{span.unit}"


def _address(text: str, word: str) -> int:
    if not _NUMBER.fullmatch(word) or (address := int(word, 16 if word[:2] in {"0x", "0X"} else 10)) > LAST:
        raise ValueError(f"{text!r}: {word!r} is not an address: they count from 0 to {LAST}")
    return address

"""The words of an address that say what stands in the registers: types and word orders."""

from __future__ import annotations

import re

from shoptwin.sdk import BadAddress, ValueKind
from shoptwin_modbus.addresses.codec_plugins import LARGEST, plugged, plugged_names
from shoptwin_modbus.addresses.codecs import CODECS, ORDERS, Codec, Order, bit_field, string
from shoptwin_modbus.addresses.mistakes import refuse, unknown

LAST_BIT = 15
"""The last bit of a register."""

MANY = re.compile(r"(\w+)\[(\d{1,5})\]")
"""A type and how many of it: `string[16]`, `int16[2048]`."""
_FIELD = re.compile(r"bits(\d{1,3})-(\d{1,3})")


def codec_of(text: str, word: str) -> Codec:
    """Return the type of this name: one of the driver's, one made to measure, or a plug-in's.

    Raises:
        BadAddress: there is none, or it cannot be used; `text` is the whole address.
    """
    name = word.lower()
    if codec := CODECS.get(name):
        return codec
    if found := _FIELD.fullmatch(name):
        low, high = int(found[1]), int(found[2])
        if not low <= high <= LAST_BIT:
            refuse(text, f"a register has no {word}", "write the lower bit first, both of 0 to 15: bits4-7")
        return bit_field(low, high)
    if (found := MANY.fullmatch(name)) and found[1] == "string":
        if not 1 <= int(found[2]) <= 2 * LARGEST:
            refuse(text, f"{word} cannot be read", f"a text has 1 to {2 * LARGEST} characters, as one request can read")
        return string(int(found[2]))
    try:
        return plugged(name)
    except KeyError:
        unknown(text, "type", word, [*CODECS, *plugged_names(), "string[16]", "bits0-7", "bit0"])
    except BadAddress as error:
        raise BadAddress(f"Modbus address {text!r}: {error.message}", error.hint) from error


def order_of(text: str, codec: Codec, word: str) -> Order:
    """Return the order; of one register only the swap of its bytes is left, so that equal addresses are equal.

    Raises:
        BadAddress: it is none, or none of this type.
    """
    order = ORDERS.get(word.upper()) or unknown(text, "word order", word, Order.__members__)
    if codec.kind is ValueKind.STR:
        if order not in {Order.ABCD, Order.BADC} or len(word) > 4:  # noqa: PLR2004 - ABCD
            refuse(text, f"a text has no order {word!r}", "write BADC if the letters are swapped in pairs, or nothing")
        return order
    if len(word) not in {4, codec.size}:
        wanted = "ABCD, CDAB, BADC or DCBA"
        refuse(text, f"{word!r} is no order of the {codec.size} bytes of {codec.name}", f"write {wanted}")
    if codec.registers > 1:
        return order
    return Order.BADC if order in {Order.BADC, Order.DCBA} else Order.ABCD

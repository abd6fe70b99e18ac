"""What OPC UA's types become here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import ValueKind
from shoptwin_opcua.wire import decode

if TYPE_CHECKING:
    from shoptwin_opcua.wire.decode import Row

KINDS = {
    decode.BOOLEAN: ValueKind.BOOL,
    **dict.fromkeys(range(2, 9), ValueKind.I8),
    9: ValueKind.U8,
    10: ValueKind.F4,
    11: ValueKind.F8,
    decode.STATUS_CODE: ValueKind.I8,
    **dict.fromkeys(
        (decode.STRING, decode.XML, decode.GUID, decode.QUALIFIED_NAME, decode.LOCALIZED_TEXT), ValueKind.STR
    ),
}
"""What a scalar of a built-in type becomes. An enumeration comes as Int32."""


def kind_of(row: Row) -> ValueKind | None:
    """Tell what a value of this type becomes, None where it is no measurement."""
    if row.type == decode.DATE_TIME:
        return ValueKind.STR
    if row.type & decode.ARRAY:
        numbers = not row.type & decode.MATRIX and 2 <= row.type & 0x3F <= 11  # noqa: PLR2004 - SByte to Double
        return ValueKind.WAVEFORM if numbers else None
    return KINDS.get(row.type)

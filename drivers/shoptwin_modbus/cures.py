"""What a Bad quality of a tag means on a Modbus device, and what to do about it."""

from __future__ import annotations

_REGISTER = "a manual's 40101 is holding:100, its 30101 input:100 (addresses count from 0)"
CURES = {
    "BadNodeIdUnknown": f"the device has no such register; {_REGISTER}",
    "BadNodeIdInvalid": f"the device has no such register; {_REGISTER}",
    "BadServiceUnsupported": f"the device does not know this kind of register; {_REGISTER}",
    "BadNotReadable": "the device does not let this register be read: try another kind (input, holding)",
    "BadOutOfRange": "the device refuses this request: check the type, and the address that it ends at",
    "BadTimeout": "nobody answers for this tag: check the unit (slave) number, and a serial line's rate",
    "BadDecodingError": "what is there is no value of this type: check type and order of words (CDAB)",
    "garbled": "it answers, but not in proper Modbus: check the port (502 is usual) and the url's tcp:// or rtu+tcp://",
    "BadConfigurationError": "the device was not asked: its settings or the tag's own forbid it (avoid, max_block; a "
    "waveform's rate)",
}  # fmt: skip
"""By quality."""

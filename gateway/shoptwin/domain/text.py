"""Text of devices, as Unicode has it."""

from __future__ import annotations


def sound(raw: str) -> str:
    """Return text that any file, terminal and JSON can hold: half a surrogate pair, no character, becomes `?`."""
    return raw if raw.isascii() else raw.encode("utf-8", "replace").decode()

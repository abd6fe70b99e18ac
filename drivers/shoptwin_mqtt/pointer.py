"""JSON pointers (RFC 6901), written as in a URI fragment (its section 6): `%40` stands for `@`, `%25` for `%`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from shoptwin.sdk import BadAddress

Pointer = tuple[str, ...]
"""The names and places from the outermost on; empty: the whole document."""

_WRONG_ESCAPE = re.compile(r"~(?![01])")
_PLACE = re.compile(r"0|[1-9][0-9]*")
HINT = "write it as RFC 6901 says: /outer/inner, /list/0; ~1 stands for a / within a name, ~0 for a ~"


class _Nothing:
    """What is found where there is nothing: JSON's null is something else."""


NOTHING = _Nothing()


def parse(text: str) -> Pointer:
    """Parse a pointer.

    Raises:
        BadAddress: it is none; the hint says how to write one.
    """
    if not text:
        return ()
    if not text.startswith("/"):
        raise BadAddress(f"{text!r} is no JSON pointer: one begins with /", HINT)
    plain = unquote(text)
    if _WRONG_ESCAPE.search(plain):
        raise BadAddress(f"{text!r} is no JSON pointer: a ~ is followed by 0 or 1", HINT)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in plain[1:].split("/"))


def write(pointer: Pointer) -> str:
    """Return a pointer as a text that `parse` understands."""
    text = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in pointer)
    return text.replace("%", "%25").replace("@", "%40")


def resolve(document: Any, pointer: Pointer) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return what stands there, `NOTHING` where the document has no such place."""
    for part in pointer:
        if isinstance(document, dict):
            document = document.get(part, NOTHING)
        elif isinstance(document, list):
            # The length first: what is no place in any list need not be turned into a number.
            known = len(part) <= len(str(len(document))) and _PLACE.fullmatch(part)
            document = document[int(part)] if known and int(part) < len(document) else NOTHING
        else:
            return NOTHING
    return document

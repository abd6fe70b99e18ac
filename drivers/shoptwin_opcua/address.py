"""Addresses: NodeIds as OPC UA writes them (Part 6, 5.3.1.10), with the namespace by index or by URI."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from shoptwin.sdk import BadAddress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import ValueKind

_ADDRESS = re.compile(
    r"(?:ns=(?P<index>\d+);|nsu=(?P<uri>[^;]+);)?(?P<type>[isgb])=(?P<identifier>(?:[^#]|##)+)(?:#(?P<path>[^#].*))?",
    re.DOTALL,
)
_STEP = re.compile(r'\[(?P<index>\d+)\]|(?P<dot>\.?)(?:"(?P<quoted>[^"]+)"|(?P<name>[^."\[\]]+))')
_HINT = "write ns=2;s=Machine.Temp, nsu=http://vendor.example/machine;s=Temp or i=2258, as `shoptwin browse` prints it"
_PATH_HINT = (
    "after # comes a field of a structure or an element of an array: #Speed, #Status.Temperature, #[3], #Axes[0].Load; "
    "a # of the identifier itself is written twice"
)
_MOST_NAMESPACE, _MOST_NUMBER = 0xFFFF, 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """One node. `namespace` is an index, or a URI that is looked up at each connect."""

    namespace: int | str
    type: str
    """`i` number, `s` string, `g` GUID, `b` opaque bytes."""
    identifier: int | str | bytes
    path: tuple[str | int, ...] = ()
    """What of the value is meant, where not all of it: fields of structures by name, elements of arrays from 0 on."""

    @property
    def kind(self) -> ValueKind | None:
        """None: the server knows the type."""
        return None

    def index(self, namespaces: Sequence[str]) -> int | None:
        """Return the namespace's index at a server with these namespaces, None where it has no such."""
        if isinstance(self.namespace, int):
            return self.namespace
        return namespaces.index(self.namespace) if self.namespace in namespaces else None

    def __str__(self) -> str:
        identifier = self.identifier
        text = base64.b64encode(identifier).decode() if isinstance(identifier, bytes) else str(identifier)
        if isinstance(self.namespace, int):
            prefix = f"ns={self.namespace};" if self.namespace else ""
        else:
            prefix = f"nsu={self.namespace.replace('%', '%25').replace(';', '%3B')};"
        path = "".join(_step(step, first=not i) for i, step in enumerate(self.path))
        return f"{prefix}{self.type}={text.replace('#', '##')}{'#' if path else ''}{path}"


def _step(step: str | int, *, first: bool) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    plain = _STEP.fullmatch(step) is not None and not step.startswith((".", '"', "[", "#"))
    return f"{'' if first else '.'}{step if plain else chr(34) + step + chr(34)}"


def parse(text: str) -> NodeAddress:
    """Parse an address.

    Raises:
        BadAddress: it is none; the hint says how to write one.
    """
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        raise BadAddress(f"{text!r} is not a NodeId", _HINT)
    namespace: int | str = unquote(found["uri"]) if found["uri"] else int(found["index"] or 0)
    if isinstance(namespace, int) and namespace > _MOST_NAMESPACE:
        raise BadAddress(f"{text!r}: a namespace index is at most {_MOST_NAMESPACE}", _HINT)
    identifier = _identifier(found["type"], found["identifier"].replace("##", "#"), text)
    return NodeAddress(namespace, found["type"], identifier, _path(found["path"] or "", text))


def _path(path: str, text: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or (found["index"] is None and bool(found["dot"]) != bool(steps)):
            raise BadAddress(f"{text!r}: {path[at:]!r} is no field", _PATH_HINT)
        steps.append(int(found["index"]) if found["index"] else found["quoted"] or found["name"])
        at = found.end()
    return tuple(steps)


def _identifier(kind: str, identifier: str, text: str) -> int | str | bytes:
    try:
        match kind:
            case "i":
                number = int(identifier)
                if not 0 <= number <= _MOST_NUMBER:
                    raise ValueError(f"a number from 0 to {_MOST_NUMBER}")  # noqa: TRY301 - one message for all
                return number
            case "g":
                return str(uuid.UUID(identifier))
            case "b":
                return base64.b64decode(identifier, validate=True)
            case _:
                return identifier
    except (ValueError, binascii.Error) as error:
        what = {"i": "a number from 0 to 4294967295", "g": "a GUID", "b": "base64"}[kind]
        raise BadAddress(f"{text!r}: after {kind}= comes {what}", _HINT) from error

"""What can be read of structures: each field that is a value, with the address of just that part."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from shoptwin.sdk import TagCandidate
from shoptwin_opcua.address import parse
from shoptwin_opcua.space.datatypes import learn
from shoptwin_opcua.wire.decode import Body
from shoptwin_opcua.wire.kinds import kind_of
from shoptwin_opcua.wire.structures import key_of, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncua import ua

    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.decode import Row

_MOST = 100
"""Fields of one variable that are listed."""
_ELEMENTS = 8
"""Elements of an array that are; a longer one of numbers is a waveform."""
TYPE = "structure"


class Fields:
    """Takes structures apart, each layout being asked for once."""

    def __init__(self, channel: Channel, server: Server) -> None:
        self._channel, self._server = channel, server
        self._asked: set[bytes] = set()
        """Encodings, whatever the server had to say of them."""

    async def learn(self, read: Sequence[tuple[ua.NodeId, Row]]) -> None:
        """Ask how the structures among these values are laid out. Raises NotConnected, Timeout."""
        unknown: dict[bytes, ua.NodeId] = {}
        for node, row in read:
            for encoding in {body.encoding for body in bodies(row)} - self._asked:
                if key_of(encoding) not in self._server.structures:
                    unknown.setdefault(encoding, node)
        self._asked |= unknown.keys()
        if unknown:
            await learn(self._channel, self._server, list(dict.fromkeys(unknown.values())))

    def of(self, candidate: TagCandidate, row: Row) -> tuple[TagCandidate, list[tuple[TagCandidate, Row]]]:
        """Return a structure as a candidate that says what it is, and its fields, each with its value now."""
        whole = parse(candidate.address)
        found: list[tuple[TagCandidate, Row]] = []
        measured = (
            part for part in parts(row, self._server.structures, _ELEMENTS) if kind_of(row._replace(type=part.type))
        )
        for path, type_, value in islice(measured, _MOST + 1):
            address = str(replace(whole, path=path))
            field = TagCandidate(
                address, address.removeprefix(f"{candidate.address}#"), True, path=(*candidate.path, candidate.name)
            )
            found.append((field, row._replace(type=type_, value=value)))
        told = (
            f"its first {_MOST} fields" if len(found) > _MOST else f"{len(found)} fields" if found else "no known field"
        )
        return replace(candidate, kind=None, role=None, why="", type=TYPE, sample=told), found[:_MOST]


def bodies(row: Row) -> list[Body]:
    """Return the structures that a value is, or consists of."""
    values = row.value if isinstance(row.value, list) else [row.value]
    return [value for value in values if isinstance(value, Body)]

"""What is there: objects and variables; of these type, unit, range, labels, a guessed role and the value now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from shoptwin.sdk import BadAddress, BrowseWish, TagCandidate
from shoptwin_opcua.address import NodeAddress, parse
from shoptwin_opcua.discovery.details import Details
from shoptwin_opcua.discovery.fields import Fields, bodies
from shoptwin_opcua.discovery.roles import guess
from shoptwin_opcua.discovery.walk import walk
from shoptwin_opcua.errors import code_name
from shoptwin_opcua.nodes import node, of_address
from shoptwin_opcua.space.services import read, value_of
from shoptwin_opcua.wire import decode
from shoptwin_opcua.wire.decode import BAD, UNCERTAIN
from shoptwin_opcua.wire.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shoptwin_opcua.discovery.walk import Found
    from shoptwin_opcua.session.channel import Channel
    from shoptwin_opcua.space.services import Server
    from shoptwin_opcua.wire.decode import Row

_LONGEST = 40
"""Characters of a sample value that are shown."""
_OF_ITSELF = frozenset({node(ObjectIds.Server), node(ObjectIds.Aliases)})
"""What a server tells of itself, in hundreds of nodes: entered where it is asked for (`--at i=2253`)."""


async def browse(channel: Channel, server: Server, at: str | None) -> list[TagCandidate]:
    """List the objects and variables below `at`, or below Objects: one level.

    Raises:
        BadAddress: `at` is no address, or not there. NotConnected, Timeout: the server could not be asked.
    """
    wish = BrowseWish(at, depth=1)
    return [each async for some in candidates(channel, server, wish, everything=True) for each in some]


async def candidates(
    channel: Channel, server: Server, wish: BrowseWish, *, everything: bool = False
) -> AsyncIterator[list[TagCandidate]]:
    """Yield what is below `wish.at`, or below Objects without what the server tells of itself; see Walkable."""
    top = node(ObjectIds.ObjectsFolder) if wish.at is None else of_address(parse(wish.at), server.namespaces)
    if top is None:
        raise BadAddress(
            f"the server does not have the namespace of {wish.at}", "browse from the top to see what it has"
        )
    without = frozenset() if everything or wish.at is not None else _OF_ITSELF
    details, fields = Details(channel, server), Fields(channel, server)
    wanted = wish.wanted or (lambda _: True)
    async for some in walk(channel, server, top, depth=wish.depth, without=without):
        await details.of(some)
        all_ = [(found, _candidate(found, details, server)) for found in some]
        if not wish.values:
            yield [each for _, each in all_ if not each.is_value or wanted(each)]
            continue
        # What is of no kind may be a structure, whose fields are of interest though it is not itself.
        kept = [(found, each) for found, each in all_ if not each.is_value or wanted(each) or each.kind is None]
        sampled = await _sampled(channel, server, kept, fields, wish.depth)
        yield [each for each in sampled if not each.is_value or wanted(each)]


def _candidate(found: Found, details: Details, server: Server) -> TagCandidate:
    address, type_ = address_of(found.node, server.namespaces), details.type_name(found)
    if not found.is_value:
        return TagCandidate(address, found.name, False, path=found.path, type=type_, again=found.again)
    known = details.known[found.node]
    role, why = guess((*found.path, found.name), known.unit, known.kind, labelled=bool(known.labels))
    return TagCandidate(
        address, found.name, True, known.kind, known.unit, path=found.path, type=type_, span=known.span,
        labels=known.labels, rate=known.rate, again=found.again, describes=found.describes,
        role=None if found.describes else role, why="" if found.describes else why,
    )  # fmt: skip


async def _sampled(
    channel: Channel, server: Server, kept: Sequence[tuple[Found, TagCandidate]], fields: Fields, depth: int
) -> list[TagCandidate]:
    """Return candidates with the values now; those of kinds that the type did not tell with their kind too.

    After each structure come its fields, unless they are below `depth` levels.
    """
    values = [found.node for found, each in kept if each.is_value]
    rows = await read(channel, server.limits, [value_of(each) for each in values])
    await fields.learn(list(zip(values, rows, strict=True)))
    told: list[TagCandidate] = []
    left = iter(rows)
    for found, each in kept:
        row = next(left) if each.is_value else None
        if row is None:
            told.append(each)
        elif not bodies(row) or each.describes or each.again:
            told.append(_with(each, row))
        else:
            whole, its = fields.of(each, row)
            told.append(whole)
            if not depth or len(found.path) + 1 < depth:
                told += [_with(field, value) for field, value in its]
    return told


def _with(candidate: TagCandidate, row: Row) -> TagCandidate:
    kind = kind_of(row) or (candidate.kind if row.value is None else None)
    role, why = candidate.role, candidate.why
    if kind is not candidate.kind and not candidate.describes:
        role, why = guess((*candidate.path, candidate.name), candidate.unit, kind, labelled=bool(candidate.labels))
    doubt = code_name(row.status) if UNCERTAIN <= row.status < BAD else ""
    return replace(candidate, kind=kind, role=role, why=why, sample=_sample(row, candidate.labels), doubt=doubt)


def address_of(found: ua.NodeId, namespaces: Sequence[str]) -> str:
    """Write the address with the namespace's URI, which stays when its index moves."""
    index: int = found.NamespaceIndex
    namespace: int | str = namespaces[index] if 0 < index < len(namespaces) else index
    kinds = {ua.NodeIdType.String: "s", ua.NodeIdType.Guid: "g", ua.NodeIdType.ByteString: "b"}
    kind, identifier = kinds.get(found.NodeIdType, "i"), cast("int | str | bytes", found.Identifier)
    return str(NodeAddress(namespace, kind, str(identifier) if kind == "g" else identifier))


def _sample(row: Row, labels: Sequence[tuple[int, str]] = ()) -> str:
    """Write the value now for people."""
    if row.status >= BAD:
        return code_name(row.status)
    if isinstance(row.value, np.ndarray | list):
        return f"{len(row.value)} values"
    if row.type == decode.DATE_TIME or row.value is None or isinstance(row.value, decode.Body):
        return ""
    text = f"{row.value:.6g}" if isinstance(row.value, float) else str(row.value)
    label = next((label for number, label in labels if number == row.value), "")
    text = f"{text} ({label})" if label else text
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

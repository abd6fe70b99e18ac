"""Answers to Publish requests (Part 4, 5.14.5): which subscription, which values, or its end."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from shoptwin_opcua.wire import fast
from shoptwin_opcua.wire.decode import Row, data_value, skip_body, skip_node_id
from shoptwin_opcua.wire.paths import Paths
from shoptwin_opcua.wire.values import Values, agree

if TYPE_CHECKING:
    from collections.abc import Callable

    Changes = Callable[[bytes, int, int], Values]
    """Decodes so many notifications from here on; raises as `decode.data_value`."""

_U2, _U4, _I4 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<i")
_HANDLE = 4
_DATA_CHANGE, _STATUS_CHANGE = 811, 820
"""The NodeIds by which these notifications are encoded in binary (Part 6, annex A)."""


class Publication(NamedTuple):
    """One answer to a Publish request."""

    subscription: int
    sequence: int
    values: list[Values]
    """With their handles, in the order they came."""
    ended: int | None
    """The status by which the server tells that the subscription is over."""
    keep_alive: bool
    """There is nothing new, so nothing to acknowledge."""


def publications() -> Paths[Publication]:
    """Return what decodes the answers of one session, once tried by the fast path."""
    return Paths(quickly, plainly, same)


def plainly(data: bytes) -> Publication:
    """Decode what follows the header of a PublishResponse. Raises ValueError."""
    return _publication(data, _one_by_one)


def quickly(data: bytes) -> Publication:
    """As `plainly`, many values at a time."""
    return _publication(data, lambda data, at, count: fast.data_values(data, at, count, _HANDLE)[1])


def same(one: Publication, other: Publication) -> bool | None:
    """Tell whether two answers say the same, None where they hold no values."""
    if one._replace(values=[]) != other._replace(values=[]) or len(one.values) != len(other.values):
        return False
    return all(map(agree, one.values, other.values)) if one.values else None


def _publication(data: bytes, changes: Changes) -> Publication:
    try:
        return _decoded(data, changes)
    except (struct.error, IndexError, RecursionError) as error:
        raise ValueError(f"a notification breaks off: {error}") from error


def _decoded(data: bytes, changes: Changes) -> Publication:
    subscription, available = _U4.unpack_from(data, 0)[0], _I4.unpack_from(data, 4)[0]
    at = 8 + 4 * max(0, available) + 1  # the sequence numbers that can be asked for again, MoreNotifications
    sequence = _U4.unpack_from(data, at)[0]
    at += 4 + 8  # the time of publishing
    values: list[Values] = []
    ended = None
    count = _I4.unpack_from(data, at)[0]
    at += 4
    for _ in range(count):
        type_at, at = at, skip_node_id(data, at)
        kind = _U2.unpack_from(data, type_at + 2)[0] if data[type_at] == 1 and data[type_at + 1] == 0 else 0
        body = at + 5
        at = skip_body(data, at)
        if kind == _DATA_CHANGE:
            values.append(changes(data, body + 4, _I4.unpack_from(data, body)[0]))
        elif kind == _STATUS_CHANGE:
            ended = _U4.unpack_from(data, body)[0]
    return Publication(subscription, sequence, values, ended, count <= 0)


def _one_by_one(data: bytes, at: int, count: int) -> Values:
    handles: list[int] = []
    rows: list[Row] = []
    for _ in range(count):
        handles.append(_U4.unpack_from(data, at)[0])
        at, row = data_value(data, at + _HANDLE)
        rows.append(row)
    if at > len(data):
        raise ValueError("the values break off")
    return Values.of_rows(rows, handles)

"""Ten minutes of a tag in a few hundred bytes: folding what the journal holds, and reading it again, exactly.

Tags that are polled together have their times in common: these are written once, as a timeline, by all of them. Who
comes when they change has a timeline of their own.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import ValueKind
from shoptwin.store.codec import DAMAGE, DamagedError, join, pack, split, unpack
from shoptwin.store.recorded import KINDS, Recorded, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_NO_SERVER = b""
_ABOUT = struct.Struct("<qBI?")
"""Tag, kind, samples and whether told belatedly, which the checksum of a chunk covers too."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one tag was, from its first sample to its last, as it stands in the file."""

    tag: int
    kind: ValueKind
    first: int
    """Earliest and latest source time, ns UTC: not those of the first and last row where a clock went back."""
    last: int
    rows: int
    arrived: int
    """When the last of them came, ns UTC."""
    timeline: int
    """Place in the timelines of the same fold."""
    data: bytes
    past: bool = False
    """Told belatedly."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Chunks and their timelines, made of one stretch of the journal."""

    timelines: tuple[bytes, ...]
    chunks: tuple[Chunk, ...]


def fold(recorded: Iterable[Recorded]) -> Fold:
    """Return samples, in the order in which they came, as chunks: one a tag, one more a kind that it changed to."""
    places: dict[bytes, int] = {}
    timelines: list[bytes] = []
    chunks = []
    for rows in _by_tag(recorded):
        times = b"".join(column.tobytes() for column in (rows.time, rows.received, rows.server))
        timeline = places.setdefault(times, len(timelines))
        if timeline == len(timelines):
            timelines.append(_sealed(_timeline(rows)))
        chunks.append(Chunk(
            int(rows.tag[0]), rows.kind, int(rows.time.min()), int(rows.time.max()), len(rows),
            int(rows.received.max()), timeline, _sealed(_data(rows), _about(rows)), rows.past,
        ))  # fmt: skip
    return Fold(tuple(timelines), tuple(chunks))


def unfold(chunk: Chunk, timeline: bytes, *, arrival: bool = True) -> Recorded:
    """Return the samples of a chunk. Without `arrival` the other times are not looked at: they are those of the source.

    Raises:
        DamagedError: chunk or timeline are damaged, or do not belong together.
    """
    n, kind = chunk.rows, chunk.kind
    try:
        about = _ABOUT.pack(chunk.tag, KINDS.index(kind), n, chunk.past)  # n is not believed before its checksum is
        source, late, server = split(_unsealed(timeline))
        codes, values = split(_unsealed(chunk.data, about))
        time, status = unpack(source, "i8", n), _unruns(codes, n)
        given, received = _others(time, late, server) if arrival else (time, time)
        read = _untexts(values, n) if kind is ValueKind.STR else unpack(values, kind.dtype, n)
    except DAMAGE as error:
        raise DamagedError(f"a chunk of tag {chunk.tag} is damaged: {error}") from error
    read = without(kind, read, is_bad(status))
    return Recorded(kind, np.full(n, chunk.tag, np.int64), time, given, received, status, read, chunk.past)


def sound_chunk(tag: int, kind: int, samples: int, past: int, data: bytes) -> bool:
    """Tell whether a row of `chunks` is what was written."""
    try:
        _unsealed(data, _ABOUT.pack(tag, kind, samples, bool(past)))
    except (DamagedError, struct.error):
        return False
    return True


def sound_timeline(data: bytes) -> bool:
    """Tell whether a row of `timelines` is what was written."""
    try:
        _unsealed(data)
    except DamagedError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Part:
    """Samples of one tag and kind, and at which place each of them came."""

    rows: Recorded
    place: NDArray[np.int64]


def _by_tag(recorded: Iterable[Recorded]) -> Iterator[Recorded]:
    """Yield the samples of each tag, in the order in which they came: one part, or a new one where the kind changes.

    One tag after the other, and nothing is held longer than it is needed: there may be thousands.
    """
    kinds: dict[tuple[ValueKind, bool], list[_Part]] = {}
    came = 0
    for part in recorded:
        place = np.arange(came, came + len(part))
        came += len(part)
        if len(part):
            kinds.setdefault((part.kind, part.past), []).append(_Part(part, place))
    grouped: list[tuple[_Part, dict[int, NDArray[np.intp]]]] = []
    while kinds:
        _, parts = kinds.popitem()
        whole = _Part(Recorded.joined([p.rows for p in parts]), np.concatenate([p.place for p in parts]))
        del parts
        order = np.argsort(whole.rows.tag, kind="stable")
        runs = np.split(order, np.flatnonzero(np.diff(whole.rows.tag[order])) + 1)
        grouped.append((whole, {int(whole.rows.tag[run[0]]): run for run in runs}))
    for tag in sorted({tag for _, tags in grouped for tag in tags}):
        told = [(whole, tags[tag]) for whole, tags in grouped if tag in tags]
        yield from _runs_of(_alike([_Part(whole.rows.where(rows), whole.place[rows]) for whole, rows in told]))


def _alike(parts: list[_Part]) -> list[_Part]:
    """Return parts in which what is Bad throughout is of the kind of the values, where these are of one kind."""
    telling = {part.rows.kind for part in parts if not is_bad(part.rows.status).all()}
    if len(parts) == 1 or len(telling) > 1:
        return parts
    kind = next(iter(telling), parts[0].rows.kind)
    return [part if part.rows.kind is kind else _Part(part.rows.as_kind(kind), part.place) for part in parts]


def _runs_of(parts: list[_Part]) -> Iterator[Recorded]:
    """Yield runs of one kind, told in time or not, in the order in which they came."""
    if len(parts) == 1:
        yield parts[0].rows
        return
    which = np.concatenate([np.full(len(part.place), i) for i, part in enumerate(parts)])
    at = np.concatenate([np.arange(len(part.place)) for part in parts])
    order = np.argsort(np.concatenate([part.place for part in parts]), kind="stable")
    sort = [(part.rows.kind, part.rows.past) for part in parts]
    same = np.array([sort.index(each) for each in sort])[which[order]]
    for run in np.split(order, np.flatnonzero(np.diff(same)) + 1):
        pieces = np.split(run, np.flatnonzero(np.diff(which[run])) + 1)
        yield Recorded.joined([parts[which[piece[0]]].rows.where(at[piece]) for piece in pieces])


def _about(rows: Recorded) -> bytes:
    return _ABOUT.pack(int(rows.tag[0]), KINDS.index(rows.kind), len(rows), rows.past)


def _sealed(data: bytes, about: bytes = b"") -> bytes:
    """Return data behind its CRC-32: a column in which all is the same has nothing else that would tell of damage."""
    return struct.pack("<I", zlib.crc32(data, zlib.crc32(about))) + data


def _unsealed(sealed: bytes, about: bytes = b"") -> bytes:
    data = sealed[4:]
    if sealed[:4] != struct.pack("<I", zlib.crc32(data, zlib.crc32(about))):
        raise DamagedError("its checksum is another")
    return data


def _timeline(rows: Recorded) -> bytes:
    server = _NO_SERVER if not rows.server.any() else pack(rows.server - rows.time)
    return join([pack(rows.time), pack(rows.received - rows.time), server])


def _others(time: NDArray[np.int64], late: bytes, server: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the server's times and those of arrival."""
    n = len(time)
    given = time + unpack(server, "i8", n) if server != _NO_SERVER else np.zeros(n, np.int64)
    return given, time + unpack(late, "i8", n)


def _data(rows: Recorded) -> bytes:
    bad = is_bad(rows.status)
    values = _texts(rows.values) if rows.kind is ValueKind.STR else pack(_held(rows.values, bad))
    return join([_runs(rows.status), values])


def _held(values: NDArray[Any], bad: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values in which each Bad one repeats the one before: it costs nothing, and nobody looks at it."""
    if not bad.any():
        return values
    good = np.flatnonzero(~bad)
    if not len(good):
        return np.zeros(len(values), values.dtype)
    before = np.maximum.accumulate(np.where(bad, -1, np.arange(len(values))))
    return values[np.where(before < 0, good[0], before)]


def _runs(status: NDArray[np.uint32]) -> bytes:
    """Return status codes as runs: how many, where each begins, its code."""
    begins = np.concatenate([[0], np.flatnonzero(np.diff(status)) + 1])
    return struct.pack("<I", len(begins)) + join([pack(begins.astype(np.int64)), pack(status[begins])])


def _unruns(data: bytes, n: int) -> NDArray[np.uint32]:
    (count,) = struct.unpack_from("<I", data)
    begins, codes = split(data[4:])
    if count == 1:  # the usual: all of it is Good
        return unpack(codes, "u4", 1).repeat(n)
    lengths = np.diff(unpack(begins, "i8", count), append=n)
    return unpack(codes, "u4", count).repeat(lengths)


def _texts(values: NDArray[Any]) -> bytes:
    """Return texts, or None, as those that occur and the place of each among them."""
    found = {text: place for place, text in enumerate(dict.fromkeys(values.tolist()))}
    listed = zlib.compress(json.dumps(list(found), ensure_ascii=False).encode("utf-8"))
    return join([listed, pack(np.array([found[text] for text in values.tolist()], np.int64))])


def _untexts(data: bytes, n: int) -> NDArray[Any]:
    listed, places = split(data)
    found: NDArray[Any] = np.array(json.loads(zlib.decompress(listed)), object)
    texts: NDArray[Any] = found[unpack(places, "i8", n)]
    return texts

"""Through the journal, the fold and the chunk: what was sampled comes out as it went in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.quality import StatusCode, is_bad
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import SECOND
from shoptwin.store.chunk import fold, unfold
from shoptwin.store.codec import DamagedError
from shoptwin.store.journal import decode, encode
from shoptwin.store.recorded import Recorded

EPOCH = 1_700_000_000 * SECOND
NUMBERS = np.array([7, 3, 11, 2], np.int64)
"""Of the tags 0 to 3, in the file."""
VALUES = {
    ValueKind.F4: some.floats(width=32), ValueKind.F8: some.floats(), ValueKind.BOOL: some.booleans(),
    ValueKind.I8: some.integers(-(2**63), 2**63 - 1), ValueKind.U8: some.integers(0, 2**64 - 1),
    ValueKind.STR: some.none() | some.text(max_size=5),
}  # fmt: skip
STATUS = some.sampled_from(list(StatusCode)) | some.integers(0, 2**32 - 1)
TIME = some.integers(-5, 5).map(lambda s: EPOCH + s * SECOND) | some.integers(0, 2**62)


@some.composite
def batches(draw: Any) -> list[SampleBatch]:
    """Draw polls of any kind of a few tags, with repeated and backward times, and any codes."""
    made = []
    for i in range(draw(some.integers(1, 6))):
        kind, n = draw(some.sampled_from(list(VALUES))), draw(some.integers(1, 5))
        values = draw(some.lists(VALUES[kind], min_size=n, max_size=n))
        made.append(SampleBatch.of(
            "g", kind, draw(some.lists(some.integers(0, 3), min_size=n, max_size=n)), values,
            status=draw(some.lists(STATUS, min_size=n, max_size=n)),
            source_time=draw(some.lists(TIME, min_size=n, max_size=n) | TIME),
            server_time=draw(some.lists(some.just(0) | TIME, min_size=n, max_size=n) | some.just(0)),
            receive_time=EPOCH + i // 2,
        ))  # fmt: skip
    return [replace(batch, backfill=draw(some.booleans())) for batch in made]


def rows_of(part: Recorded) -> list[tuple[Any, ...]]:
    """Return (tag, received, time, server, status, past, kind, bits of the value); of Bad ones neither of the last."""
    values = part.values.tolist() if part.kind is ValueKind.STR else [v.tobytes() for v in part.values]
    told = [(None, None) if bad else (part.kind, value) for value, bad in zip(values, is_bad(part.status), strict=True)]
    times = (part.tag.tolist(), part.received.tolist(), part.time.tolist(), part.server.tolist(), part.status.tolist())
    return [(*row, part.past, *value) for *row, value in zip(*times, told, strict=True)]


def came(parts: list[Recorded]) -> list[tuple[Any, ...]]:
    """Return the rows of parts by tag, and in their order."""
    return sorted((row for part in parts for row in rows_of(part)), key=lambda row: row[0])


@given(batches())
def test_all_comes_back(made: list[SampleBatch]) -> None:
    """Any values, codes and times come back exactly, tag by tag in the order in which they came."""
    taken = [Recorded.of(batch, NUMBERS) for batch in made]
    kept = decode(encode(taken))
    assert [rows_of(part) for part in kept] == [rows_of(part) for part in taken]
    folded = fold(kept)
    found = [unfold(chunk, folded.timelines[chunk.timeline]) for chunk in folded.chunks]
    assert came(found) == came(taken)
    for chunk, part in zip(folded.chunks, found, strict=True):
        assert (chunk.first, chunk.last, chunk.rows) == (part.time.min(), part.time.max(), len(part))


def polls(seconds: int, tags: int = 50) -> list[Recorded]:
    """Return polls of twelve-bit readings, one a second."""
    rng, made = np.random.default_rng(1), []
    for second in range(seconds):
        values = (np.arange(tags) + 0.25 * rng.integers(-3, 4, tags)).astype(np.float32)
        time = EPOCH + second * SECOND + int(rng.integers(0, 10**6))
        batch = SampleBatch.of(
            "plc/1", ValueKind.F4, np.arange(tags), values, source_time=time, receive_time=time + 900
        )
        made.append(Recorded.of(batch, np.arange(tags)))
    return made


def test_what_is_polled_together_shares_its_times() -> None:
    """Fifty tags of one poll have one timeline; all in all a sample takes less than a byte."""
    made = polls(600)
    folded = fold(made)
    assert len(folded.timelines) == 1
    assert len(folded.chunks) == 50
    assert sum(map(len, folded.timelines)) + sum(len(chunk.data) for chunk in folded.chunks) < 0.8 * 600 * 50


def test_a_second_of_the_journal_is_small() -> None:
    """A second of two hundred readings takes under five bytes each in the journal."""
    assert len(encode(polls(1, tags=200))) < 5 * 200


def test_a_tag_that_changes_its_kind_has_a_chunk_of_each() -> None:
    """A whole number that became a text is two chunks; while it is Bad it is of whichever kind it was."""
    made = [
        SampleBatch.of("g", ValueKind.I8, [0], [5], source_time=EPOCH, receive_time=EPOCH),
        SampleBatch.bad("g", [0], StatusCode.BAD_NOT_CONNECTED, EPOCH + 1),
    ]
    [whole] = fold([Recorded.of(batch, NUMBERS) for batch in made]).chunks
    assert (whole.kind, whole.rows) == (ValueKind.I8, 2)
    made.append(SampleBatch.of("g", ValueKind.STR, [0], ["five"], source_time=EPOCH + 2, receive_time=EPOCH + 2))
    chunks = fold([Recorded.of(batch, NUMBERS) for batch in made]).chunks
    assert [chunk.kind for chunk in chunks] == [ValueKind.I8, ValueKind.F8, ValueKind.STR]


@given(some.integers(0, 10_000), some.binary(min_size=1, max_size=3))
@example(0, b"")
def test_damage_is_refused(at: int, other: bytes) -> None:
    """A timeline or a second of the journal that is damaged is refused."""
    made = polls(5, tags=3)
    folded = fold(made)
    chunk, timeline, second = folded.chunks[0], folded.timelines[0], encode(made)
    for told, read in (
        (timeline, lambda data: unfold(chunk, data)),
        (second, decode),
    ):
        place = at % len(told)
        try:
            read(told[:place] + other + told[place + len(other) + 1 :])
        except DamagedError as error:
            assert "damaged" in str(error)  # noqa: PT017 - what was cut out may be what was put in


@pytest.mark.parametrize("same", [True, False])
def test_each_flipped_bit_is_found(same: bool) -> None:
    """Whichever bit of a chunk or its timeline flips, reading it is refused: also where all values are the same."""
    made = [replace(part, values=part.values * 0) if same else part for part in polls(5, tags=1)]
    folded = fold(made)
    chunk, timeline = folded.chunks[0], folded.timelines[0]
    for bit in range(8 * len(chunk.data)):
        with pytest.raises(DamagedError):
            unfold(replace(chunk, data=_flipped(chunk.data, bit)), timeline)
    for bit in range(8 * len(timeline)):
        with pytest.raises(DamagedError):
            unfold(chunk, _flipped(timeline, bit))


def _flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def test_half_a_second_is_refused() -> None:
    """What a power cut left of a second is no second."""
    data = encode(polls(1))
    with pytest.raises(ValueError, match="damaged"):
        decode(data[: len(data) // 2])

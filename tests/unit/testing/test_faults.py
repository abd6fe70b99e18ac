"""Seeded faults keep what they promise: of what they damage, how late they come, and that they can be repeated."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.testing.faults import Assumption, Fault, Link, Place, Scene, Truth, Way, crc, every, kinds
from shoptwin.testing.faults.proxy import Bounds

SCENE = Scene(timeout=0.1, window=0.19, gap=0.005, request=bytes.fromhex("010300000002c40b"))
SEEDS = st.integers(0, 10**6)
WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20)


def line_reply(words: list[int]) -> bytes:
    """Return a reply of unit 1 with these registers."""
    body = struct.pack(f">BBB{len(words)}H", 1, 3, 2 * len(words), *words)
    return body + crc(body)


def tcp_reply(words: list[int], transaction: int = 7) -> bytes:
    """Return the same over TCP."""
    pdu = struct.pack(f">BB{len(words)}H", 3, 2 * len(words), *words)
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, 1) + pdu


def names(link: Link) -> st.SearchStrategy[str]:
    """Return the kinds of a link that can be on replies."""
    return st.sampled_from([name for name, kind in kinds(link).items() if Way.REPLY in kind.ways])


def test_crc() -> None:
    """The CRC is that of Modbus: a request that every manual has."""
    assert crc(bytes.fromhex("01030000000a")) == bytes.fromhex("c5cd")


@pytest.mark.parametrize("link", Link)
def test_a_fault_is_its_name(link: Link) -> None:
    """A fault that is made anew from its name does the same, and no two of a link have one name."""
    faults = every(link, range(3))
    assert len({str(fault) for fault in faults}) == len(faults)
    frame = line_reply([1, 2, 3]) if link.checked else tcp_reply([1, 2, 3])
    for fault in faults:
        again = Fault.parse(str(fault))
        assert (again, again.skip, again.length) == (fault, fault.skip, fault.length)
        assert again.spoil(0, frame, SCENE) == fault.spoil(0, frame, SCENE)


def test_a_name_that_is_none() -> None:
    """A kind that a link does not have is refused."""
    with pytest.raises(ValueError, match="no such kind"):
        Fault.parse("tcp/reply/flip/1")


DAMAGES = ("truncate", "flip", "burst", "lose", "repeat", "reorder", "noise")


@given(st.sampled_from(DAMAGES), SEEDS, WORDS)
def test_damage_shows_in_the_crc(kind: str, seed: int, words: list[int]) -> None:
    """What is damaged is no sound frame."""
    frame = line_reply(words)
    for delivery in Fault(Link.RTU, Way.REPLY, kind, seed).spoil(0, frame, SCENE):
        data = b"".join(piece.data or b"" for piece in delivery.pieces)
        assert data != frame
        assert len(data) < 4 or crc(data[:-2]) != data[-2:]


@given(names(Link.RTU), SEEDS, WORDS)
def test_nothing_is_late_on_a_line(kind: str, seed: int, words: list[int]) -> None:
    """All that comes by itself comes within the window."""
    for delivery in Fault(Link.RTU, Way.REPLY, kind, seed).spoil(0, line_reply(words), SCENE):
        assert delivery.held + sum(piece.pause for piece in delivery.pieces) <= SCENE.window


@given(names(Link.TCP), SEEDS, WORDS)
def test_a_payload_is_left_alone(kind: str, seed: int, words: list[int]) -> None:
    """Over TCP whatever is delivered holds what was read as it was, or a part of the frame and then the end."""
    frame, earlier = tcp_reply(words), tcp_reply([9, 9], transaction=6)
    scene = Scene(timeout=0.1, window=0.1, gap=0.005, earlier=(earlier,), requests=(b"\x00\x06" + bytes(10),))
    for delivery in Fault(Link.TCP, Way.REPLY, kind, seed).spoil(0, frame, scene):
        data = b"".join(piece.data or b"" for piece in delivery.pieces)
        ends = any(piece.data is None for piece in delivery.pieces)
        assert data in {frame, 2 * frame, earlier} or data[8:] == frame[8:] or (ends and frame.startswith(data))


@pytest.mark.parametrize(("wait", "data", "allowed"), [(0.0, "first", True), (0.12, "first", False)])
async def test_bounds_of_a_reply(wait: float, data: str, allowed: bool) -> None:
    """A reply may come until its window has passed, by the clock and not by intention."""
    bounds = Bounds(Assumption(timeout=0.05, turnaround=0.05, margin=0.0), b"")
    await asyncio.sleep(wait)
    assert bounds.allow(data.encode(), data.encode()) is allowed


async def test_bounds_of_a_second_copy() -> None:
    """Once a whole reply has come, in however many pieces, only what follows at once may come."""
    bounds = Bounds(Assumption(timeout=1.0, gap=0.02), b"")
    assert bounds.allow(b"ab", b"abc")
    assert bounds.allow(b"c", b"abc")
    assert bounds.allow(b"abc", b"abc")
    await asyncio.sleep(0.02)
    assert not bounds.allow(b"abc", b"abc")


def test_truth_knows_where_and_when() -> None:
    """Words are those of one reply to a request for that very place within the generations, and of no other."""
    truth = Truth()
    first, second = truth.read(1, 3, 100, 10), truth.read(1, 3, 100, 10)
    other = truth.read(2, 3, 100, 10)
    place = Place(1, 3, 104, 2)
    assert list(truth.candidates(place, 1, 3)) == [second[4:6], first[4:6]]
    assert list(truth.candidates(place, 2, 3)) == [second[4:6]]
    assert list(truth.candidates(Place(2, 3, 104, 2), 1, 2)) == []
    assert list(truth.candidates(Place(1, 3, 109, 2), 1, 3)) == []
    assert len({tuple(first), tuple(second), tuple(other)}) == 3
    assert truth.explain(other[3:5]) == "unit 2, table 3, 103, generation 3"


def test_slow_registers_change_together() -> None:
    """From `slow_from` on registers stand still for so many requests, so that a set of several can be whole."""
    truth = Truth(slow_from=50, slow=4)
    reads = [truth.read(1, 3, 49, 3) for _ in range(4)]
    assert reads[0][1:] == reads[1][1:] == reads[2][1:] != reads[3][1:]
    assert len({words[0] for words in reads}) == 4

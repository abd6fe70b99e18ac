"""What is learned of a device's map: when refused addresses are asked for again, and what is kept. Pure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import StatusCode
from shoptwin_modbus.addresses.address import Table
from shoptwin_modbus.planning import Block, Span
from shoptwin_modbus.poll.terrain import CUT_FOR, MUTE, PROBE_POLLS, PROBE_WITHIN, Terrain

UNKNOWN = StatusCode.BAD_NODE_ID_UNKNOWN


def span(start, unit=1, size=1):
    """Return some holding registers."""
    return Span(unit, Table.HOLDING, start, start + size)


def blocks(spans):
    """Return the requests for holes, one each."""
    return [Block(*each, i, i + 1) for i, each in enumerate(spans)]


def poll(terrain, holes, period, polls, *, alone=False, start=0.0):
    """Refuse every hole for so many polls; return when each was asked for."""
    asked = {hole: [] for hole in holes}
    for i in range(polls):
        now = start + i * period
        for block in terrain.due(blocks(holes), now, period, alone=alone):
            asked[holes[block.first]].append(now)
            terrain.dig(holes[block.first], UNKNOWN, now)
    return list(asked.values())


@pytest.mark.parametrize("count", [1, 7, 60, 150])
@pytest.mark.parametrize("period", [0.1, 1.0, 30.0, 3600.0])
def test_holes_are_asked_for_again_slowly(count, period):
    """Each hole comes again about every 60 polls, within 10 minutes at least, and none starves another."""
    terrain, holes = Terrain(), [span(3 * i) for i in range(count)]
    for hole in holes:
        terrain.dig(hole, UNKNOWN, 0.0)
    every = min(PROBE_POLLS * period, PROBE_WITHIN)
    for times in poll(terrain, holes, period, 400, start=period):
        gaps = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
        assert times
        assert min(gaps) >= every * 0.999
        assert max(gaps[1:], default=0) <= max(period, 2 * every) * 1.001
        assert gaps[0] <= max(period, 2 * every) * 1.001


def test_few_holes_are_asked_for_in_one_poll():
    """A hundred holes do not come at once, although they were dug at once: there are as many a poll as must be."""
    terrain, holes = Terrain(), [span(3 * i) for i in range(100)]
    for hole in holes:
        terrain.dig(hole, UNKNOWN, 0.0)
    most = 0
    for now in range(1, 300):
        due = terrain.due(blocks(holes), float(now), 1.0, alone=False)
        most = max(most, len(due))
        for block in due:
            terrain.dig(holes[block.first], UNKNOWN, float(now))
    assert most == 2


def test_a_lost_device_is_noticed_by_its_holes():
    """Where there is nothing else to ask a unit for, a hole is asked for in each poll, each in turn."""
    terrain, holes = Terrain(), [span(0), span(5)]
    for hole in holes:
        terrain.dig(hole, UNKNOWN, 0.0)
    assert poll(terrain, holes, 1.0, 4, alone=True, start=1.0) == [[1.0, 3.0], [2.0, 4.0]]


def test_refused_with_all_else():
    """What a unit refused along with everything is asked for in each poll, and one success takes back all of it."""
    terrain, booting, other = Terrain(), [span(0), span(5), span(9)], span(0, unit=2)
    for hole in (*booting, other):
        terrain.dig(hole, UNKNOWN, 0.0, firm=False)
    terrain.dig(span(70), UNKNOWN, 0.0)
    assert [len(terrain.due(blocks(booting), now, 1.0, alone=False)) for now in (1.0, 2.0)] == [1, 1]
    before = terrain.version
    terrain.fill(booting[1])
    assert terrain.version > before
    assert [terrain.hole(hole) for hole in booting] == [None] * 3
    assert terrain.hole(other) == terrain.hole(span(70)) == UNKNOWN


def test_holes_that_are_forgotten_meanwhile():
    """A hole that is forgotten while a poll is under way, as the one before it was served, is not asked for."""
    terrain, holes = Terrain(), [span(0), span(5)]
    for hole in holes:
        terrain.dig(hole, UNKNOWN, 0.0, firm=False)
    assert len(terrain.due(blocks(holes), 1e6, 3600.0, alone=False)) == 2
    terrain.fill(holes[0])
    terrain.asked(holes[1], 1e6)
    assert terrain.due(blocks(holes), 1e6, 3600.0, alone=True) == []


def test_refused_again_while_others_are_served():
    """A hole is one for certain when it is refused while the unit serves other addresses; then it comes slowly."""
    terrain = Terrain()
    terrain.dig(span(0), UNKNOWN, 0.0, firm=False)
    assert terrain.holes() == []
    assert "holding" not in terrain.dump()
    terrain.dig(span(0), UNKNOWN, 1.0, firm=True)
    assert terrain.holes() == [(span(0), UNKNOWN)]
    assert terrain.due(blocks([span(0)]), 2.0, 1.0, alone=False) == []
    assert "holding:0@1" in terrain.dump()


def test_success_of_one_says_nothing_of_certain_ones():
    """A certain hole that is served again is forgotten alone."""
    terrain = Terrain()
    terrain.dig(span(0), UNKNOWN)
    terrain.dig(span(5), UNKNOWN)
    terrain.fill(span(0))
    terrain.fill(span(7))
    assert terrain.holes() == [(span(5), UNKNOWN)]


spans = st.builds(
    lambda unit, table, start, size: Span(unit, table, start, min(0x1_0000, start + size)),
    st.integers(0, 255), st.sampled_from(Table), st.integers(0, 0xFFFF), st.integers(1, 125),
)  # fmt: skip


@given(st.dictionaries(spans, st.sampled_from([c for c in StatusCode if c >= StatusCode.BAD])), st.sets(spans))
def test_what_is_kept_is_recalled(holes, cuts):
    """Holes, their status and cuts are the same after a restart, and so is what is kept of them then."""
    terrain, again = Terrain(), Terrain()
    for hole, status in holes.items():
        terrain.dig(hole, status, 5.0)
    for cut in cuts:
        terrain.cut(cut, 5.0)
    again.load(terrain.dump())
    assert dict(again.holes()) == holes
    assert again.walls() == terrain.walls()
    assert again.version > 0
    assert again.dump() == terrain.dump()


KEPT = {"version": 1, "holes": {"holding:7@1": int(UNKNOWN)}, "cuts": ["input:9@2"]}


@pytest.mark.parametrize(
    "text",
    [
        "", "no JSON", "null", "[]", "{}", '{"version": 1}',
        json.dumps(KEPT | {"version": 2}),
        json.dumps(KEPT | {"holes": []}),
        json.dumps(KEPT | {"cuts": [7]}),
        json.dumps(KEPT | {"holes": {"holding:7@1": "Bad"}}),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_as_good_as_nothing(text):
    """Text that is none of ours, or of another version, teaches nothing and breaks nothing."""
    terrain = Terrain()
    terrain.load(text)
    assert terrain.walls() == {}


def test_an_entry_that_cannot_be_understood_is_left_out():
    """One odd entry does not cost the others."""
    terrain = Terrain()
    odd = {"holding:x@1": int(UNKNOWN), "holding:8@1": 0, "holding:9@1": 2**33, "coil:70000": int(UNKNOWN)}
    terrain.load(json.dumps(KEPT | {"holes": KEPT["holes"] | odd, "cuts": ["holding", "input:9@2"]}))
    assert terrain.holes() == [(span(7), UNKNOWN)]
    assert terrain.walls() == {(1, Table.HOLDING): {7}, (2, Table.INPUT): {9}}


def test_recalled_holes_are_spread():
    """After a restart the holes are not asked for all at once, and not only after the whole time."""
    terrain, holes = Terrain(), [span(3 * i) for i in range(5)]
    for hole in holes:
        terrain.dig(hole, UNKNOWN, 0.0)
    again = Terrain()
    again.load(terrain.dump())
    times = sorted(each[0] for each in poll(again, holes, 1.0, 70, start=1000.0))
    assert times == [1010.0, 1020.0, 1030.0, 1040.0, 1050.0]


def test_what_nobody_asks_for_is_forgotten():
    """Holes and cuts of tags that are gone are not kept."""
    terrain = Terrain()
    terrain.dig(span(0), UNKNOWN)
    terrain.dig(span(5), UNKNOWN)
    terrain.cut(span(9), 0.0)
    terrain.keep_only({span(5), span(7)})
    assert terrain.walls() == {(1, Table.HOLDING): {5}}
    before = terrain.version
    terrain.keep_only({span(5)})
    assert terrain.version == before


def test_cuts_grow_old():
    """A cut is forgotten after an hour, one at a time; one that was recalled an hour after it was first used."""
    terrain = Terrain()
    terrain.cut(span(5), 0.0)
    terrain.cut(span(9), 0.0)
    terrain.reconsider(CUT_FOR - 1)
    assert terrain.walls() == {(1, Table.HOLDING): {5, 9}}
    terrain.reconsider(CUT_FOR)
    assert terrain.walls() == {(1, Table.HOLDING): {9}}
    again = Terrain()
    again.load(terrain.dump())
    for now in (1e6, 1e6 + CUT_FOR - 1):
        again.reconsider(now)
        assert again.walls() == {(1, Table.HOLDING): {9}}
    again.reconsider(1e6 + CUT_FOR)
    assert again.walls() == {}


def test_a_block_without_a_reply_is_cut_in_time():
    """Three silences in a row to one block, while its unit answers others, cut it; a reply in between starts anew."""
    terrain = Terrain()
    for _ in range(MUTE - 1):
        terrain.mute(span(0), span(6), 0.0)
    terrain.spoke(span(0))
    assert terrain.muteness(span(0)) == 0
    for _ in range(MUTE):
        assert terrain.walls() == {}
        terrain.mute(span(0), span(6), 0.0)
    assert terrain.walls() == {(1, Table.HOLDING): {6}}
    for _ in range(9):
        terrain.mute(span(3), None, 0.0)
    assert terrain.walls() == {(1, Table.HOLDING): {6}}
    assert terrain.muteness(span(3)) == 9

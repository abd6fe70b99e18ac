"""The planner: every span once, no limit broken, nothing touched that is to be avoided, and no shorter plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoptwin_modbus.addresses.address import Table
from shoptwin_modbus.addresses.places import name_place, parse_place
from shoptwin_modbus.planning import END, Block, Reach, Span, order, part, plan, unlike


@st.composite
def spans(draw, tables=tuple(Table), most=40, last=400):
    """Return sorted, distinct spans: one to four registers, now and then a long text, or single bits."""
    found = set()
    for _ in range(draw(st.integers(0, most))):
        table, start = draw(st.sampled_from(tables)), draw(st.integers(0, last))
        size = 1 if table.bits else draw(st.sampled_from([1, 1, 2, 2, 4, 8, 100]))
        found.add(Span(draw(st.integers(1, 2)), table, start, start + size))
    return sorted(found, key=order)


@st.composite
def shunned(draw, most=5, last=400):
    """Return stretches to avoid."""
    return tuple(
        Span(draw(st.integers(1, 2)), draw(st.sampled_from(Table)), start, start + draw(st.integers(1, 20)))
        for start in draw(st.lists(st.integers(0, last), max_size=most))
    )


def touches(one, other):
    """Tell whether two stretches share an address: by looking at each."""
    same = (one.unit, one.table) == (other.unit, other.table)
    return same and not set(range(one.start, one.stop)).isdisjoint(range(other.start, other.stop))


reaches = st.builds(Reach, st.integers(4, 125), st.integers(1, 2000), st.integers(0, 121), shunned())
walls = st.dictionaries(
    st.tuples(st.integers(1, 2), st.sampled_from(Table)), st.lists(st.integers(0, 400), max_size=5).map(sorted)
)


@given(spans(), reaches, walls)
@example([], Reach(), {})
def test_plan_is_sound(wanted, reach, cuts):
    """Each span lies whole in one block, and no block breaks a limit, crosses a cut or touches what it must not."""
    wanted = [span for span in wanted if reach.permits(span)]
    blocks = plan(wanted, reach, cuts)
    assert [i for block in blocks for i in range(block.first, block.last)] == list(range(len(wanted)))
    assert len(blocks) <= len(wanted)
    for block in blocks:
        members = wanted[block.first : block.last]
        assert {(span.unit, span.table) for span in members} == {(block.unit, block.table)}
        assert block.start == members[0].start
        assert block.stop == max(span.stop for span in members)
        assert 1 <= block.size <= reach.most(block.table)
        assert not any(touches(block, shy) for shy in reach.avoid)
        reached = members[0].stop
        for span in members[1:]:
            assert span.start - reached <= reach.bridge(block.table)
            reached = max(reached, span.stop)
        for cut in cuts.get((block.unit, block.table), ()):
            assert not members[0].start < cut <= members[-1].start


@given(spans(), reaches)
def test_what_may_be_asked_for(wanted, reach):
    """A span is left out of the plan exactly where it is too large for one request or touches what is to be avoided."""
    for span in wanted:
        large = span.stop - span.start > reach.most(span.table)
        assert reach.permits(span) is not (large or any(touches(span, shy) for shy in reach.avoid))


@given(
    spans(tables=(Table.HOLDING,), most=7, last=30),
    st.builds(Reach, registers=st.integers(4, 12), gap=st.integers(0, 6), avoid=shunned(most=2, last=30)),
)
def test_plan_is_shortest(wanted, reach):
    """No way at all to share the spans out among requests within the limits needs fewer of them."""
    wanted = [span for span in wanted if reach.permits(span)]

    def fits(members):
        """Tell whether one request may read these: with no word of cuts or of order."""
        first, last = min(span.start for span in members), max(span.stop for span in members)
        needed = {a for span in members for a in range(span.start, span.stop)}
        gaps = "".join(" " if a in needed else "." for a in range(first, last)).split()
        return (
            len({span.unit for span in members}) == 1
            and last - first <= reach.registers
            and all(len(gap) <= reach.gap for gap in gaps)
            and not any(touches(Span(*members[0][:2], first, last), shy) for shy in reach.avoid)
        )

    best = {0: 0}  # by sets of spans, as bits
    subsets = [s for s in range(1, 1 << len(wanted)) if fits([w for i, w in enumerate(wanted) if s >> i & 1])]
    for covered in range(1, 1 << len(wanted)):
        lowest = covered & -covered
        best[covered] = min(1 + best[covered & ~s] for s in subsets if s & lowest and s & covered == s)
    assert len(plan(wanted, reach)) == best[(1 << len(wanted)) - 1]


@given(spans(), reaches)
def test_parts_cover_their_spans(wanted, reach):
    """Half of a block reads its spans and nothing before or after them."""
    wanted = [span for span in wanted if reach.permits(span)]
    for block in plan(wanted, reach):
        if block.last - block.first > 1:
            half = part(block, wanted, block.first, (block.first + block.last) // 2)
            assert block.start <= half.start < half.stop <= block.stop
            assert all(
                half.start <= span.start and span.stop <= half.stop for span in wanted[half.first : half.last]
            )  # fmt: skip


@given(spans(), reaches)
def test_another_length_to_synchronise_with(wanted, reach):
    """What tells a late reply from the right one is permitted, of the same unit and of another length."""
    wanted = [span for span in wanted if reach.permits(span)]
    blocks = plan(wanted, reach)
    for block in blocks:
        other = unlike(block, wanted, blocks, reach)
        if other is None:
            assert block.size == 1 or block.table.bits
            continue
        assert other.unit == block.unit
        assert other.bytes != block.bytes
        assert reach.permits(other)


def test_what_is_wanted_anyway_synchronises_first():
    """A part of the block's own tags comes first, then another block of the unit, then a register less or more."""
    low, high = Span(1, Table.HOLDING, 0, 2), Span(1, Table.HOLDING, 2, 4)
    [both] = plan([low, high], Reach())
    assert unlike(both, [low, high], [both], Reach()) == part(both, [low, high], 0, 1)
    alone = Block(*low, 0, 1)
    other = Block(1, Table.INPUT, 7, 8, 1, 2)
    assert unlike(alone, [low], [alone, other], Reach()) == other
    assert unlike(alone, [low], [alone, other._replace(unit=2)], Reach()) == alone._replace(stop=1)
    single = Block(1, Table.HOLDING, 5, 6, 0, 1)
    assert unlike(single, [Span(*single[:4])], [single], Reach()) == single._replace(stop=7)
    shy = Reach(avoid=(Span(1, Table.HOLDING, 6, 9),))
    assert unlike(single, [Span(*single[:4])], [single], shy) == single._replace(start=4)
    assert unlike(single, [Span(*single[:4])], [single], replace(shy, gap=0)) is None
    last = Block(1, Table.COIL, END - 1, END, 0, 1)
    assert unlike(last, [Span(*last[:4])], [last], Reach()) == last._replace(start=END - 9)


places = st.builds(
    lambda unit, table, start, size: Span(unit, table, start, min(END, start + size)),
    st.integers(0, 255), st.sampled_from(Table), st.integers(0, END - 1), st.integers(1, 2000),
)  # fmt: skip


@given(places, st.none() | st.integers(0, 255))
def test_places_are_read_as_they_are_written(place, unit):
    """What is written of a place is understood as that place."""
    assert parse_place(name_place(place, unit), unit or 0) == place


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("holding:100-119", Span(5, Table.HOLDING, 100, 120)),
        ("Input:7@3", Span(3, Table.INPUT, 7, 8)),
        (" coil : 0x10 - 0xFF @ 0 ", Span(0, Table.COIL, 16, 256)),
    ],
)
def test_places(text, span):
    """A place is a table and an address, or the first and the last of several, and perhaps a unit."""
    assert parse_place(text, 5) == span


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "write holding:100"),
        ("holding", "write holding:100"),
        ("holdings:1", "write holding:100"),
        ("holding:1-", "write holding:100"),
        ("holding:9-3", "lower address first"),
        ("holding:65536", "65535"),
        ("holding:0x1FFFF", "65535"),
        ("holding:seven", "65535"),
        ("holding:1@256", "255"),
    ],
)
def test_no_places(text, cure):
    """What is no place is told with what to write."""
    with pytest.raises(ValueError, match=cure):
        parse_place(text, 1)

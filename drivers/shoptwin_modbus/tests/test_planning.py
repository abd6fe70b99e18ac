"""The planner: every span once, no limit broken, and no plan with fewer requests."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from shoptwin_modbus.address import Table
from shoptwin_modbus.planning import Reach, Span, order, part, plan


@st.composite
def spans(draw, tables=tuple(Table), most=40, last=400):
    """Return sorted, distinct spans of one to four registers, or of single bits."""
    found = set()
    for _ in range(draw(st.integers(0, most))):
        table, start = draw(st.sampled_from(tables)), draw(st.integers(0, last))
        size = 1 if table.bits else draw(st.sampled_from([1, 2, 4]))
        found.add(Span(draw(st.integers(1, 2)), table, start, start + size))
    return sorted(found, key=order)


reaches = st.builds(Reach, st.integers(4, 125), st.integers(1, 2000), st.integers(0, 121))
walls = st.dictionaries(
    st.tuples(st.integers(1, 2), st.sampled_from(Table)), st.lists(st.integers(0, 400), max_size=5).map(sorted)
)


@given(spans(), reaches, walls)
@example([], Reach(), {})
def test_plan_is_sound(wanted, reach, cuts):
    """Each span lies whole in one block, in order; no block is too large, bridges too much or reaches over a cut."""
    blocks = plan(wanted, reach, cuts)
    assert [i for block in blocks for i in range(block.first, block.last)] == list(range(len(wanted)))
    assert len(blocks) <= len(wanted)
    for block in blocks:
        members = wanted[block.first : block.last]
        assert {(span.unit, span.table) for span in members} == {(block.unit, block.table)}
        assert block.start == members[0].start
        assert block.stop == max(span.stop for span in members)
        assert 1 <= block.size <= reach.most(block.table)
        reached = members[0].stop
        for span in members[1:]:
            assert span.start - reached <= reach.bridge(block.table)
            reached = max(reached, span.stop)
        for cut in cuts.get((block.unit, block.table), ()):
            assert not members[0].start < cut <= members[-1].start


@given(spans(tables=(Table.HOLDING,), most=9, last=30), st.integers(4, 12), st.integers(0, 6))
def test_plan_is_shortest(wanted, registers, gap):
    """No way to cut the sorted spans into blocks within the limits needs fewer requests."""
    reach = Reach(registers=registers, gap=gap)

    def fits(members):
        reached = members[0].stop
        for span in members[1:]:
            if span.start - reached > gap or span.unit != members[0].unit:
                return False
            reached = max(reached, span.stop)
        return reached - members[0].start <= registers

    best = [0] * (len(wanted) + 1)
    for i in range(1, len(wanted) + 1):
        best[i] = min(best[j] + 1 for j in range(i) if fits(wanted[j:i]))
    assert len(plan(wanted, reach)) == best[-1]


@given(spans(), reaches)
def test_parts_cover_their_spans(wanted, reach):
    """Half of a block reads its spans and nothing before or after them."""
    for block in plan(wanted, reach):
        if block.last - block.first > 1:
            half = part(block, wanted, block.first, (block.first + block.last) // 2)
            assert block.start <= half.start < half.stop <= block.stop
            assert all(
                half.start <= span.start and span.stop <= half.stop for span in wanted[half.first : half.last]
            )  # fmt: skip

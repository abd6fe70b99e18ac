"""The search for readable addresses: a pure function, against maps of every shape."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin_modbus.discovery.charting import BITS, LOW, REGISTERS, Answer, Chart

END = 0xFFFF


class Map:
    """A device's map, which keeps what it was asked."""

    def __init__(self, served, *, limit=125, borders=(), pairs=False, unknown=False):
        self.served = frozenset(served)
        self.limit = limit
        self.borders = borders
        self.pairs = pairs
        self.unknown = unknown
        self.asked = []

    def answer(self, start, count):
        self.asked.append((start, count))
        if self.unknown:
            return Answer.UNKNOWN
        fits = count <= self.limit and not any(start < border < start + count for border in self.borders)
        aligned = not self.pairs or (start % 2 == 0 and count % 2 == 0)
        there = all(address in self.served for address in range(start, start + count))
        return Answer.SERVED if fits and aligned and there else Answer.REFUSED

    def chart(self, *, budget=10**6, bits=False, **window):
        chart = Chart(bits=bits, most=2000 if bits else 125, **window)
        search = chart.survey()
        try:
            question = next(search)
            for _ in range(budget):
                question = search.send(self.answer(*question))
        except StopIteration:
            pass
        return chart


def found(chart):
    return [(s.first, s.last) for s in chart.stretches]


def runs(addresses):
    """Return runs of neighbours."""
    out = []
    for address in sorted(addresses):
        if out and out[-1][1] == address - 1:
            out[-1] = (out[-1][0], address)
        else:
            out.append((address, address))
    return out


maps = st.lists(st.tuples(st.integers(0, 380), st.integers(1, 90)), max_size=6).map(
    lambda parts: {a for start, size in parts for a in range(start, start + size)}
)


@given(served=maps, limit=st.integers(1, 125), borders=st.sets(st.integers(1, 460), max_size=3))
@settings(max_examples=150, deadline=None)
def test_every_address_of_a_window_is_found(served, limit, borders):
    """In a window that is searched to the end exactly the readable addresses are found, all ends settled."""
    device = Map(served, limit=limit, borders=borders)
    chart = device.chart(first=0, last=470)
    assert found(chart) == runs(served)
    assert not any(s.open_below or s.sampled for s in chart.stretches)
    assert not any(s.open_above for s in chart.stretches if s.last < 470)
    assert all(start >= 0 and start + count - 1 <= 470 and 1 <= count <= 125 for start, count in device.asked)


@given(served=maps, budget=st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_what_is_found_early_is_true(served, budget):
    """Whenever the search is stopped, only readable addresses are told, and a settled end is an end."""
    chart = Map(served).chart(first=0, last=470, budget=budget)
    for s in chart.stretches:
        assert set(range(s.first, s.last + 1)) <= served
        assert s.open_below or s.first - 1 not in served
        assert s.open_above or s.last + 1 not in served


@given(served=maps, shy=st.tuples(st.integers(0, 450), st.integers(1, 60)))
@settings(max_examples=100, deadline=None)
def test_nothing_to_avoid_is_touched(served, shy):
    """What must not be touched is in no question, and in no range."""
    start, stop = shy[0], shy[0] + shy[1]
    device = Map(served)
    chart = device.chart(first=0, last=470, avoid=[(start, stop)])
    assert not any(a < stop and start < a + n for a, n in device.asked)
    assert found(chart) == runs(served - set(range(start, stop)))


@pytest.mark.parametrize("limit", [1, 10, 32, 60, 100, 124])
def test_limit_of_the_device(limit):
    """A device that serves fewer registers at once is found out, exactly."""
    chart = Map(range(100, 700), limit=limit).chart()
    assert chart.limit == limit
    assert found(chart) == [(100, 699)]


def test_a_border_is_no_limit():
    """Two areas that one request may not cross are one range, and no limit is told."""
    chart = Map(range(500), borders=(200,)).chart()
    assert chart.limit is None
    assert found(chart) == [(0, 499)]


@pytest.mark.parametrize("start", [0, 30, 3000])
def test_a_meter_that_serves_pairs_alone(start):
    """Registers that are served two by two alone, as of a meter of floats, are found."""
    chart = Map(range(start, start + 80), pairs=True).chart()
    assert found(chart) == ([(start, start + 79)] if start != 30 else [(30, 109)])


@pytest.mark.parametrize(
    "served",
    [
        range(100, 160),
        [*range(8), *range(1000, 1010), *range(4096, 4200)],
        [*range(2999, 3030), *range(2699, 2720)],
        [*range(40_000, 40_070), *range(50_000, 50_100)],
        [*range(342, 400), *range(0x5B00, 0x5B40)],
    ],
    ids=["one", "three", "schneider", "sunspec", "abb"],
)
def test_typical_maps_take_few_requests(served):
    """A map of a few ranges is found whole, one table in less than two hundred requests."""
    device = Map(served)
    assert found(device.chart()) == runs(served)
    assert len(device.asked) < 200 + (LOW if min(device.served) < LOW else 0)


def test_a_table_that_serves_everything():
    """A device that answers for all 65,536 addresses is told so, as sampled, in a few dozen requests."""
    device = Map(range(END + 1))
    [stretch] = device.chart().stretches
    assert (stretch.first, stretch.last, stretch.sampled) == (0, END, True)
    assert not stretch.open_below
    assert not stretch.open_above
    assert len(device.asked) < 60


def test_a_long_range_with_a_hole_is_not_leapt_over():
    """A gap within a long range is found, as reading goes on where leaping would have missed it."""
    device = Map({*range(2200), *range(4000, 12_000)})
    assert found(device.chart()) == [(0, 2199), (4000, 11_999)]
    assert len(device.asked) < 280


def test_a_table_that_is_not_there():
    """A device that does not know the function is asked a few times only."""
    device = Map([], unknown=True)
    assert found(device.chart()) == []
    assert len(device.asked) <= 4


def test_bits_are_found():
    """Coils are found too, in blocks of up to 2,000."""
    device = Map(range(2048, 2048 + 700), limit=2000)
    assert found(device.chart(bits=True)) == [(2048, 2747)]
    assert len(device.asked) < 100 + LOW


def test_places_are_distinct():
    """No place is listed twice, and each is an address."""
    for places in (REGISTERS, BITS):
        assert len(set(places)) == len(places)
        assert all(0 <= place <= END for place in places)


def test_small_ranges_between_others_are_found():
    """Where a device has any low address, all of them are looked at: a range between two likely places is found."""
    device = Map([*range(10), *range(20, 28), *range(30, 33)])
    assert found(device.chart()) == [(0, 9), (20, 27), (30, 32)]
    assert len(device.asked) < 300

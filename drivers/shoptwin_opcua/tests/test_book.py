"""Notifications taken many at a time leave what they would leave one by one."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoptwin_opcua.reading.book import GONE, Book
from shoptwin_opcua.wire.decode import ARRAY, Row
from shoptwin_opcua.wire.values import Block, Values

ITEMS = 4
SCALARS = {
    1: st.booleans(), 2: st.integers(-128, 127), 6: st.integers(-(2**31), 2**31 - 1),
    8: st.integers(-(2**63), 2**63 - 1), 9: st.integers(0, 2**64 - 1), 10: st.floats(width=32), 11: st.floats(),
}  # fmt: skip
DTYPES = {1: "?", 2: "i1", 6: "i4", 8: "i8", 9: "u8", 10: "f4", 11: "f8"}
statuses = st.sampled_from([0, 0, 0, 0x40000000, 0x80000000, *GONE])
times = st.sampled_from([0, 5, 5, 7])
scalars = st.sampled_from(list(SCALARS)).flatmap(
    lambda type_: st.builds(Row, st.just(type_), SCALARS[type_], statuses, times, times)
)
odd = st.builds(Row, st.just(12), st.none() | st.text(max_size=3), statuses, times, times) | st.builds(
    Row, st.just(11 | ARRAY), st.just(None), statuses, times, times
)
reads = st.lists(st.tuples(st.integers(0, ITEMS - 1), scalars | odd), max_size=ITEMS)
messages = st.lists(st.tuples(st.integers(0, ITEMS + 1), scalars | odd), max_size=12)


class OneByOne:
    """What a book must do, as one would write it for one node at a time."""

    def __init__(self):
        self.lines = [{"last": None, "repeats": False, "heard": 0.0, "present": True} for _ in range(ITEMS)]

    def read(self, handle, row):
        self.lines[handle] |= {"last": row, "repeats": True}

    def take(self, handle, row, now):
        if handle >= ITEMS:
            return -1
        line = self.lines[handle]
        last, repeats = line["last"], line["repeats"]
        line |= {"last": row, "repeats": False, "heard": now, "present": row.status not in GONE}
        again = last is not None and row.source_time and same(last._replace(server_time=0), row._replace(server_time=0))
        return -1 if repeats and again else handle


def in_blocks(message):
    """Return a message as the fast path gives it: a block a type, the rest in rows."""
    blocks, rows = [], []
    for type_ in SCALARS:
        found = [(index, row) for index, (_, row) in enumerate(message) if row.type == type_]
        if found:
            index, some = zip(*found, strict=True)
            columns = [np.array([row[i] for row in some], dtype) for i, dtype in ((2, "u4"), (3, "i8"), (4, "i8"))]
            values = np.array([row.value for row in some], DTYPES[type_])
            blocks.append(Block(type_, np.array(index), values, *columns))
    rows = [(index, row) for index, (_, row) in enumerate(message) if row.type not in SCALARS]
    return Values(len(message), blocks, rows, np.array([handle for handle, _ in message], np.uint32))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(reads, messages), max_size=4))
def test_many_at_a_time_is_one_by_one(rounds):
    """Whatever is read and notified, what is fresh, what was said last, and who is there, is as taken one by one."""
    book, expected = Book(), OneByOne()
    book.grow(ITEMS)
    for now, (read, message) in enumerate(rounds, 1):
        for handle, row in read:
            book.note(handle, row)
            book.lines["repeats"][handle] = True
            expected.read(handle, row)
        fresh = [expected.take(handle, row, now) for handle, row in message]
        assert book.take(in_blocks(message), now).tolist() == fresh
        for handle, line in enumerate(expected.lines):
            assert same(book.last(handle), line["last"])
            for name in ("heard", "present", "repeats"):
                assert book.lines[name][handle] == line[name]


def same(one, other):
    if one is None or other is None:
        return one is other
    values = (one.value, other.value)
    nan = all(isinstance(value, float) and math.isnan(value) for value in values)
    return one._replace(value=0) == other._replace(value=0) and (
        nan or (values[0] == values[1] and type(values[0]) is type(values[1]))
    )


def test_a_change_with_an_old_time_is_one():
    """Where a server stamps by the second, what changed right after it was read is no repeat of what was read."""
    book = Book()
    book.grow(3)
    read = [Row(1, False, 0, 5, 5), Row(11, math.nan, 0, 5, 5), Row(6, 4, 0, 5, 5)]
    for handle, row in enumerate(read):
        book.note(handle, row)
        book.lines["repeats"][handle] = True
    told = [(0, Row(1, True, 0, 5, 6)), (1, Row(11, math.nan, 0, 5, 6)), (2, Row(6, 4, 0, 5, 6)), (2, read[2])]
    assert book.take(in_blocks(told), 1.0).tolist() == [0, -1, -1, 2]


def test_arrays_are_told_apart():
    """Of an array that was read, the next one is a repeat if it has the same numbers, and news if it has not."""
    book = Book()
    book.grow(2)
    array = np.arange(6, dtype="f4")[::2]
    for handle in range(2):
        book.note(handle, Row(10 | ARRAY, array, 0, 5, 5))
        book.lines["repeats"][handle] = True
    told = [(0, Row(10 | ARRAY, array.copy(), 0, 5, 5)), (1, Row(10 | ARRAY, array + 1, 0, 5, 5))]
    assert book.take(in_blocks(told), 1.0).tolist() == [-1, 1]
    assert book.last(0).value != book.last(1).value


def test_a_book_grows():
    """New lines come behind the old ones, which stay as they are."""
    book = Book()
    assert book.take(in_blocks([(0, Row(11, 1.0, 0, 0, 0))]), 1.0).tolist() == [-1]
    book.grow(1)
    assert book.take(in_blocks([(0, Row(11, 1.0, 0, 0, 0))]), 1.0).tolist() == [0]
    book.grow(3)
    assert book.last(0) == Row(11, 1.0, 0, 0, 0)
    assert book.last(2) is None
    assert book.lines["present"].all()

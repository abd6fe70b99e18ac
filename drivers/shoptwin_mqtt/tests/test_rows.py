"""From rows to batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import StatusCode, ValueKind
from shoptwin_mqtt.rows import Row, Want, batches
from shoptwin_mqtt.values import Value, Wish, bad

WANTS = [Want(tag, "one" if tag < 3 else "two", Wish(), 1.0) for tag in range(5)]
values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: Value(ValueKind.F8, v)),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: Value(ValueKind.I8, v)),
    st.integers(0, 2**64 - 1).map(lambda v: Value(ValueKind.U8, v)),
    st.booleans().map(lambda v: Value(ValueKind.BOOL, v)),
    st.text().map(lambda v: Value(ValueKind.STR, v)),
    st.sampled_from([StatusCode.BAD_TIMEOUT, StatusCode.BAD_NO_DATA]).map(bad),
)
rows = st.lists(st.builds(Row, st.sampled_from(WANTS), values, st.integers(0, 2**62)), max_size=20)


@given(told=rows)
def test_what_is_said_of_a_tag_keeps_its_order(told):
    """Every row is in the batch of its group and kind, exactly, and the rows of one tag in the order they came in."""
    found = {want.tag: [] for want in WANTS}
    for batch in batches(told):
        assert {WANTS[tag].group for tag in batch.tag} == {batch.group}
        for tag, value, status, time in zip(batch.tag, batch.values, batch.status, batch.source_time, strict=True):
            found[tag].append((batch.kind, None if status >= StatusCode.BAD else value, status, time))
    for want in WANTS:
        mine = [(row.value, row.time) for row in told if row.want is want]
        assert found[want.tag] == [
            (value.kind, None if value.status >= StatusCode.BAD else value.value, value.status, time)
            for value, time in mine
        ]

"""From raw values to engineering units: values that mean none, current loops, scale and offset."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.acquire.scaling import Scaling
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.quality import StatusCode, is_bad
from shoptwin.domain.tag import CurrentLoop, Limits, Role, Tag, TagTable, ValueKind

BAD = StatusCode.BAD
NAMES = {
    StatusCode.GOOD: "good", StatusCode.BAD_SENSOR_FAILURE: "failed", StatusCode.UNCERTAIN_SENSOR_NOT_ACCURATE: "doubt",
}  # fmt: skip


def tag(name, **more):
    return Tag(f"m.{name}", name, "m", Role.OTHER, **more)


def one(tags, kind, values, status=0):
    """The one batch that comes of one sample of each tag."""
    [batch] = Scaling(TagTable(tags)).apply(SampleBatch.of("g", kind, range(len(tags)), values, status=status))
    return batch


def test_a_raw_value_that_means_none_is_bad_and_its_neighbours_are_not():
    """Each tag has its own missing values; a Bad one has no value any more, and the others keep theirs, exactly."""
    tags = [tag("a", missing=(32768.0, -1.0)), tag("b", missing=(9999.0,)), tag("c"), tag("d", missing=(-1.0,))]
    batch = one(tags, ValueKind.I8, [-1, 32768, 9999, 2**62 + 1])
    assert batch.status.tolist() == [StatusCode.BAD_NO_DATA, 0, 0, 0]
    assert batch.kind is ValueKind.I8
    assert batch.values.tolist() == [0, 32768, 9999, 2**62 + 1]


@pytest.mark.parametrize(
    ("kind", "missing", "raw"),
    [
        (ValueKind.F4, -9999.9, np.float32(-9999.9)),
        (ValueKind.F8, -9999.9, np.float64(-9999.9)),
        (ValueKind.U8, 2.0**64, 2**64 - 1),
        (ValueKind.I8, 2.0**63, 2**63 - 1),
        (ValueKind.I8, -(2.0**63), -(2**63)),
        (ValueKind.I8, float(0x8000), 0x8000),
    ],
)
def test_missing_is_told_in_the_type_of_the_raw_value(kind, missing, raw):
    """A float32 by the float32 nearest to the figure, all ones of 64 bits by the float next to it; no others."""
    tags = [tag("a", missing=(missing,)), tag("b", missing=(missing,))]
    other = raw // 2 if isinstance(raw, int) else np.nextafter(raw, type(raw)(0))
    batch = one(tags, kind, [raw, other])
    assert batch.status.tolist() == [StatusCode.BAD_NO_DATA, 0]


@pytest.mark.parametrize("missing", [0.5, -1.0, 2.0**65, 1e300])
def test_what_a_raw_value_can_never_be_is_never_found(missing):
    """Missing values beyond a kind's range, or between its numbers, make nothing Bad."""
    assert not one([tag("a", missing=(missing,))], ValueKind.U8, [0]).status.any()
    assert not one([tag("a", missing=(missing,))], ValueKind.F4, [0.0]).status.any()


@pytest.mark.parametrize(
    ("milliamps", "is_so"),
    [
        ("0", "failed"), ("3.5999", "failed"), ("3.6", "failed"), ("3.6001", "doubt"), ("3.7999", "doubt"),
        ("3.8", "good"), ("4", "good"), ("12", "good"), ("20", "good"), ("20.5", "good"), ("20.5001", "doubt"),
        ("20.9999", "doubt"), ("21", "failed"), ("24", "failed"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("low", "high"), [(0, 2_764_800_000), (4_000_000, 20_000_000), (65_000_000, 1_000_000)])
def test_a_loop_is_judged_by_namur_ne_43(low, high, milliamps, is_so):
    """Each limit belongs to where NE 43 puts it, however the input counts, also where it counts down."""
    raw = low + (Fraction(milliamps) - 4) / 16 * (high - low)
    assert raw.denominator == 1
    loop = tag("p", loop=CurrentLoop(low, high), scale=2.0, offset=1.0)
    batch = one([loop], ValueKind.I8, [int(raw)])
    assert NAMES[batch.status[0]] == is_so
    if is_so == "failed":
        assert np.isnan(batch.values[0])
    else:
        assert batch.values[0] == int(raw) * 2.0 + 1.0


def test_what_is_bad_or_uncertain_already_stays_so():
    """The reason that came with a value outlives ours; doubt is cast on Good values alone."""
    tags = [tag(f"p{i}", loop=CurrentLoop(0, 16), missing=(-9.0,)) for i in range(4)]
    before = [StatusCode.BAD_TIMEOUT, StatusCode.UNCERTAIN_SUB_NORMAL, StatusCode.UNCERTAIN_SUB_NORMAL, 0]
    batch = one(tags, ValueKind.F8, [np.nan, -0.3, -9.0, -9.0], before)
    bad = StatusCode.BAD_NO_DATA
    assert batch.status.tolist() == [StatusCode.BAD_TIMEOUT, StatusCode.UNCERTAIN_SUB_NORMAL, bad, bad]


@pytest.mark.parametrize("status", [0, StatusCode.UNCERTAIN])
def test_a_number_that_scaling_makes_too_large_is_bad(status):
    """What no float can hold (a float64 read in the wrong word order, say) is never an infinity that counts as Good."""
    tags = [tag("a", scale=1000.0), tag("b", scale=1000.0), tag("c", scale=-1000.0)]
    batch = one(tags, ValueKind.F8, [1e307, 1.0, 1e307], [status, 0, StatusCode.BAD_TIMEOUT])
    assert batch.status.tolist() == [StatusCode.BAD_OUT_OF_RANGE, 0, StatusCode.BAD_TIMEOUT]
    assert np.isnan(batch.values).tolist() == [True, False, True]


def test_words_and_truths_pass_whatever_their_tags_say():
    """Text and booleans are neither missing nor scaled."""
    tags = [tag("a", missing=(1.0,), scale=2.0)]
    for kind, values in ((ValueKind.STR, ["1"]), (ValueKind.BOOL, [True])):
        batch = SampleBatch.of("g", kind, [0], values)
        assert Scaling(TagTable(tags)).apply(batch) == (batch,)


FIGURE = st.sampled_from([-1.0, 0.0, 7.0, 0.1, 255.0, 32768.0])


@st.composite
def scene(draw):
    """Tags of every sort, and raw values of one kind for some of them."""
    tags = []
    for i in range(draw(st.integers(1, 6))):
        loop = draw(st.none() | st.just(CurrentLoop(6400.0, 32000.0)))
        scale, offset = draw(st.sampled_from([1.0, 0.1])), draw(st.sampled_from([0.0, -40.0]))
        missing = tuple(draw(st.lists(FIGURE, max_size=3)))
        tags.append(tag(f"t{i}", missing=missing, loop=loop, scale=scale, offset=offset))
    kind = draw(st.sampled_from([ValueKind.F4, ValueKind.F8, ValueKind.I8, ValueKind.U8]))
    numbers = FIGURE | st.floats(0, 4e4, width=32) if kind in {ValueKind.F4, ValueKind.F8} else st.integers(0, 2**62)
    which = draw(st.lists(st.integers(0, len(tags) - 1), max_size=8))
    values = [draw(numbers) for _ in which]
    status = [draw(st.sampled_from([0, int(StatusCode.BAD_TIMEOUT)])) for _ in which]
    return tags, SampleBatch.of("g", kind, which, values, status=status)


def plainly(tag, raw, kind, status):
    """One sample, as the module's docstring has it: (value, status); the value of what is Bad is None."""
    if is_bad(status):
        return None, status
    if any(raw == (np.float32(m) if kind is ValueKind.F4 else m) for m in tag.missing):
        return None, StatusCode.BAD_NO_DATA
    if tag.loop is not None:
        milliamps = 4 + 16 * (Fraction(float(raw)) - Fraction(tag.loop.low)) / Fraction(tag.loop.high - tag.loop.low)
        if milliamps <= Fraction("3.6") or milliamps >= 21:
            return None, StatusCode.BAD_SENSOR_FAILURE
        if milliamps < Fraction("3.8") or milliamps > Fraction("20.5"):
            status = StatusCode.UNCERTAIN_SENSOR_NOT_ACCURATE
    return (raw.item() * tag.scale + tag.offset if tag.scaled else raw), status


@given(scene())
def test_whole_batches_come_out_as_sample_by_sample(scene):
    """Arrays over all tags say the same as the rules applied to one sample after the other, and nothing is lost."""
    tags, batch = scene
    found = {}
    for part in Scaling(TagTable(tags)).apply(batch):
        for index, value, status in zip(part.tag.tolist(), part.values, part.status, strict=True):
            shown = None if is_bad(status) else value
            found.setdefault(index, []).append((shown, status))
    expected = {}
    for index, raw, status in zip(batch.tag.tolist(), batch.values, batch.status, strict=True):
        expected.setdefault(index, []).append(plainly(tags[index], raw, batch.kind, status))
    assert found == expected


def test_a_text_where_a_number_is_meant_is_bad():
    """A text can be held against no limit: it is Bad on tags that must be numbers, and stays where it may be one."""
    tags = [
        Tag("m.t", "t", "m", Role.TEMPERATURE), tag("o", limits=Limits(hi=80.0)), tag("p"),
        Tag("m.s", "s", "m", Role.STATE), Tag("m.f", "f", "m", Role.FLOW),
    ]  # fmt: skip
    texts = SampleBatch.of("g", ValueKind.STR, range(5), ["95,5", "ON", "x", "idle", ""], status=[0, 0, 0, 0, BAD])
    kept, lost = Scaling(TagTable(tags)).apply(texts)
    assert (kept.kind, kept.tag.tolist(), kept.values.tolist()) == (ValueKind.STR, [2, 3], ["x", "idle"])
    assert (lost.kind, lost.tag.tolist()) == (ValueKind.F8, [0, 1, 4])
    assert lost.status.tolist() == [StatusCode.BAD_TYPE_MISMATCH, StatusCode.BAD_TYPE_MISMATCH, BAD]
    assert np.isnan(lost.values).all()

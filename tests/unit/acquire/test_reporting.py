"""Which samples are kept: on change, beyond a deadband, with a heartbeat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.acquire.reporting import Reporting
from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.quality import StatusCode, is_bad
from shoptwin.domain.tag import Report, Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import HOUR, SECOND

ON_CHANGE = Report(each=False)
BAD = StatusCode.BAD_TIMEOUT
NUMBERS = (ValueKind.F4, ValueKind.F8, ValueKind.I8, ValueKind.U8, ValueKind.BOOL)


def tag(name, report):
    return Tag(f"m.{name}", name, "m", Role.OTHER, report=report)


def table(*reports):
    return TagTable(tag(f"t{i}", report) for i, report in enumerate(reports))


def run(report, values, *, kind=ValueKind.F8, status=None, times=None):
    """Which of a tag's samples are kept, one batch a sample, a second apart."""
    reporting = Reporting(table(report))
    kept = []
    for i, value in enumerate(values):
        time = times[i] if times else (i + 1) * SECOND
        code = status[i] if status else 0
        mask = reporting.keep(SampleBatch.of("g", kind, [0], [value], status=code, source_time=time, receive_time=time))
        kept.append(mask is None or bool(mask[0]))
    return kept


def test_a_batch_of_tags_that_want_each_sample_is_not_looked_at():
    """None stands for all of it, so that the usual case costs a look-up."""
    batch = SampleBatch.of("g", ValueKind.F8, [0], [1.0])
    assert Reporting(table(Report())).keep(batch) is None
    assert Reporting(table(Report(), ON_CHANGE)).keep(batch) is None


def test_on_change_keeps_the_first_and_each_change():
    """Without bands any change is one, and standing still is none."""
    assert run(ON_CHANGE, [1.0, 1.0, 1.5, 1.5, 1.0]) == [True, False, True, False, True]


def test_a_change_of_the_last_digit_of_a_64_bit_counter_is_one():
    """Integers are compared as integers, where float64 would see no difference."""
    assert run(ON_CHANGE, [2**63, 2**63 + 1, 2**63 + 1], kind=ValueKind.U8) == [True, True, False]
    assert run(ON_CHANGE, [-(2**62), 1 - 2**62], kind=ValueKind.I8) == [True, True]
    assert run(replace(ON_CHANGE, deadband=1.0), [0, 2**64 - 1], kind=ValueKind.U8) == [True, True]
    assert run(replace(ON_CHANGE, deadband=3.0), [-1, 1, 3, -1, -4], kind=ValueKind.I8) == [
        True, False, True, True, False,
    ]  # fmt: skip


def test_a_deadband_is_held_against_the_last_kept_value_not_the_last():
    """A slow drift is kept when its sum exceeds the band; the band's edge itself is within."""
    assert run(replace(ON_CHANGE, deadband=1.0), [0.0, 0.6, 1.0, 1.2, 1.8, 2.3]) == [
        True, False, False, True, False, True,
    ]  # fmt: skip


def test_a_step_of_just_the_deadband_is_within_it_however_it_was_computed():
    """Raw values of a tenth a digit step by three digits: none of them is beyond a deadband of 0.3."""
    scaled = [round(raw) * 0.1 for raw in (213, 216, 213, 216, 212)]
    assert run(replace(ON_CHANGE, deadband=0.3), scaled) == [True, False, False, False, False]
    assert run(replace(ON_CHANGE, deadband=0.3), [21.5, 21.2, 21.5, 21.8, 21.19]) == [True, False, False, False, True]


def test_percent_is_of_the_last_kept_value_and_both_bands_must_be_exceeded():
    """Ten percent of 200 is 20, of 0 it is nothing; the wider of two bands decides."""
    assert run(replace(ON_CHANGE, percent=10.0), [200.0, 220.0, 221.0, 0.0, 0.1]) == [True, False, True, True, True]
    both = replace(ON_CHANGE, percent=10.0, deadband=5.0)
    assert run(both, [10.0, 14.0, 15.5, 100.0, 109.0, 111.0]) == [True, False, True, True, False, True]


def test_another_quality_is_kept_and_of_bad_ones_no_value_is_compared():
    """Bad follows Good at once, is not repeated, and the value that returns is kept even if it is the same."""
    status = [0, BAD, BAD, StatusCode.BAD_NOT_CONNECTED, 0]
    assert run(ON_CHANGE, [1.0, np.nan, np.nan, np.nan, 1.0], status=status) == [True, True, False, True, True]


def test_the_heartbeat_keeps_what_stands_still():
    """A sample is kept when the last kept one is as old as the heartbeat."""
    beat = replace(ON_CHANGE, heartbeat=3 * SECOND)
    assert run(beat, [7.0] * 8) == [True, False, False, True, False, False, True, False]


def test_a_clock_that_is_set_back_does_not_stop_the_heartbeat():
    """The first sample of the earlier time is kept, and the next are held against that one."""
    beat = replace(ON_CHANGE, heartbeat=3 * SECOND)
    times = [HOUR, HOUR + SECOND, SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]
    assert run(beat, [7.0] * 6, times=times) == [True, False, True, False, False, True]


def test_without_a_source_time_the_time_of_receipt_counts():
    """A batch that bears no source time is judged by when it came."""
    reporting = Reporting(table(replace(ON_CHANGE, heartbeat=SECOND)))
    batches = [SampleBatch.of("g", ValueKind.F8, [0], [1.0], receive_time=t * SECOND // 2) for t in (1, 2, 3)]
    assert [bool(reporting.keep(batch)[0]) for batch in batches] == [True, False, True]


def test_text_is_kept_when_it_reads_otherwise_and_waveforms_always():
    """Strings are compared as they are; a burst of samples never equals another."""
    assert run(ON_CHANGE, ["run", "run", "stop"], kind=ValueKind.STR) == [True, False, True]
    wave = Waveform(np.zeros(4, np.float32), 100.0)
    assert run(ON_CHANGE, [wave, wave], kind=ValueKind.WAVEFORM) == [True, True]


def test_several_samples_of_a_tag_in_one_batch_are_judged_one_after_the_other():
    """A notification with a tag's history is thinned out as if its samples had come alone."""
    reporting = Reporting(table(Report(), replace(ON_CHANGE, deadband=1.0)))
    tags, values = [1, 0, 1, 1, 0, 1], [0.0, 5.0, 0.5, 2.0, 5.0, 2.5]
    batch = SampleBatch.of("g", ValueKind.F8, tags, values, source_time=np.arange(1, 7) * SECOND)
    assert reporting.keep(batch).tolist() == [True, True, False, True, True, False]


def test_no_step_of_a_counter_reaches_a_deadband_beyond_its_range():
    """A 64-bit counter that leaps by nearly all of its range stays within a deadband that is wider than that."""
    wide = replace(ON_CHANGE, deadband=1e30)
    assert run(wide, [0, 2**64 - 1], kind=ValueKind.U8) == [True, False]


def test_a_reload_keeps_what_is_known_of_the_tags_that_stay():
    """Only a tag that is new, or that wanted each sample until now, begins anew."""
    first, second = tag("a", ON_CHANGE), tag("b", Report())
    tags = TagTable([first, second])
    reporting = Reporting(tags)
    batch = SampleBatch.of("g", ValueKind.F8, [0, 1], [1.0, 1.0], source_time=SECOND)
    assert reporting.keep(batch).tolist() == [True, True]
    tags.replace([first, replace(second, report=ON_CHANGE), tag("c", ON_CHANGE)])
    reporting.configure(tags)
    batch = SampleBatch.of("g", ValueKind.F8, [0, 1, 2], [1.0, 1.0, 1.0], source_time=2 * SECOND)
    assert reporting.keep(batch).tolist() == [False, True, True]
    tags.replace([replace(first, report=Report())])
    reporting.configure(tags)
    tags.replace([first])
    reporting.configure(tags)
    assert reporting.keep(SampleBatch.of("g", ValueKind.F8, [0], [1.0], source_time=3 * SECOND)).tolist() == [True]


REPORTS = st.builds(
    Report, each=st.just(False), deadband=st.sampled_from([0.0, 0.5, 3.0, 1e30]),
    percent=st.sampled_from([0.0, 10.0, 100.0]), heartbeat=st.sampled_from([SECOND, 5 * SECOND, HOUR]),
)  # fmt: skip
VALUES = {
    ValueKind.F4: st.floats(-8, 8, width=32), ValueKind.F8: st.floats(allow_nan=False, allow_infinity=False),
    ValueKind.I8: st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5),
    ValueKind.U8: st.integers(0, 2**64 - 1) | st.integers(0, 5),
    ValueKind.BOOL: st.booleans(), ValueKind.STR: st.sampled_from(["a", "b"]),
}  # fmt: skip


@st.composite
def stream(draw):
    """Reports of a few tags, and batches of all kinds for them, their clocks leaping now and then."""
    reports = draw(st.lists(REPORTS | st.just(Report()), min_size=1, max_size=3))
    batches, now = [], HOUR
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from([SECOND, 4 * SECOND, -HOUR // 2]))
        kind = draw(st.sampled_from([*VALUES, ValueKind.F8, ValueKind.I8]))
        tags = draw(st.lists(st.integers(0, len(reports) - 1), max_size=6))
        values = [draw(VALUES[kind]) for _ in tags]
        status = [draw(st.sampled_from([0, 0, 0, int(StatusCode.UNCERTAIN), int(BAD)])) for _ in tags]
        times = now + np.arange(len(tags)) * (SECOND // 10)
        batches.append(SampleBatch.of("g", kind, tags, values, status=status, source_time=times, receive_time=now))
    return reports, batches


def plainly(report, last, now):
    """Tell of one sample (kind, value, status, time) whether it is kept, by the words of `Report`."""
    if report.each or last is None or now[2] != last[2] or not 0 <= now[3] - last[3] < report.heartbeat:
        return True
    if is_bad(now[2]):
        return False
    if now[0] != last[0]:
        return True
    if now[0] is ValueKind.STR:
        return now[1] != last[1]
    change = abs(now[1] - last[1])
    band = max(report.deadband, report.percent / 100.0 * abs(float(last[1])))
    rounding = {ValueKind.F4: 2.0**-22, ValueKind.F8: 2.0**-50}.get(now[0], 0.0) if band else 0.0
    return change > band + max(abs(now[1]), abs(last[1])) * rounding


@given(stream())
def test_whole_batches_are_thinned_out_as_sample_by_sample(stream):
    """Arrays over all tags keep what the rules keep, applied to one sample after the other."""
    reports, batches = stream
    reporting, last = Reporting(table(*reports)), {}
    for batch in batches:
        expected = []
        for i, index in enumerate(batch.tag.tolist()):
            value = batch.values[i].item() if batch.kind in NUMBERS else batch.values[i]
            now = (batch.kind, value, int(batch.status[i]), int(batch.source_time[i]))
            expected.append(plainly(reports[index], last.get(index), now))
            if expected[-1]:
                last[index] = now
        kept = reporting.keep(batch)
        assert ([True] * len(batch) if kept is None else kept.tolist()) == expected


@given(st.lists(st.floats(-100, 100), min_size=1), st.sampled_from([0.0, 0.25, 10.0]), st.integers(1, 20))
def test_holding_the_last_kept_value_is_never_off_by_more_than_the_deadband(values, deadband, beat):
    """Between kept samples the last one stands for what was left out, and none is older than the heartbeat."""
    kept = run(replace(ON_CHANGE, deadband=deadband, heartbeat=beat * SECOND), values)
    held, since = None, 0
    for i, value in enumerate(values):
        if kept[i]:
            held, since = value, i
        assert abs(value - held) <= deadband * (1 + 1e-12)
        assert i - since < beat


@pytest.mark.parametrize("kind", [ValueKind.F8, ValueKind.STR])
def test_a_thousand_samples_of_one_tag_in_a_batch_are_all_judged(kind):
    """A long history in one notification loses nothing but what stands still."""
    values = [i // 10 for i in range(1000)]
    batch = SampleBatch.of(
        "g", kind, np.zeros(1000, int), [str(v) for v in values] if kind is ValueKind.STR else values
    )
    kept = Reporting(table(ON_CHANGE)).keep(batch)
    assert np.flatnonzero(kept).tolist() == list(range(0, 1000, 10))

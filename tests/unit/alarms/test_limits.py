"""Limits over whole batches, against a judge that looks at one sample after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.alarms.limits import UNCERTAIN, LimitJudge
from shoptwin.domain.alarm import AlarmState, Condition
from shoptwin.domain.machine import Machine
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import Limits, Role, Tag, TagTable
from shoptwin.domain.twin import TwinDelta

if TYPE_CHECKING:
    from collections.abc import Callable

    Delta = Callable[..., TwinDelta]

GOOD, BAD = int(StatusCode.GOOD), int(StatusCode.BAD_SENSOR_FAILURE)
NAN = float("nan")


def told(conditions: tuple[Condition, ...], *, all_of_them: bool = False) -> list[tuple[str, bool | None, int]]:
    """Return what was told, without what is merely false."""
    return [(c.alarm.partition("/")[2], c.active, c.time) for c in conditions if all_of_them or c.active is not False]


def test_a_value_above_its_limits_is_told_with_all_that_people_ask(table, machines, delta: Delta) -> None:
    """The condition says what, how much against which limit, and when."""
    judge = LimitJudge(table, machines)
    (hi, hihi) = [c for c in judge.judge(delta(("p-temp", 5, 92.3))) if c.active]
    assert (hihi.alarm, hihi.time, hihi.value, hihi.limit) == ("press-3/temp.hihi", 5, 92.3, 90)
    assert hihi.text == "temp 92.3 degC is above hihi 90 degC"
    assert hi.text == "temp 92.3 degC is above hi 80 degC"
    assert hihi.confidence == 1.0


def test_the_limit_itself_is_within_the_limits(table, machines, delta: Delta) -> None:
    """A limit is exceeded beyond it, not at it, on either side."""
    judge = LimitJudge(table, machines)
    assert told(judge.judge(delta(("p-temp", 1, 80.0), ("p-flow", 1, 4.0)))) == []
    assert told(judge.judge(delta(("p-flow", 2, 3.99)))) == [("flow.lo", True, 2)]


def test_a_deadband_holds_the_condition_until_the_value_is_well_back(table, machines, delta: Delta) -> None:
    """With a deadband of 2 a hi of 80 ends at 78, whatever the value does in between."""
    judge = LimitJudge(table, machines)
    judge.judge(delta(("p-temp", 1, 81.0)))
    for time, value in enumerate((79.0, 80.5, 78.01), 2):
        assert told(judge.judge(delta(("p-temp", time, value)))) == [("temp.hi", True, time)]
    (back,) = judge.judge(delta(("p-temp", 9, 78.0)))
    assert (back.alarm, back.active) == ("press-3/temp.hi", False)
    assert back.text == "temp 78 degC is no longer above hi 80 degC"


def test_the_first_sample_tells_every_limit_so_that_old_alarms_can_end(table, machines, delta: Delta) -> None:
    """After a start the first sample also tells what is false; after that only changes are told."""
    judge = LimitJudge(table, machines)
    assert told(judge.judge(delta(("p-temp", 1, 50.0))), all_of_them=True) == [
        (f"temp.{level}", False, 1) for level in ("hi", "hihi", "lo", "lolo")
    ]
    assert judge.judge(delta(("p-temp", 2, 51.0))) == ()


def test_a_spike_within_one_batch_is_seen_with_its_own_times(table, machines, delta: Delta) -> None:
    """Several samples of a tag in one batch are judged in order: raised, and cleared, each at its time."""
    judge = LimitJudge(table, machines)
    judge.judge(delta(("p-temp", 1, 50.0)))
    conditions = judge.judge(delta(("p-temp", 2, 50.0), ("p-temp", 3, 95.0), ("p-flow", 3, 9.0), ("p-temp", 4, 50.0)))
    assert told(tuple(c for c in conditions if "temp" in c.alarm), all_of_them=True) == [
        ("temp.hi", True, 3), ("temp.hihi", True, 3), ("temp.hi", False, 4), ("temp.hihi", False, 4),
    ]  # fmt: skip


def test_the_worst_sample_of_a_batch_is_told_beside_the_latest(table, machines, delta: Delta) -> None:
    """Of a standing condition two samples come out: the worst, so that it is on record, and the latest."""
    judge = LimitJudge(table, machines)
    judge.judge(delta(("p-temp", 1, 82.0)))
    conditions = judge.judge(delta(*(("p-temp", 2 + n, v) for n, v in enumerate((83.0, 88.0, 84.0, 85.0)))))
    assert [(c.time, c.value) for c in conditions] == [(3, 88.0), (5, 85.0)]


def test_bad_data_is_told_once_for_each_limit(table, machines, delta: Delta) -> None:
    """A Bad value makes every limit of its tag unknown, once; the state before is told anew when data is back."""
    judge = LimitJudge(table, machines)
    judge.judge(delta(("p-flow", 1, 2.0)))
    (unknown,) = judge.judge(delta(("p-flow", 2, NAN, BAD)))
    assert (unknown.active, unknown.text) == (None, "flow has no value: BadSensorFailure")
    assert judge.judge(delta(("p-flow", 3, NAN, BAD))) == ()
    assert told(judge.judge(delta(("p-flow", 4, 2.0)))) == [("flow.lo", True, 4)]


def test_a_deadband_outlives_bad_data(table, machines, delta: Delta) -> None:
    """A value that comes back from Bad within the deadband is still beyond the limit that it was beyond before."""
    judge = LimitJudge(table, machines)
    judge.judge(delta(("p-temp", 1, 81.0)))
    judge.judge(delta(("p-temp", 2, NAN, BAD)))
    assert told(judge.judge(delta(("p-temp", 3, 79.0)))) == [("temp.hi", True, 3)]


def test_a_deadband_outlives_a_restart(table, machines, delta: Delta) -> None:
    """A judge that was told of the saved alarms holds a value within the deadband; a new one does not."""
    judge = LimitJudge(table, machines)
    assert told(judge.judge(delta(("p-temp", 1, 79.0)))) == []
    judge = LimitJudge(table, machines)
    judge.restore([AlarmState("press-3/temp.hi", condition=True)])
    assert told(judge.judge(delta(("p-temp", 1, 79.0)))) == [("temp.hi", True, 1)]


def test_an_uncertain_value_is_judged_and_said_to_be_uncertain(table, machines, delta: Delta) -> None:
    """Uncertain is not Bad: the limit is judged, with less confidence."""
    judge = LimitJudge(table, machines)
    (low,) = judge.judge(delta(("p-flow", 1, 2.0, int(StatusCode.UNCERTAIN_SUB_NORMAL))))
    assert (low.active, low.confidence) == (True, UNCERTAIN)
    assert low.text.endswith("(UncertainSubNormal)")


def test_a_good_sample_that_is_no_number_counts_as_unknown(table, machines, delta: Delta) -> None:
    """A string in a tag with limits cannot be judged, and is not taken for normal."""
    judge = LimitJudge(table, machines)
    (unknown,) = judge.judge(delta(("p-flow", 1, NAN)))
    assert (unknown.active, unknown.text) == (None, "flow has no value: not a number")


def test_vibration_is_judged_by_the_zones_of_its_machine(table, machines, delta: Delta) -> None:
    """A vibration without limits on a machine with a class has the zones C and D, and says where they are from."""
    judge = LimitJudge(table, machines)
    c, d = (c for c in judge.judge(delta(("u-vib", 1, 5.0))) if c.active)
    assert c.text == "vib 5 mm/s is in zone C or worse: above 2.8 mm/s (ISO 20816-3)"
    assert d.text == "vib 5 mm/s is in zone D: above 4.5 mm/s (ISO 20816-3)"


def test_a_figure_never_looks_as_if_it_were_within_its_limit(table, machines, delta: Delta) -> None:
    """A value just beyond the limit is written with as many digits as it takes to see that."""
    judge = LimitJudge(table, machines)
    hi = next(c for c in judge.judge(delta(("p-temp", 1, 80.00004))) if c.active)
    assert hi.text == "temp 80.00004 degC is above hi 80 degC"


def test_a_reload_keeps_what_stayed_and_tells_what_changed(table, machines, delta: Delta) -> None:
    """After a reload an unchanged tag is silent; one with another limit is told anew, as it is now."""
    judge = LimitJudge(table, machines)
    judge.judge(delta(("p-temp", 1, 85.0), ("p-flow", 1, 9.0), ("u-temp", 1, 20.0)))
    press, pump = machines
    temp = replace(press.tags[0], limits=Limits(hi=86))
    changed = (replace(press, tags=(temp, *press.tags[1:])), pump)
    table.replace(tag for machine in changed for tag in machine.tags)
    judge.configure(table, changed)
    conditions = judge.judge(delta(("p-temp", 2, 85.0), ("p-flow", 2, 9.0), ("u-temp", 2, 20.0)))
    assert told(conditions, all_of_them=True) == [("temp.hi", False, 2)]


def test_a_deadband_outlives_a_reload(table, machines, delta: Delta) -> None:
    """A value within the deadband stays beyond its limit when the configuration is read again."""
    judge = LimitJudge(table, machines)
    judge.judge(delta(("p-temp", 1, 81.0)))
    judge.configure(table, machines)
    assert told(judge.judge(delta(("p-temp", 2, 79.0)))) == [("temp.hi", True, 2)]


def test_a_reload_takes_on_new_tags_and_lets_go_of_old_ones(table, machines, delta: Delta) -> None:
    """Tags may come and go; their indices are never mixed up."""
    judge = LimitJudge(table, machines)
    press, pump = machines
    new = Tag("p-new", "new", "press-3", Role.OTHER, limits=Limits(hi=1))
    changed = (replace(press, tags=(new,)), pump)
    table.replace(tag for machine in changed for tag in machine.tags)
    judge.configure(table, changed)
    assert told(judge.judge(delta(("p-new", 1, 2.0), ("u-temp", 1, 61.0)))) == [
        ("new.hi", True, 1), ("temp.hi", True, 1),
    ]  # fmt: skip


class Plain:
    """Judges one sample after the other, as one would write it down."""

    def __init__(self, limits: list[Limits]) -> None:
        self.limits = limits
        self.beyond: dict[tuple[int, str], bool] = {}
        self.told: dict[tuple[int, str], bool | str | None] = {}

    def judge(self, rows: list[tuple[int, float, bool]]) -> list[tuple[int, str, bool | None]]:
        """Return (row, level, active) for each change."""
        out = []
        for at, (tag, value, bad) in enumerate(rows):
            for level in ("hi", "hihi", "lo", "lolo"):
                threshold = getattr(self.limits[tag], level)
                if threshold is None:
                    continue
                here, band = (tag, level), self.limits[tag].deadband
                now: bool | None = None
                if not bad:
                    was = self.beyond.get(here, False)
                    if level.startswith("hi"):
                        now = value > (threshold - band if was else threshold)
                    else:
                        now = value < (threshold + band if was else threshold)
                    self.beyond[here] = now
                if self.told.get(here, "nothing") is not now:
                    out.append((at, level, now))
                self.told[here] = now
        return out


LIMIT = st.none() | st.integers(-3, 3).map(float)
LIMITS = st.builds(Limits, hihi=LIMIT, hi=LIMIT, lo=LIMIT, lolo=LIMIT, deadband=st.sampled_from([0.0, 0.5, 1.5]))
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(-9, 9).map(lambda n: n / 2), st.booleans()), max_size=12)


@settings(max_examples=300, deadline=None)
@given(limits=st.lists(LIMITS, min_size=3, max_size=3), batches=st.lists(ROWS, max_size=5))
def test_a_batch_at_once_is_judged_like_one_sample_after_the_other(limits: list[Limits], batches: list[Any]) -> None:
    """The vectorised judge tells exactly the changes that a plain loop tells, in the same order."""
    tags = tuple(Tag(f"t{n}", f"t{n}", "m", Role.OTHER, limits=one) for n, one in enumerate(limits))
    judge, plain = LimitJudge(TagTable(tags), [Machine("m", tags)]), Plain(limits)
    clock = 0
    for rows in batches:
        times = np.arange(clock + 1, clock + 1 + len(rows))
        clock += len(rows)
        found = judge.judge(TwinDelta(
            np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], float),
            np.array([BAD if row[2] else GOOD for row in rows], np.uint32), times.astype(np.int64),
        ))  # fmt: skip
        expected = [(f"m/t{rows[at][0]}.{level}", active, int(times[at])) for at, level, active in plain.judge(rows)]
        seen = {(c.alarm, c.active, c.time): c for c in found}
        assert len(seen) == len(found)
        assert [key for key in seen if key in set(expected)] == expected
        assert all(seen[key].active is True for key in seen.keys() - set(expected))  # new values of what stands
        assert [c.time for c in found] == sorted(c.time for c in found)

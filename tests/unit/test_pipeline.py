"""The flow: what is judged, and what of it is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoptwin.alarms.bad_data import BadData
from shoptwin.alarms.book import AlarmBook
from shoptwin.alarms.definitions import define
from shoptwin.alarms.limits import LimitJudge
from shoptwin.alarms.maintenance import Maintenance
from shoptwin.assess.assessor import Assessor
from shoptwin.assess.shelf import ModelShelf
from shoptwin.domain.alarm import EventKind
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.machine import Machine
from shoptwin.domain.tag import Limits, Report, Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import HOUR, MINUTE, SECOND
from shoptwin.pipeline import Pipeline
from shoptwin.runtime.clock import VirtualClock
from shoptwin.twin.summary import Summaries
from shoptwin.twin.twin import Twin


class Kept:
    """In the place of the stores: remembers what it is given."""

    def __init__(self):
        self.batches, self.events, self.summaries, self.alarmed_machines = [], [], [], []

    def append(self, batch):
        self.batches.append(batch)

    def append_observations(self, observations):
        assert list(observations) == []

    def alarmed(self, machine, now):
        self.alarmed_machines.append((machine, now))

    def alarms(self, events, states):
        del states
        self.events += events

    def machine_state(self, change):
        pass

    maintenance = machine_state

    def summary(self, summary, verdicts):
        del verdicts
        self.summaries.append(summary)


@pytest.fixture
def flow(tmp_path):
    """A pipeline over one tag that is kept when it changes by more than 1, with a limit at 10; and what it keeps."""
    tag = Tag("m.t", "t", "m", Role.TEMPERATURE, limits=Limits(hi=10.0), report=Report(each=False, deadband=1.0))
    machine, table, kept = Machine("m", tags=(tag,)), TagTable([tag]), Kept()
    machines = (machine,)
    pipeline = Pipeline(
        clock=VirtualClock(HOUR), table=table, configured=machines, twin=Twin(table, machines),
        judge=LimitJudge(table, machines), bad_data=BadData(table), book=AlarmBook(define(machines, ())),
        maintenance=Maintenance(table, machines), assessor=Assessor(table, machines, ModelShelf(), tmp_path),
        summaries=(Summaries(table, machines, MINUTE),), samples=kept, transitions=kept,
    )  # fmt: skip
    return pipeline, kept


def send(pipeline, values):
    for i, value in enumerate(values):
        now = HOUR + i * SECOND
        pipeline.clock.set(now)
        pipeline.take(SampleBatch.of("g", ValueKind.F8, [0], [value], source_time=now, receive_time=now))
        pipeline.tick()


def test_a_sample_that_is_not_kept_is_judged_like_any_other(flow):
    """A limit is exceeded by a change within the deadband: it alarms, though the store never hears of that sample."""
    pipeline, kept = flow
    send(pipeline, [9.5, 10.2, 9.5])
    assert [batch.values.tolist() for batch in kept.batches if len(batch)] == [[9.5]]
    assert EventKind.RAISED in [event.kind for event in kept.events]
    assert pipeline.twin.live(0).value == 9.5


def test_a_summary_counts_every_sample(flow):
    """The mean of a minute is that of all samples, not of the few that were kept."""
    pipeline, kept = flow
    send(pipeline, [4.0, 4.5, 5.0])
    pipeline.clock.set(HOUR + 2 * MINUTE)
    pipeline.tick()
    [figures] = [figures for summary in kept.summaries[:1] for figures in summary.tags]
    assert (figures.mean, figures.minimum, figures.maximum) == (4.5, 4.0, 5.0)


def test_a_reload_takes_on_another_report(flow):
    """A tag that wants each sample from now on has each kept."""
    pipeline, kept = flow
    send(pipeline, [1.0])
    [machine] = pipeline.configured
    tag = Tag("m.t", "t", "m", Role.TEMPERATURE)
    machine = Machine("m", tags=(tag,))
    pipeline.table.replace([tag])
    pipeline.configure(pipeline.table, [machine], define([machine], ()))
    now = HOUR + MINUTE
    pipeline.take(SampleBatch.of("g", ValueKind.F8, [0], [1.1], source_time=now, receive_time=now))
    assert [batch.values.tolist() for batch in kept.batches] == [[1.0], [1.1]]


def test_what_is_told_belatedly_is_kept_and_judged_by_nobody(flow):
    """A backfilled value beyond a limit raises no alarm and is not live; the store gets it, by the tag's deadband."""
    pipeline, kept = flow
    send(pipeline, [5.0])
    past = SampleBatch.of(
        "g", ValueKind.F8, [0] * 4, [20.0, 20.5, 3.0, 5.0], receive_time=HOUR + 9 * SECOND,
        source_time=[HOUR - 40 * SECOND, HOUR - 30 * SECOND, HOUR - 20 * SECOND, HOUR - 10 * SECOND],
    )  # fmt: skip
    pipeline.take(replace(past, backfill=True))
    assert [batch.values.tolist() for batch in kept.batches] == [[5.0], [20.0, 3.0, 5.0]]
    assert kept.batches[-1].backfill
    assert kept.events == []
    assert (pipeline.twin.live(0).value, pipeline.twin.live(0).source_time) == (5.0, HOUR)

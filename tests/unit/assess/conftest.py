from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from shoptwin.assess import Assessor, ModelShelf
from shoptwin.assess.progress import LearnRequest
from shoptwin.domain.assessment import Window
from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import ModelError
from shoptwin.domain.machine import Learning, Machine, MachineState
from shoptwin.domain.tag import Role, Tag, TagTable
from shoptwin.domain.timing import SECOND
from shoptwin.learn.run import run

EPOCH = 1_700_000_000 * SECOND


class Bench:
    """Some machines with the same tags, an Assessor, and windows made by hand; learning runs inline."""

    def __init__(self, learned, tags, *, machines=("m1",), until=None, span=10**18, models=True):
        made = [
            Machine(
                machine,
                tuple(Tag(f"{machine}.{n}", n, machine, Role(r), u) for n, r, u in tags),
                learning=Learning(until, span),
            )
            for machine in machines
        ]
        self.learned, self.machines, self.kept = learned, tuple(made), []
        self.table = TagTable(t for m in made for t in m.tags)
        self.shelf = ModelShelf() if models else None
        self.assessor = Assessor(self.table, made, self.shelf, learned)

    def restart(self):
        """A new process: nothing but the disk is left."""
        self.assessor = Assessor(self.table, self.machines, ModelShelf(), self.learned)

    def window(self, now, values, *, machine="m1", status=(), old=(), state=MachineState.UNKNOWN, maintenance=False):
        """`values`: name -> number, Waveform, or None for one that is not fresh; `status`: name -> code."""
        tags = np.array(self.table.of_machine(machine), np.int32)
        names = [self.table[int(t)].name for t in tags]
        status, old = dict(status), dict(old)
        waves = {int(t): values[n] for t, n in zip(tags, names, strict=True) if isinstance(values[n], Waveform)}
        numbers = [np.nan if isinstance(values[n], Waveform) or values[n] is None else values[n] for n in names]
        received = np.array([now - old.get(n, 0) for n in names], np.int64)
        return Window(
            machine, now, state, tags, np.array(numbers, float), np.array([status.get(n, 0) for n in names], np.uint32),
            received, received, waves,
            frozenset(int(t) for t, n in zip(tags, names, strict=True) if values[n] is not None and n not in old),
            maintenance,
        )  # fmt: skip

    def ask(self, now):
        """What the assessor would ask to learn if it had learned nothing; it remembers that it has."""
        [track] = self.assessor._tracks.values()
        track.asked = track.pointer
        return LearnRequest(track.machine, track.indicator, track.pointer.since, now)

    def learn(self, now):
        """Answer what the assessor asks to learn; returns the requests."""
        asked = self.assessor.requests(now)
        for request in asked:
            rows = [
                o
                for o in self.kept
                if (o.machine, o.indicator) == (request.machine, request.indicator)
                and request.since <= o.time < request.latest
            ]
            evidence = SimpleNamespace(
                time=np.array([o.time for o in rows]), names=rows[0].names,
                values=np.stack([o.values for o in rows]), state=[o.state.value for o in rows],
            )  # fmt: skip
            try:
                self.assessor.adopt(request, run(request, evidence, self.learned))
            except ModelError as error:
                self.assessor.declined(request, str(error))
        return asked

    def step(self, now, values, **more):
        """Assess one window, learning first where it is time; returns the assessments by indicator."""
        self.learn(now)
        judgement = self.assessor.assess([self.window(now, values, **more)])
        self.kept += judgement.observations
        return {a.indicator: a for a in judgement.assessments}


@pytest.fixture
def bench(tmp_path):
    """Return a maker of benches."""
    count = iter(range(100))

    def make(tags, **more):
        return Bench(tmp_path / f"learned{next(count)}", tags, **more)

    return make


@pytest.fixture
def epoch():
    """A time to start from."""
    return EPOCH


@pytest.fixture
def burst():
    """Return a maker of bursts of a rotating machine: 25.6 kHz, 2560 samples, louder by `gain`, with impacts."""

    def make(rng, *, gain=1.0, impacts=0.0, n=2560, rate=25_600.0):
        t = np.arange(n) / rate
        x = np.sin(2 * np.pi * 49 * t + rng.uniform(0, 6)) * 0.3 + rng.normal(size=n) * 0.2
        ring = np.exp(-np.arange(200) / 20) * np.sin(2 * np.pi * 3500 * np.arange(200) / rate)
        hits = np.zeros(n)
        hits[rng.integers(0, 150) :: 230] = 1
        return Waveform((gain * (x + impacts * np.convolve(hits, ring)[:n])).astype(np.float32), rate)

    return make

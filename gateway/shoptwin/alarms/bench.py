"""How fast the engine is, for `make bench`: steps a CPU second of what an alarm sees over its life."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time

from shoptwin.alarms.engine import step
from shoptwin.domain.alarm import Action, AlarmDef, AlarmState, Command, Condition, Tick


@dataclass(frozen=True, slots=True)
class StepRates:
    """Steps a CPU second."""

    mixed: float
    """Over a whole life: raise after a delay, 20 new values, acknowledge, clear after a delay, 20 quiet samples."""
    quiet: float
    """A sample that changes nothing."""
    standing: float
    """A new value of an alarm that stands."""


def step_rates(steps: int = 200_000) -> StepRates:
    """Measure for about `steps` steps each; takes about three seconds on a small box."""
    definition = AlarmDef("temp.hi", "press-3", "hi", on_delay=5, off_delay=5)
    normal = AlarmState(definition.key)
    quiet = Condition(definition.key, active=False, time=1)
    values = [Condition(definition.key, active=True, time=1, value=80.0 + i, text=f"temp {i}") for i in range(2)]
    life: list[Condition | Command | Tick] = [values[0], Tick(), *values * 10]
    life += [Command(definition.key, Action.ACKNOWLEDGE, "bench"), quiet, Tick(), *[quiet] * 20]
    raised = step(definition, step(definition, normal, values[0], 1)[0], Tick(), 10)[0]
    return StepRates(
        mixed=_rate(definition, normal, life, steps),
        quiet=_rate(definition, normal, [quiet], steps),
        standing=_rate(definition, raised, [*values], steps),
    )


def _rate(definition: AlarmDef, state: AlarmState, inputs: list[Condition | Command | Tick], steps: int) -> float:
    rounds, now = steps // len(inputs), 10
    start = process_time()  # not a time of the process that is watched: CPU spent here
    for _ in range(rounds):
        for given in inputs:
            now += 10
            state, _events = step(definition, state, given, now)
    return rounds * len(inputs) / (process_time() - start)

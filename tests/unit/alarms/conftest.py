"""A small plant of two machines, and an alarm that is driven step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shoptwin.alarms.engine import step
from shoptwin.domain.alarm import Action, AlarmDef, AlarmEvent, AlarmState, Command, Condition, Tick
from shoptwin.domain.device import Device
from shoptwin.domain.machine import Machine
from shoptwin.domain.tag import Limits, Role, Tag, TagTable
from shoptwin.domain.timing import SECOND
from shoptwin.domain.twin import TwinDelta

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Driven:
    """One alarm, its state so far, and what it announced."""

    definition: AlarmDef
    state: AlarmState
    events: list[AlarmEvent] = field(default_factory=list)

    def give(self, given: Condition | Command | Tick, now: int) -> list[str]:
        """Take one step; return the kinds of events that came of it."""
        self.state, events = step(self.definition, self.state, given, now)
        self.events += events
        return [event.kind.value for event in events]

    def true(self, now: int, *, value: float = 95.0, time: int | None = None) -> list[str]:
        """The condition is true."""
        return self.condition(True, now, value=value, time=time)

    def false(self, now: int, *, value: float = 70.0, time: int | None = None) -> list[str]:
        """The condition is false."""
        return self.condition(False, now, value=value, time=time)

    def condition(self, active: bool | None, now: int, *, value: float | None = None, time: int | None = None):
        """The condition is said to be true, false or unknown."""
        at = now if time is None else time
        return self.give(Condition(self.definition.key, active, at, value, 90.0, f"temp {value}"), now)

    def do(self, action: Action, now: int, by: str = "ann", reason: str = "") -> list[str]:
        """Somebody does something."""
        return self.give(Command(self.definition.key, action, by, reason), now)

    def tick(self, now: int) -> list[str]:
        """Time passes."""
        return self.give(Tick(), now)


@pytest.fixture
def drive() -> Callable[..., Driven]:
    """Return a maker of alarms to be driven; `on` and `off` are its delays in ns."""

    def make(on: int = 0, off: int = 0, condition: str = "hihi") -> Driven:
        definition = AlarmDef(f"temp.{condition}", "press-3", condition, on_delay=on, off_delay=off, unit="degC")
        return Driven(definition, AlarmState(definition.key))

    return make


@pytest.fixture
def machines() -> tuple[Machine, ...]:
    """Two machines: one with limits on each side, one with an ISO class and a key switch."""
    press = Machine("press-3", tags=(
        Tag("p-temp", "temp", "press-3", Role.TEMPERATURE, "degC", "plc1",
            limits=Limits(hihi=90, hi=80, lo=10, lolo=5, deadband=2, on_delay=3 * SECOND, off_delay=SECOND)),
        Tag("p-flow", "flow", "press-3", Role.FLOW, "l/min", "plc1", limits=Limits(lo=4)),
        Tag("p-count", "count", "press-3", Role.COUNT, "", "plc2"),
    ))  # fmt: skip
    pump = Machine("pump-1", iso20816="group2-rigid", maintenance_tag="key", tags=(
        Tag("u-vib", "vib", "pump-1", Role.VIBRATION, "mm/s", "plc2"),
        Tag("u-key", "key", "pump-1", Role.OTHER, "", "plc2"),
        Tag("u-temp", "temp", "pump-1", Role.TEMPERATURE, "degC", "plc2", limits=Limits(hi=60)),
    ))  # fmt: skip
    return press, pump


@pytest.fixture
def devices() -> tuple[Device, ...]:
    """The two devices that the machines' tags are read from."""
    return Device("plc1", "modbus", SECOND), Device("plc2", "opcua", SECOND)


@pytest.fixture
def table(machines: tuple[Machine, ...]) -> TagTable:
    """All tags of the machines."""
    return TagTable(tag for machine in machines for tag in machine.tags)


@pytest.fixture
def delta(table: TagTable) -> Callable[..., TwinDelta]:
    """Return a maker of deltas from rows of (tag id, time in ns, value[, status]), in the order given."""

    def make(*rows: tuple[object, ...]) -> TwinDelta:
        full = [(*row, 0)[:4] for row in rows]
        return TwinDelta(
            np.array([table.index(str(row[0])) for row in full], np.int32),
            np.array([row[2] for row in full], np.float64),
            np.array([row[3] for row in full], np.uint32),
            np.array([row[1] for row in full], np.int64),
        )

    return make

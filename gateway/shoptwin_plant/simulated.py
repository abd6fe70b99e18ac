"""What the simulated machines share: a grid of plant seconds, states, parts, faults and the sensors' own troubles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from shoptwin.sdk import ValueKind
from shoptwin_plant.clock import SECOND
from shoptwin_plant.faults import SWAPPED, Faults
from shoptwin_plant.model import PlantTag, Setup, Update
from shoptwin_plant.physics.life import Hall, Life
from shoptwin_plant.physics.noise import Noise, generator
from shoptwin_plant.physics.production import Habits, Schedule, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

UPDATES = 10
"""Moments served a real second at most, however fast the plant's clock runs."""
_SPIKES = 0.08
"""Share of the seconds in which a fully loose contact jumps."""
_CLIPPED = 0.6
"""Share of its range that a fully clipped sensor no longer shows."""
_STATE_CODES = {0: "off", 1: "off", 2: "idle", 3: "producing", 4: "down"}


class Simulated(ABC):
    """A machine that is stepped second by second; what it does depends on seed, life, faults and plant time alone.

    With a `stride` it is stepped so many seconds at once: quicker, and another history than second by second.
    """

    name: str
    tags: tuple[PlantTag, ...]
    setup: Setup
    supported: tuple[str, ...]
    sensors: ClassVar[Mapping[str, tuple[float, float]]]
    """Tags that a sensor fault can befall, the usual one first; each with the range it uses."""
    twins: ClassVar[Mapping[str, str]] = {}
    """Sensors that somebody can swap for one another."""
    habits = Habits()
    columns = 12
    """Independent random numbers a second."""

    def __init__(self, seed: int, epoch: int, rate: float = 1.0, life: Life | None = None, stride: int = 1) -> None:
        self.seed = seed
        self.epoch = epoch
        self.life = life or Life()
        self.stride = stride
        self.faults = Faults(self.supported, self.sensors, self.twins)
        self.schedule = Schedule(seed, self.name, self.habits, self.life)
        self.hall = Hall(seed, self.life)
        self.state = self.schedule.state(0)
        self.product = self.schedule.product(0)
        self._noise = Noise(seed, self.name, self.columns)
        self._second = -stride
        self._pace = max(1, round(rate / UPDATES))
        self._held: dict[str, float] = {}

    def advance(self, now: int) -> Iterator[tuple[Update, ...]]:
        """Step to `now`; yields one moment, the last whole second (or stride), where it is a new one."""
        last = (now - self.epoch) // SECOND // self.stride * self.stride
        if last <= self._second:
            return
        while self._second < last:
            self._second += self.stride
            self.state = self.schedule.state(self._second)
            self.product = self.schedule.product(self._second)
            now = self.epoch + self._second * SECOND
            self.step(self._second, now, self._noise.at(self._second // self.stride))
        yield tuple(self._measured(self.epoch + last * SECOND, self._noise.at(last // self.stride)))

    def due(self, now: int) -> int | None:
        """Return the next whole second, or a later one where the clock runs too fast to show each."""
        return self.epoch + max(self._second + 1, (now - self.epoch) // SECOND + self._pace) * SECOND

    @abstractmethod
    def step(self, second: int, now: int, normal: list[float]) -> None:
        """Go on to `second` after the start (plant time `now`, ns) by one stride, with new standard normal numbers."""

    @abstractmethod
    def values(self, normal: list[float]) -> dict[str, float]:
        """Return what the sensors would show, were they whole."""

    def bursts(self) -> tuple[Update, ...]:
        """Return values that have times of their own and are new: waveforms, and what is computed from them."""
        return ()

    def severity(self, fault: str, now: int) -> float:
        """Return how far a fault has grown, 0 to 1."""
        return self.faults.severity(fault, now)

    def burst_generator(self, second: int) -> np.random.Generator:
        """Return the randomness of one burst, the same whenever it is computed."""
        return generator(self.seed, self.name, "burst", second)

    def _measured(self, now: int, normal: list[float]) -> Iterator[Update]:
        """Yield the updates of this moment, with what is wrong with the sensors."""
        shown = self.values(normal)
        for fault in self.faults.of_sensors():
            if fault.tag in shown and fault.begin <= now:
                if fault.kind.name == SWAPPED:
                    other = self.twins[fault.tag]
                    shown[fault.tag], shown[other] = shown[other], shown[fault.tag]
                    continue
                shown[fault.tag] = self._spoilt(fault.kind.name, fault.tag, shown[fault.tag], fault.severity(now), now)
        self._held = {tag: value for tag, value in self._held.items() if self._stuck(tag)}
        kinds = {tag.name: tag.kind for tag in self.tags}
        for tag, value in shown.items():
            yield Update(tag, int(value) if kinds[tag] is ValueKind.U8 else value, now)
        yield from self.bursts()

    def _stuck(self, tag: str) -> bool:
        return any(fault.tag == tag and fault.kind.name == "sensor-stuck" for fault in self.faults.of_sensors())

    def _spoilt(self, fault: str, tag: str, value: float, severity: float, now: int) -> float:
        if fault == "sensor-stuck":
            return self._held.setdefault(tag, value)
        if fault == "sensor-drift":
            return value * (1 + 0.2 * severity)
        if fault == "sensor-clipped":
            low, high = self.sensors[tag]
            return min(value, high - _CLIPPED * severity * (high - low))
        luck, side = generator(self.seed, self.name, tag, (now - self.epoch) // SECOND).random(2)
        return value * (4.0 if side > 0.5 else -1.0) if luck < _SPIKES * severity else value  # noqa: PLR2004 - a coin


def state_codes() -> dict[int, str]:
    """Return what the state register means, in the words of the twin."""
    return dict(_STATE_CODES)


RUNNING = (State.PRODUCING, State.IDLE)
"""States in which the motor turns."""

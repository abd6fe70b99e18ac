"""The three simulated machines: a press on a rolling bearing, a spindle with a fan, a packer that seals bags."""

from __future__ import annotations

import math
from typing import ClassVar

from shoptwin.sdk import ValueKind
from shoptwin_plant.clock import SECOND
from shoptwin_plant.model import PlantTag, Setup, Update
from shoptwin_plant.physics import bearing
from shoptwin_plant.physics.noise import Wander
from shoptwin_plant.physics.production import Habits, State, reject_probability
from shoptwin_plant.physics.thermal import Thermal, ambient
from shoptwin_plant.simulated import RUNNING, Simulated, state_codes

_BURST_EVERY = 10
"""Plant seconds between two bursts of the accelerometer."""
_BURSTS = 4
"""Bursts a real second at most."""


class Press(Simulated):
    """`press-3`: a 30 kW motor at 1480 rpm; accelerometer and wireless vibration sensor on its drive-end bearing."""

    name = "press-3"
    supported = ("bearing-outer", "bearing-inner", "bearing-ball", "imbalance", "misalignment", "fan")
    sensors = ("motor_temp", "speed", "load", "power")
    habits = Habits(cycle=4.0)
    tags = (
        PlantTag("acc", "waveform", "g", ValueKind.WAVEFORM, bearing.RATE, bearing.SAMPLES),
        PlantTag("vib_velocity", "vibration", "mm/s"),
        PlantTag("vib_acc", "vibration", "g"),
        PlantTag("speed", "speed", "rpm"),
        PlantTag("load", "load", "%"),
        PlantTag("motor_temp", "temperature", "degC", limits={"hi": 95, "hihi": 110, "deadband": 2, "on_delay": "30s"}),
        PlantTag("ambient", "ambient", "degC"),
        PlantTag("power", "power", "kW"),
        PlantTag("strokes", "count", "", ValueKind.U8),
    )
    setup = Setup(iso20816="group2-rigid", power_off=2.0, power_idle=7.5)

    _thermal = Thermal(winding=9_000, housing=60_000, between=0.012, still=10, fan=40)

    def __init__(self, seed: int, epoch: int, rate: float = 1.0) -> None:
        super().__init__(seed, epoch, rate)
        self._every = max(1, math.ceil(rate / _BURSTS / _BURST_EVERY)) * _BURST_EVERY
        self._order = Wander(0.62, 0.05, 1200)
        self._load = 0.0
        self._ambient = ambient(epoch)
        self._temperature = self._thermal.steady(self._losses(0.62, True), self._ambient, 1.0)
        self._strokes = 0
        self._burst: tuple[int, bearing.Condition] | None = None

    @staticmethod
    def _losses(load: float, turning: bool) -> float:
        return 700 + 1500 * load**2 if turning else 0.0

    def step(self, second: int, now: int, normal: list[float]) -> None:
        """Go on by one second."""
        order = self._order.step(normal[0])
        self._load = order if self.state is State.PRODUCING else 0.08 if self.state is State.IDLE else 0.0
        self._ambient = ambient(now)
        air = 1 - 0.85 * self.severity("fan", now)
        turning = self.state in RUNNING
        self._temperature = self._thermal.step(
            self._temperature, self._losses(self._load, turning), self._ambient, air if turning else 0.0
        )
        self._strokes += len(self.schedule.parts(second - 1, second)[0])
        if second % self._every == 0:
            severities = [self.severity(fault, now) for fault in self.supported[:5]]
            speed = self._speed() / 60 if turning else 0.0
            self._burst = second, bearing.Condition(speed, self._load, *severities)

    def _speed(self) -> float:
        return 1497 - 25 * self._load if self.state in RUNNING else 0.0

    def _power(self) -> float:
        running = {State.OFF: 0.05, State.STANDBY: 0.9, State.DOWN: 1.1}
        return running.get(self.state, 4.6 + 24 * max(self._load - 0.08, 0.0))

    def values(self, normal: list[float]) -> dict[str, float]:
        """Return what the sensors show."""
        turning = self.state in RUNNING
        return {
            "speed": self._speed() + (0.6 * normal[1] if turning else 0.0),
            "load": max(0.0, 100 * self._load + (0.8 * normal[2] if turning else 0.0)),
            "motor_temp": self._temperature[0] + 0.1 * normal[3],
            "ambient": self._ambient + 0.1 * normal[4],
            "power": self._power() * (1 + 0.015 * normal[5]),
            "strokes": self._strokes,
        }

    def bursts(self) -> tuple[Update, ...]:
        """Return the newest burst and the levels that a wireless sensor computes from it."""
        if self._burst is None:
            return ()
        second, condition = self._burst
        self._burst = None
        samples = bearing.waveform(condition, self.burst_generator(second))
        time = self.epoch + second * SECOND
        return (
            Update("vib_velocity", bearing.velocity_rms(samples, bearing.RATE), time),
            Update("vib_acc", bearing.acceleration_rms(samples), time),
            Update("acc", samples.tolist(), time),
        )


class Mill(Simulated):
    """`mill-5`: a milling spindle that a fan cools."""

    name = "mill-5"
    supported = ("fan",)
    sensors = ("spindle_temp", "housing_temp", "ambient", "power", "load", "fan_current")
    habits = Habits(cycle=90.0, spread=0.06)
    tags = (
        PlantTag(
            "spindle_temp", "temperature", "degC", limits={"hi": 75, "hihi": 90, "deadband": 2, "on_delay": "30s"}
        ),
        PlantTag("housing_temp", "temperature", "degC"),
        PlantTag("ambient", "ambient", "degC"),
        PlantTag("power", "power", "kW"),
        PlantTag("load", "load", "%"),
        PlantTag("fan_current", "current", "A"),
        PlantTag("parts", "count", "", ValueKind.U8),
    )
    setup = Setup(power_off=1.0, power_idle=3.5)

    thermal = Thermal()

    def __init__(self, seed: int, epoch: int, rate: float = 1.0) -> None:
        super().__init__(seed, epoch, rate)
        self._cut = Wander(0.6, 0.08, 600)
        self._load = 0.0
        self._air = 1.0
        self._ambient = ambient(epoch)
        self._temperature = self.thermal.steady(self._losses(), self._ambient, 1.0)
        self._parts = 0

    def _losses(self) -> float:
        """Return the heat of the spindle in W: friction while it turns, and what the load adds."""
        return {State.PRODUCING: 280 + 850 * self._cut.value**2, State.IDLE: 280.0}.get(self.state, 0.0)

    def step(self, second: int, now: int, normal: list[float]) -> None:
        """Go on by one second."""
        cut = self._cut.step(normal[0])
        self._load = cut if self.state is State.PRODUCING else 0.0
        self._ambient = ambient(now)
        self._air = (1 - 0.85 * self.severity("fan", now)) if self.state in RUNNING else 0.0
        self._temperature = self.thermal.step(self._temperature, self._losses(), self._ambient, self._air)
        self._parts += len(self.schedule.parts(second - 1, second)[0])

    def values(self, normal: list[float]) -> dict[str, float]:
        """Return what the sensors show."""
        turning = self.state in RUNNING
        power = {State.OFF: 0.03, State.STANDBY: 0.5, State.DOWN: 0.7, State.IDLE: 2.2}
        return {
            "spindle_temp": self._temperature[0] + 0.08 * normal[1],
            "housing_temp": self._temperature[1] + 0.08 * normal[2],
            "ambient": self._ambient + 0.1 * normal[3],
            "power": power.get(self.state, 2.6 + 8 * self._load) * (1 + 0.015 * normal[4]),
            "load": max(0.0, 100 * self._load + (0.8 * normal[5] if turning else 0.0)),
            # a clogged fan moves less air and so needs less: the current falls by a tenth of what the air does
            "fan_current": (0.9 + 0.1 * self._air) * 1.8 + 0.02 * normal[6] if turning else 0.0,
            "parts": self._parts,
        }


class Packer(Simulated):
    """`packer-2`: fills and seals bags; a bag is bad when heat or pressure of the seal were off."""

    name = "packer-2"
    supported = ("heater", "leak", "more-rejects")
    sensors = ("seal_temp", "pressure", "power")
    habits = Habits(cycle=1.5, spread=0.05, stop_every=2 * 3600, stop=180)
    tags = (
        PlantTag("count", "count", "", ValueKind.U8),
        PlantTag("rejects", "reject", "", ValueKind.U8),
        PlantTag("state", "state", "", ValueKind.U8),
        PlantTag("power", "power", "kW"),
        PlantTag("seal_temp", "temperature", "degC"),
        PlantTag("seal_setpoint", "setpoint", "degC"),
        PlantTag("pressure", "pressure", "bar", limits={"lo": 5.2, "lolo": 4.8, "deadband": 0.1, "on_delay": "20s"}),
    )
    setup = Setup(states=state_codes())

    setpoint: ClassVar[float] = 165.0
    _tolerable: ClassVar[tuple[float, float]] = (6.0, 0.45)
    """Deviations of temperature (K) and pressure (bar) at which the odds of a bad bag have grown by e."""

    def __init__(self, seed: int, epoch: int, rate: float = 1.0) -> None:
        super().__init__(seed, epoch, rate)
        self._heat = Wander(0.0, 1.2, 90)
        self._air = Wander(6.0, 0.06, 60)
        self._temperature = self.setpoint
        self._pressure = 6.0
        self._leak = 0.0
        self._count = 0
        self._rejects = 0

    def step(self, second: int, now: int, normal: list[float]) -> None:
        """Go on by one second."""
        self._leak = self.severity("leak", now)
        wander, air = self._heat.step(normal[0]), self._air.step(normal[1])
        hot = self.state not in {State.OFF, State.STANDBY}
        target = self.setpoint + wander - 25 * self.severity("heater", now) if hot else 60.0
        self._temperature += (target - self._temperature) / 60
        self._pressure = 0.0 if self.state is State.OFF else air - 1.3 * self._leak
        self._make(second, 4.0 * self.severity("more-rejects", now))

    def _make(self, second: int, extra: float) -> None:
        """Count the bags of the last second, and the bad ones."""
        parts, luck = self.schedule.parts(second - 1, second)
        if len(parts):
            heat = (self._temperature - self.setpoint) / self._tolerable[0]
            pressure = (self._pressure - 6.0) / self._tolerable[1]
            self._count += len(parts)
            self._rejects += int((luck < reject_probability(heat, pressure, extra)).sum())

    def values(self, normal: list[float]) -> dict[str, float]:
        """Return what the sensors show."""
        power = {State.OFF: 0.02, State.STANDBY: 0.4, State.DOWN: 1.1, State.IDLE: 1.6, State.PRODUCING: 4.2}
        compressor = 1.4 * self._leak if self.state is not State.OFF else 0.0
        return {
            "count": self._count,
            "rejects": self._rejects,
            "state": int(self.state),
            "power": (power[self.state] + compressor) * (1 + 0.02 * normal[2]),
            "seal_temp": self._temperature + 0.15 * normal[3],
            "seal_setpoint": self.setpoint,
            "pressure": max(0.0, self._pressure + 0.02 * normal[4]),
        }


def simulated(seed: int, epoch: int, rate: float) -> tuple[Simulated, ...]:
    """Return the three machines as they are when the plant starts."""
    return Press(seed, epoch, rate), Mill(seed, epoch, rate), Packer(seed, epoch, rate)
